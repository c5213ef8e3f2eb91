"""Philharmonia Orchestra sound samples: single notes of orchestral instruments."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pandas as pd

from features.audio import list_audio_files
from features.corpora.layout import Layout
from features.manifest import MAX_SHOWN, Manifest, ManifestError, make_manifest

NAME = re.compile(
    r"(?P<instrument>[a-z-]+( [a-z-]+)*)_(?P<note>[A-G]s?\d)_(?P<length>[^_]+)"
    r"_(?P<dynamic>[^_]+)_(?P<articulation>[^_]+)\.mp3"
)

# Enough to tell, few enough to be no work in a folder of very many other files.
N_ENTRIES = 20


def recognise(root: Path) -> str | None:
    """Recognise file names such as ``cello_A3_1_forte_arco-normal.mp3``.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    if not root.is_dir():
        return None
    entries = list(islice(root.iterdir(), N_ENTRIES))
    folders = [path for path in entries if path.is_dir()]
    entries += [path for folder in folders for path in islice(folder.iterdir(), N_ENTRIES)]
    names = (path.name for path in entries if path.suffix == ".mp3")
    first = [name for name in names if not name.startswith(".")]
    fits = bool(first) and all(NAME.fullmatch(name) for name in first)
    return f"its files are named like {min(first)}" if fits else None


def read(root: Path) -> Manifest:
    """Read `<instrument>/<instrument>_<note>_<length>_<dynamic>_<articulation>.mp3`.

    Parameters
    ----------
    root : Path
        The unpacked folder.

    Returns
    -------
    Manifest
        Label = folder, the instrument; group = instrument and note, since the lengths and dynamics
        of one note are one take or close to it; `note`, `length`, `dynamic`, `articulation` as more
        columns.

    Raises
    ------
    ManifestError
        If there are no files, or some are named otherwise.
    """
    files = [path.relative_to(root) for path in list_audio_files(root)]
    matches = [NAME.fullmatch(path.name) for path in files]
    odd = [path.as_posix() for path, match in zip(files, matches, strict=True) if match is None]
    if odd or not files:
        shown = ", ".join(odd[:MAX_SHOWN]) or "nothing"
        rule = "files must be named <instrument>_<note>_<length>_<dynamic>_<articulation>.mp3"
        raise ManifestError([f"{rule}, found {shown}"], str(root))
    table = pd.DataFrame([match.groupdict() for match in matches if match])
    table.insert(0, "path", [path.as_posix() for path in files])
    # The folder is the publisher's own name; the cor anglais' files say english-horn.
    instruments = table.pop("instrument")
    folders = [path.parts[0] if len(path.parts) > 1 else "" for path in files]
    table["labels"] = [a or b for a, b in zip(folders, instruments, strict=True)]
    table["group"] = table["labels"] + "_" + table["note"]
    return make_manifest(table, root, where=str(root))


LAYOUT = Layout(
    "philharmonia",
    "single notes named <instrument>_<note>_<length>_<dynamic>_<articulation>.mp3",
    recognise,
    read,
    source="https://philharmonia.co.uk/resources/sound-samples/",
    licence="free to use in any work; not to be sold or made available as samples",
    citation="Philharmonia Orchestra, Sound Samples",
)
