"""Scores of the order of labels within a clip; conventions as in `reports.metrics`.

Labels of equal score all rank at the lowest of their places, so that no tie is broken by chance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reports.metrics.weighted import check_pair, check_weights, ratio, row_mean


def lrap(truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> np.ndarray:
    """Return label ranking average precision: how far on top a row's labels rank.

    Parameters
    ----------
    truth : array of shape (n_samples, n_labels)
        1, 0, or -1 for unknown.
    scores : array of shape (n_samples, n_labels)
        Higher means more likely; only their order within a row counts.
    weights : array of shape (n_samples,) or (n_boot, n_samples), optional
        How often each row counts.

    Returns
    -------
    float or array of shape (n_boot,)
        Mean over rows of the mean, over the row's true labels, of the share of true labels among
        the known ones scored at least as high. A row with no or only true labels counts 1.
    """
    truth, scores = check_pair(truth, scores)
    known, positive = truth >= 0, truth == 1
    n_true = positive.sum(axis=1)
    settled = (n_true == 0) | (n_true == known.sum(axis=1))
    share = _precision_at_labels(truth, scores)[0].sum(axis=1)
    return row_mean(np.where(settled, 1.0, ratio(share, n_true)), known.any(axis=1), weights)


def label_lwlrap(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return label-weighted label-ranking average precision, per label.

    Parameters
    ----------
    truth, scores, weights : array
        As in `lrap`.

    Returns
    -------
    array of shape (n_labels,) or (n_boot, n_labels)
        Over the rows that have the label, the mean share of true labels among the known ones
        scored at least as high; NaN without a positive row.

    References
    ----------
    E. Fonseca et al., Audio tagging with noisy labels and minimal supervision, DCASE 2019,
    https://arxiv.org/abs/1906.02975.
    """
    truth, scores = check_pair(truth, scores)
    stack, unstack = check_weights(weights, len(truth))
    share = _precision_at_labels(truth, scores)[0]
    return unstack(ratio(stack @ share, stack @ (truth == 1).astype(float)))


def lwlrap(truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> np.ndarray:
    """Return label-weighted label-ranking average precision: every true label counts the same.

    Parameters
    ----------
    truth, scores, weights : array
        As in `lrap`.

    Returns
    -------
    float or array of shape (n_boot,)
        Mean over all true labels of all rows, which is `label_lwlrap` weighted by how often each
        label occurs; NaN without a true label. Where every row has one label it is `lrap`.

    Examples
    --------
    >>> float(lwlrap([[1, 0, 0], [0, 1, 1]], [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]]).round(4))
    0.7222
    """
    truth, scores = check_pair(truth, scores)
    stack, unstack = check_weights(weights, len(truth))
    share = _precision_at_labels(truth, scores)[0].sum(axis=1)
    n_true = (truth == 1).sum(axis=1).astype(float)
    return unstack(ratio(stack @ share, stack @ n_true))


def map_at_k(
    truth: ArrayLike, scores: ArrayLike, *, k: int, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the mean over rows of the average precision of the first k labels.

    Parameters
    ----------
    truth, scores : array of shape (n_samples, n_labels)
        As in `lrap`.
    k : int
        How many labels a row may name.
    weights : array of shape (n_samples,) or (n_boot, n_samples), optional
        How often each row counts.

    Returns
    -------
    float or array of shape (n_boot,)
        Mean of sum_r P(r) / min(k, n_true), over the ranks r <= k that hold a true label, P(r)
        being the share of true labels down to r. Of a row with one label: 1 / rank, or 0 below
        rank k. Rows without a known true label take no part.

    Raises
    ------
    ValueError
        If ``k`` is below 1.

    Examples
    --------
    >>> float(map_at_k([[1, 0, 0], [0, 0, 1]], [[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]], k=2))
    0.5
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    truth, scores = check_pair(truth, scores)
    share, rank = _precision_at_labels(truth, scores)
    n_true = (truth == 1).sum(axis=1)
    named = np.where(rank <= k, share, 0.0).sum(axis=1)
    return row_mean(ratio(named, np.minimum(n_true, k)), n_true > 0, weights)


def map_at_3(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return `map_at_k` of three labels, the score of the FSDKaggle2018 challenge.

    Parameters
    ----------
    truth, scores, weights : array
        As in `lrap`.

    Returns
    -------
    float or array of shape (n_boot,)
        MAP@3.
    """
    return map_at_k(truth, scores, k=3, weights=weights)


def _precision_at_labels(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each true label, the share of true labels down to its rank (else 0), and rank.

    Both have the shape (n_samples, n_labels); unknown labels stand in no ranking.
    """
    known, positive = truth >= 0, truth == 1
    order = np.argsort(np.where(known, -scores, np.inf), axis=1, kind="stable")
    ranked = np.take_along_axis(np.where(known, scores, -np.inf), order, axis=1)
    # All of a tie take the place of its last.
    ends = np.ones(ranked.shape, dtype=bool)
    ends[:, :-1] = ranked[:, :-1] != ranked[:, 1:]
    place = np.where(ends, np.arange(ranked.shape[1]), ranked.shape[1])
    place = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    counts = [
        np.take_along_axis(np.take_along_axis(cells, order, axis=1).cumsum(axis=1), place, axis=1)
        for cells in (positive, known)
    ]
    share, rank = np.zeros(truth.shape), np.zeros(truth.shape)
    np.put_along_axis(share, order, ratio(*counts), axis=1)
    np.put_along_axis(rank, order, counts[1], axis=1)
    return np.where(positive, share, 0.0), rank
