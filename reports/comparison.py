"""Models side by side: what the stack gains over its best member and over the plain average."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reports.metrics.decisions import micro_f1
from reports.metrics.named import METRICS
from reports.results import REFERENCE_MODELS
from reports.significance import (
    MIN_GROUPS,
    Estimate,
    Metric,
    as_json,
    describe_gain,
    paired_difference,
)


def compare_models(
    estimates: Mapping[str, Estimate],
    truth: np.ndarray,
    decisions: Mapping[str, np.ndarray],
    *,
    metric: str,
    groups: np.ndarray,
) -> dict[str, Any]:
    """Return what the stack gains, in numbers and words.

    Parameters
    ----------
    estimates : mapping of str to Estimate
        By model: one number each, estimated on the same replicates.
    truth : np.ndarray of shape (n_samples, n_labels)
        1, 0 or -1.
    decisions : mapping of str to np.ndarray of shape (n_samples, n_labels)
        By model.
    metric : str
        What was estimated, one of `reports.metrics.METRICS`.
    groups : np.ndarray of shape (n_samples,)
        Group of each row.

    Returns
    -------
    dict
        ``metric``, ``n_groups``, ``best_member`` (by the metric), ``stack_vs_best_member`` and
        ``stack_vs_average``, each the `Difference` (a positive one is a gain, whichever end of the
        scale is the good one) with a ``sentence``, and with few groups each group's micro F1
        (``groups``).
    """
    named = METRICS[metric]
    sign = -1.0 if named.lower_is_better else 1.0
    n_groups = len(np.unique(groups))
    members = [name for name in estimates if name not in REFERENCE_MODELS]
    best = max(members, key=lambda name: _rank(estimates[name], sign), default=None)
    rivals = {
        "stack_vs_best_member": (best, f"its best member ({best})"),
        "stack_vs_average": ("average", "the plain average of the members"),
    }
    answer: dict[str, Any] = {"metric": metric, "n_groups": n_groups, "best_member": best}
    for key, (rival, words) in rivals.items():
        # Beside one member alone the average says the same again.
        if rival is None or rival not in estimates or (rival == "average" and len(members) == 1):
            continue
        pair = (estimates["stack"], estimates[rival])
        gain = paired_difference(*(pair[::-1] if named.lower_is_better else pair))
        sentence = describe_gain(
            gain,
            first="the stack",
            second=words,
            metric=named.words,
            n_groups=n_groups,
            lower_is_better=named.lower_is_better,
        )
        numbers = {name: as_json(number) for name, number in vars(gain).items()}
        answer[key] = {**numbers, "sentence": sentence}
    if n_groups < MIN_GROUPS:
        answer["groups"] = {
            # Micro F1, because a single group seldom holds every label, which macro F1 wants.
            name: {
                group: as_json(score)
                for group, score in group_scores(micro_f1, truth, decided, groups=groups).items()
            }
            for name, decided in decisions.items()
        }
    return answer


def group_scores(
    metric: Metric, truth: ArrayLike, predicted: ArrayLike, *, groups: ArrayLike
) -> dict[str, float]:
    """Return a metric of each group alone, for samples with too few groups for an interval.

    Parameters
    ----------
    metric : callable
        A function of `reports.metrics` that gives one number.
    truth, predicted : array of shape (n_samples, n_labels)
        Truth, and decisions or scores.
    groups : array-like of shape (n_samples,)
        Group of each row.

    Returns
    -------
    dict of str to float
        Score of each group, by name.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    names = np.asarray(groups).astype(str)
    return {
        name: float(metric(truth[names == name], predicted[names == name]))
        for name in sorted(set(names.tolist()), key=_natural_order)
    }


def _rank(given: Estimate, sign: float) -> float:
    return float(np.nan_to_num(sign * given.value, nan=-np.inf))


def _natural_order(name: str) -> list[tuple[int, str]]:
    # So that song 10 comes after song 9.
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
