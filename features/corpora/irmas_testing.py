"""IRMAS, testing data: excerpts of 5 to 20 seconds, all predominant instruments named beside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd

from features.audio import list_audio_files
from features.corpora.irmas import CODES, N_NAMES
from features.corpora.irmas import LAYOUT as TRAINING
from features.corpora.layout import Layout
from features.manifest import MAX_SHOWN, SEPARATOR, Manifest, ManifestError, make_manifest

PARTS = tuple(f"IRMAS-TestingData-Part{number}" for number in (1, 2, 3))
INNER_PARTS = ("Part1", "Part2", "Part3")
EXCERPT = re.compile(r"-\d+$")


def recognise(root: Path) -> str | None:
    """Recognise sound with a text of instrument codes beside it.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    for folder in _places(root):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, N_NAMES)]
        for name in sorted(names):
            sound, text = (folder / f"{Path(name).stem}{suffix}" for suffix in (".wav", ".txt"))
            if sound.is_file() and text.is_file() and _is_annotation(text):
                return f"{text.name} names the instruments of {sound.name}"
    return None


def read(root: Path) -> Manifest:
    """Read `<song>-<number>.wav` with `<song>-<number>.txt`, one code a line, at any depth.

    Parameters
    ----------
    root : Path
        One part's folder, or any above it.

    Returns
    -------
    Manifest
        Every clip is annotated for all eleven instruments; group = the song, of which there are
        about fourteen excerpts. `split` is left to the user.

    Raises
    ------
    ManifestError
        If there is no sound, a text is missing or names nothing, or a line holds no known code.
    """
    files = _sound_files(root)
    if not files:
        raise ManifestError(["no sound files found"], str(root))
    problems: list[str] = []
    labels = [_read_annotation(path.with_suffix(".txt"), root, problems) for path in files]
    if problems:
        more = f"and {len(problems) - MAX_SHOWN} more such problems"
        shown = problems[:MAX_SHOWN] + ([more] if len(problems) > MAX_SHOWN else [])
        raise ManifestError(shown, str(root))
    table = pd.DataFrame(
        {
            "path": [path.relative_to(root).as_posix() for path in files],
            "labels": labels,
            "group": [name_song(path.stem) for path in files],
        }
    )
    return make_manifest(table, root, where=str(root))


def name_song(stem: str) -> str:
    """Take the excerpt's number off a file name.

    Parameters
    ----------
    stem : str
        File name without its ending.

    Returns
    -------
    str
        The song.

    Examples
    --------
    >>> name_song("07 - Store Bought Bones - 07-10")
    '07 - Store Bought Bones - 07'
    """
    return EXCERPT.sub("", stem)


def _read_annotation(text: Path, root: Path, problems: list[str]) -> str:
    """Give a cell of labels; what is wrong is added to the problems."""
    name = text.relative_to(root).as_posix()
    if not text.is_file():
        problems.append(f"{name} must be there, it names the instruments of its sound")
        return ""
    # Lines end in a tab, and in some editors' copies in a carriage return.
    lines = [
        line.strip() for line in text.read_text(encoding="utf-8", errors="replace").split("\n")
    ]
    found = [code for code in lines if code]
    if not found:
        problems.append(f"{name} must name an instrument, it is empty")
    for number, code in enumerate(lines, start=1):
        if code and code not in CODES:
            problems.append(f"{name}, line {number}: {code!r} is none of {', '.join(CODES)}")
    return SEPARATOR.join(dict.fromkeys(found))


def _is_annotation(text: Path) -> bool:
    with text.open(encoding="utf-8", errors="replace") as stream:
        return stream.readline().strip() in CODES


def _places(root: Path) -> Iterator[Path]:
    """Folders in which the sound lies, if it is there: the root, the parts, their inner folders."""
    for outer in ("", *PARTS):
        for inner in ("", *INNER_PARTS):
            if (root / outer / inner).is_dir():
                yield root / outer / inner


def _sound_files(root: Path) -> list[Path]:
    """All sound below, but only the testing parts where training data lie beside them."""
    folders = [root / name for name in PARTS if (root / name).is_dir()] or [root]
    return [path for folder in folders if folder.is_dir() for path in list_audio_files(folder)]


LAYOUT = Layout(
    "irmas-test",
    "IRMAS testing data: <song>-<number>.wav with the codes in <song>-<number>.txt",
    recognise,
    read,
    source=TRAINING.source,
    licence=TRAINING.licence,
    citation=TRAINING.citation,
    expected={"clips": 2874, "labels": 11, "groups": 208},
)
