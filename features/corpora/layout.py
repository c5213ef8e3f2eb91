"""What a corpus reader is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from features.manifest import Manifest


@dataclass(frozen=True)
class Layout:
    """A way in which corpora lie on disk, with where the best known corpus of the kind is from.

    Parameters
    ----------
    name : str
        What `--layout` calls it.
    summary : str
        One line for people.
    recognise : callable
        Path -> the sign it was recognised by, or None.
    read : callable
        Path -> Manifest.
    source, licence, citation : str
        Provenance of the corpus, empty for general layouts.
    """

    name: str
    summary: str
    recognise: Callable[[Path], str | None]
    read: Callable[[Path], Manifest]
    source: str = ""
    licence: str = ""
    citation: str = ""
