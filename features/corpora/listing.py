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


def keep_present(
    table: pd.DataFrame, root: Path, *, listing: str, there: Sequence[bool] | None = None
) -> pd.DataFrame:
    """Keep the rows whose sound is on disk, and tell which are not.

    Parameters
    ----------
    table : pd.DataFrame
        With a `path` column, relative to `root`.
    root : Path
        The corpus.
    listing : str
        What lists the clips, for the warning.
    there : sequence of bool or None
        Which rows' sounds are on disk; None looks for each.

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
    if there is None:
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
    return table[list(there)].reset_index(drop=True)


def first_there(root: Path, names: Sequence[str]) -> Path | None:
    """Find what publishers and mirrors call by different names.

    Parameters
    ----------
    root : Path
        The corpus.
    names : sequence of str
        Names of files or folders below it, the best first.

    Returns
    -------
    Path or None
        The first that is there, None if none is.
    """
    return next((root / name for name in names if (root / name).exists()), None)


def name_rows(bad: pd.Series) -> str:
    """Name the first of a listing's offending cells.

    Parameters
    ----------
    bad : pd.Series of str
        The cells, under the index that they had as the listing was read.

    Returns
    -------
    str
        Such as ``"row 3: 'x'; row 9: ''"``; rows count as in the file, the header being the first.
    """
    cells = zip(bad.index[:MAX_SHOWN].tolist(), bad.head(MAX_SHOWN), strict=True)
    shown = "; ".join(f"row {index + 2}: {value!r}" for index, value in cells)
    return shown + (f" (and {len(bad) - MAX_SHOWN} more)" if len(bad) > MAX_SHOWN else "")


def count_from_zero(table: pd.DataFrame, column: str, *, listing: Path) -> pd.Series:
    """Turn a publisher's numbers, which count from one, into folds, which count from zero.

    Parameters
    ----------
    table : pd.DataFrame
        As read, so that its rows can be named as the file's.
    column : str
        The publisher's numbers, as text.
    listing : Path
        The file, for errors.

    Returns
    -------
    pd.Series of int
        One less.

    Raises
    ------
    ManifestError
        If a cell is no whole number from 1.
    """
    bad = table.loc[~table[column].str.fullmatch(r"0*[1-9]\d{0,6}"), column]
    if len(bad):
        problem = f"'{column}' must be a whole number from 1, {name_rows(bad)}"
        raise ManifestError([problem], str(listing))
    return table[column].astype(int) - 1


def keep_groups_whole(table: pd.DataFrame, column: str, *, root: Path) -> pd.DataFrame:
    """Put every group into one fold or split, where the publisher's own tear some apart.

    Parameters
    ----------
    table : pd.DataFrame
        With the columns `group` and `column`.
    column : str
        The publisher's ``"fold"`` or ``"split"``; a copy under the name ``official_...`` is for the
        caller to keep.
    root : Path
        The corpus, for the warning.

    Returns
    -------
    pd.DataFrame
        Each group where most of its clips are; of equals, the first.

    Warns
    -----
    UserWarning
        If clips had to move: scores no longer compare exactly with those on the publisher's own
        division, which has clips of one group on both sides.
    """
    sizes = table.groupby(["group", column], sort=True).size()
    home = sizes.groupby(level=0).idxmax().str[1]
    whole = table["group"].map(home)
    moved = whole != table[column]
    if not moved.any():
        return table
    torn = sorted(table.loc[moved, "group"].unique())
    shown = ", ".join(torn[:MAX_SHOWN]) + (", ..." if len(torn) > MAX_SHOWN else "")
    warnings.warn(
        f"{root}: the publisher's {column}s divide {len(torn)} of {len(home)} groups ({shown}); to "
        f"keep each in the {column} that has most of it, {moved.sum()} of {len(table)} clips were "
        f"moved, and 'official_{column}' holds the publisher's",
        stacklevel=2,
    )
    return table.assign(**{column: whole})
