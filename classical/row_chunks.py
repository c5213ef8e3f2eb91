"""Feature rows given in chunks, so that they need not exist all at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Rows of one matrix product: what a pass needs at a time.
CHUNK_ROWS = 4096


class Rows:
    """Feature rows as ``chunk @ basis``, the same ones each time.

    To multiply few coefficients by the basis is cheaper than to multiply many rows by it. Without
    more ado the basis changes nothing.

    Attributes
    ----------
    shape : tuple of int
        Number of rows, number of features.
    """

    shape: tuple[int, int]

    def chunks(self) -> Iterator[np.ndarray]:
        """Give one part of the rows after another, before the basis.

        Yields
        ------
        np.ndarray of shape (at most CHUNK_ROWS, n_raw_features)
            Not to be changed.

        Raises
        ------
        NotImplementedError
            If a subclass does not give them.
        """
        raise NotImplementedError(f"{type(self).__name__} must give chunks")

    def expand(self, coef: np.ndarray) -> np.ndarray:
        """Return ``basis @ coef``: what to multiply chunks by.

        Parameters
        ----------
        coef : np.ndarray of shape (n_features, n_columns)
            Coefficients of features.

        Returns
        -------
        np.ndarray of shape (n_raw_features, n_columns)
            The same function of chunks.
        """
        return coef

    def reduce(self, products: np.ndarray) -> np.ndarray:
        """Return ``basis.T @ products``.

        Parameters
        ----------
        products : np.ndarray of shape (n_raw_features, n_columns)
            Products with chunks.

        Returns
        -------
        np.ndarray of shape (n_features, n_columns)
            Products with features.
        """
        return products


class DenseRows(Rows):
    """Rows of an array.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        The array.
    """

    def __init__(self, X: np.ndarray) -> None:
        self._X = X
        self.shape = X.shape

    def chunks(self) -> Iterator[np.ndarray]:
        """Give views, see the base class."""
        for start in range(0, len(self._X), CHUNK_ROWS):
            yield self._X[start : start + CHUNK_ROWS]
