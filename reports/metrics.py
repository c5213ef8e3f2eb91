"""Scores of decisions and probabilities against the truth, as pure functions of arrays.

Conventions
-----------
Truth, decisions and scores have the shape (n_samples, n_labels). Truth is 1, 0 or -1; cells of -1
(never annotated) are ignored, also inside a row's own score. One-hot rows mean single-label.

``weights`` count how often each row stands in the sample: None for once each, one vector of shape
(n_samples,), or, for a bootstrap, (n_boot, n_samples), which adds a leading axis to the answer.

What is undefined is NaN, never a made-up number: everything about a label without a positive row,
precision where nothing was decided. Averages over labels (macro) are over the defined ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

# Replicates handled together when ranking: a block of weights stays in the processor's cache.
_BLOCK = 64


def precision(
    truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the share of right decisions among those made, per label.

    Parameters
    ----------
    truth : array of shape (n_samples, n_labels)
        1, 0, or -1 for unknown.
    decisions : array of shape (n_samples, n_labels)
        1 or 0.
    weights : array of shape (n_samples,) or (n_boot, n_samples), optional
        How often each row counts.

    Returns
    -------
    array of shape (n_labels,) or (n_boot, n_labels)
        Precision = hits / decided; NaN without a decision or without a positive row.

    Examples
    --------
    >>> precision([[1, 0], [0, 1], [1, 0]], [[1, 1], [0, 1], [0, 0]])
    array([1. , 0.5])
    """
    hits, decided, positive, unstack = _counts(truth, decisions, weights)
    return unstack(np.where(positive > 0, _ratio(hits, decided), np.nan))


def recall(
    truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the share of positive rows that were found, per label.

    Parameters
    ----------
    truth, decisions, weights : array
        As in `precision`.

    Returns
    -------
    array of shape (n_labels,) or (n_boot, n_labels)
        Recall = hits / positive rows; NaN without a positive row.
    """
    hits, _, positive, unstack = _counts(truth, decisions, weights)
    return unstack(_ratio(hits, positive))


def f1(truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None) -> np.ndarray:
    """Return the harmonic mean of precision and recall, per label.

    Parameters
    ----------
    truth, decisions, weights : array
        As in `precision`.

    Returns
    -------
    array of shape (n_labels,) or (n_boot, n_labels)
        F1 = 2 hits / (decided + positive rows); NaN without a positive row.
    """
    hits, decided, positive, unstack = _counts(truth, decisions, weights)
    return unstack(np.where(positive > 0, _ratio(2 * hits, decided + positive), np.nan))


def macro_f1(
    truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the mean F1 of the labels that have a positive row: every label counts the same.

    Parameters
    ----------
    truth, decisions, weights : array
        As in `precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Macro F1.

    Examples
    --------
    >>> float(macro_f1([[1, 0], [0, 1]], [[1, 0], [0, 1]]))
    1.0
    """
    return defined_mean(f1(truth, decisions, weights=weights))


def micro_precision(
    truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the share of right decisions among all that were made.

    Parameters
    ----------
    truth, decisions, weights : array
        As in `precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Micro precision; NaN where nothing was decided.
    """
    hits, decided, _, unstack = _counts(truth, decisions, weights)
    return unstack(_ratio(hits.sum(axis=1), decided.sum(axis=1)))


def micro_recall(
    truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the share of all true labels that were found.

    Parameters
    ----------
    truth, decisions, weights : array
        As in `precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Micro recall; NaN where there is nothing to find.
    """
    hits, _, positive, unstack = _counts(truth, decisions, weights)
    return unstack(_ratio(hits.sum(axis=1), positive.sum(axis=1)))


def micro_f1(
    truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return F1 of all cells pooled: every annotation counts the same.

    Parameters
    ----------
    truth, decisions, weights : array
        As in `precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Micro F1, which is accuracy where every row has one label; NaN where there is nothing to
        find and nothing was decided.
    """
    hits, decided, positive, unstack = _counts(truth, decisions, weights)
    return unstack(_ratio(2 * hits.sum(axis=1), (decided + positive).sum(axis=1)))


def samples_f1(
    truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the mean F1 of the rows: every clip counts the same.

    Parameters
    ----------
    truth, decisions, weights : array
        As in `precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Mean of 2 hits / (decided + true labels); a row with neither is right and counts 1.
    """
    truth, decisions = _check_pair(truth, decisions)
    known = truth >= 0
    hits = ((truth == 1) & (decisions == 1)).sum(axis=1)
    total = (truth == 1).sum(axis=1) + (known & (decisions == 1)).sum(axis=1)
    rows = np.where(total > 0, _ratio(2.0 * hits, total), 1.0)
    return _row_mean(rows, known.any(axis=1), weights)


def accuracy(
    truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the share of rows that are right in every known cell.

    Parameters
    ----------
    truth, decisions, weights : array
        As in `precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Accuracy; of multi-label rows what is called subset accuracy.
    """
    truth, decisions = _check_pair(truth, decisions)
    known = truth >= 0
    rows = ((truth == decisions) | ~known).all(axis=1)
    return _row_mean(rows.astype(float), known.any(axis=1), weights)


def hamming_loss(
    truth: ArrayLike, decisions: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the share of known cells that are wrong (lower is better).

    Parameters
    ----------
    truth, decisions, weights : array
        As in `precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Hamming loss.

    Notes
    -----
    Saying nothing at all scores well where labels are rare, so never read it alone.
    """
    truth, decisions = _check_pair(truth, decisions)
    stack, unstack = _check_weights(weights, len(truth))
    known = truth >= 0
    wrong = (known & (truth != decisions)).sum(axis=1)
    return unstack(_ratio(stack @ wrong.astype(float), stack @ known.sum(axis=1).astype(float)))


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
    truth, scores = _check_pair(truth, scores)
    stack, unstack = _check_weights(weights, len(truth))
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


def lrap(truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> np.ndarray:
    """Return label ranking average precision: how far on top a row's labels rank.

    Parameters
    ----------
    truth, scores, weights : array
        As in `average_precision`.

    Returns
    -------
    float or array of shape (n_boot,)
        Mean over rows of the mean, over the row's true labels, of the share of true labels among
        the known ones scored at least as high. A row with no or only true labels counts 1.
    """
    truth, scores = _check_pair(truth, scores)
    known, positive = truth >= 0, truth == 1
    n_true = positive.sum(axis=1)
    total = np.zeros(len(truth))
    for label in range(truth.shape[1]):
        above = scores >= scores[:, [label]]
        share = _ratio((above & positive).sum(axis=1) * 1.0, (above & known).sum(axis=1))
        total += np.where(positive[:, label], share, 0.0)
    settled = (n_true == 0) | (n_true == known.sum(axis=1))
    rows = np.where(settled, 1.0, _ratio(total, n_true))
    return _row_mean(rows, known.any(axis=1), weights)


def defined_mean(values: ArrayLike) -> np.ndarray:
    """Return the mean over labels, leaving out what is undefined.

    Parameters
    ----------
    values : array of shape (n_labels,) or (n_boot, n_labels)
        Scores per label; NaN where undefined.

    Returns
    -------
    float or array of shape (n_boot,)
        The macro average; NaN where no label is defined.
    """
    values = np.asarray(values, dtype=float)
    defined = np.isfinite(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))[()]


def cooccurrence(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Count the rows where label i of the first and label j of the second are both 1.

    Parameters
    ----------
    first, second : array of shape (n_samples, n_labels)
        Truth or decisions; only cells of 1 count.

    Returns
    -------
    int array of shape (n_labels, n_labels)
        Of one-hot truth and decisions: the confusion matrix.

    Examples
    --------
    >>> cooccurrence([[1, 0], [0, 1], [0, 1]], [[1, 0], [1, 0], [0, 1]])
    array([[1, 0],
           [1, 1]])
    """
    rows, columns = (np.equal(labels, 1).astype(np.int64) for labels in (first, second))
    return rows.T @ columns


def _check_pair(truth: ArrayLike, predicted: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.ndim != 2 or truth.shape != predicted.shape:
        raise ValueError(
            "truth and predictions must have the same shape (n_samples, n_labels), "
            f"got {truth.shape} and {predicted.shape}"
        )
    if not np.isin(truth, (1, 0, -1)).all():
        raise ValueError(f"truth must hold only 1, 0 and -1, got {np.unique(truth)[:5]}")
    return truth, predicted


def _check_weights(
    weights: ArrayLike | None, n_samples: int
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    stack = np.ones(n_samples) if weights is None else np.asarray(weights, dtype=float)
    if stack.ndim not in (1, 2) or stack.shape[-1] != n_samples:
        raise ValueError(
            f"weights must have the shape ({n_samples},) or (n_boot, {n_samples}), "
            f"got {stack.shape}"
        )
    if stack.ndim == 2:
        return stack, lambda values: values
    return stack[None, :], lambda values: values[0]


def _counts(
    truth: ArrayLike, decisions: ArrayLike, weights: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    truth, decisions = _check_pair(truth, decisions)
    stack, unstack = _check_weights(weights, len(truth))
    positive, decided = truth == 1, (truth >= 0) & (decisions == 1)
    cells = (positive & decided, decided, positive)
    hits, n_decided, n_positive = (stack @ cell.astype(float) for cell in cells)
    return hits, n_decided, n_positive, unstack


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    nowhere = np.full(np.broadcast(part, whole).shape, np.nan)
    return np.divide(part, whole, out=nowhere, where=np.asarray(whole) > 0)


def _row_mean(rows: np.ndarray, valid: ArrayLike, weights: ArrayLike | None) -> np.ndarray:
    valid = np.asarray(valid)
    stack, unstack = _check_weights(weights, len(rows))
    return unstack(_ratio(stack @ np.where(valid, rows, 0.0), stack @ valid.astype(float)))


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
    return _ratio((own * at_rank).sum(axis=1), n_positive), _ratio(pairs, n_positive * n_negative)
