"""How well calibrated scores are, as cards and ``metrics.json`` hold it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reports.metrics.reliability import brier, cell_ece, reliability_bins, top_label_ece
from reports.significance import Estimate, as_leaves, estimate, without_bias


def describe_reliability(
    truth: ArrayLike, scores: ArrayLike, *, task: str, weights: np.ndarray | None = None
) -> dict[str, Any]:
    """Return how far probabilities are what they say.

    Parameters
    ----------
    truth : array of shape (n_samples, n_labels)
        1, 0, or -1 for unknown.
    scores : array of shape (n_samples, n_labels)
        Probabilities.
    task : {"single-label", "multi-label"}
        Whether each row's highest score is judged, or every known cell.
    weights : array of shape (n_boot, n_samples), optional
        Replicates from `reports.significance.group_bootstrap_weights`, for intervals.

    Returns
    -------
    dict
        JSON-able: leaves ``brier`` and ``ece``, and ``bins``, ascending, each with ``score`` (mean
        probability), ``share`` (how many were true), its interval ``low`` and ``high``, and ``n``.
    """
    alone = task == "single-label"
    bins = reliability_bins(truth, scores, top_label=alone)
    drawn = None
    if weights is not None:
        drawn = reliability_bins(truth, scores, top_label=alone, weights=weights).share
    shares = as_leaves(Estimate(bins.share, drawn))
    errors = estimate(top_label_ece if alone else cell_ece, truth, scores, weights=weights)
    return {
        "brier": as_leaves(estimate(brier, truth, scores, weights=weights))[0],
        "ece": as_leaves(without_bias(errors))[0],
        "bins": [
            {
                "score": float(score),
                "share": leaf["value"],
                "low": leaf["low"],
                "high": leaf["high"],
                "n": int(n),
            }
            for score, leaf, n in zip(bins.score, shares, bins.n, strict=True)
            if n
        ],
    }
