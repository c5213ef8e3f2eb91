"""Several corpora as one, without taking silence for an answer.

What one corpus was annotated for and another was not is unknown in the other, not absent there:
a guitar that nobody listened for is no negative example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.labelling.label_map import EVERY, LabelMap, apply_label_map
from features.manifest import ALL_UNKNOWN, SEPARATOR, SPLITS, Manifest, make_manifest
from features.remote import resolve


@dataclass(frozen=True)
class Part:
    """A corpus that becomes part of a larger one.

    Parameters
    ----------
    name : str
        What it is called there; its label map goes by it.
    manifest : Manifest
        Its clips.
    split : str
        Where all of them go: train, validation or test; empty leaves them where they are.
    """

    name: str
    manifest: Manifest
    split: str = ""


def combine_corpora(
    parts: Sequence[Part], *, label_maps: Mapping[str, LabelMap] | None = None
) -> Manifest:
    """Make one manifest of several.

    Parameters
    ----------
    parts : sequence of Part
        The corpora, with names of their own.
    label_maps : mapping of str to LabelMap or None
        By name of the corpus, ``"*"`` for those that have none of their own.

    Returns
    -------
    Manifest
        With a column `corpus`; clip_ids, parents and groups begin with the corpus's name. Classes
        that a corpus was never annotated for are unknown in its clips; a clip with none of the
        classes left is a row without labels.

    Raises
    ------
    ValueError
        If there are no parts, two share a name, a split is none, or a label map is for no part or
        names labels that its corpus has not.
    """
    maps = dict(label_maps or {})
    _check_parts(parts, maps)
    everyone = {label for part in parts for label in part.manifest.classes}
    mapped: list[Manifest] = []
    for part in parts:
        own = maps.get(part.name)
        mapped.append(
            apply_label_map(part.manifest, own)
            if own is not None
            else apply_label_map(part.manifest, maps.get(EVERY, LabelMap()), also_known=everyone)
        )
    classes = {label for manifest in mapped for label in manifest.classes}
    tables = [
        _table(part, manifest, classes, maps.get(part.name, maps.get(EVERY, LabelMap())))
        for part, manifest in zip(parts, mapped, strict=True)
    ]
    return make_manifest(pd.concat(tables, ignore_index=True), Path.cwd(), where="corpora")


def _check_parts(parts: Sequence[Part], maps: Mapping[str, LabelMap]) -> None:
    names = [part.name for part in parts]
    problems = []
    if not parts:
        problems.append("at least one corpus is needed, got none")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"corpora must have names of their own, got {', '.join(repeated)} twice")
    if odd := sorted({part.split for part in parts} - {"", *SPLITS}):
        problems.append(f"a split must be one of {', '.join(SPLITS)}, got {', '.join(odd)}")
    if stray := sorted(set(maps) - {EVERY, *names}):
        problems.append(
            f"label maps are for {', '.join(stray)}, the corpora are {', '.join(names)}"
        )
    if problems:
        raise ValueError("; ".join(problems))


def _table(part: Part, manifest: Manifest, classes: set[str], label_map: LabelMap) -> pd.DataFrame:
    """Write one corpus's rows as they stand in the combined table."""
    annotated = set(manifest.classes) | (
        classes if EVERY in label_map.absent else set(label_map.absent)
    )
    never = frozenset(classes - annotated)
    clips = manifest.clips
    groups = manifest.given_groups()
    table = clips.assign(
        path=[resolve(manifest.root, path) for path in clips["path"]],
        unknown_labels=[
            ALL_UNKNOWN if ALL_UNKNOWN in unknown else SEPARATOR.join(sorted(unknown | never))
            for unknown in manifest.unknown_sets()
        ],
        corpus=part.name,
        clip_id=part.name + "/" + clips["clip_id"],
        parent=part.name + "/" + clips["parent"],
        group=groups.where(groups == "", part.name + "/" + groups),
    )
    if part.split:
        table["split"] = part.split
    outside = table["split"].isin(["validation", "test"])
    table["fold"] = table["fold"].mask(outside, -1)
    return table
