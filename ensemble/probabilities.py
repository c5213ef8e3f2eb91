"""Probabilities and logits: the arithmetic between members and final estimator.

Conventions: scores are float64 of shape (n_samples, n_labels); a single-label row sums to one, a
multi-label row holds independent probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit, logit, softmax

# A member that is sure to more than four digits says no more than one sure to four: without this
# a single confident mistake would rule the final estimator's fit.
EPSILON = 1e-4


def to_logits(probabilities: np.ndarray, *, epsilon: float = EPSILON) -> np.ndarray:
    """Give log(p / (1 - p)), with p kept away from 0 and 1.

    Parameters
    ----------
    probabilities : np.ndarray
        In [0, 1].
    epsilon : float
        How far away.

    Returns
    -------
    np.ndarray of the same shape
        Finite; within about -9.2 to 9.2 by default.
    """
    return logit(np.clip(probabilities, epsilon, 1.0 - epsilon))


def from_logits(logits: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Turn a network's outputs into probabilities.

    Parameters
    ----------
    logits : np.ndarray of shape (n_samples, n_labels)
        Raw outputs.
    multilabel : bool
        Sigmoid for each label if true, else softmax over the row.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Probabilities.
    """
    return expit(logits) if multilabel else softmax(logits, axis=1)


def normalise_rows(scores: np.ndarray) -> np.ndarray:
    """Divide each row by its sum; a row of zeros becomes uniform.

    Parameters
    ----------
    scores : np.ndarray of shape (n_samples, n_labels)
        Not negative.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Rows that sum to one.
    """
    totals = scores.sum(axis=1, keepdims=True)
    even = np.full_like(scores, 1.0 / scores.shape[1])
    return np.divide(scores, totals, out=even, where=totals > 0)


def align_columns(
    scores: np.ndarray, have: Sequence[object], want: Sequence[object], *, fill: float
) -> np.ndarray:
    """Put a member's columns in the ensemble's order of classes.

    Parameters
    ----------
    scores : np.ndarray of shape (n_samples, len(have))
        A column for each class that the member knows.
    have, want : sequence
        Classes of the member, and of the ensemble.
    fill : float
        Score of a class that the member never saw.

    Returns
    -------
    np.ndarray of shape (n_samples, len(want))
        The same scores, in order.
    """
    aligned = np.full((len(scores), len(want)), fill, dtype=float)
    position = {label: index for index, label in enumerate(want)}
    aligned[:, [position[label] for label in have]] = scores
    return aligned


def average_over(parents: np.ndarray | None, scores: np.ndarray) -> np.ndarray:
    """Replace each row by the mean over all windows of its parent clip.

    Parameters
    ----------
    parents : np.ndarray of shape (n_samples,) or None
        The clip each row is a window of; None means that rows are clips.
    scores : np.ndarray of shape (n_samples, n_labels)
        One row a window.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Equal for all windows of a parent.
    """
    if parents is None:
        return scores
    names, parent_of_row = np.unique(parents, return_inverse=True)
    if len(names) == len(scores):
        return scores
    sums = np.zeros((len(names), scores.shape[1]))
    np.add.at(sums, parent_of_row, scores)
    return (sums / np.bincount(parent_of_row)[:, None])[parent_of_row]


def check_windows_agree(parents: np.ndarray, truth: np.ndarray) -> None:
    """Make sure that windows of one clip, which share one score, share one truth.

    Parameters
    ----------
    parents : np.ndarray of shape (n_samples,)
        The clip each row is a window of.
    truth : np.ndarray of shape (n_samples, n_labels)
        1, 0 and -1.

    Raises
    ------
    ValueError
        If two windows of a parent differ.
    """
    different = pd.DataFrame(truth).groupby(np.asarray(parents)).nunique().gt(1).any(axis=1)
    if different.any():
        torn = different.index[different][:5].tolist()
        raise ValueError(
            f"all windows of a parent must have the same labels, {different.sum()} parents have "
            f"not, such as {torn}; leave 'parent' empty to score every window by itself"
        )
