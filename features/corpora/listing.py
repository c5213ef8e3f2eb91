"""A publisher's own table of its clips: read by its columns, compared with what is on disk."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pandas as pd

from features.manifest import MAX_SHOWN, ManifestError, read_csv


def read_listing(path: str | PathLike[str], *, columns: Sequence[str]) -> pd.DataFrame:
    """Read a publisher's CSV table and check that it has the columns that are needed.

    Parameters
    ----------
    path : str or path-like
        A CSV file in UTF-8, with a header.
    columns : sequence of str
        Columns that must be there; the others are kept as well.

    Returns
    -------
    pd.DataFrame
        One row per line, every cell text.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ManifestError
        If it is no CSV table, lacks a column, or has no row.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name} in {path.parent}")
    table = read_csv(path)
    missing = [column for column in columns if column not in table]
    if missing:
        found = ", ".join(map(str, table.columns))
        raise ManifestError([f"columns {', '.join(missing)} are missing, found {found}"], str(path))
    if table.empty:
        raise ManifestError(["it lists no clips"], str(path))
    return table


def keep_present(table: pd.DataFrame, root: Path, *, listing: str) -> pd.DataFrame:
    """Keep the rows whose sound is on disk, and tell which are not.

    Parameters
    ----------
    table : pd.DataFrame
        With a `path` column, relative to `root`.
    root : Path
        The corpus.
    listing : str
        What lists the clips, for the warning.

    Returns
    -------
    pd.DataFrame
        The rows that are there, in order.

    Raises
    ------
    ManifestError
        If not one file is there.

    Warns
    -----
    UserWarning
        If some are not.
    """
    there = [(root / path).is_file() for path in table["path"]]
    lost = [path for path, present in zip(table["path"], there, strict=True) if not present]
    if not lost:
        return table
    shown = ", ".join(lost[:MAX_SHOWN]) + (", ..." if len(lost) > MAX_SHOWN else "")
    if len(lost) == len(table):
        problem = f"none of the {len(table)} clips that {listing} lists is there: {shown}"
        raise ManifestError([problem], str(root))
    warnings.warn(
        f"{root}: {len(lost)} of {len(table)} clips that {listing} lists are not there, and so "
        f"not in the manifest: {shown}",
        stacklevel=2,
    )
    return table[there].reset_index(drop=True)
