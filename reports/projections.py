"""Maps of a feature or embedding space: its principal components brought to the plane.

A map is for looking. t-SNE and UMAP keep neighbours together; their distances, sizes and gaps
between clouds say little. Equal input, method and seed give equal coordinates.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

METHODS = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}
MAX_POINTS = 5000
MIN_POINTS = 4


def draw_points(n_samples: int, *, limit: int = MAX_POINTS, seed: int = 0) -> np.ndarray:
    """Return the rows to show: all, or a seeded draw where there are too many.

    Parameters
    ----------
    n_samples : int
        Number of rows.
    limit : int
        Most points on a map.
    seed : int
        Seed of the draw.

    Returns
    -------
    int array of shape (min(n_samples, limit),)
        Row numbers in rising order.
    """
    if n_samples <= limit:
        return np.arange(n_samples)
    return np.sort(np.random.default_rng(seed).choice(n_samples, size=limit, replace=False))


def project(components: ArrayLike, *, method: str = "pca", seed: int = 0) -> np.ndarray:
    """Return coordinates in the plane.

    Parameters
    ----------
    components : array of shape (n_samples, n_components)
        Principal components, the first ones first; columns that are all NaN are ignored.
    method : {"pca", "tsne", "umap"}
        "pca" takes the first two components as they are.
    seed : int
        Seed of t-SNE and UMAP.

    Returns
    -------
    float array of shape (n_samples, 2)
        Coordinates; all 0 where all rows are the same.

    Raises
    ------
    ValueError
        If the method is unknown, there are fewer than `MIN_POINTS` rows, or a value is missing.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {list(METHODS)}, got {method!r}")
    points = np.asarray(components, dtype=float)
    points = points[:, ~np.isnan(points).all(axis=0)]
    if len(points) < MIN_POINTS:
        raise ValueError(f"a map needs at least {MIN_POINTS} points, got {len(points)}")
    if not points.shape[1] or not np.isfinite(points).all():
        raise ValueError(
            f"components must be finite numbers, got {np.count_nonzero(~np.isfinite(points))} "
            f"other values in {points.shape[1]} columns"
        )
    if points.shape[1] == 1:
        points = np.column_stack([points, np.zeros(len(points))])
    if not np.ptp(points, axis=0).any():
        return np.zeros((len(points), 2))
    return {"pca": _pca, "tsne": _tsne, "umap": _umap}[method](points, seed)


def _pca(points: np.ndarray, seed: int) -> np.ndarray:
    return points[:, :2].copy()


def _tsne(points: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE

    # Three times the perplexity is the reach of t-SNE's neighbourhoods.
    perplexity = min(30.0, (len(points) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(
        points
    )


def _umap(points: np.ndarray, seed: int) -> np.ndarray:
    with warnings.catch_warnings():
        # Deprecations of numba, and a spectral start that fails on disconnected neighbourhoods.
        warnings.simplefilter("ignore")
        from umap import UMAP

        reducer = UMAP(n_neighbors=min(15, len(points) - 1), random_state=seed, n_jobs=1)
        if len(points) < 50:
            reducer.init = "random"
        return np.asarray(reducer.fit_transform(points), dtype=float)
