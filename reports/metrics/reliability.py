"""Scores of probabilities as probabilities; conventions as in `reports.metrics`.

Calibration errors are estimated over bins of equal mass: n cells, in the order of their score, are
dealt into floor(n ** (1/3)) bins as equal as ties allow. So bins are narrow where scores are many,
and grow in number at the rate at which the error of a histogram falls fastest. Bins are those of
the rows themselves; weights only change how much each row counts within them.

An expected calibration error is a mean of absolute values, so chance alone makes it positive: of
n independent cells, perfectly calibrated, up to about 0.4 n ** (-1/3) remains, 0.04 of a thousand.

References
----------
J. Nixon et al., Measuring calibration in deep learning, CVPR workshops 2019, which call bins of
equal mass adaptive; C. Guo et al., On calibration of modern neural networks, ICML 2017, for the
error of the top label; L. Györfi et al., A distribution-free theory of nonparametric regression,
2002, chapter 4, for the number of bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from reports.metrics.weighted import check_pair, check_weights, ratio


@dataclass(frozen=True)
class Bins:
    """What became of the cells of like probability.

    Attributes
    ----------
    score : array of shape (n_bins,)
        Mean probability of each bin, ascending.
    share : array of shape (n_bins,) or (n_boot, n_bins)
        How many of its cells were true.
    n : int array of shape (n_bins,)
        Cells of each bin.
    """

    score: np.ndarray
    share: np.ndarray
    n: np.ndarray


def label_brier(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the mean squared distance between probability and truth, per label.

    Parameters
    ----------
    truth : array of shape (n_samples, n_labels)
        1, 0, or -1 for unknown.
    scores : array of shape (n_samples, n_labels)
        Probabilities.
    weights : array of shape (n_samples,) or (n_boot, n_samples), optional
        How often each row counts.

    Returns
    -------
    array of shape (n_labels,) or (n_boot, n_labels)
        Brier score, 0 at best; NaN without a positive row.
    """
    loss, known, unstack = _squared_errors(truth, scores, weights)
    return unstack(np.where(_occurs(truth, weights), ratio(loss, known), np.nan))


def brier(truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> np.ndarray:
    """Return the mean squared distance between probability and truth (lower is better).

    Parameters
    ----------
    truth, scores, weights : array
        As in `label_brier`.

    Returns
    -------
    float or array of shape (n_boot,)
        Mean over all known cells, between 0 and 1. Brier's own sum over the classes of a
        single-label row is this times the number of classes.

    References
    ----------
    G. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review
    78, 1950.

    Examples
    --------
    >>> float(brier([[1, 0]], [[0.8, 0.4]]))
    0.1
    """
    loss, known, unstack = _squared_errors(truth, scores, weights)
    return unstack(ratio(loss.sum(axis=1), known.sum(axis=1)))


def label_ece(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the expected calibration error, per label.

    Parameters
    ----------
    truth, scores, weights : array
        As in `label_brier`.

    Returns
    -------
    array of shape (n_labels,) or (n_boot, n_labels)
        sum_b n_b / n |share true - mean probability| over the label's own bins; NaN without a
        positive row.
    """
    truth, scores = check_pair(truth, scores)
    _, unstack = check_weights(weights, len(truth))
    columns = [
        cell_ece(truth[:, [label]], scores[:, [label]], weights=weights)
        for label in range(truth.shape[1])
    ]
    found = np.stack(columns, axis=-1).reshape(-1, truth.shape[1])
    return unstack(np.where(_occurs(truth, weights), found, np.nan))


def cell_ece(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the expected calibration error of all known cells, the one for multi-label.

    Parameters
    ----------
    truth, scores, weights : array
        As in `label_brier`.

    Returns
    -------
    float or array of shape (n_boot,)
        sum_b n_b / n |share true - mean probability| over bins of all cells; NaN without any.

    Examples
    --------
    Of ten cells said to be true with 0.7, six were:

    >>> float(cell_ece([[1]] * 6 + [[0]] * 4, [[0.7]] * 10).round(4))
    0.1
    """
    return _calibration_error(truth, scores, weights, top_label=False)


def top_label_ece(
    truth: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None
) -> np.ndarray:
    """Return the expected calibration error of each row's highest score, for single-label.

    Parameters
    ----------
    truth, scores, weights : array
        As in `label_brier`.

    Returns
    -------
    float or array of shape (n_boot,)
        sum_b n_b / n |share right - mean confidence| over bins of rows; NaN without a known cell.
    """
    return _calibration_error(truth, scores, weights, top_label=True)


def reliability_bins(
    truth: ArrayLike, scores: ArrayLike, *, top_label: bool, weights: ArrayLike | None = None
) -> Bins:
    """Return what became of cells of like probability, for a picture.

    Parameters
    ----------
    truth, scores : array of shape (n_samples, n_labels)
        As in `label_brier`.
    top_label : bool
        Whether only each row's highest score is asked about, as in `top_label_ece`, or every
        known cell, as in `cell_ece`.
    weights : array of shape (n_samples,) or (n_boot, n_samples), optional
        How often each row counts.

    Returns
    -------
    Bins
        Those of the calibration error.
    """
    truth, scores = check_pair(truth, scores)
    stack, unstack = check_weights(weights, len(truth))
    rows, columns = _judged_cells(truth, scores, top_label=top_label)
    chances = scores[rows, columns]
    bins, n_bins = _equal_mass_bins(chances)
    n = np.bincount(bins, minlength=n_bins)
    found = [np.zeros((len(truth), n_bins)) for _ in range(2)]
    np.add.at(found[0], (rows, bins), truth[rows, columns] == 1)
    np.add.at(found[1], (rows, bins), 1.0)
    share = ratio(stack @ found[0], stack @ found[1])
    return Bins(ratio(np.bincount(bins, chances, n_bins), n), unstack(share), n)


def _occurs(truth: ArrayLike, weights: ArrayLike | None) -> np.ndarray:
    """Say of which labels a replicate holds a positive row: of others nothing is defined."""
    positive = np.asarray(truth) == 1
    return check_weights(weights, len(positive))[0] @ positive.astype(float) > 0


def _squared_errors(
    truth: ArrayLike, scores: ArrayLike, weights: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    truth, scores = check_pair(truth, scores)
    stack, unstack = check_weights(weights, len(truth))
    known = truth >= 0
    loss = np.where(known, (scores - truth) ** 2.0, 0.0)
    return stack @ loss, stack @ known.astype(float), unstack


def _calibration_error(
    truth: ArrayLike, scores: ArrayLike, weights: ArrayLike | None, *, top_label: bool
) -> np.ndarray:
    truth, scores = check_pair(truth, scores)
    stack, unstack = check_weights(weights, len(truth))
    rows, columns = _judged_cells(truth, scores, top_label=top_label)
    chances = scores[rows, columns]
    bins, n_bins = _equal_mass_bins(chances)
    residuals = np.zeros((len(truth), n_bins))
    np.add.at(residuals, (rows, bins), (truth[rows, columns] == 1) - chances)
    n_judged = np.bincount(rows, minlength=len(truth)).astype(float)
    return unstack(ratio(np.abs(stack @ residuals).sum(axis=1), stack @ n_judged))


def _judged_cells(
    truth: np.ndarray, scores: np.ndarray, *, top_label: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the cells whose probability is held against the truth."""
    known = truth >= 0
    if not top_label:
        rows, columns = np.nonzero(known)
        return rows, columns
    rows = np.flatnonzero(known.any(axis=1))
    return rows, np.where(known, scores, -np.inf)[rows].argmax(axis=1)


def _equal_mass_bins(chances: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the bin of each cell, and how many there are; equal scores share one."""
    if not len(chances):
        return np.zeros(0, dtype=int), 1
    # The smallest addition keeps the cube root of a cube from falling below itself.
    n_bins = int(np.cbrt(len(chances)) + 1e-9)
    place = np.searchsorted(np.sort(chances), chances, side="left")
    # Ties may leave a bin without a cell.
    bins = np.unique(n_bins * place // len(chances), return_inverse=True)[1]
    return bins, int(bins.max()) + 1
