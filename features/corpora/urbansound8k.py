"""UrbanSound8K: ten classes of city sounds, sliced from field recordings, in ten folds."""

from __future__ import annotations

from pathlib import Path

from features.corpora.layout import Layout
from features.corpora.listing import (
    count_from_zero,
    keep_groups_whole,
    keep_present,
    read_listing,
)
from features.manifest import Manifest, make_manifest

LISTING = "metadata/UrbanSound8K.csv"


def recognise(root: Path) -> str | None:
    """Recognise the publisher's listing.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    return f"it holds {LISTING}" if (root / LISTING).is_file() else None


def read(root: Path) -> Manifest:
    """Read `metadata/UrbanSound8K.csv` and `audio/fold<k>/`.

    Parameters
    ----------
    root : Path
        The unpacked folder.

    Returns
    -------
    Manifest
        Label = class; group = `fsID`, the recording that a slice was cut from. `fold` counts from
        zero, the publisher's number from one is kept as `official_fold`. `start` and `end` tell
        where a slice was in its recording: the files are cut already, so they are no `start_s` and
        `end_s`.

    Raises
    ------
    FileNotFoundError
        If there is no listing.
    ManifestError
        If the listing lacks a column, a fold is no number, or no sound is there.

    Warns
    -----
    UserWarning
        If the folds tear recordings apart, as the release's do with five (see Notes), or if listed
        files are missing.

    Notes
    -----
    Counted in an independent index of the release [1]_: recordings 106905, 132016, 176638, 180937
    and 77751 have slices in two folds each, 152 slices in all. Each recording is kept whole, in the
    fold that has most of it, which moves 42 slices; published scores are on the folds as they were.

    References
    ----------
    .. [1] soundata 0.1.1, datasets/indexes/urbansound8k_index.json,
           https://github.com/soundata/soundata
    """
    listing = root / LISTING
    table = read_listing(listing, columns=("slice_file_name", "fsID", "fold", "class"))
    table = table.rename(columns={"fold": "official_fold", "class": "labels"})
    table.insert(0, "path", "audio/fold" + table["official_fold"] + "/" + table["slice_file_name"])
    table["fold"] = count_from_zero(table, "official_fold", listing=listing)
    table["group"] = table["fsID"]
    # Before looking which files are there, so that a part of the corpus has the folds of the whole.
    table = keep_groups_whole(table, "fold", root=root)
    return make_manifest(keep_present(table, root, listing=LISTING), root, where=str(root))


LAYOUT = Layout(
    "urbansound8k",
    "slices of city sounds: metadata/UrbanSound8K.csv and audio/fold1 to fold10",
    recognise,
    read,
    source="https://urbansounddataset.weebly.com/urbansound8k.html",
    licence="CC BY-NC 3.0",
    citation="J. Salamon, C. Jacoby, J. P. Bello: A Dataset and Taxonomy for Urban Sound Research. "
    "22nd ACM International Conference on Multimedia, 2014, pp. 1041-1044",
    expected={"clips": 8732, "labels": 10, "groups": 1297},
)
