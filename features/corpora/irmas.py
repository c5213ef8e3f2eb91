"""IRMAS, training data: excerpts of three seconds with one predominant instrument each."""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

import pandas as pd

from features.audio import list_audio_files
from features.corpora.layout import Layout
from features.manifest import MAX_SHOWN, Manifest, ManifestError, make_manifest

CODES = ("cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio", "voi")
"""Cello, clarinet, flute, acoustic and electric guitar, organ, piano, saxophone, trumpet, violin,
voice."""

FOLDER = "IRMAS-TrainingData"

# A tag's meaning is its place: `cla` is the clarinet in the first, classical music in the last.
NAME = re.compile(
    r"(?:[^\[\]]+__)?\[(?P<instrument>[^\[\]]+)\](?:\[(?P<drums>dru|nod|---)\])?"
    r"(?:\[(?P<genre>[^\[\]]+)\])?(?P<recording>\d{4})__\d+\.\w+"
)
DRUMS = {"dru": "yes", "nod": "no"}
NOT_KNOWN = "---"

# Enough to pass over what systems leave in folders, few enough to be no work.
N_NAMES = 20


def recognise(root: Path) -> str | None:
    """Recognise folders named by the codes, with file names that begin with their folder's tag.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    for code in CODES:
        folder = _codes_folder(root) / code
        if not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, N_NAMES)]
        matches = [NAME.fullmatch(name) for name in names]
        fitting = [match[0] for match in matches if match and match["instrument"] == code]
        if fitting:
            return f"it holds {code}/{min(fitting)}"
    return None


def read(root: Path) -> Manifest:
    """Read `<code>/[<prefix>__][<code>][<drums>][<genre>]<recording>__<excerpt>.wav`.

    Parameters
    ----------
    root : Path
        The folder of the codes' folders, or the one above it.

    Returns
    -------
    Manifest
        Label = folder, the instrument's code; group = the four digits of the recording, of which
        there are up to three excerpts; `drums` (yes, no, or empty where nobody noted it) and
        `genre` (empty if not given) as more columns.

    Raises
    ------
    ManifestError
        If there is no sound, a file lies outside the codes' folders or is named otherwise, or its
        tag is not its folder's.
    """
    folder = _codes_folder(root)
    files = list_audio_files(folder) if folder.is_dir() else []
    if not files:
        raise ManifestError([f"no sound files found in {', '.join(CODES)}"], str(root))
    paths = [path.relative_to(root).as_posix() for path in files]
    places = [path.relative_to(folder).parts[:-1] for path in files]
    matches = [NAME.fullmatch(path.name) for path in files]
    rows = list(zip(paths, places, matches, strict=True))
    lost = [path for path, place, _ in rows if len(place) != 1 or place[0] not in CODES]
    odd = [path for path, _, match in rows if match is None]
    false = [
        f"{path} is in {place[-1]} but tagged [{match['instrument']}]"
        for path, place, match in rows
        if match and place and match["instrument"] != place[-1]
    ]
    rules = {
        f"files must lie in folders named {', '.join(CODES)}": lost,
        "files must be named [<code>][<drums>][<genre>]<4 digits>__<number>.wav": odd,
        "a file's first tag must be its folder": false,
    }
    problems = [f"{rule}, {_shown(bad)}" for rule, bad in rules.items() if bad]
    if problems:
        raise ManifestError(problems, str(root))
    tags = pd.DataFrame([match.groupdict(default="") for match in matches if match])
    table = pd.DataFrame(
        {
            "path": paths,
            "labels": tags["instrument"],
            "group": tags["recording"],
            "drums": tags["drums"].map(DRUMS).fillna(""),
            "genre": tags["genre"].replace(NOT_KNOWN, ""),
        }
    )
    return make_manifest(table, root, where=str(root))


def _codes_folder(root: Path) -> Path:
    return root / FOLDER if (root / FOLDER).is_dir() else root


def _shown(bad: list[str]) -> str:
    more = f" (and {len(bad) - MAX_SHOWN} more)" if len(bad) > MAX_SHOWN else ""
    return "found " + ", ".join(bad[:MAX_SHOWN]) + more


LAYOUT = Layout(
    "irmas",
    "IRMAS training data: folders cel, cla, ..., files [cel][nod][cla]0058__1.wav",
    recognise,
    read,
    source="https://doi.org/10.5281/zenodo.1290750",
    licence="CC BY-NC-SA 3.0",
    citation="J. J. Bosch, J. Janer, F. Fuhrmann and P. Herrera, A Comparison of Sound Segregation "
    "Techniques for Predominant Instrument Recognition in Musical Audio Signals, ISMIR 2012, "
    "pp. 559-564",
    expected={"clips": 6705, "labels": 11, "groups": 2261},
)
