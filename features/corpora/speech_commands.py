"""Speech Commands: single words of a second, from thousands of speakers."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pandas as pd

from features.audio import list_audio_files
from features.corpora.layout import Layout
from features.corpora.listing import keep_present
from features.manifest import MAX_SHOWN, Manifest, ManifestError, make_manifest

LISTS = {"validation_list.txt": "validation", "testing_list.txt": "test"}
BACKGROUND = "_background_noise_"
NAME = re.compile(r"(?P<word>[^/;]+)/(?P<speaker>[0-9a-f]+)_nohash_(?P<take>\d+)\.wav")


def recognise(root: Path) -> str | None:
    """Recognise the publisher's two lists.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    there = all((root / name).is_file() for name in LISTS)
    return f"it holds {' and '.join(LISTS)}" if there else None


def read(root: Path) -> Manifest:
    """Read `<word>/<speaker>_nohash_<take>.wav` and the lists of validation and test clips.

    Parameters
    ----------
    root : Path
        The unpacked folder of version 0.01 or 0.02.

    Returns
    -------
    Manifest
        Label = word; group = speaker, as far as the publisher could tell people apart by their
        device; split by the lists, the rest is train; `take` as one more column.

    Raises
    ------
    FileNotFoundError
        If a list is missing.
    ManifestError
        If there are no clips, some are named otherwise, a clip is in both lists, none of the listed
        clips is there, or a speaker is in several splits.

    Warns
    -----
    UserWarning
        If listed clips are missing, and if `_background_noise_` is there. Its few recordings are
        minutes long, have no speaker and are in none of the publisher's counts; as clips without
        any class they would turn a single-label corpus into a multi-label one. They are not in the
        manifest; read their folder on its own to use them.
    """
    splits = _read_lists(root)
    paths = [path.relative_to(root).as_posix() for path in list_audio_files(root)]
    background = [path for path in paths if path.startswith(f"{BACKGROUND}/")]
    paths = [path for path in paths if not path.startswith(f"{BACKGROUND}/")]
    matches = [NAME.fullmatch(path) for path in paths]
    odd = [path for path, match in zip(paths, matches, strict=True) if match is None]
    if odd or not paths:
        shown = ", ".join(odd[:MAX_SHOWN]) or "nothing"
        rule = "clips must be named <word>/<speaker>_nohash_<take>.wav"
        raise ManifestError([f"{rule}, found {shown}"], str(root))
    found = set(paths)
    # Only for its warning: what is there is known already.
    keep_present(
        pd.DataFrame({"path": list(splits)}),
        root,
        listing=" and ".join(LISTS),
        there=[path in found for path in splits],
    )
    if background:
        warnings.warn(
            f"{root}: {len(background)} recordings in {BACKGROUND} are no words, and so not in the "
            "manifest; read that folder on its own to use them",
            stacklevel=2,
        )
    table = pd.DataFrame([match.groupdict() for match in matches if match])
    table = table.rename(columns={"word": "labels", "speaker": "group"})
    table.insert(0, "path", paths)
    table["split"] = [splits.get(path, "train") for path in paths]
    return make_manifest(table, root, where=str(root))


def _read_lists(root: Path) -> dict[str, str]:
    """Give the split of each listed clip."""
    splits: dict[str, str] = {}
    for name, split in LISTS.items():
        if not (root / name).is_file():
            raise FileNotFoundError(f"no {name} in {root}")
        # What is no UTF-8 is no name of a clip either, and is told as one that is not there.
        lines = (root / name).read_text(encoding="utf-8", errors="replace").splitlines()
        listed = [line.strip() for line in lines if line.strip()]
        twice = [path for path in listed if path in splits]
        if twice:
            shown = ", ".join(twice[:MAX_SHOWN])
            problem = f"{len(twice)} of its clips are in another list too: {shown}"
            raise ManifestError([problem], str(root / name))
        if not listed:
            raise ManifestError(["it lists no clips"], str(root / name))
        splits.update(dict.fromkeys(listed, split))
    return splits


LAYOUT = Layout(
    "speech-commands",
    "spoken words, <word>/<speaker>_nohash_<take>.wav, with validation_list and testing_list",
    recognise,
    read,
    source="https://www.tensorflow.org/datasets/catalog/speech_commands",
    licence="CC BY 4.0",
    citation="P. Warden: Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition. "
    "arXiv:1804.03209, 2018",
    expected={
        "clips": 105829,
        "labels": 35,
        "groups": 2618,
        "train": 84843,
        "validation": 9981,
        "test": 11005,
    },
)
