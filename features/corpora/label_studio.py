"""Exports of Label Studio: the choices that one or more people made for each sound.

What is read: JSON (tasks with their annotations), JSON-MIN and CSV (a row an annotation), and CSV
whose cells are parted by two commas, so that the choices' own commas need no quotes. Labels are
those that more than half of a clip's annotators named. One that only some named is unknown: to call
it absent would overrule somebody who heard it. Skipped annotations count for nothing, and a clip
that nobody judged is unlabelled.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from features.corpora.csv_table import PATH_NAMES
from features.corpora.layout import Layout
from features.corpora.uploads import find_uploads
from features.manifest import (
    ALL_UNKNOWN,
    MAX_SHOWN,
    SEPARATOR,
    Manifest,
    ManifestError,
    make_manifest,
    read_csv,
)

AUDIO_NAMES = ("audio", "url", *PATH_NAMES)
CHOICE_NAMES = ("label", "labels", "choice", "choices", "class", "instrument", "category", "tag")
TWO_COMMAS = ",,"
HEAD_CHARACTERS = 65_536
EXPORT_KEY = re.compile(r'"(annotations|annotation_id)"\s*:')


def recognise(root: Path) -> str | None:
    """Recognise a JSON or CSV file with annotations' identifiers.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    if not root.is_file() or root.suffix.lower() not in (".json", ".csv"):
        return None
    with root.open(encoding="utf-8-sig", errors="replace") as stream:
        head = stream.read(HEAD_CHARACTERS)
    if root.suffix.lower() == ".json":
        fits = head.lstrip().startswith("[") and EXPORT_KEY.search(head) is not None
    else:
        fits = "annotation_id" in head.split("\n", 1)[0].split(",")
    return "it lists annotations as Label Studio exports them" if fits else None


def read(root: Path) -> Manifest:
    """Read an export, and find the sound that was uploaded.

    An uploaded file's name has got eight digits in front and lost its brackets and other signs.
    It is looked for below the export's folder by what is left of it.

    Parameters
    ----------
    root : Path
        The JSON or CSV file. Sound is in the first column called one of `AUDIO_NAMES`, choices in
        the first called one of `CHOICE_NAMES`, or in the only one that holds lists of choices.

    Returns
    -------
    Manifest
        See the module for how annotators' judgements become labels; `n_annotators` tells how many
        there were. The tasks' other columns are kept, several values parted by ``;``.

    Raises
    ------
    ManifestError
        If it is no such export, names no sound or choices, an answer cannot be read, or several
        files below the folder could be the one uploaded.

    Warns
    -----
    UserWarning
        If uploaded files are not there: they stay in the manifest, under the name they had.
    """
    table = _read_json(root) if root.suffix.lower() == ".json" else _read_csv(root)
    audio = _pick(table, AUDIO_NAMES, "sound", root)
    uploads = table.pop(audio).fillna("").astype(str).tolist()
    table["path"] = find_uploads(uploads, root.parent, where=str(root))
    choices = _pick_choices(table, root)
    answers = _parse_answers(table.pop(choices), table, root)
    table["choices"] = pd.Series(answers, index=table.index, dtype=object)
    by_path: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in table.to_dict("records"):
        by_path[row["path"]].append({str(name): cell for name, cell in row.items()})
    clips = [_settle(path, rows) for path, rows in by_path.items()]
    return make_manifest(pd.DataFrame(clips), root.parent, where=str(root))


def _read_csv(root: Path) -> pd.DataFrame:
    """Give one row an annotation, indexed by the line's name."""
    with root.open(encoding="utf-8-sig", errors="replace") as stream:
        lines = stream.read().split("\n")
    if TWO_COMMAS not in lines[0]:
        table = read_csv(root)
        return table.set_axis([f"line {number + 2}" for number in table.index])
    if not lines[-1]:
        lines.pop()
    header = lines[0].split(TWO_COMMAS)
    rows = [line.split(TWO_COMMAS) for line in lines[1:]]
    bad = [number for number, row in enumerate(rows, start=2) if len(row) != len(header)]
    if bad:
        shown = ", ".join(map(str, bad[:MAX_SHOWN])) + (", ..." if len(bad) > MAX_SHOWN else "")
        problem = f"every line must have {len(header)} cells parted by two commas, not so {shown}"
        raise ManifestError([problem], str(root))
    return pd.DataFrame(rows, [f"line {number}" for number in range(2, len(lines) + 1)], header)


def _read_json(root: Path) -> pd.DataFrame:
    """Give one row an annotation, indexed by the task's name; one row a task without any."""
    try:
        tasks = json.loads(root.read_text(encoding="utf-8-sig"))
    except ValueError as exc:
        raise ManifestError([f"it must be JSON: {exc}"], str(root)) from exc
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise ManifestError(["it must be a JSON list of tasks"], str(root))
    problems: list[str] = []
    names: list[str] = []
    rows: list[dict[str, Any]] = []
    for number, task in enumerate(tasks, start=1):
        name = f"task {task.get('id', number)}"
        # JSON-MIN has the annotation's fields in the task itself.
        found = _rows_of(task, name, problems) if "annotations" in task else [task]
        names += [name] * len(found)
        rows += found
    if problems:
        raise ManifestError(problems, str(root))
    return pd.DataFrame(rows, index=names, dtype=object)


def _rows_of(task: Mapping[str, Any], name: str, problems: list[str]) -> list[dict[str, Any]]:
    data = task.get("data")
    if not isinstance(data, dict):
        problems.append(f"{name} must have 'data'")
        return []
    plain = {key: value for key, value in data.items() if isinstance(value, str | int | float)}
    judged = [entry for entry in task["annotations"] if not entry.get("was_cancelled")]
    rows: list[dict[str, Any]] = []
    for entry in judged:
        answers = {"annotation_id": entry.get("id", name), "annotator": entry.get("completed_by")}
        for result in entry.get("result", []):
            value = result.get("value", {})
            if "start" in value:
                problems.append(f"{name} labels a part of its sound; only whole clips are read")
            elif "choices" in value:
                answers[result.get("from_name", "choice")] = value["choices"]
        rows.append({**plain, **answers})
    return rows or [{**plain, "annotation_id": ""}]


def _pick(table: pd.DataFrame, names: Sequence[str], what: str, root: Path) -> str:
    found = [name for name in names if name in table]
    if not found:
        columns = ", ".join(map(str, table.columns)) or "nothing"
        problem = f"a column of the {what} is required ({', '.join(names)}), found {columns}"
        raise ManifestError([problem], str(root))
    return found[0]


def _pick_choices(table: pd.DataFrame, root: Path) -> str:
    """Give the column of choices: one with a usual name, or the only one that holds lists."""
    if not any(name in table for name in CHOICE_NAMES):
        lists = [
            str(column)
            for column in table
            if any(isinstance(cell, list) or _is_json(cell) for cell in table[column])
        ]
        if len(lists) == 1:
            return lists[0]
    return _pick(table, CHOICE_NAMES, "choices", root)


def _is_json(cell: object) -> bool:
    return isinstance(cell, dict) or (isinstance(cell, str) and cell.lstrip().startswith('{"'))


def _parse_answers(
    cells: pd.Series, table: pd.DataFrame, root: Path
) -> list[tuple[str, ...] | None]:
    """Give the labels of every annotation, None where nobody annotated."""
    identifiers = table["annotation_id"] if "annotation_id" in table else ["given"] * len(table)
    answers: list[tuple[str, ...] | None] = []
    problems = []
    for name, cell, identifier in zip(table.index, cells, identifiers, strict=True):
        empty = _is_empty(cell)
        try:
            labels = () if empty else _parse_answer(cell)
        except ValueError as exc:
            problems.append(f"{name}: {exc}")
            labels = ()
        answers.append(None if empty and _is_empty(identifier) else labels)
    if problems:
        raise ManifestError(problems, str(root))
    return answers


def _is_empty(cell: object) -> bool:
    return cell is None or cell == "" or cell != cell


def _parse_answer(cell: object) -> tuple[str, ...]:
    answer = cell
    if isinstance(cell, str) and cell.lstrip().startswith(("{", "[")):
        try:
            answer = json.loads(cell)
        except ValueError as exc:
            raise ValueError(f"choices must be a name or JSON, got {cell!r}") from exc
    if isinstance(answer, dict):
        answer = answer.get("choices")
    labels = [answer] if isinstance(answer, str) else answer
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError(f'choices must be a name or {{"choices": [...]}}, got {cell!r}')
    if any(SEPARATOR in label for label in labels):
        raise ValueError(f"a label must not contain '{SEPARATOR}', got {labels}")
    return tuple(dict.fromkeys(label.strip() for label in labels))


def _settle(path: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, str | int]:
    """Make one clip of its annotations."""
    judged = [row["choices"] for row in rows if row["choices"] is not None]
    votes = Counter(label for labels in judged for label in labels)
    given = sorted(label for label, count in votes.items() if 2 * count > len(judged))
    unsure = sorted(set(votes) - set(given))
    rest = [name for name in rows[0] if name not in ("path", "choices")]
    return {
        "path": path,
        **{name: _join(row[name] for row in rows) for name in rest},
        "labels": SEPARATOR.join(given),
        "unknown_labels": SEPARATOR.join(unsure) if judged else ALL_UNKNOWN,
        "n_annotators": len(judged),
    }


def _join(cells: Iterable[object]) -> str:
    texts = [
        SEPARATOR.join(map(str, cell)) if isinstance(cell, list) else str(cell)
        for cell in cells
        if not _is_empty(cell)
    ]
    return SEPARATOR.join(dict.fromkeys(texts))


LAYOUT = Layout(
    "label-studio",
    "a Label Studio export, JSON or CSV, with the uploaded sound below its folder",
    recognise,
    read,
)
