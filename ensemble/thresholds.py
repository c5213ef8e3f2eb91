"""Decision thresholds for multi-label scores.

Conventions: a label is decided present where its score is at least its threshold. Thresholds are
to be fitted on scores of rows that no model was trained on.
"""

from __future__ import annotations

import numpy as np

# Groups with the label at which its own threshold and the one of all labels count the same: below
# some thirty positives the best cut of one label is mostly chance, and clips of one song are hardly
# more than one positive.
SHRINKAGE = 10.0


def fit_thresholds(
    y_true: np.ndarray,
    scores: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    shrinkage: float = SHRINKAGE,
) -> np.ndarray:
    """Find the threshold of each label that gives it the highest F1, shrunk towards a common one.

    Parameters
    ----------
    y_true : np.ndarray of shape (n_samples, n_labels), int
        1 present, 0 absent, -1 unknown (left out).
    scores : np.ndarray of shape (n_samples, n_labels)
        Out-of-fold probabilities.
    groups : np.ndarray of shape (n_samples,) or None
        Rows of one group count as one; None means that every row stands alone.
    shrinkage : float
        A label with this many positives lies half way between its own best threshold and the one
        that is best for all labels pooled; 0 keeps its own.

    Returns
    -------
    np.ndarray of shape (n_labels,)
        In [0, 1]; 0.5 for all if there is no positive at all.

    Examples
    --------
    >>> y_true = np.array([[1], [1], [0], [0]])
    >>> fit_thresholds(y_true, np.array([[0.4], [0.3], [0.2], [0.1]])).tolist()
    [0.25]
    """
    known = y_true >= 0
    common = _best_threshold(y_true[known], scores[known])
    if common is None:
        return np.full(scores.shape[1], 0.5)
    thresholds = np.empty(scores.shape[1])
    for label in range(scores.shape[1]):
        rows = known[:, label]
        truth = y_true[rows, label]
        own = _best_threshold(truth, scores[rows, label])
        positive = rows & (y_true[:, label] == 1)
        n_positives = positive.sum() if groups is None else len(np.unique(groups[positive]))
        weight = n_positives / (n_positives + shrinkage) if own is not None else 0.0
        thresholds[label] = weight * (own if own is not None else 0.0) + (1.0 - weight) * common
    return thresholds


def _best_threshold(truth: np.ndarray, scores: np.ndarray) -> float | None:
    """Threshold of highest F1, half way between two neighbouring scores; None without positives."""
    if not (truth == 1).any():
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order] == 1)
    f1 = 2.0 * hits / (np.arange(1, len(ranked) + 1) + hits[-1])
    # A cut may only fall between different scores, or below the last one.
    is_cut = np.append(ranked[1:] < ranked[:-1], True)
    best = int(np.flatnonzero(is_cut)[f1[is_cut].argmax()])
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2.0)


def decide(scores: np.ndarray, thresholds: np.ndarray | None) -> np.ndarray:
    """Turn scores into decisions.

    Parameters
    ----------
    scores : np.ndarray of shape (n_samples, n_labels)
        Probabilities.
    thresholds : np.ndarray of shape (n_labels,) or None
        For multi-label; None decides for the one highest score of each row.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels), int8
        1 where a label is decided present.
    """
    if thresholds is not None:
        return (scores >= thresholds).astype(np.int8)
    decisions = np.zeros(scores.shape, dtype=np.int8)
    decisions[np.arange(len(scores)), scores.argmax(axis=1)] = 1
    return decisions
