"""Any CSV table with one row per clip: a manifest, or a file column and a label column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from features.corpora.layout import Layout
from features.manifest import COLUMNS, Manifest, ManifestError, make_manifest, read_csv

PATH_NAMES = ("path", "file", "filename", "file_name", "fname", "filepath", "audio")
LABEL_NAMES = ("labels", "label", "class", "category", "instrument", "target_name")


def recognise(root: Path) -> str | None:
    """Recognise a file that ends in .csv.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    return "it is a CSV file" if root.is_file() and root.suffix.lower() == ".csv" else None


def read(root: Path, *, columns: Mapping[str, str] | None = None) -> Manifest:
    """Read a CSV table whose paths are relative to its folder.

    Parameters
    ----------
    root : Path
        The file. The clip's path is in the first column called one of `PATH_NAMES`, its labels in
        the first called one of `LABEL_NAMES`; all other columns are as in a manifest.
    columns : mapping of str to str or None
        Which column of the table to take for one of the manifest's: ``{"labels": "species"}``.

    Returns
    -------
    Manifest
        The clips.

    Raises
    ------
    ManifestError
        If it is no table, has no row, has no path column, or breaks the manifest's rules.
    ValueError
        If it lacks a column that `columns` names.
    """
    table = read_csv(root)
    if table.empty:
        raise ManifestError(["it lists no clips"], str(root))
    if len(table.columns) == 1 and re.search(r"[;\t]", str(table.columns[0])):
        rule = "cells must be separated by commas, these seem to be by semicolons or tabs"
        raise ManifestError([f"{rule}: {table.columns[0]!r}"], str(root))
    # A blank after the comma of a header is a slip, and would hide the column.
    table.columns = table.columns.map(str).str.strip()
    if not table.columns.is_unique:
        twice = ", ".join(table.columns[table.columns.duplicated()])
        raise ManifestError(
            [f"columns must have different names, {twice} is there twice"], str(root)
        )
    table = take_columns(table, columns or {}, where=str(root))
    for wanted, names in (("path", PATH_NAMES), ("labels", LABEL_NAMES)):
        if wanted not in table:
            found = [column for column in table if str(column).lower() in names]
            table = table.rename(columns={found[0]: wanted} if found else {})
    return make_manifest(table, root.parent, where=str(root))


def take_columns(table: pd.DataFrame, columns: Mapping[str, str], *, where: str) -> pd.DataFrame:
    """Take some columns of a table for some of a manifest's.

    Parameters
    ----------
    table : pd.DataFrame
        Any table.
    columns : mapping of str to str
        The manifest's name to the table's.
    where : str
        The table's name, for errors.

    Returns
    -------
    pd.DataFrame
        With copies under the manifest's names.

    Raises
    ------
    ValueError
        If a name is none of a manifest's columns, or the table has no such column.
    """
    odd = sorted(set(columns) - set(COLUMNS))
    lost = sorted(set(columns.values()) - set(map(str, table.columns)))
    if odd:
        raise ValueError(f"a manifest's columns are {', '.join(COLUMNS)}, got {', '.join(odd)}")
    if lost:
        found = ", ".join(map(str, table.columns))
        raise ValueError(f"{where} has no column {', '.join(lost)}; its columns: {found}")
    return table.assign(**{name: table[source] for name, source in columns.items()})


LAYOUT = Layout("csv", "a CSV table with a path (or file) and a label column", recognise, read)
