"""A corpus that carries its own manifest, as `render` and `mix` write it."""

from __future__ import annotations

from pathlib import Path

from features.corpora.layout import Layout
from features.manifest import Manifest, read_manifest

MANIFEST_NAME = "manifest.csv"


def recognise(root: Path) -> str | None:
    """Recognise a folder with a manifest in it.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    return f"it holds {MANIFEST_NAME}" if (root / MANIFEST_NAME).is_file() else None


def read(root: Path) -> Manifest:
    """Read the folder's manifest.

    Parameters
    ----------
    root : Path
        The folder.

    Returns
    -------
    Manifest
        As written; ManifestError if it breaks the schema.
    """
    return read_manifest(root / MANIFEST_NAME)


LAYOUT = Layout("rendered", "a folder with its own manifest.csv", recognise, read)
