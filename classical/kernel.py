"""Kernels: the matrix of all pairs, and few features that stand for it where it would not fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg import solve_triangular

from classical.row_chunks import CHUNK_ROWS, Rows

# Features kept between passes, as float32: one gigabyte. What is over is computed again each time.
_MAX_KEPT = 2**28

# Share of the mean diagonal: what single precision cannot tell apart counts as equal.
_JITTER = 1e-6


def kernel_matrix(
    rows: np.ndarray,
    vectors: np.ndarray,
    *,
    kernel: str,
    gamma: float,
    dtype: DTypeLike = np.float64,
) -> np.ndarray:
    """Return the kernel of all pairs in the memory of one result.

    Parameters
    ----------
    rows : np.ndarray of shape (n_rows, n_features)
        One side.
    vectors : np.ndarray of shape (n_vectors, n_features)
        The other.
    kernel : {"rbf", "linear"}
        ``exp(-gamma * ||a - b||**2)`` or ``a @ b``.
    gamma : float
        Of the first.
    dtype : dtype
        What is computed in.

    Returns
    -------
    np.ndarray of shape (n_rows, n_vectors)
        The kernel.

    Examples
    --------
    >>> a = np.array([[0.0], [1.0]])
    >>> kernel_matrix(a, a, kernel="rbf", gamma=np.log(2)).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    rows, vectors = rows.astype(dtype, copy=False), vectors.astype(dtype, copy=False)
    matrix = rows @ vectors.T
    if kernel == "linear":
        return matrix
    matrix *= -2
    matrix += np.einsum("ij,ij->i", rows, rows)[:, None]
    matrix += np.einsum("ij,ij->i", vectors, vectors)
    np.maximum(matrix, 0, out=matrix)
    matrix *= -gamma
    return np.exp(matrix, out=matrix)


def resolve_gamma(gamma: float | str, X: np.ndarray) -> float:
    """Return the number that a gamma stands for.

    Parameters
    ----------
    gamma : {"scale", "auto"} or float
        "scale" is ``1 / (n_features * X.var())``, "auto" is ``1 / n_features``.
    X : np.ndarray of shape (n_samples, n_features)
        Training rows.

    Returns
    -------
    float
        Positive.
    """
    if not isinstance(gamma, str):
        return float(gamma)
    variance = X.var(dtype=np.float64) if gamma == "scale" else 1.0
    return float(1 / (X.shape[1] * variance)) if variance > 0 else 1.0


class NystroemRows(Rows):
    """Rows as features whose products are nearly the kernel.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        The rows.
    landmarks : np.ndarray of shape (n_landmarks, n_features)
        Some of them.
    kernel : {"rbf", "linear"}
        See `kernel_matrix`.
    gamma : float
        See `kernel_matrix`.

    Attributes
    ----------
    shape : tuple of int
        Number of rows, number of landmarks.

    Notes
    -----
    With K = L @ L.T the kernel of the landmarks and k that of a row with them, the features are
    ``solve(L, k)``, so that products of features of landmarks are K itself [1]_. Chunks are k, the
    basis is ``inv(L).T``. K's diagonal is raised by `_JITTER` of its mean, for copies of a row.

    References
    ----------
    .. [1] C. Williams and M. Seeger, "Using the Nystroem method to speed up kernel machines",
       NIPS 13, 2001.
    """

    def __init__(self, X: np.ndarray, landmarks: np.ndarray, *, kernel: str, gamma: float) -> None:
        self._X, self._kernel, self._gamma = X, kernel, gamma
        # Distances do not change, and in single precision small numbers keep them better.
        self._origin = landmarks.mean(axis=0) if kernel == "rbf" else 0 * landmarks[0]
        self._landmarks = landmarks - self._origin
        own = kernel_matrix(self._landmarks, self._landmarks, kernel=kernel, gamma=gamma)
        raised = _JITTER * (np.trace(own) / len(own) or 1.0)
        self._root = np.linalg.cholesky(own + raised * np.eye(len(own)))
        self.shape = (len(X), len(landmarks))
        self._kept: list[np.ndarray] = []

    def chunks(self) -> Iterator[np.ndarray]:
        """Give the kernel with the landmarks, computed now or kept from the pass before."""
        for number, start in enumerate(range(0, len(self._X), CHUNK_ROWS)):
            if number < len(self._kept):
                yield self._kept[number]
                continue
            rows = self._X[start : start + CHUNK_ROWS] - self._origin
            chunk = kernel_matrix(
                rows, self._landmarks, kernel=self._kernel, gamma=self._gamma, dtype=np.float32
            )
            if (number + 1) * CHUNK_ROWS * self.shape[1] <= _MAX_KEPT:
                self._kept.append(chunk)
            yield chunk

    def expand(self, coef: np.ndarray) -> np.ndarray:
        """Return the same function as a sum of kernels with the landmarks."""
        return solve_triangular(self._root, coef, lower=True, trans="T", check_finite=False)

    def reduce(self, products: np.ndarray) -> np.ndarray:
        """Return products with features, from those with kernels."""
        return solve_triangular(self._root, products, lower=True, check_finite=False)
