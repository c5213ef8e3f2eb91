"""FSDKaggle2019: sound events of 80 classes, a few checked by people and many not (DCASE 2019)."""

from __future__ import annotations

from pathlib import Path

from features.corpora.layout import Layout
from features.corpora.listing import first_there, keep_present
from features.corpora.parts import Part, read_parts
from features.manifest import SEPARATOR, Manifest, make_manifest

PARTS = (
    Part(
        ("FSDKaggle2019.meta/train_curated_post_competition.csv", "train_curated.csv"),
        ("FSDKaggle2019.audio_train_curated", "train_curated"),
        ("fname", "labels"),
        {"split": "train", "curated": "1"},
    ),
    Part(
        ("FSDKaggle2019.meta/train_noisy_post_competition.csv", "train_noisy.csv"),
        ("FSDKaggle2019.audio_train_noisy", "train_noisy"),
        ("fname", "labels"),
        {"split": "train", "curated": "0"},
    ),
    Part(
        ("FSDKaggle2019.meta/test_post_competition.csv", "test_post_competition.csv"),
        ("FSDKaggle2019.audio_test", "test"),
        ("fname", "labels"),
        {"split": "test", "curated": "1"},
    ),
)

# "Detected corrupted files in the curated train set", in the publisher's README.
FAULTS = {
    **dict.fromkeys(
        ("f76181c4.wav", "77b925c2.wav", "6a1f682a.wav", "c7db12aa.wav", "7752cc8a.wav"),
        "wrong label",
    ),
    "1d44b0bd.wav": "no signal",
}


def recognise(root: Path) -> str | None:
    """Recognise the listing of the curated training clips, the publisher's or Kaggle's.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    listing = first_there(root, PARTS[0].listings)
    return f"it holds {listing.relative_to(root).as_posix()}" if listing else None


def read(root: Path) -> Manifest:
    """Read the listings of `FSDKaggle2019.meta`, or those that Kaggle gave out.

    Parameters
    ----------
    root : Path
        The folder with `FSDKaggle2019.meta`, `FSDKaggle2019.audio_train_curated` and its siblings,
        or Kaggle's with `train_curated.csv` and `train_curated`.

    Returns
    -------
    Manifest
        Labels as the publisher writes them; `curated` is 1 where people checked the labels, 0 for
        the noisy training clips; group = the Freesound clip or the Flickr video, where the listing
        tells it; `license` and `usage` as more columns. Labels of training clips may be incomplete,
        says the publisher: an absent label is not always an absent sound. `fault` marks the six
        curated clips that the publisher knows to be wrong; they are kept.

    Raises
    ------
    FileNotFoundError
        If there is no listing of the curated training clips.
    ManifestError
        If a listing lacks a column, one Freesound clip is in both splits, or no sound is there.

    Warns
    -----
    UserWarning
        If listed files are missing, or clips have no number of a Freesound clip or Flickr video.
    """
    table = read_parts(root, PARTS)
    table["fault"] = table.pop("fname").map(FAULTS).fillna("")
    table["labels"] = table["labels"].str.replace(",", SEPARATOR, regex=False)
    origins = [column for column in ("freesound_id", "flickr_video_URL") if column in table]
    if origins:
        # A clip has one or the other; the other cell is empty.
        table["group"] = table[origins].agg("".join, axis=1)
    table = keep_present(table, root, listing="FSDKaggle2019")
    return make_manifest(table, root, where=str(root))


LAYOUT = Layout(
    "fsdkaggle2019",
    "Freesound and Flickr clips of 80 classes: FSDKaggle2019.meta and .audio_train_curated",
    recognise,
    read,
    source="https://zenodo.org/records/3612637",
    licence="CC BY 4.0 as a whole; each clip its own, in the column license",
    citation="E. Fonseca, M. Plakal, F. Font, D. P. W. Ellis, X. Serra: Audio Tagging with Noisy "
    "Labels and Minimal Supervision. DCASE 2019 Workshop",
    expected={"clips": 29266, "labels": 80, "train": 24785, "test": 4481},
)
