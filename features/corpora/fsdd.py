"""Free Spoken Digit Dataset: the digits, spoken fifty times each by six speakers."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pandas as pd

from features.audio import list_audio_files
from features.corpora.layout import Layout
from features.manifest import MAX_SHOWN, Manifest, ManifestError, make_manifest

FOLDER = "recordings"
NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[A-Za-z]+)_(?P<index>\d+)\.wav")

# The first tenth of each speaker's fifty takes of a digit.
N_OFFICIAL_TEST = 5


def recognise(root: Path) -> str | None:
    """Recognise file names such as ``7_jackson_32.wav``.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    base = root / FOLDER if (root / FOLDER).is_dir() else root
    if not base.is_dir():
        return None
    names = (path.name for path in base.iterdir())
    first = list(islice((name for name in names if not name.startswith(".")), 20))
    fits = bool(first) and all(NAME.fullmatch(name) for name in first)
    return f"its files are named like {min(first)}" if fits else None


def read(root: Path) -> Manifest:
    """Read `recordings/<digit>_<speaker>_<index>.wav`.

    Parameters
    ----------
    root : Path
        The repository's folder, or its `recordings`.

    Returns
    -------
    Manifest
        Label = digit; group = speaker; `index` and `official_split` as more columns. The official
        test set, indices 0 to 4, is spoken by the speakers of the training set: a model need only
        know their voices. So it is no `split`, since a speaker must stay in one; leave speakers out
        in turn instead (folds by group).

    Raises
    ------
    ManifestError
        If there are no files, or some are named otherwise.
    """
    base = root / FOLDER if (root / FOLDER).is_dir() else root
    files = [path.relative_to(root) for path in list_audio_files(base)]
    matches = [NAME.fullmatch(path.name) for path in files]
    odd = [path.as_posix() for path, match in zip(files, matches, strict=True) if match is None]
    if odd or not files:
        shown = ", ".join(odd[:MAX_SHOWN]) or "nothing"
        rule = "files must be named <digit>_<speaker>_<index>.wav"
        raise ManifestError([f"{rule}, found {shown}"], str(base))
    table = pd.DataFrame([match.groupdict() for match in matches if match])
    table = table.rename(columns={"digit": "labels", "speaker": "group"})
    table.insert(0, "path", [path.as_posix() for path in files])
    is_test = table["index"].astype(int) < N_OFFICIAL_TEST
    table["official_split"] = is_test.map({True: "test", False: "train"})
    return make_manifest(table, root, where=str(root))


LAYOUT = Layout(
    "fsdd",
    "spoken digits named recordings/<digit>_<speaker>_<index>.wav",
    recognise,
    read,
    source="https://github.com/Jakobovski/free-spoken-digit-dataset",
    licence="CC BY-SA 4.0",
    citation="Z. Jackson et al.: Free Spoken Digit Dataset. Zenodo, 2018, "
    "https://zenodo.org/badge/latestdoi/61622039",
    expected={"clips": 3000, "labels": 10, "groups": 6},
)
