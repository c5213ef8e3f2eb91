"""What a picture of a report is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure with the words that belong to it.

    Attributes
    ----------
    section : {"models", "ablation", "labels", "mistakes", "nuisance", "maps", "training"}
        Where it stands in the page.
    name : str
        File name without extension.
    title, caption : str
        Above and under the figure; plain text.
    figure : Figure
        To be saved.
    """

    section: str
    name: str
    title: str
    caption: str
    figure: Figure


def interval_words(evaluation: dict[str, Any]) -> str:
    """Say how the intervals of a picture came about.

    Parameters
    ----------
    evaluation : dict
        From `reports.evaluation.evaluate`.

    Returns
    -------
    str
        A sentence for the caption.
    """
    if not evaluation["bootstrap"]["n_boot"]:
        return "No intervals: there are too few groups."
    return (
        f"Lines are 95 % intervals from {evaluation['bootstrap']['n_boot']:,} bootstrap "
        f"replicates of {evaluation['counts']['groups']:,} groups."
    )
