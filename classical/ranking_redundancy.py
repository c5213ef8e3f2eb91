"""Which features say the same: rank correlation, and clusters of it."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

# Of more rows the correlation hardly changes: its standard error is below 0.015.
MAX_ROWS = 5000


def rank_correlation(X: np.ndarray, *, random_state: int = 0) -> np.ndarray:
    """Return Spearman's correlation of every two features.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        Finite feature rows; of more than `MAX_ROWS` as many are drawn.
    random_state : int
        Seed of the draw.

    Returns
    -------
    np.ndarray of shape (n_features, n_features), float32
        Ones on the diagonal; 0 between a constant feature and any other.

    Examples
    --------
    >>> x = np.arange(1.0, 9.0)
    >>> rank_correlation(np.column_stack([x, -np.exp(x), np.ones(8)])).tolist()
    [[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if len(X) > MAX_ROWS:
        rng = np.random.default_rng(random_state)
        X = X[np.sort(rng.choice(len(X), MAX_ROWS, replace=False))]
    ranks = rankdata(X, axis=0)
    ranks -= ranks.mean(axis=0)
    length = np.sqrt((ranks**2).sum(axis=0))
    ranks = np.divide(ranks, length, out=np.zeros_like(ranks), where=length > 0)
    correlation = np.clip(ranks.T @ ranks, -1, 1).astype(np.float32)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def cluster_features(correlation: np.ndarray, *, min_correlation: float) -> np.ndarray:
    """Gather features of which every two are correlated.

    Parameters
    ----------
    correlation : np.ndarray of shape (n_features, n_features)
        Signed; only its absolute value counts.
    min_correlation : float
        Least absolute correlation of any two features of a cluster.

    Returns
    -------
    np.ndarray of shape (n_features,), int
        Cluster of each feature, from 0.

    Notes
    -----
    Complete linkage on ``1 - abs(correlation)``: a chain of neighbours, of which the ends have
    nothing in common, makes no cluster.

    Examples
    --------
    >>> correlation = np.array([[1, -0.9, 0.1], [-0.9, 1, 0.2], [0.1, 0.2, 1]])
    >>> cluster_features(correlation, min_correlation=0.8).tolist()
    [0, 0, 1]
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(correlation) == 1:
        return np.zeros(1, dtype=int)
    distance = 1 - np.abs(correlation)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), method="complete")
    names = fcluster(tree, t=1 - min_correlation, criterion="distance")
    # By first feature, so that numbers do not depend on the order of merging.
    _, first, number = np.unique(names, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]


def drop_redundant(correlation: np.ndarray, order: np.ndarray, *, most: float) -> np.ndarray:
    """Keep the first of features that say the same.

    Parameters
    ----------
    correlation : np.ndarray of shape (n_features, n_features)
        Signed; only its absolute value counts.
    order : np.ndarray of int
        Features, the best first.
    most : float
        Largest absolute correlation of two features that are kept.

    Returns
    -------
    np.ndarray of int
        The kept ones, in the same order.

    Examples
    --------
    >>> correlation = np.array([[1, -0.9, 0.1], [-0.9, 1, 0.2], [0.1, 0.2, 1]])
    >>> drop_redundant(correlation, np.array([1, 0, 2]), most=0.8).tolist()
    [1, 2]
    """
    alike = np.abs(correlation) > most
    excluded = np.zeros(len(correlation), dtype=bool)
    kept = []
    for feature in order.tolist():
        if not excluded[feature]:
            kept.append(feature)
            excluded |= alike[feature]
    return np.array(kept, dtype=int)
