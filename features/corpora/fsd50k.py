"""FSD50K: 51,197 Freesound clips of 200 classes of AudioSet's ontology."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from features.corpora.layout import Layout
from features.corpora.listing import keep_groups_whole, keep_present, name_rows
from features.corpora.parts import Part, read_parts
from features.manifest import SEPARATOR, Manifest, ManifestError, make_manifest

PARTS = (
    Part(
        ("FSD50K.ground_truth/dev.csv",),
        ("FSD50K.dev_audio",),
        ("fname", "labels", "split"),
        {},
    ),
    Part(
        ("FSD50K.ground_truth/eval.csv",),
        ("FSD50K.eval_audio",),
        ("fname", "labels"),
        {"split": "test"},
    ),
)
CLIP_INFO = (
    "FSD50K.metadata/dev_clips_info_FSD50K.json",
    "FSD50K.metadata/eval_clips_info_FSD50K.json",
)
SPLITS = {"train": "train", "val": "validation", "test": "test"}


def recognise(root: Path) -> str | None:
    """Recognise the publisher's ground truth.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    listing = PARTS[0].listings[0]
    return f"it holds {listing}" if (root / listing).is_file() else None


def read(root: Path) -> Manifest:
    """Read `FSD50K.ground_truth/` and, where it is there, `FSD50K.metadata/`.

    Parameters
    ----------
    root : Path
        The folder that holds `FSD50K.ground_truth`, `FSD50K.dev_audio` and their siblings.

    Returns
    -------
    Manifest
        Labels as the publisher writes and propagates them (`Electric_guitar`, and above it `Guitar`
        to `Music`); those of the development clips may be incomplete. Split: train and validation
        of the development set, test = the evaluation set; the publisher's `train`, `val` or `test`
        is kept as `official_split`. Group = the uploader, which is the publisher's own criterion
        for splitting; `uploader`, `license` and `freesound_id` as more columns.

    Raises
    ------
    FileNotFoundError
        If there is no ground truth of the development set.
    ManifestError
        If a listing lacks a column, a split is none of the publisher's, the metadata is no JSON,
        one uploader is in both the development and the evaluation set, or no sound is there.

    Warns
    -----
    UserWarning
        If one uploader is in both train and validation: the publisher keeps uploaders apart between
        development and evaluation set, but only says so of these two. Then the uploader is kept
        whole where most of the clips are. If there is no metadata, so that groups are unknown; if
        listed files are missing.
    """
    table = read_parts(root, PARTS, ending=".wav")
    table = table.rename(columns={"fname": "freesound_id"})
    table["labels"] = table["labels"].str.replace(",", SEPARATOR, regex=False)
    table["official_split"] = table["split"]
    table["split"] = _splits(table, root / PARTS[0].listings[0])
    info = _clip_info(root)
    if info:
        for column in ("uploader", "license"):
            table[column] = [info.get(clip, {}).get(column, "") for clip in table["freesound_id"]]
        # A clip of an unknown uploader is a group of its own.
        table["group"] = table["uploader"].where(table["uploader"] != "", table["freesound_id"])
        development = table["split"] != "test"
        whole = keep_groups_whole(table[development], "split", root=root)
        table.loc[development, "split"] = whole["split"]
    table = keep_present(table, root, listing="FSD50K.ground_truth")
    return make_manifest(table, root, where=str(root))


def _splits(table: pd.DataFrame, listing: Path) -> pd.Series:
    splits = table["split"].map(SPLITS)
    odd = table.loc[splits.isna(), "split"]
    if len(odd):
        raise ManifestError([f"'split' must be train or val, {name_rows(odd)}"], str(listing))
    return splits


def _clip_info(root: Path) -> dict[str, dict[str, str]]:
    """Read what the publisher knows of each clip, empty where that was not downloaded."""
    info: dict[str, dict[str, str]] = {}
    for name in CLIP_INFO:
        if (root / name).is_file():
            try:
                info.update(json.loads((root / name).read_text(encoding="utf-8")))
            except ValueError as exc:
                raise ManifestError([f"not a JSON file in UTF-8: {exc}"], str(root / name)) from exc
    return info


LAYOUT = Layout(
    "fsd50k",
    "Freesound clips of 200 classes: FSD50K.ground_truth, FSD50K.dev_audio and FSD50K.eval_audio",
    recognise,
    read,
    source="https://zenodo.org/records/4060432",
    licence="CC BY 4.0 as a whole; each clip its own, in the column license",
    citation="E. Fonseca, X. Favory, J. Pons, F. Font, X. Serra: FSD50K: An Open Dataset of "
    "Human-Labeled Sound Events. IEEE/ACM Transactions on Audio, Speech, and Language Processing "
    "30, 2022, pp. 829-852",
    expected={"clips": 51197, "labels": 200, "test": 10231},
)
