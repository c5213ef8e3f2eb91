"""An ablation in a report: what each member and each view adds to the stack.

Conventions: an ablation is what the results' card holds under ``ablation``, optional, JSON:
``metrics`` (names, the headline first), ``rows``, ``groups``, ``folds``, ``stack`` ({metric:
leaf}), ``reproduced``, ``parts`` and ``alone`` (lists of ``part``, ``kind`` ("member" or "view"),
``without`` ({metric: leaf}) and ``gain`` ({metric: {"value", "low", "high", "share_above"}}) of the
stack over it), and ``sentences``. A gain is positive where the stack is better with the part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from reports.picture import Picture

if TYPE_CHECKING:
    from reports.results import Results


def ablation_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row for the stack, each stack without a part, and each member alone.

    Parameters
    ----------
    found : mapping
        A sound ablation.

    Returns
    -------
    DataFrame
        ``model`` ("stack", "without <part>", "<part> alone"), ``kind`` (empty for the stack), then
        for each metric ``<metric>``, ``<metric>_low``, ``<metric>_high`` of the model and
        ``<metric>_gain``, ``<metric>_gain_low``, ``<metric>_gain_high`` of the stack over it.
    """
    rows: list[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("stack", "", found["stack"], {})
    ]
    for part in found["parts"]:
        rows.append((f"without {part['part']}", part["kind"], part["without"], part["gain"]))
    for part in found["alone"]:
        rows.append((f"{part['part']} alone", part["kind"], part["without"], part["gain"]))
    records = []
    for model, kind, scores, gains in rows:
        record: dict[str, Any] = {"model": model, "kind": kind}
        for metric in found["metrics"]:
            for name, leaf in ((metric, scores[metric]), (f"{metric}_gain", gains.get(metric, {}))):
                record[name] = leaf.get("value")
                record[f"{name}_low"], record[f"{name}_high"] = leaf.get("low"), leaf.get("high")
        records.append(record)
    table = pd.DataFrame(records)
    return table.astype({name: float for name in table.columns if name not in ("model", "kind")})


def picture_ablation(results: Results) -> Iterator[Picture]:
    """Show what each part adds, if the card tells of it.

    Parameters
    ----------
    results : Results
        With ``ablation`` in its card.

    Yields
    ------
    Picture
        One, or none.
    """
    from reports.plots.ablation import plot_ablation

    found = results.card.get("ablation")
    if not found or not found["parts"]:
        return
    lines = "Lines are 95 % intervals of the paired difference, bootstrap by group: where one "
    lines += "reaches 0, the part may add nothing."
    if all(part["gain"][found["metrics"][0]]["low"] is None for part in found["parts"]):
        lines = "No intervals: there are too few groups."
    yield Picture(
        "ablation",
        "ablation",
        "What each part adds to the stack",
        "The score of the stack minus that of a stack without the part, its final estimator fitted "
        f"again, on out-of-fold scores. {lines}",
        cast("Any", plot_ablation(found).figure),
    )
