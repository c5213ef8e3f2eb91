"""The audit of labels in plain sentences: what was found, and how sure one may be."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.significance import MIN_GROUPS

# A model that ranks fewer pairs of clips rightly hardly knows a label, so it cannot doubt it.
MIN_ROC_AUC = 0.8

# More names than these in a sentence are not read.
MAX_NAMED = 5


def reason_words(
    truth: np.ndarray, scores: np.ndarray, cells: np.ndarray, classes: Sequence[str]
) -> str:
    """Say what speaks against a clip's labels.

    Parameters
    ----------
    truth, scores : np.ndarray of shape (n_labels,)
        Given labels and out-of-fold probabilities.
    cells : np.ndarray of shape (n_labels,), bool
        Those that are suspect.
    classes : sequence of str
        The labels.

    Returns
    -------
    str
        The least confident first.

    Examples
    --------
    >>> reason_words(np.array([1, 0]), np.array([0.02, 0.97]), np.array([True, True]), ["x", "y"])
    'x is given at 0.02, y is missing at 0.97'
    """
    confidence = np.where(truth == 1, scores, 1.0 - scores)
    order = sorted(np.flatnonzero(cells).tolist(), key=lambda label: (confidence[label], label))
    return ", ".join(
        f"{classes[label]} is {'given' if truth[label] == 1 else 'missing'} at {scores[label]:.2f}"
        for label in order
    )


def describe_audit(
    counts: Mapping[str, int], rates: pd.DataFrame, *, task: str, model: str
) -> list[str]:
    """Say what an audit found.

    Parameters
    ----------
    counts : mapping
        As of `ensemble.labels.audit.LabelAudit`.
    rates : pd.DataFrame
        From `ensemble.labels.rates.estimate_rates`.
    task : str
        ``"single-label"`` or ``"multi-label"``.
    model : str
        Whose probabilities were taken.

    Returns
    -------
    list of str
        The verdict first.
    """
    who = "the stack" if model == "stack" else model
    multilabel = task == "multi-label"
    if not counts["suspects"]:
        found = [
            f"None of {counts['clips']:,} clips has a label that {who}, which never saw it, "
            "confidently contradicts."
        ]
    else:
        found = [
            _describe_found(counts, who, multilabel=multilabel),
            "A suspect is no proof: a rare way of playing or a mistake of the model looks the same "
            "as a wrong label. Only ears can tell: listen before you change one.",
            *_describe_labels(rates),
        ]
    power = _describe_power(counts, rates, multilabel=multilabel)
    return [*found, power, *_describe_limits(counts, rates)]


def _describe_found(counts: Mapping[str, int], who: str, *, multilabel: bool) -> str:
    share = _percent(counts["suspects"] / counts["clips"])
    found = (
        f"{counts['suspects']:,} of {counts['clips']:,} clips ({share}) have labels that {who}, "
        "which never saw them, confidently contradicts"
    )
    if not multilabel:
        return f"{found}."
    wrong, missing = counts["wrong"], counts["missing"]
    return f"{found}: {wrong:,} likely wrong and {missing:,} likely missing labels."


def _describe_power(counts: Mapping[str, int], rates: pd.DataFrame, *, multilabel: bool) -> str:
    """Say what share of mistakes the audit would notice, over all labels."""
    weights = rates["clips"].to_numpy(float)
    missing = 100 * _weighted(rates["missing_found"], weights)
    fewer = "of mistakes with a system, which a model learns too, fewer."
    if not multilabel:
        return f"Of labels changed at random about {missing:.0f} % would be noticed; {fewer}"
    wrong = 100 * _weighted(rates["wrong_found"], counts["clips"] - weights)
    return (
        f"Of presences left out at random about {missing:.0f} % would be noticed, of presences "
        f"added at random about {wrong:.0f} %; {fewer}"
    )


def _weighted(values: pd.Series, weights: np.ndarray) -> float:
    defined = values.notna().to_numpy() & (weights > 0)
    return float(np.average(values[defined], weights=weights[defined])) if defined.any() else 0.0


def _describe_labels(rates: pd.DataFrame) -> list[str]:
    """Name the labels that are most often given wrongly, and those most often missing."""
    sentences = []
    for kind, words in (("wrong", "likely given wrongly"), ("missing", "likely left out")):
        worst = rates[rates[kind] > 0].sort_values(f"{kind}_share", ascending=False)
        named = [_rate_words(row, kind) for row in worst.head(3).to_dict("records")]
        if named:
            sentences.append(f"Most often {words}: {'; '.join(named)}.")
    return sentences


def _rate_words(row: Mapping[Hashable, Any], kind: str) -> str:
    low, high = row[f"{kind}_low"], row[f"{kind}_high"]
    sure = "too few groups to say"
    if np.isfinite(low):
        sure = f"95 % interval {100 * low:.1f} to {_percent(high)}"
    return f"{row['label']} {_percent(row[f'{kind}_share'])} ({sure})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _describe_limits(counts: Mapping[str, int], rates: pd.DataFrame) -> list[str]:
    sentences = []
    weak = rates[~(rates["roc_auc"] >= MIN_ROC_AUC)]
    if len(weak):
        shown = ", ".join(weak["label"].head(MAX_NAMED))
        more = f" and {len(weak) - MAX_NAMED} more" if len(weak) > MAX_NAMED else ""
        sentences.append(
            f"The model hardly tells {shown}{more} (ROC area below {MIN_ROC_AUC:g}, or "
            "undefined): what it says of these labels is worth little."
        )
    if counts["groups"] < MIN_GROUPS:
        sentences.append(
            f"{counts['groups']} groups are too few for intervals of the rates, which need "
            f"{MIN_GROUPS}."
        )
    if counts["unknown"]:
        sentences.append(
            f"{counts['unknown']:,} unknown labels were left out: nobody claimed anything."
        )
    return sentences
