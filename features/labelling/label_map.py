"""Renaming, merging and dropping labels, as a few lines of YAML.

Conventions: a map is for all corpora, or has one part for each by its name::

    irmas:
      rename: {gac: guitar, gel: guitar}   # two labels with one name are merged
      drop: [org]                          # the label goes, its clips stay
    esc50:
      drop: "*"                            # no class of its own is wanted
      absent: "*"                          # and none of the others' can be heard there
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from features.manifest import ALL_UNKNOWN, MAX_SHOWN, SEPARATOR, Manifest

EVERY = "*"


@dataclass(frozen=True)
class LabelMap:
    """What becomes of the labels of one corpus.

    Parameters
    ----------
    rename : mapping of str to str
        Old name to new; several old ones with the same new one are merged.
    drop : frozenset of str
        Labels, by their new names, that are no classes; their clips stay. ``{"*"}`` drops all.
    keep : frozenset of str
        If not empty: all others, by their new names, are dropped.
    leave_out : frozenset of str
        Clips with one of these, by their new names, are left out.
    absent : frozenset of str
        Classes of other corpora that these recordings were annotated for, or plainly lack: where
        not given they are absent, not unknown. ``{"*"}`` means all.
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    leave_out: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()

    def new_names(self, labels: frozenset[str]) -> frozenset[str]:
        """Give labels by their new names, the dropped ones gone.

        Parameters
        ----------
        labels : frozenset of str
            Of one clip.

        Returns
        -------
        frozenset of str
            What is left of them.
        """
        renamed = {self.rename.get(label, label) for label in labels}
        if EVERY in self.drop:
            return frozenset()
        return frozenset(renamed & self.keep if self.keep else renamed) - self.drop


def read_label_map(path: str | PathLike[str]) -> dict[str, LabelMap]:
    """Read label maps from YAML.

    Parameters
    ----------
    path : str or path-like
        See the module's conventions.

    Returns
    -------
    dict of str to LabelMap
        By name of the corpus; ``"*"`` for all that have none of their own.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no YAML, or holds what no map holds; all problems at once.
    """
    import yaml

    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ValueError(f"{path} must be a label map in YAML: {exc}") from exc
    known = {each.name for each in fields(LabelMap)}
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path} must hold some of {', '.join(sorted(known))}, got {content!r}")
    parts = {EVERY: content} if known & set(content) else content
    problems: list[str] = []
    maps = {str(name): _parse(part, str(name), problems) for name, part in parts.items()}
    if problems:
        raise ValueError(f"{path}: " + "; ".join(problems))
    return maps


def _parse(part: Any, name: str, problems: list[str]) -> LabelMap:
    """Read one corpus's part of a map."""
    where = "" if name == EVERY else f"{name}: "
    known = [each.name for each in fields(LabelMap)]
    if not isinstance(part, dict):
        problems.append(f"{where}must hold some of {', '.join(known)}, got {part!r}")
        return LabelMap()
    settings: dict[str, Any] = {}
    for key, value in part.items():
        if key not in known:
            problems.append(f"{where}{key!r} is not one of {', '.join(known)}")
        elif key == "rename":
            if isinstance(value, dict) and all(_is_label(each) for each in value.values()):
                settings[key] = {str(old): str(new) for old, new in value.items()}
            else:
                problems.append(f"{where}rename must hold old: new, got {value!r}")
        else:
            labels = [value] if isinstance(value, str) else value
            if isinstance(labels, list) and all(_is_label(label) for label in labels):
                settings[key] = frozenset(map(str, labels))
            else:
                problems.append(f"{where}{key} must be a list of labels, got {value!r}")
    if "keep" in settings and "drop" in settings:
        problems.append(f"{where}give keep or drop, not both")
    return LabelMap(**settings)


def _is_label(value: object) -> bool:
    """Whether YAML's value can be a label: `1` and `yes` are ones in quotes only."""
    return isinstance(value, str) and bool(value.strip()) and SEPARATOR not in value


def apply_label_map(
    manifest: Manifest, label_map: LabelMap, *, also_known: Collection[str] = ()
) -> Manifest:
    """Rename, merge and drop the labels of a manifest.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    label_map : LabelMap
        What becomes of their labels. A merged label is present where any of its parts is, unknown
        where none is and any is unknown.
    also_known : collection of str
        Labels of other corpora that the same map is for.

    Returns
    -------
    Manifest
        With the labels' new names; without the clips that are left out.

    Raises
    ------
    ValueError
        If the map names labels that no clip has: a name misspelt would change nothing.
    """
    _check_names(label_map, sorted({*manifest.classes, *also_known}))
    given = [label_map.new_names(labels) for labels in manifest.label_sets()]
    unknown = [
        label_map.new_names(labels - {ALL_UNKNOWN}) | (labels & {ALL_UNKNOWN})
        for labels in manifest.unknown_sets()
    ]
    clips = manifest.clips.assign(
        labels=[SEPARATOR.join(sorted(labels)) for labels in given],
        unknown_labels=[
            SEPARATOR.join(sorted(hidden - labels))
            for hidden, labels in zip(unknown, given, strict=True)
        ],
    )
    mapped = replace(manifest, clips=clips)
    if not label_map.leave_out:
        return mapped
    renamed = replace(label_map, drop=frozenset(), keep=frozenset())
    stays = [
        not (renamed.new_names(labels) & label_map.leave_out) for labels in manifest.label_sets()
    ]
    return mapped.select(np.array(stays, dtype=bool))


def _check_names(label_map: LabelMap, classes: Sequence[str]) -> None:
    new = {label_map.rename.get(label, label) for label in classes}
    missing = {
        "rename": sorted(set(label_map.rename) - set(classes)),
        **{
            key: sorted(getattr(label_map, key) - new - {EVERY})
            for key in ("drop", "keep", "leave_out")
        },
    }
    problems = [f"{key}: {', '.join(names)}" for key, names in missing.items() if names]
    if problems:
        shown = ", ".join(classes[:MAX_SHOWN]) + (", ..." if len(classes) > MAX_SHOWN else "")
        raise ValueError(
            f"the label map names labels that no clip has ({'; '.join(problems)}); labels: {shown}"
        )
