"""ESC-50 and its part ESC-10: environmental sounds of 5 s, 40 clips a class, in five folds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from features.audio import list_audio_files
from features.corpora.layout import Layout
from features.corpora.listing import (
    count_from_zero,
    keep_groups_whole,
    keep_present,
    read_listing,
)
from features.manifest import MAX_SHOWN, Manifest, ManifestError, make_manifest

LISTING = "meta/esc50.csv"
FOLDER = re.compile(r"\d{3} - (?P<category>.+)")
NAME = re.compile(r"(?P<fold>[1-5])-(?P<src_file>\d+)-(?P<take>[A-Z])(-\d+)?\.\w+")

# Folders of the older releases whose name is not the category that the listing has today.
RENAMED = {
    "baby_cry": "crying_baby",
    "dog_bark": "dog",
    "door_knock": "door_wood_knock",
    "fire_crackling": "crackling_fire",
    "person_sneeze": "sneezing",
}

SOURCE = "https://github.com/karolpiczak/ESC-50"
CITATION = (
    "K. J. Piczak: ESC: Dataset for Environmental Sound Classification. "
    "23rd ACM International Conference on Multimedia, 2015, pp. 1015-1018"
)


def recognise_esc50(root: Path) -> str | None:
    """Recognise the publisher's listing, or the first folder of the older release.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    return _first_sign(root, (LISTING, "101 - Dog", "101 - Dog bark"))


def recognise_esc10(root: Path) -> str | None:
    """Recognise the first folder of the release of ESC-10 on its own.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none; ESC-50's listing is taken for ESC-50.
    """
    return _first_sign(root, ("001 - Dog bark",))


def _first_sign(root: Path, names: Iterable[str]) -> str | None:
    return next((f"it holds {name}" for name in names if (root / name).exists()), None)


def read_esc50(root: Path) -> Manifest:
    """Read `meta/esc50.csv` and `audio/`, or the older `<number> - <class>/` folders.

    Parameters
    ----------
    root : Path
        The unpacked folder.

    Returns
    -------
    Manifest
        Label = category, in the listing's words for both forms; group = the Freesound clip that an
        excerpt was cut from. `fold` counts from zero, the publisher's number from one is kept as
        `official_fold`.

    Raises
    ------
    ManifestError
        If the listing lacks a column, a fold is no number, files are named otherwise, or no sound
        is there.

    Warns
    -----
    UserWarning
        If the folds tear Freesound clips apart, as the release's do with four (see Notes), or if
        listed files are missing.

    Notes
    -----
    Counted in an independent index of the release [1]_: excerpts of the clips 131943, 134049,
    209698 and 234879 lie in two folds each, with two labels each (clock alarm and clock tick, or
    hen and rooster). Each clip is kept whole, in the fold that has most of it, which moves 4
    excerpts; published scores are on the folds as they were. None of this concerns ESC-10.

    References
    ----------
    .. [1] soundata 0.1.1, datasets/indexes/esc50_index.json, https://github.com/soundata/soundata
    """
    return _manifest(_rows(root), root)


def read_esc10(root: Path) -> Manifest:
    """Read the part of ESC-50 that is ESC-10, or the older release of ESC-10 on its own.

    Parameters
    ----------
    root : Path
        The unpacked folder of either.

    Returns
    -------
    Manifest
        As for ESC-50, of ten categories. ESC-50's older folders do not tell which are ESC-10.

    Raises
    ------
    ManifestError
        As for ESC-50, or if the listing marks no clip as ESC-10's.
    """
    table = _rows(root)
    if "esc10" in table:
        table = table[table["esc10"].str.lower() == "true"].reset_index(drop=True)
        if table.empty:
            raise ManifestError(["no row has esc10 = True"], str(root / LISTING))
    elif not (root / "001 - Dog bark").is_dir():
        raise ManifestError(
            [f"ESC-10 needs {LISTING}, or its own folders from '001 - Dog bark'"], str(root)
        )
    return _manifest(table, root)


def _rows(root: Path) -> pd.DataFrame:
    if not (root / LISTING).is_file():
        return _folder_rows(root)
    table = read_listing(root / LISTING, columns=("filename", "fold", "category", "src_file"))
    table = table.rename(columns={"fold": "official_fold", "category": "labels"})
    table.insert(0, "path", "audio/" + table.pop("filename"))
    table["fold"] = count_from_zero(table, "official_fold", listing=root / LISTING)
    return table


def _folder_rows(root: Path) -> pd.DataFrame:
    """Read what the names of folders and files tell: `101 - Dog/1-100032-A.ogg`."""
    files = [path.relative_to(root) for path in list_audio_files(root)]
    folders = [FOLDER.fullmatch(path.parts[0]) if len(path.parts) == 2 else None for path in files]
    names = [NAME.fullmatch(path.name) for path in files]
    rows, odd = [], []
    for path, folder, name in zip(files, folders, names, strict=True):
        if folder is None or name is None:
            odd.append(path.as_posix())
            continue
        category = re.sub(r"[^a-z]+", "_", folder["category"].lower())
        rows.append(
            {
                "path": path.as_posix(),
                "labels": RENAMED.get(category, category),
                "official_fold": name["fold"],
                "fold": int(name["fold"]) - 1,
                "src_file": name["src_file"],
                "take": name["take"],
            }
        )
    if odd or not rows:
        shown = ", ".join(odd[:MAX_SHOWN]) or "nothing"
        rule = f"without {LISTING}, files must be named <number> - <class>/<fold>-<clip>-<take>.ogg"
        raise ManifestError([f"{rule}, found {shown}"], str(root))
    return pd.DataFrame(rows)


def _manifest(table: pd.DataFrame, root: Path) -> Manifest:
    table = table.assign(group=table["src_file"])
    # Before looking which files are there, so that a part of the corpus has the folds of the whole.
    table = keep_groups_whole(table, "fold", root=root)
    return make_manifest(keep_present(table, root, listing=LISTING), root, where=str(root))


ESC50 = Layout(
    "esc50",
    "environmental sounds: meta/esc50.csv and audio/, or folders such as '101 - Dog'",
    recognise_esc50,
    read_esc50,
    source=SOURCE,
    licence="CC BY-NC 3.0",
    citation=CITATION,
    expected={"clips": 2000, "labels": 50, "groups": 1524},
)

ESC10 = Layout(
    "esc10",
    "the ten classes of ESC-50 that are ESC-10, or folders such as '001 - Dog bark'",
    recognise_esc10,
    read_esc10,
    source="https://github.com/karolpiczak/ESC-10",
    licence="CC BY 3.0",
    citation=CITATION,
    expected={"clips": 400, "labels": 10, "groups": 304},
)
