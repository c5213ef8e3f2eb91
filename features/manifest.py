"""The clip table: which sound, which labels, which group, split and fold.

Conventions: one row per clip, a CSV file with a header. `path` is the only required column; it is
absolute (a path or a URI), or relative to the manifest. Labels are separated by `;`; an empty cell
means none of the classes; `unknown_labels` names those never annotated for the clip, `*` meaning
all. Columns that are not ours pass through untouched.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from features.audio import Clip
from features.remote import resolve
from features.replacing import replacing

SEPARATOR = ";"
ALL_UNKNOWN = "*"
SPLITS = ("train", "validation", "test")
TEXT_COLUMNS = ("path", "clip_id", "labels", "unknown_labels", "group", "split", "parent", "sha256")
NUMBER_COLUMNS = ("start_s", "end_s", "duration_s")
COLUMNS = ("path", "clip_id", "labels", "unknown_labels", "group", "split", "fold", "start_s",
           "end_s", "parent", "sha256", "duration_s")  # fmt: skip

# More than anyone has groups; far larger numbers would not fit an integer.
MAX_FOLD = 2**31 - 1

# A corpus of a million rows may have one mistake a row; people read the first few.
MAX_SHOWN = 10


class ManifestError(ValueError):
    """A manifest breaks its schema.

    Parameters
    ----------
    problems : sequence of str
        Every problem found, one sentence each.
    where : str
        The manifest's name.
    """

    def __init__(self, problems: Sequence[str], where: str = "manifest") -> None:
        noun = "problem" if len(problems) == 1 else "problems"
        super().__init__(f"{where}: {len(problems)} {noun}\n  - " + "\n  - ".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class Manifest:
    """The clip table, checked and complete.

    Parameters
    ----------
    clips : pd.DataFrame
        One row per clip, all of `COLUMNS` present (see the module's conventions), others kept.
        `fold` is -1 where none is given.
    root : Path
        Folder that relative paths start from.
    groups_given : bool
        False where groups were filled in from the source file, for want of better.
    labels_given : bool
        False where there was no `labels` column: nothing is known of any clip.
    """

    clips: pd.DataFrame
    root: Path
    groups_given: bool = True
    labels_given: bool = True

    def __len__(self) -> int:
        return len(self.clips)

    @cached_property
    def classes(self) -> list[str]:
        """All labels that occur, sorted."""
        named: set[str] = set()
        for column in ("labels", "unknown_labels"):
            named.update(*_parse_labels(self.clips[column])[0])
        return sorted(named - {ALL_UNKNOWN})

    @property
    def task(self) -> str:
        """``"single-label"`` if every clip has exactly one label, else ``"multi-label"``."""
        one_each = all(len(labels) == 1 for labels in self.label_sets())
        return "single-label" if one_each and not self.has_unknown() else "multi-label"

    def has_unknown(self) -> bool:
        """Whether any clip has labels that were never annotated.

        Returns
        -------
        bool
            True if there are cells of truth that nobody knows.
        """
        return bool((self.clips["unknown_labels"] != "").any())

    def label_sets(self) -> list[frozenset[str]]:
        """Give the labels of every clip.

        Returns
        -------
        list of frozenset of str
            In row order.
        """
        return _split_labels(self.clips["labels"])

    def unknown_sets(self) -> list[frozenset[str]]:
        """Give the labels of every clip that were never annotated.

        Returns
        -------
        list of frozenset of str
            In row order; `ALL_UNKNOWN` stands for all of them.
        """
        return _split_labels(self.clips["unknown_labels"])

    def given_groups(self) -> pd.Series:
        """Give the groups as they were given.

        Returns
        -------
        pd.Series of str
            Empty where there was none and the source file stands for it.
        """
        groups = self.clips["group"]
        return (
            groups if self.groups_given else groups.mask(groups == _default_groups(self.clips), "")
        )

    def label_matrix(self, classes: Sequence[str]) -> np.ndarray:
        """Give truth as a table of presences.

        Parameters
        ----------
        classes : sequence of str
            The columns, in order; labels outside are left out.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels), int8
            1 present, 0 absent, -1 never annotated.
        """
        matrix = _membership(self.clips["labels"], classes)
        if self.has_unknown():
            masked = _membership(self.clips["unknown_labels"], classes) == 1
            matrix[masked & (matrix == 0)] = -1
        return matrix

    def audio_clips(self) -> list[Clip]:
        """Give what `features.audio.load_clip` needs to decode each row.

        Returns
        -------
        list of Clip
            In row order, with absolute paths.
        """
        starts = self.clips["start_s"].to_numpy(dtype=float)
        ends = self.clips["end_s"].to_numpy(dtype=float)
        return [
            Clip(
                resolve(self.root, path),
                None if np.isnan(start) else float(start),
                None if np.isnan(end) else float(end),
            )
            for path, start, end in zip(self.clips["path"], starts, ends, strict=True)
        ]

    def select(self, rows: np.ndarray) -> Manifest:
        """Keep some rows.

        Parameters
        ----------
        rows : np.ndarray
            A boolean mask of shape (n_samples,), or row positions.

        Returns
        -------
        Manifest
            A new table in the order given.
        """
        positions = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(self, clips=self.clips.iloc[positions].reset_index(drop=True))


def _split_labels(cells: pd.Series) -> list[frozenset[str]]:
    parsed, codes = _parse_labels(cells)
    return [parsed[code] for code in codes]


def _parse_labels(cells: pd.Series) -> tuple[list[frozenset[str]], list[int]]:
    """Give the distinct sets of labels, and which of them each cell holds."""
    # Corpora repeat few distinct cells many times: parse each once.
    codes, distinct = pd.factorize(cells)
    parts = ((part.strip() for part in cell.split(SEPARATOR)) for cell in distinct)
    return [frozenset(part for part in each if part) for each in parts], codes.tolist()


def _membership(cells: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """Tell which cells name which classes: (n_samples, n_labels), int8; `*` names them all."""
    position = {label: index for index, label in enumerate(classes)}
    parsed, codes = _parse_labels(cells)
    matrix = np.zeros((len(parsed), len(classes)), dtype=np.int8)
    for row, labels in enumerate(parsed):
        if ALL_UNKNOWN in labels:
            matrix[row] = 1
        for label in labels & position.keys():
            matrix[row, position[label]] = 1
    return matrix[np.array(codes, dtype=int)]


def make_manifest(
    clips: pd.DataFrame, root: str | PathLike[str], *, where: str = "manifest"
) -> Manifest:
    """Complete and check a clip table.

    Parameters
    ----------
    clips : pd.DataFrame
        At least a `path` column.
    root : str or path-like
        Folder that relative paths start from.
    where : str
        Name used in errors.

    Returns
    -------
    Manifest
        With every column of the schema present.

    Raises
    ------
    ManifestError
        If the table breaks the schema; all problems at once.

    Warns
    -----
    UserWarning
        If clips have no `group`: then each source file is its own group.
    """
    if "path" not in clips.columns:
        found = ", ".join(map(str, clips.columns)) or "none"
        raise ManifestError([f"a 'path' column is required, found columns: {found}"], where)
    problems: list[str] = []
    table = clips.reset_index(drop=True).copy()
    labels_given = "labels" in table
    for column in TEXT_COLUMNS:
        values = table[column] if column in table else pd.Series("", index=table.index)
        table[column] = values.fillna("").astype(str).str.strip()
    for column in NUMBER_COLUMNS:
        table[column] = _numbers(table, column, problems)
    table["fold"] = _folds(table, problems)
    table["path"] = table["path"].str.replace("\\", "/", regex=False)
    if not labels_given:
        table["unknown_labels"] = ALL_UNKNOWN
    missing_id = table["clip_id"] == ""
    table.loc[missing_id, "clip_id"] = _default_ids(table[missing_id])
    # An empty group cell means the same as a missing column, for that row.
    no_group = table["group"] == ""
    groups_given = not no_group.any()
    table.loc[no_group, "group"] = _default_groups(table[no_group])
    no_parent = table["parent"] == ""
    table.loc[no_parent, "parent"] = table.loc[no_parent, "clip_id"]
    problems += _problems(table)
    if problems:
        raise ManifestError(problems, where)
    if not groups_given:
        warnings.warn(
            f"{where}: {no_group.sum()} of {len(table)} clips have no 'group', so each of their "
            "source files is its own group; siblings (takes of one note, excerpts of one song) may "
            "leak between folds and flatter the score",
            stacklevel=2,
        )
    rest = [column for column in table.columns if column not in COLUMNS]
    return Manifest(table[[*COLUMNS, *rest]], Path(root).absolute(), groups_given, labels_given)


def _numbers(table: pd.DataFrame, column: str, problems: list[str]) -> pd.Series:
    if column not in table:
        return pd.Series(np.nan, index=table.index)
    cells = table[column].replace("", np.nan)
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    finite = np.isfinite(numbers)
    bad = table.loc[~finite & cells.notna(), column]
    if len(bad):
        problems.append(f"'{column}' must hold numbers, {_rows(bad)}")
    return numbers.where(finite)


def _folds(table: pd.DataFrame, problems: list[str]) -> pd.Series:
    """Give folds as whole numbers, -1 where there is none."""
    folds = _numbers(table, "fold", problems).fillna(-1)
    bad = (folds < -1) | (folds % 1 != 0) | (folds > MAX_FOLD)
    if bad.any():
        problems.append(f"'fold' must be a whole number from 0, {_rows(table.loc[bad, 'fold'])}")
    return folds.mask(bad, -1).astype(int)


def _default_ids(rows: pd.DataFrame) -> list[str]:
    """Path, and `#start-end` where the row is a segment."""
    return [
        path if np.isnan(start) and np.isnan(end) else f"{path}#{_seconds(start)}-{_seconds(end)}"
        for path, start, end in zip(rows["path"], rows["start_s"], rows["end_s"], strict=True)
    ]


def _default_groups(rows: pd.DataFrame) -> list[str]:
    """Source file, by its name in the clip's own id where that has it: a path may be absolute."""
    names = [clip_id.split("#")[0] for clip_id in rows["clip_id"]]
    return [
        name if name and path.endswith(name) else path
        for name, path in zip(names, rows["path"], strict=True)
    ]


def _seconds(value: float) -> str:
    # All digits that tell two numbers apart, and never an exponent: 12345.678, 60.
    return "" if np.isnan(value) else np.format_float_positional(value, trim="-")


def _rows(bad: pd.Series) -> str:
    """Name offending cells: 'row 3: "x"; row 9: "y" (and 12 more)'; rows count as in the file."""
    cells = zip(bad.index[:MAX_SHOWN].tolist(), bad.head(MAX_SHOWN), strict=True)
    shown = "; ".join(f"row {index + 2}: {value!r}" for index, value in cells)
    return shown + (f" (and {len(bad) - MAX_SHOWN} more)" if len(bad) > MAX_SHOWN else "")


def _problems(table: pd.DataFrame) -> list[str]:
    """Check the completed table; every broken rule gives one sentence."""
    found: list[str] = []

    def report(rule: str, bad: pd.Series) -> None:
        if len(bad):
            found.append(f"{rule}, {_rows(bad)}")

    report("'path' must not be empty", table.loc[table["path"] == "", "path"])
    repeated = table["clip_id"].duplicated(keep=False)
    report("'clip_id' must be unique", table.loc[repeated, "clip_id"])
    known_split = table["split"].isin(["", *SPLITS])
    report(f"'split' must be one of {', '.join(SPLITS)}", table.loc[~known_split, "split"])
    starts, ends = table["start_s"].fillna(0.0), table["end_s"].fillna(np.inf)
    bad_segment = (starts < 0) | (ends <= starts)
    segments = [f"{row.start_s} to {row.end_s}" for row in table.loc[bad_segment].itertuples()]
    report(
        "a segment must have 0 <= start_s < end_s",
        pd.Series(segments, index=table.index[bad_segment], dtype=object),
    )
    report("a group must stay in one split", _groups_in_several(table, "split"))
    # Two clips of one name are that mistake alone, not windows of each other.
    named_once = table[~repeated]
    torn_parents = named_once.groupby("parent", sort=False)["group"].nunique()
    torn = named_once["parent"].isin(torn_parents.index[torn_parents > 1])
    report("all windows of a parent must be in one group", named_once.loc[torn, "parent"])
    has_fold = table["fold"] >= 0
    report("a group must stay in one fold", _groups_in_several(table[has_fold], "fold"))
    clash = [
        bool(labels & unknown)
        for labels, unknown in zip(
            _split_labels(table["labels"]), _split_labels(table["unknown_labels"]), strict=True
        )
    ]
    report("a label cannot be both given and unknown", table.loc[clash, "labels"])
    starred = [ALL_UNKNOWN in labels for labels in _split_labels(table["labels"])]
    report(f"'{ALL_UNKNOWN}' belongs in 'unknown_labels'", table.loc[starred, "labels"])
    return found


def _groups_in_several(table: pd.DataFrame, column: str) -> pd.Series:
    """First row of each group that holds more than one value of a column."""
    n_values = table.groupby("group", sort=False)[column].nunique()
    torn = n_values.index[n_values > 1]
    return table.loc[table["group"].isin(torn), "group"].drop_duplicates()


def read_manifest(path: str | PathLike[str]) -> Manifest:
    """Read and check a manifest.

    Parameters
    ----------
    path : str or path-like
        A CSV file in UTF-8, with a header.

    Returns
    -------
    Manifest
        Relative paths start from the file's folder.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ManifestError
        If it is not a CSV table or breaks the schema; all problems at once.
    """
    path = Path(path)
    return make_manifest(read_csv(path), path.parent, where=str(path))


def read_csv(path: str | PathLike[str]) -> pd.DataFrame:
    """Read a CSV table as it stands: every cell is text, an empty one an empty text.

    Parameters
    ----------
    path : str or path-like
        A CSV file in UTF-8, with a header.

    Returns
    -------
    pd.DataFrame
        One row per line.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ManifestError
        If it is not a CSV table, or its lines have more cells than its header.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as exc:
        raise ManifestError([f"not a CSV table in UTF-8: {exc}"], str(path)) from exc
    if not isinstance(table.index, pd.RangeIndex):
        # pandas takes the first cells for an index then, and every other one for its neighbour.
        names = ", ".join(map(str, table.columns))
        raise ManifestError([f"rows have more cells than the header ({names})"], str(path))
    return table


def write_manifest(manifest: Manifest, path: str | PathLike[str]) -> None:
    """Write a manifest as CSV, atomically.

    Parameters
    ----------
    manifest : Manifest
        The table.
    path : str or path-like
        Target. Clips below its folder are written relative to it, others as absolute paths, so
        that the file can be read from where it stands.
    """
    path = Path(path)
    folder = path.absolute().parent
    table = manifest.clips.copy()
    table["path"] = [
        _portable(resolve(manifest.root, clip_path), str(folder)) for clip_path in table["path"]
    ]
    table["fold"] = table["fold"].astype(object).where(table["fold"] >= 0, "")
    table["parent"] = table["parent"].where(table["parent"] != table["clip_id"], "")
    optional = ("unknown_labels", "split", "fold", "start_s", "end_s", "parent", "sha256",
                "duration_s")  # fmt: skip
    unused = [column for column in optional if (table[column].isin(["", None, np.nan])).all()]
    if not manifest.labels_given:
        unused += ["labels", "unknown_labels"]
    # Left empty, for people to fill in; what stands for a missing group is no group.
    table["group"] = manifest.given_groups()
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        table.drop(columns=list(dict.fromkeys(unused))).to_csv(partial, index=False)


def _portable(path: str, folder: str) -> str:
    below = path.startswith(folder + os.sep)
    return (path[len(folder) + 1 :] if below else path).replace(os.sep, "/")
