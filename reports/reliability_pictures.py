"""Whether the stack's probabilities can be read as frequencies, in pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reports.picture import Picture, interval_words
from reports.results import Results


def picture_reliability(evaluation: dict[str, Any]) -> Picture:
    """Show whether the stack's probabilities are what they say.

    Parameters
    ----------
    evaluation : dict
        From `reports.evaluation.evaluate`.

    Returns
    -------
    Picture
        Of the evaluated clips.
    """
    from reports.plots.calibration import plot_reliability

    return Picture(
        "labels",
        "reliability",
        "Whether the stack's probabilities are what they say",
        f"{_judged_words(evaluation['task'])} {interval_words(evaluation)} "
        f"All in all: {_error_words(evaluation['models']['stack'])}",
        plot_reliability({"stack": evaluation["reliability"]}, what=_counted(evaluation["task"])),
    )


def picture_calibration(results: Results) -> Iterator[Picture]:
    """Show what calibration changed, if the card tells of one.

    Parameters
    ----------
    results : Results
        With ``calibration`` in its card, as of `describe_reliability` before and after.

    Yields
    ------
    Picture
        One, or none.
    """
    from reports.plots.calibration import plot_reliability

    card = results.card.get("calibration")
    if not card or card["method"] == "none":
        return
    yield Picture(
        "labels",
        "calibration",
        f"The stack's probabilities before and after calibration ({card['method']})",
        f"{_judged_words(results.task)} Each clip's probability was calibrated without its own "
        f"fold, on {card['rows']:,} clips of {card['groups']:,} groups. Before: "
        f"{_error_words(card['before'])} After: {_error_words(card['after'])}",
        plot_reliability(
            {"before": card["before"]["bins"], f"after ({card['method']})": card["after"]["bins"]},
            what=_counted(results.task),
        ),
    )


def _judged_words(task: str) -> str:
    judged = "each clip's highest probability"
    if task == "multi-label":
        judged = "the probabilities of all labels that were annotated"
    return (
        f"Of {judged}, in bins of about equal number: the share that was right against what was "
        "said. Below the diagonal the stack is too sure, above it not sure enough."
    )


def _counted(task: str) -> str:
    return "clips" if task == "single-label" else "labels of clips"


def _error_words(leaves: Mapping[str, Any]) -> str:
    words = []
    for name, title in (("ece", "expected calibration error"), ("brier", "Brier score")):
        if (leaf := leaves.get(name)) is None or leaf["value"] is None:
            continue
        text = f"{title} {leaf['value']:.3f}"
        if leaf["low"] is not None:
            text += f" ({leaf['low']:.3f} to {leaf['high']:.3f})"
        words.append(text)
    return f"{', '.join(words)}." if words else ""
