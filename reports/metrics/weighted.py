"""What all metrics stand on: checked arrays, weighted rows, means over what is defined."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike


def check_pair(truth: ArrayLike, predicted: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and predictions as arrays that fit together.

    Parameters
    ----------
    truth : array of shape (n_samples, n_labels)
        1, 0, or -1 for unknown.
    predicted : array of shape (n_samples, n_labels)
        Decisions or scores.

    Returns
    -------
    truth, predicted : np.ndarray of shape (n_samples, n_labels)
        The same.

    Raises
    ------
    ValueError
        If the shapes differ, or truth holds anything else.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.ndim != 2 or truth.shape != predicted.shape:
        raise ValueError(
            "truth and predictions must have the same shape (n_samples, n_labels), "
            f"got {truth.shape} and {predicted.shape}"
        )
    if not np.isin(truth, (1, 0, -1)).all():
        raise ValueError(f"truth must hold only 1, 0 and -1, got {np.unique(truth)[:5]}")
    return truth, predicted


def check_weights(
    weights: ArrayLike | None, n_samples: int
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return weights as a stack of replicates, and what takes a lone replicate off again.

    Parameters
    ----------
    weights : array of shape (n_samples,) or (n_boot, n_samples), or None
        How often each row counts; None for once each.
    n_samples : int
        Number of rows.

    Returns
    -------
    stack : np.ndarray of shape (n_boot, n_samples)
        One replicate if there were none.
    unstack : callable
        Drops the leading axis of an answer unless several replicates were given.

    Raises
    ------
    ValueError
        If the weights have another shape.
    """
    stack = np.ones(n_samples) if weights is None else np.asarray(weights, dtype=float)
    if stack.ndim not in (1, 2) or stack.shape[-1] != n_samples:
        raise ValueError(
            f"weights must have the shape ({n_samples},) or (n_boot, {n_samples}), "
            f"got {stack.shape}"
        )
    if stack.ndim == 2:
        return stack, lambda values: values
    return stack[None, :], lambda values: values[0]


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide; what would be divided by nothing is NaN.

    Parameters
    ----------
    part, whole : np.ndarray
        Of shapes that go together.

    Returns
    -------
    np.ndarray
        part / whole.
    """
    nowhere = np.full(np.broadcast(part, whole).shape, np.nan)
    return np.divide(part, whole, out=nowhere, where=np.asarray(whole) > 0)


def row_mean(rows: np.ndarray, valid: ArrayLike, weights: ArrayLike | None) -> np.ndarray:
    """Return the weighted mean of the rows that are defined.

    Parameters
    ----------
    rows : np.ndarray of shape (n_samples,)
        A score for each row.
    valid : bool array of shape (n_samples,)
        Which rows count.
    weights : array of shape (n_samples,) or (n_boot, n_samples), or None
        How often each row counts.

    Returns
    -------
    float or np.ndarray of shape (n_boot,)
        NaN where no row counts.
    """
    valid = np.asarray(valid)
    stack, unstack = check_weights(weights, len(rows))
    return unstack(ratio(stack @ np.where(valid, rows, 0.0), stack @ valid.astype(float)))


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
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))[()]
