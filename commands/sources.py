"""What a command is given to work on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from commands.console import tell

if TYPE_CHECKING:
    from features.manifest import Manifest


def read_source(source: Path, layout: str | None) -> Manifest:
    """Read a manifest, or a corpus as it lies on disk."""
    from features.corpora.layouts import detect_layout, read_corpus

    if layout is None:
        layout, reason = detect_layout(source)
        tell(f"layout: {layout} ({reason})")
    return read_corpus(source, layout=layout)
