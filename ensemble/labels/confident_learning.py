"""Confident learning: which given labels a model that never saw them contradicts.

Conventions: `given` holds class numbers from 0, one a row; `scores` are out-of-fold probabilities
of shape (n_samples, n_classes) whose rows sum to one. Everything here follows [1]_; numbers agree
with the package cleanlab, by the authors of the paper.

References
----------
.. [1] C. Northcutt, L. Jiang, I. Chuang, Confident learning: estimating uncertainty in dataset
   labels, Journal of Artificial Intelligence Research 70, 2021.
"""

from __future__ import annotations

import numpy as np

# A score that misses its threshold by no more than rounding reaches it.
_TOLERANCE = 1e-6


def class_thresholds(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give the mean probability of each class over the rows that have it as their label.

    Parameters
    ----------
    given : np.ndarray of shape (n_samples,), int
        Class of each row.
    scores : np.ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities.

    Returns
    -------
    np.ndarray of shape (n_classes,)
        t_j = mean of scores[given == j, j]; infinite for a class that no row has.

    Examples
    --------
    >>> class_thresholds(np.array([0, 0, 1]), np.array([[1.0, 0], [0.5, 0.5], [0.25, 0.75]]))
    array([0.75, 0.75])
    """
    n_classes = scores.shape[1]
    counts = np.bincount(given, minlength=n_classes)
    own = np.bincount(given, weights=own_scores(given, scores), minlength=n_classes)
    return np.divide(own, counts, out=np.full(n_classes, np.inf), where=counts > 0)


def own_scores(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give the self-confidence of each row: the probability of its own label.

    Parameters
    ----------
    given : np.ndarray of shape (n_samples,), int
        Class of each row.
    scores : np.ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities.

    Returns
    -------
    np.ndarray of shape (n_samples,)
        From 0, surely wrong, to 1.
    """
    return scores[np.arange(len(given)), given]


def normalised_margin(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give how far the own label's probability lies above the best other one, scaled to 0 to 1.

    Parameters
    ----------
    given : np.ndarray of shape (n_samples,), int
        Class of each row.
    scores : np.ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities.

    Returns
    -------
    np.ndarray of shape (n_samples,)
        (own - best other + 1) / 2: below one half, another class is more probable.

    Examples
    --------
    >>> normalised_margin(np.array([0, 0]), np.array([[0.75, 0.25], [0.0, 1.0]]))
    array([0.75, 0.  ])
    """
    others = scores.astype(float)
    others[np.arange(len(given)), given] = -np.inf
    return (own_scores(given, scores) - others.max(axis=1) + 1.0) / 2.0


def confident_classes(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give the class that each row confidently belongs to.

    Parameters
    ----------
    given : np.ndarray of shape (n_samples,), int
        Class of each row.
    scores : np.ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities.

    Returns
    -------
    np.ndarray of shape (n_samples,), int
        The most probable of the classes whose threshold is reached, -1 where none is.
    """
    reached = scores >= class_thresholds(given, scores) - _TOLERANCE
    best = np.where(reached, scores, -np.inf).argmax(axis=1)
    return np.where(reached.any(axis=1), best, -1)


def find_contradicted(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Tell which rows confidently belong to another class than the given one.

    Parameters
    ----------
    given : np.ndarray of shape (n_samples,), int
        Class of each row.
    scores : np.ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities.

    Returns
    -------
    np.ndarray of shape (n_samples,), bool
        True off the diagonal of the confident joint, unless the given class is the most probable.
    """
    confident = confident_classes(given, scores)
    doubted = own_scores(given, scores) < scores.max(axis=1)
    return (confident >= 0) & (confident != given) & doubted


def confident_joint(given: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Estimate how many rows of each given class truly belong to each class.

    Parameters
    ----------
    given : np.ndarray of shape (n_samples,), int
        Class of each row.
    scores : np.ndarray of shape (n_samples, n_classes)
        Out-of-fold probabilities.

    Returns
    -------
    np.ndarray of shape (n_classes, n_classes)
        Rows are given, columns true classes; each row sums to how often its class is given.
    """
    n_classes = scores.shape[1]
    confident = confident_classes(given, scores)
    joint = np.zeros((n_classes, n_classes))
    sure = confident >= 0
    np.add.at(joint, (given[sure], confident[sure]), 1.0)
    # Where nothing is sure nothing speaks against the labels, and every class has a right row.
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1.0))
    counts = np.bincount(given, minlength=n_classes)
    return joint / joint.sum(axis=1, keepdims=True) * counts[:, None]


def noise_matrix(joint: np.ndarray) -> np.ndarray:
    """Give the probability of each given class where another one is true.

    Parameters
    ----------
    joint : np.ndarray of shape (n_classes, n_classes)
        From `confident_joint`.

    Returns
    -------
    np.ndarray of shape (n_classes, n_classes)
        P(given = row | true = column); a column sums to one, or is NaN if its class is never true.

    Examples
    --------
    >>> noise_matrix(np.array([[8.0, 0.0], [2.0, 10.0]]))
    array([[0.8, 0. ],
           [0.2, 1. ]])
    """
    totals = np.broadcast_to(joint.sum(axis=0), joint.shape)
    return np.divide(joint, totals, out=np.full(joint.shape, np.nan), where=totals > 0)
