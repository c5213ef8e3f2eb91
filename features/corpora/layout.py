"""What a corpus reader is, and what its corpus's publisher says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.manifest import SPLITS, Manifest


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
        Path -> the sign it was recognised by, or None. Looks at few names, never into sound.
    read : callable
        Path -> Manifest.
    source, licence, citation : str
        Provenance of the corpus, empty for general layouts.
    expected : mapping of str to int
        How many ``"clips"``, ``"labels"`` and ``"groups"`` the publisher's release has, and clips
        of ``"train"``, ``"validation"`` and ``"test"``; what is not known is left out.
    """

    name: str
    summary: str
    recognise: Callable[[Path], str | None]
    read: Callable[[Path], Manifest]
    source: str = ""
    licence: str = ""
    citation: str = ""
    expected: Mapping[str, int] = field(default_factory=dict)


def compare_with_release(layout: Layout, manifest: Manifest) -> list[str]:
    """Name the counts that are not those of the publisher's release.

    Parameters
    ----------
    layout : Layout
        With its expected counts.
    manifest : Manifest
        What was read.

    Returns
    -------
    list of str
        One phrase a count, such as ``"6,700 clips, the release has 6,705"``; empty if all agree. A
        part of a corpus is nothing wrong, but its user should know.
    """
    clips = manifest.clips
    found = {
        "clips": len(clips),
        "labels": len(manifest.classes),
        "groups": clips["group"].nunique(),
        **clips["split"].value_counts().to_dict(),
    }
    return [
        f"{found.get(what, 0):,} {what}{' clips' if what in SPLITS else ''}, "
        f"the release has {count:,}"
        for what, count in layout.expected.items()
        if found.get(what, 0) != count
    ]
