"""GTZAN: ten genres, a hundred excerpts of 30 s each, with and without its known faults."""

from __future__ import annotations

import re
import warnings
from itertools import islice
from pathlib import Path

import pandas as pd

from features.audio import list_audio_files
from features.corpora.layout import Layout
from features.corpora.listing import first_there
from features.manifest import MAX_SHOWN, Manifest, ManifestError, make_manifest

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae",
          "rock")  # fmt: skip
FOLDERS = ("genres", "genres_original")
NAME = re.compile(r"(?P<genre>[a-z]+)\.\d{5}\.(wav|au|mp3|flac|ogg)")


def recognise(root: Path) -> str | None:
    """Recognise a genre's folder with files such as ``blues.00000.wav``.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    base = first_there(root, FOLDERS) or root
    for genre in GENRES:
        if (base / genre).is_dir():
            names = [path.name for path in islice((base / genre).iterdir(), 20)]
            fit = [name for name in names if name.startswith(f"{genre}.") and NAME.fullmatch(name)]
            if fit:
                return f"it holds {(base / genre / min(fit)).relative_to(root).as_posix()}"
    return None


def recognise_nothing(root: Path) -> str | None:
    """Leave detection to the fault-filtered layout: the whole set is for those who ask for it.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    None
        Always.
    """
    return None


def read(root: Path) -> Manifest:
    """Read the fault-filtered split of `genres/<genre>/<genre>.<number>.wav`.

    Parameters
    ----------
    root : Path
        The unpacked folder: `genres` (or `genres_original`, as on Kaggle), its parent, with .wav or
        .au files.

    Returns
    -------
    Manifest
        Label = genre; split = the fault-filtered one that torchaudio carries: 443 train, 197
        validation, 290 test. No names of artists come with the files, so each file is its own
        group, although artists and even recordings recur [1]_: the split keeps them apart as far as
        its makers could tell, folds made over it do not.

    Raises
    ------
    ManifestError
        If there are no files, or some are named otherwise.

    Warns
    -----
    UserWarning
        For the files that the split leaves out, because they repeat others or are distorted, and so
        are not in the manifest; and that there are no groups.

    Notes
    -----
    In a copy on Kaggle `jazz.00054.wav`, of the training part, cannot be decoded; it is listed all
    the same, and fails by name where sound is read.

    References
    ----------
    .. [1] B. L. Sturm: The GTZAN dataset: Its contents, its faults, their effects on evaluation,
           and its future use. arXiv:1306.1461, 2013.
    """
    table = _rows(root)
    splits = _fault_filtered()
    table["split"] = [splits.get(Path(path).stem, "") for path in table["path"]]
    left_out = table.loc[table["split"] == "", "path"]
    if len(left_out):
        shown = ", ".join(left_out[:MAX_SHOWN]) + (", ..." if len(left_out) > MAX_SHOWN else "")
        warnings.warn(
            f"{root}: {len(left_out)} of {len(table)} files repeat others, are distorted or "
            f"otherwise outside the fault-filtered split, and so not in the manifest (layout "
            f"gtzan-all has them): {shown}",
            stacklevel=2,
        )
    table = table[table["split"] != ""].reset_index(drop=True)
    if table.empty:
        raise ManifestError(["none of its files is in the fault-filtered split"], str(root))
    return make_manifest(table, root, where=str(root))


def read_all(root: Path) -> Manifest:
    """Read all files, repeated, mislabelled and distorted ones too, without a split.

    Parameters
    ----------
    root : Path
        As for the fault-filtered layout.

    Returns
    -------
    Manifest
        Label = genre. Any split of these files has copies of one recording on both sides.

    Raises
    ------
    ManifestError
        If there are no files, or some are named otherwise.

    Warns
    -----
    UserWarning
        That there are no groups.
    """
    return make_manifest(_rows(root), root, where=str(root))


def _rows(root: Path) -> pd.DataFrame:
    base = first_there(root, FOLDERS) or root
    files = [path.relative_to(root) for path in list_audio_files(base)]
    names = [NAME.fullmatch(path.name) for path in files]
    odd = [
        path.as_posix()
        for path, name in zip(files, names, strict=True)
        if name is None or name["genre"] not in GENRES
    ]
    if odd or not files:
        shown = ", ".join(odd[:MAX_SHOWN]) or "nothing"
        rule = (
            f"files must be named <genre>.<five digits>.wav, the genre one of {', '.join(GENRES)}"
        )
        raise ManifestError([f"{rule}; found {shown}"], str(base))
    return pd.DataFrame(
        {
            "path": [path.as_posix() for path in files],
            "labels": [name["genre"] for name in names if name],
        }
    )


def _fault_filtered() -> dict[str, str]:
    # Loads torch, which takes a second.
    from torchaudio.datasets import gtzan

    lists = {
        "train": gtzan.filtered_train,
        "validation": gtzan.filtered_valid,
        "test": gtzan.filtered_test,
    }
    return {stem: split for split, stems in lists.items() for stem in stems}


SOURCE = "http://marsyas.info/downloads/datasets.html"
LICENCE = "none given by the publisher; excerpts of commercial recordings"
CITATION = (
    "G. Tzanetakis, P. Cook: Musical Genre Classification of Audio Signals. "
    "IEEE Transactions on Speech and Audio Processing 10(5), 2002, pp. 293-302"
)

GTZAN = Layout(
    "gtzan",
    "ten genres, the fault-filtered split: genres/blues/blues.00000.wav",
    recognise,
    read,
    source=SOURCE,
    licence=LICENCE,
    citation=CITATION,
    expected={"clips": 930, "labels": 10, "train": 443, "validation": 197, "test": 290},
)

GTZAN_ALL = Layout(
    "gtzan-all",
    "ten genres, all 1,000 files with their known faults, without a split",
    recognise_nothing,
    read_all,
    source=SOURCE,
    licence=LICENCE,
    citation=CITATION,
    expected={"clips": 1000, "labels": 10},
)
