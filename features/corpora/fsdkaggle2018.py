"""FSDKaggle2018: single sound events from Freesound, 41 classes, of DCASE 2018 task 2."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from features.corpora.layout import Layout
from features.corpora.listing import first_there, keep_present
from features.corpora.parts import Part, read_parts
from features.manifest import Manifest, make_manifest

PARTS = (
    Part(
        (
            "FSDKaggle2018.meta/train_post_competition.csv",
            "train_post_competition.csv",
            "train.csv",
        ),
        ("FSDKaggle2018.audio_train", "audio_train"),
        ("fname", "label"),
        {"split": "train"},
    ),
    Part(
        (
            "FSDKaggle2018.meta/test_post_competition_scoring_clips.csv",
            "test_post_competition_scoring_clips.csv",
            "test_post_competition.csv",
        ),
        ("FSDKaggle2018.audio_test", "audio_test"),
        ("fname", "label"),
        {"split": "test"},
    ),
)

# What the competition's table of test files has for those that no score was computed on.
PADDING = "Ignored"


def recognise(root: Path) -> str | None:
    """Recognise the publisher's listing, or Kaggle's beside `audio_train`.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    if (root / PARTS[0].listings[0]).is_file():
        return f"it holds {PARTS[0].listings[0]}"
    listing = first_there(root, PARTS[0].listings)
    there = listing is not None and (root / "audio_train").is_dir()
    return f"it holds {listing.name} and audio_train" if listing and there else None


def read(root: Path) -> Manifest:
    """Read the listings of `FSDKaggle2018.meta`, or those that Kaggle gave out.

    Parameters
    ----------
    root : Path
        The folder with `FSDKaggle2018.audio_train` and its siblings, or Kaggle's with `train.csv`
        and `audio_train`.

    Returns
    -------
    Manifest
        Label = the class, as the publisher writes it; group = the Freesound clip, where the listing
        tells it (Kaggle's `train.csv` does not); `manually_verified`, `usage` and `license` as more
        columns. Nothing tells uploaders, so takes of one session may be in both splits.

    Raises
    ------
    FileNotFoundError
        If there is no listing of the training clips.
    ManifestError
        If a listing lacks a column, one Freesound clip is in both splits, or no sound is there.

    Warns
    -----
    UserWarning
        If the table of test files has padding, which was never scored and has no labels and so is
        left out; if listed files are missing; if clips have no Freesound number.
    """
    table = read_parts(root, PARTS)
    table = table.drop(columns="fname").rename(columns={"label": "labels"})
    padding = table["usage"] == PADDING if "usage" in table else pd.Series(False, table.index)
    if padding.any():
        warnings.warn(
            f"{root}: {padding.sum()} of {len(table)} listed files are padding that was never "
            f"scored (usage {PADDING}), and so not in the manifest",
            stacklevel=2,
        )
        table = table[~padding].reset_index(drop=True)
    if "freesound_id" in table:
        table["group"] = table["freesound_id"]
    table = keep_present(table, root, listing="FSDKaggle2018")
    return make_manifest(table, root, where=str(root))


LAYOUT = Layout(
    "fsdkaggle2018",
    "Freesound clips of 41 classes: FSDKaggle2018.meta and .audio_train, or Kaggle's train.csv",
    recognise,
    read,
    source="https://zenodo.org/records/2552860",
    licence="CC BY 4.0 as a whole; each clip its own, in the column license",
    citation="E. Fonseca, M. Plakal, F. Font, D. P. W. Ellis, X. Favory, J. Pons, X. Serra: "
    "General-purpose Tagging of Freesound Audio with AudioSet Labels: Task Description, Dataset, "
    "and Baseline. DCASE 2018 Workshop",
    expected={"clips": 11073, "labels": 41, "train": 9473, "test": 1600},
)
