"""A split label in plain sentences: how many clips were decided, by which rule, how right."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ensemble.labels.split_cuts import MIN_DECIDED_GROUPS


def describe_split(
    label: str,
    into: Sequence[str],
    counts: Mapping[str, int],
    rules: pd.DataFrame,
    *,
    precision: float,
) -> list[str]:
    """Say what was decided, and how far to trust it.

    Parameters
    ----------
    label : str
        The coarse label.
    into : sequence of str
        The finer ones.
    counts : mapping
        As of `ensemble.labels.splitting.LabelSplit`.
    rules : pd.DataFrame
        As there.
    precision : float
        Wanted share of right decisions.

    Returns
    -------
    list of str
        What was decided first.
    """
    shared = ", ".join(f"{counts[name]:,} {name}" for name in into)
    sentences = [
        f"{counts['decided']:,} of {counts['clips']:,} clips with {label!r} are decided: {shared}. "
        f"In the other {counts['undecided']:,} {' and '.join(into)} are unknown."
    ]
    if counts["unreadable"]:
        sentences.append(f"{counts['unreadable']:,} of these could not be read.")
    for row in rules.to_dict("records"):
        sentences.append(_describe_rule(row, precision))
    sentences.append(
        "That was measured in the corpus of the bundle, out of fold. Another corpus sounds "
        "otherwise, and with more instruments at once fewer decisions are right: listen to some of "
        "each before you train on them."
    )
    return sentences


def _describe_rule(row: Mapping[Hashable, Any], precision: float) -> str:
    if not np.isfinite(row["present_from"]):
        return (
            f"{row['label']} is never decided: no cut was right in {100 * precision:g} % of its "
            f"decisions over {MIN_DECIDED_GROUPS} groups or more, on folds of their own."
        )
    sure = "too few groups for an interval"
    if np.isfinite(row["present_low"]):
        sure = f"95 % interval {100 * row['present_low']:.1f} to {100 * row['present_high']:.1f} %"
    return (
        f"{row['label']} is decided from a probability of {row['present_from']:.3f} on, which is "
        f"right in {100 * row['present_precision']:.1f} % of such clips ({sure}, "
        f"{row['present_groups']} groups)."
    )
