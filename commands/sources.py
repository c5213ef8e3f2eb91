"""What a command is given to work on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.console import tell

if TYPE_CHECKING:
    from features.corpora.combining import Part
    from features.manifest import Manifest


def read_source(
    source: Path, layout: str | None, columns: Mapping[str, str] | None = None
) -> Manifest:
    """Read a manifest, or a corpus as it lies on disk."""
    from features.corpora.layout import compare_with_release
    from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus

    if layout is None:
        layout, reason = detect_layout(source)
        tell(f"layout: {layout} ({reason})")
    clips = read_corpus(source, layout=layout, columns=columns)
    for difference in compare_with_release(LAYOUTS[layout], clips):
        tell(f"note: {source}: {difference}")
    return clips


def read_parts(specifications: Sequence[str]) -> list[Part]:
    """Read several corpora, each given as `[SPLIT=]NAME:PATH`."""
    from features.corpora.combining import Part

    parts: list[Part] = []
    seen: Counter[str] = Counter()
    for text in specifications:
        split, name, path = _parse_part(text)
        # The same layout may come in twice, for training and for test.
        seen[name] += 1
        own_name = name if seen[name] == 1 else f"{name}-{seen[name]}"
        parts.append(Part(own_name, read_source(Path(path), name), split))
    return parts


def _parse_part(text: str) -> tuple[str, str, str]:
    from features.corpora.layouts import LAYOUTS
    from features.manifest import SPLITS

    # A path may hold both signs; a split and a layout hold neither.
    split, equals, rest = text.partition("=")
    if not equals or split not in SPLITS:
        split, rest = "", text
    name, colon, path = rest.partition(":")
    if not colon or not path or name not in LAYOUTS:
        raise ValueError(
            f"--layout must be NAME:PATH or SPLIT=NAME:PATH where no folder is given, with a "
            f"NAME of {', '.join(LAYOUTS)} and a SPLIT of {', '.join(SPLITS)}; got {text!r}"
        )
    return split, name, path


def parse_columns(text: str | None) -> dict[str, str]:
    """Read what `--columns` says: `labels=species,group=site`."""
    columns: dict[str, str] = {}
    for pair in (text or "").split(","):
        name, equals, source = (part.strip() for part in pair.partition("="))
        if name in columns:
            raise ValueError(f"--columns must name each column once, got {name} twice")
        if name and equals and source:
            columns[name] = source
        elif pair.strip():
            raise ValueError(f"--columns must hold NAME=COLUMN, comma-separated, got {pair!r}")
    return columns
