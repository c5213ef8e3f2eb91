"""Scores of the order of clips within a label; conventions as in `reports.metrics`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reports.metrics.weighted import check_pair, check_weights, defined_mean, ratio

# Replicates handled together when ranking: a block of weights stays in the processor's cache.
_BLOCK = 64


def ranking_areas(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return `average_precision` and `roc_auc`, per label, from one pass over the ranking.

    Parameters
    ----------
    truth, scores, weights : array
        As in `average_precision`.

    Returns
    -------
    average_precision, roc_auc : array of shape (n_labels,) or (n_boot, n_labels)
        Both areas.
    """
    truth, scores = check_pair(truth, scores)
    stack, unstack = check_weights(weights, len(truth))
    areas = np.empty((2, len(stack), truth.shape[1]))
    for label in range(truth.shape[1]):
        known = np.flatnonzero(truth[:, label] >= 0)
        # A stable order makes sums of fractional weights the same on every machine.
        order = known[np.argsort(-scores[known, label], kind="stable")]
        positive = np.flatnonzero(truth[order, label] == 1)
        ranked = -scores[order, label]
        ties = [np.searchsorted(ranked, ranked[positive], side=side) for side in ("left", "right")]
        for block in range(0, len(stack), _BLOCK):
            rows = slice(block, block + _BLOCK)
            areas[:, rows, label] = _ranking_areas_1d(positive, ties, stack[rows][:, order])
    return unstack(areas[0]), unstack(areas[1])


def average_precision(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the area under the precision-recall steps, per label.

    Parameters
    ----------
    truth : array of shape (n_samples, n_labels)
        1, 0, or -1 for unknown.
    scores : array of shape (n_samples, n_labels)
        Higher means more likely; only their order within a label counts.
    weights : array of shape (n_samples,) or (n_boot, n_samples), optional
        How often each row counts.

    Returns
    -------
    array of shape (n_labels,) or (n_boot, n_labels)
        AP = sum_k (R_k - R_{k-1}) P_k over distinct scores; NaN without a positive row.
    """
    return ranking_areas(truth, scores, weights=weights)[0]


def roc_auc(truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> np.ndarray:
    """Return the chance that a positive row is scored above a negative one, per label.

    Parameters
    ----------
    truth, scores, weights : array
        As in `average_precision`.

    Returns
    -------
    array of shape (n_labels,) or (n_boot, n_labels)
        Area under the ROC curve, ties counting half; NaN without a positive or a negative row.
    """
    return ranking_areas(truth, scores, weights=weights)[1]


def mean_average_precision(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the mean `average_precision` of the labels that have a positive row.

    Parameters
    ----------
    truth, scores, weights : array
        As in `average_precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Mean average precision (mAP).
    """
    return defined_mean(average_precision(truth, scores, weights=weights))


def macro_roc_auc(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the mean `roc_auc` of the labels where it is defined.

    Parameters
    ----------
    truth, scores, weights : array
        As in `average_precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Macro area under the ROC curve.
    """
    return defined_mean(roc_auc(truth, scores, weights=weights))


def _cumulative(weights: np.ndarray) -> np.ndarray:
    # One column more than rows: column k is the weight of the first k rows.
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums


def _ranking_areas_1d(
    positive: np.ndarray, ties: list[np.ndarray], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    own = weights[:, positive]
    found, retrieved = _cumulative(own), _cumulative(weights)
    n_negative = retrieved[:, -1] - found[:, -1]
    # Weight of the positives, and of all rows, above each positive: without its ties, and with.
    hits = [found[:, np.searchsorted(positive, tie)] for tie in ties]
    above = [retrieved[:, tie] for tie in ties]
    at_rank = np.divide(hits[1], above[1], out=np.zeros_like(own), where=above[1] > 0)
    false_alarms = (above[0] - hits[0] + above[1] - hits[1]) / 2
    pairs = (own * (n_negative[:, None] - false_alarms)).sum(axis=1)
    n_positive = own.sum(axis=1)
    return ratio((own * at_rank).sum(axis=1), n_positive), ratio(pairs, n_positive * n_negative)
