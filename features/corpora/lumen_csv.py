"""A file column and one column for each IRMAS instrument, as the Lumen 2023 entries list clips.

The format is that of https://github.com/ciglenecki/lumen-audio (`data/*.csv`); the clips that it
lists there belong to IRMAS, OpenMIC-2018 and others, under their own licences.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

from features.corpora.csv_table import PATH_NAMES
from features.corpora.irmas import CODES, NAME
from features.corpora.irmas_testing import EXCERPT, name_song
from features.corpora.layout import Layout
from features.corpora.openmic import SAMPLE_KEY
from features.corpora.presences import join_labels, read_presences
from features.manifest import Manifest, ManifestError, make_manifest, read_csv

FILE_NAMES = ("file", "filename")
MIN_CODES = 2

# What pandas calls the nameless first column that `to_csv` writes.
INDEX = re.compile(r"Unnamed: \d+")

# The teams' paths start from their repository, their tables lie one or two folders below it.
MAX_UP = 3


def recognise(root: Path) -> str | None:
    """Recognise a header with a file column and all eleven codes.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    if not root.is_file() or root.suffix.lower() != ".csv":
        return None
    with root.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        header = next(csv.reader(stream), [])
    fits = set(CODES) <= set(header) and any(name in header for name in FILE_NAMES)
    return "its columns are a file and the eleven IRMAS codes" if fits else None


def read(root: Path) -> Manifest:
    """Read `file` and columns of 0 and 1 named by codes, in any order.

    Parameters
    ----------
    root : Path
        The CSV file. Its paths start from its own folder, or from one of the next three above it
        if the first listed file is found from there.

    Returns
    -------
    Manifest
        The classes annotated are those that have a column. Group = what the file's name tells in
        the naming of IRMAS (recording, song) and of OpenMIC (excerpts share no recording), unless
        there is a `group` column. Other columns are kept, a nameless index is not.

    Raises
    ------
    ManifestError
        If it is no table, has no column of paths or fewer than two of codes, has a cell that is
        neither 0 nor 1, or breaks the manifest's rules.
    """
    table = read_csv(root)
    paths = [column for column in table if str(column).lower() in PATH_NAMES]
    codes = [code for code in CODES if code in table]
    if not paths or len(codes) < MIN_CODES:
        rule = f"a file column and at least {MIN_CODES} of the columns {', '.join(CODES)}"
        found = ", ".join(map(str, table.columns))
        raise ManifestError([f"{rule} are required, found {found}"], str(root))
    present = read_presences(table, codes, where=str(root))
    nameless = [column for column in table if INDEX.fullmatch(str(column))]
    table = table.drop(columns=[*codes, *nameless]).rename(columns={paths[0]: "path"})
    table["labels"] = join_labels(present, codes)
    if "group" not in table:
        table["group"] = [_group(Path(path)) for path in table["path"]]
    return make_manifest(table, _base(root.parent, table["path"].tolist()), where=str(root))


def _group(path: Path) -> str:
    match = NAME.fullmatch(path.name)
    if match:
        return match["recording"]
    if SAMPLE_KEY.fullmatch(path.stem):
        return path.stem
    return name_song(path.stem) if EXCERPT.search(path.stem) else ""


def _base(folder: Path, paths: list[str]) -> Path:
    """Give the folder that paths start from."""
    candidates = [folder.absolute(), *folder.absolute().parents][: MAX_UP + 1]
    found = (base for base in candidates if paths and (base / paths[0]).is_file())
    return next(found, folder)


LAYOUT = Layout(
    "lumen",
    "a CSV table with a file column and a column of 0 and 1 for each IRMAS code",
    recognise,
    read,
)
