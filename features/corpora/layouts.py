"""The known layouts: which there are, which one a folder has."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from features.corpora.audioset_segments import LAYOUT as AUDIOSET
from features.corpora.csv_table import LAYOUT as CSV
from features.corpora.csv_table import read as read_table
from features.corpora.csv_table import take_columns
from features.corpora.esc50 import ESC10, ESC50
from features.corpora.folder_tree import LAYOUT as FOLDER
from features.corpora.fsd50k import LAYOUT as FSD50K
from features.corpora.fsdd import LAYOUT as FSDD
from features.corpora.fsdkaggle2018 import LAYOUT as FSDKAGGLE2018
from features.corpora.fsdkaggle2019 import LAYOUT as FSDKAGGLE2019
from features.corpora.gtzan import GTZAN, GTZAN_ALL
from features.corpora.irmas import LAYOUT as IRMAS
from features.corpora.irmas_testing import LAYOUT as IRMAS_TESTING
from features.corpora.label_studio import LAYOUT as LABEL_STUDIO
from features.corpora.layout import Layout
from features.corpora.lumen_csv import LAYOUT as LUMEN
from features.corpora.nsynth import LAYOUT as NSYNTH
from features.corpora.openmic import LAYOUT as OPENMIC
from features.corpora.philharmonia import LAYOUT as PHILHARMONIA
from features.corpora.rendered import LAYOUT as RENDERED
from features.corpora.speech_commands import LAYOUT as SPEECH_COMMANDS
from features.corpora.urbansound8k import LAYOUT as URBANSOUND8K
from features.manifest import Manifest, make_manifest

# In the order of detection: the most telling signs first, the folder tree takes what is left.
LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        RENDERED,
        URBANSOUND8K,
        ESC50,
        ESC10,
        FSD50K,
        FSDKAGGLE2018,
        FSDKAGGLE2019,
        SPEECH_COMMANDS,
        AUDIOSET,
        GTZAN,
        GTZAN_ALL,
        FSDD,
        IRMAS,
        IRMAS_TESTING,
        OPENMIC,
        NSYNTH,
        PHILHARMONIA,
        LABEL_STUDIO,
        LUMEN,
        CSV,
        FOLDER,
    )
}


def list_layouts() -> list[Layout]:
    """Give all known layouts.

    Returns
    -------
    list of Layout
        In the order of detection.
    """
    return list(LAYOUTS.values())


def detect_layout(root: str | PathLike[str]) -> tuple[str, str]:
    """Tell the layout of a corpus from what lies on disk.

    Parameters
    ----------
    root : str or path-like
        A folder, or a CSV file.

    Returns
    -------
    name : str
        The layout.
    reason : str
        What it was recognised by.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `root`.
    ValueError
        If it is a file, and no CSV table.
    """
    root = Path(root)
    if not root.exists():
        raise FileNotFoundError(f"no such file or folder: {root}")
    for layout in LAYOUTS.values():
        reason = layout.recognise(root)
        if reason:
            return layout.name, reason
    raise ValueError(f"{root} is neither a folder nor a CSV table; name a layout or a manifest")


def read_corpus(
    root: str | PathLike[str],
    *,
    layout: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Manifest:
    """Read a corpus as it lies on disk.

    Parameters
    ----------
    root : str or path-like
        A folder, or a CSV file.
    layout : str or None
        Name of the layout; None detects it.
    columns : mapping of str to str or None
        Which of the corpus's own columns to take for one of the manifest's, as in
        ``{"labels": "genre", "group": "artist"}``.

    Returns
    -------
    Manifest
        Labels, groups and what else the layout tells.

    Raises
    ------
    ValueError
        If the layout is unknown or cannot be told, or there is no such column; ManifestError if the
        corpus breaks its layout.
    FileNotFoundError
        If there is nothing at `root`.
    """
    name = layout or detect_layout(root)[0]
    if name not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {name!r}")
    if not Path(root).exists():
        raise FileNotFoundError(f"no such file or folder: {root}")
    if name == CSV.name:
        return read_table(Path(root), columns=columns)
    manifest = LAYOUTS[name].read(Path(root))
    if not columns:
        return manifest
    clips = manifest.clips.assign(group=manifest.given_groups())
    if "labels" in columns:
        # What was known of the other labels says nothing of these.
        clips["unknown_labels"] = ""
    return make_manifest(
        take_columns(clips, columns, where=str(root)), manifest.root, where=str(root)
    )
