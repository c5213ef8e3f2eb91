"""Corpora in several parts, each a listing and the folder of the sounds that it lists."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.corpora.listing import first_there, read_listing


@dataclass(frozen=True)
class Part:
    """One listing with its folder of sounds.

    Parameters
    ----------
    listings, folders : tuple of str
        What either is called, below the corpus; the publisher's own name first.
    columns : tuple of str
        Columns that the listing must have, `fname` among them.
    cells : mapping of str to str
        What is true of all its clips: a column's name and its value.
    """

    listings: tuple[str, ...]
    folders: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[str, str]


def read_parts(root: Path, parts: Sequence[Part], *, ending: str = "") -> pd.DataFrame:
    """Read the listings of a corpus one below the other.

    Parameters
    ----------
    root : Path
        The corpus.
    parts : sequence of Part
        The first one's listing must be there.
    ending : str
        What the files' names have after `fname`.

    Returns
    -------
    pd.DataFrame
        One row per listed clip: `path` relative to `root`, the listing's columns and the part's.

    Raises
    ------
    FileNotFoundError
        If the first part has no listing.
    ManifestError
        If a listing is no CSV table, lacks a column, or has no row.

    Warns
    -----
    UserWarning
        If there are sounds of a part whose listing is missing.
    """
    tables: list[pd.DataFrame] = []
    for part in parts:
        listing, folder = first_there(root, part.listings), first_there(root, part.folders)
        if listing is None and tables:
            if folder is not None:
                warnings.warn(
                    f"{folder}: without {part.listings[0]} nothing is known of these sounds, and "
                    "they are not in the manifest",
                    stacklevel=2,
                )
            continue
        table = read_listing(listing or root / part.listings[0], columns=part.columns)
        name = folder.relative_to(root).as_posix() if folder else part.folders[0]
        table.insert(0, "path", f"{name}/" + table["fname"] + ending)
        tables.append(table.assign(**part.cells))
    return pd.concat(tables, ignore_index=True).fillna("")
