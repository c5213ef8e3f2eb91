"""Labels given anew: a table overrides the labels of the clips that it names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import PurePosixPath

import pandas as pd

from features.corpora.csv_table import PATH_NAMES
from features.corpora.lumen_csv import INDEX
from features.corpora.presences import read_presences
from features.manifest import (
    ALL_UNKNOWN,
    SEPARATOR,
    Manifest,
    ManifestError,
    make_manifest,
    read_csv,
)

NAME_COLUMNS = ("clip_id", *PATH_NAMES)


def apply_relabelling(manifest: Manifest, table_path: str | PathLike[str]) -> Manifest:
    """Replace the labels of some clips by those of a table.

    Parameters
    ----------
    manifest : Manifest
        All clips.
    table_path : str or path-like
        A CSV file: a column that names the clip (`clip_id`, `path`, `file`, `filename`, ...), and
        either `labels`, separated by ``;``, with `unknown_labels` if there are any, or a column of
        0 and 1 for each label. A clip is named by its identifier, its path, or a file name that no
        other clip has.

    Returns
    -------
    Manifest
        With the named clips' labels replaced, and all else as it was. A column of 0 and 1 decides
        its own label alone: labels without a column stay as they are, present, absent or unknown.

    Raises
    ------
    FileNotFoundError
        If there is no such table.
    ManifestError
        If it is no such table, a cell is neither 0 nor 1, or a name fits no clip, several clips,
        or one that another line names as well; all of them at once.
    """
    where = str(table_path)
    table = read_csv(table_path)
    table = table.drop(columns=[column for column in table if INDEX.fullmatch(str(column))])
    by_name = {str(column).lower(): str(column) for column in table}
    named_by = next((by_name[name] for name in NAME_COLUMNS if name in by_name), None)
    if named_by is None or len(table.columns) == 1:
        found = ", ".join(map(str, table.columns))
        rule = "a column that names the clip and columns of labels are required"
        raise ManifestError([f"{rule} ({', '.join(NAME_COLUMNS)}; labels), found {found}"], where)
    rows = _match(manifest, table[named_by], where)
    clips = manifest.clips.copy()
    columns = [str(column) for column in table if column != named_by]
    if "labels" in table:
        given = table["labels"].tolist()
        unknown = table.get("unknown_labels", pd.Series("", index=table.index)).tolist()
    else:
        given, unknown = _decide(manifest, rows, table, columns, where)
    clips.loc[rows, "labels"] = given
    clips.loc[rows, "unknown_labels"] = unknown
    checked = make_manifest(clips, manifest.root, where=where)
    return replace(checked, groups_given=manifest.groups_given)


def _match(manifest: Manifest, names: pd.Series, where: str) -> list[int]:
    """Give the row of the manifest that every line names."""
    by_id = {clip_id: [row] for row, clip_id in enumerate(manifest.clips["clip_id"])}
    by_path, by_file = defaultdict(list), defaultdict(list)
    for row, path in enumerate(manifest.clips["path"]):
        by_path[path].append(row)
        by_file[PurePosixPath(path).name].append(row)
    rows: list[int] = []
    problems = []
    lines: dict[int, int] = {}
    for line, name in enumerate(names, start=2):
        key = name.strip().replace("\\", "/")
        found = by_id.get(key) or by_path.get(key) or by_file.get(PurePosixPath(key).name, [])
        if len(found) != 1:
            fits = "no clip" if not found else f"{len(found)} clips"
            problems.append(f"line {line}: {name!r} must name one clip, it fits {fits}")
        elif found[0] in lines:
            problems.append(f"line {line}: {name!r} is the clip of line {lines[found[0]]}")
        else:
            lines[found[0]] = line
            rows += found
    if problems:
        raise ManifestError(problems, where)
    return rows


def _decide(
    manifest: Manifest, rows: list[int], table: pd.DataFrame, columns: list[str], where: str
) -> tuple[list[str], list[str]]:
    """Give labels and unknown labels by columns of 0 and 1."""
    present = read_presences(table, columns, where=where)
    decided = set(columns)
    before = manifest.label_sets()
    unknown_before = manifest.clips["unknown_labels"].astype(str).tolist()
    classes = set(manifest.classes)
    given, unknown = [], []
    for row, line in zip(rows, present, strict=True):
        named = {column for column, there in zip(columns, line, strict=True) if there}
        given.append(_join((before[row] - decided) | named))
        open_labels = {label.strip() for label in unknown_before[row].split(SEPARATOR)} - {""}
        if ALL_UNKNOWN in open_labels:
            open_labels = classes - before[row]
        unknown.append(_join(open_labels - decided))
    return given, unknown


def _join(labels: Iterable[str]) -> str:
    return SEPARATOR.join(sorted(labels))
