"""The known layouts: which there are, which one a folder has."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from features.corpora.csv_table import LAYOUT as CSV
from features.corpora.folder_tree import LAYOUT as FOLDER
from features.corpora.layout import Layout
from features.corpora.philharmonia import LAYOUT as PHILHARMONIA
from features.corpora.rendered import LAYOUT as RENDERED
from features.manifest import Manifest

# In the order of detection: the most telling signs first, the folder tree takes what is left.
LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (RENDERED, CSV, PHILHARMONIA, FOLDER)
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


def read_corpus(root: str | PathLike[str], *, layout: str | None = None) -> Manifest:
    """Read a corpus as it lies on disk.

    Parameters
    ----------
    root : str or path-like
        A folder, or a CSV file.
    layout : str or None
        Name of the layout; None detects it.

    Returns
    -------
    Manifest
        Labels, groups and what else the layout tells.

    Raises
    ------
    ValueError
        If the layout is unknown or cannot be told; ManifestError if the corpus breaks its layout.
    FileNotFoundError
        If there is nothing at `root`.
    """
    name = layout or detect_layout(root)[0]
    if name not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {name!r}")
    if not Path(root).exists():
        raise FileNotFoundError(f"no such file or folder: {root}")
    return LAYOUTS[name].read(Path(root))
