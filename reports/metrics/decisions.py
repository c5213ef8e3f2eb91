"""Scores of decisions; conventions as in `reports.metrics`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from reports.metrics.weighted import check_pair, check_weights, defined_mean, ratio, row_mean


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
    return unstack(np.where(positive > 0, ratio(hits, decided), np.nan))


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
    return unstack(ratio(hits, positive))


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
    return unstack(np.where(positive > 0, ratio(2 * hits, decided + positive), np.nan))


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
    return unstack(ratio(hits.sum(axis=1), decided.sum(axis=1)))


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
    return unstack(ratio(hits.sum(axis=1), positive.sum(axis=1)))


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
    return unstack(ratio(2 * hits.sum(axis=1), (decided + positive).sum(axis=1)))


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
    truth, decisions = check_pair(truth, decisions)
    known = truth >= 0
    hits = ((truth == 1) & (decisions == 1)).sum(axis=1)
    total = (truth == 1).sum(axis=1) + (known & (decisions == 1)).sum(axis=1)
    rows = np.where(total > 0, ratio(2.0 * hits, total), 1.0)
    return row_mean(rows, known.any(axis=1), weights)


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
    truth, decisions = check_pair(truth, decisions)
    known = truth >= 0
    rows = ((truth == decisions) | ~known).all(axis=1)
    return row_mean(rows.astype(float), known.any(axis=1), weights)


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
    truth, decisions = check_pair(truth, decisions)
    stack, unstack = check_weights(weights, len(truth))
    known = truth >= 0
    wrong = (known & (truth != decisions)).sum(axis=1)
    return unstack(ratio(stack @ wrong.astype(float), stack @ known.sum(axis=1).astype(float)))


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


def _counts(
    truth: ArrayLike, decisions: ArrayLike, weights: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    truth, decisions = check_pair(truth, decisions)
    stack, unstack = check_weights(weights, len(truth))
    positive, decided = truth == 1, (truth >= 0) & (decisions == 1)
    cells = (positive & decided, decided, positive)
    hits, n_decided, n_positive = (stack @ cell.astype(float) for cell in cells)
    return hits, n_decided, n_positive, unstack
