"""Matrix products whose numbers do not depend on how many rows come together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# A single row costs as much as a whole chunk, so chunks are small.
CHUNK_ROWS = 64


def map_fixed_chunks(
    X: np.ndarray, score: Callable[[np.ndarray], np.ndarray], *, n_columns: int
) -> np.ndarray:
    """Score rows in zero-padded chunks of one fixed shape.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        Rows.
    score : callable
        Float64 rows of shape (CHUNK_ROWS, n_features) -> scores (CHUNK_ROWS, n_columns).
    n_columns : int
        Number of scores of a row.

    Returns
    -------
    np.ndarray of shape (n_samples, n_columns), float64
        Scores.

    Notes
    -----
    BLAS picks its kernels by shape, and kernels differ in the last bits. With one shape a row alone
    and in a batch agree to about 1e-12, and on most machines to the bit; BLAS libraries promise no
    more.

    Examples
    --------
    >>> map_fixed_chunks(np.eye(3), lambda rows: rows @ np.ones((3, 1)), n_columns=1).tolist()
    [[1.0], [1.0], [1.0]]
    """
    scores = np.empty((len(X), n_columns))
    for start in range(0, len(X), CHUNK_ROWS):
        rows = X[start : start + CHUNK_ROWS]
        chunk = np.zeros((CHUNK_ROWS, X.shape[1]))
        chunk[: len(rows)] = rows
        scores[start : start + len(rows)] = score(chunk)[: len(rows)]
    return scores
