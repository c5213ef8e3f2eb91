"""Tables with one column a label, 1 where it is present and 0 where it is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.manifest import MAX_SHOWN, SEPARATOR, ManifestError


def read_presences(table: pd.DataFrame, columns: Sequence[str], *, where: str) -> np.ndarray:
    """Read columns of zeros and ones.

    Parameters
    ----------
    table : pd.DataFrame
        As `read_csv` gives it: one row per line of the file, every cell text.
    columns : sequence of str
        The labels' columns.
    where : str
        Name of the file, for errors.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels), bool
        Whether a label is present; ``1.0`` counts as 1.

    Raises
    ------
    ManifestError
        If a cell is neither 0 nor 1; named by line and column.
    """
    cells = table[list(columns)]
    values = cells.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    bad = np.argwhere(~np.isin(values, (0.0, 1.0)))
    if len(bad):
        shown = "; ".join(
            f"line {row + 2}, column '{columns[column]}': {cells.iat[row, column]!r}"
            for row, column in bad[:MAX_SHOWN].tolist()
        )
        more = f" (and {len(bad) - MAX_SHOWN} more)" if len(bad) > MAX_SHOWN else ""
        raise ManifestError([f"a label's cell must be 0 or 1, {shown}{more}"], where)
    return values.astype(bool)


def join_labels(present: np.ndarray, columns: Sequence[str]) -> list[str]:
    """Write presences as cells of a manifest.

    Parameters
    ----------
    present : np.ndarray of shape (n_samples, n_labels), bool
        Whether a label is present.
    columns : sequence of str
        The labels, in the columns' order.

    Returns
    -------
    list of str
        ``"cel;pia"``, sorted by name; empty where nothing is present.
    """
    order = np.argsort(np.asarray(columns, dtype=object), kind="stable")
    names = [columns[column] for column in order]
    # Corpora repeat few distinct rows many times: write each once.
    patterns, inverse = np.unique(present[:, order], axis=0, return_inverse=True)
    cells = [
        SEPARATOR.join(name for name, there in zip(names, pattern, strict=True) if there)
        for pattern in patterns
    ]
    return [cells[index] for index in inverse.reshape(-1)]
