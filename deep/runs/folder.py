"""The folder of a run on disk, and the work folder that it grows in.

``card.json``, ``oof.parquet`` and ``fold_<k>/`` are what `ensemble.trained_run` reads. Beside them:

- ``clips.csv``: ``clip_id``, ``fold`` and ``split`` of all that was trained on;
- ``failures.csv``: clips that could not be read, with the reason;
- ``fold_<k>/history.csv``: the learning curves; ``fold_<k>/held_out.parquet``: its part of
  ``oof.parquet``;
- ``network/``, in place of folds and ``oof.parquet``, where one network was trained on all rows;
- ``run.json``: digests of all that the numbers depend on; ``rows.json``: of the rows that could be
  read.

Until a run is whole it lies in ``<run>.work/``; only a run of the same settings and clips goes on
there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from features.folds import hash_folds
from features.replacing import replacing
from features.table import hash_clip_ids

SCHEMA = "timbrestack.run"
SCHEMA_VERSION = 1
CARD = "card.json"
OUT_OF_FOLD = "oof.parquet"
FAILURES = "failures.csv"
CLIPS = "clips.csv"
HISTORY = "history.csv"
HELD_OUT = "held_out.parquet"
NETWORK = "network"
DESCRIPTION = "run.json"
ROWS = "rows.json"


def work_folder(run: Path) -> Path:
    """Name the place where a run grows until it is whole.

    Parameters
    ----------
    run : Path
        Its final name.

    Returns
    -------
    Path
        A sibling.
    """
    return run.with_name(f"{run.name}.work")


def digest(value: Any) -> str:
    """Name something that JSON can hold by its content.

    Parameters
    ----------
    value : Any
        Numbers, text, lists, mappings.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_card(run: Path) -> dict[str, Any] | None:
    """Read the card of a finished run.

    Parameters
    ----------
    run : Path
        Its folder.

    Returns
    -------
    dict or None
        None if there is no run of this schema.
    """
    try:
        card = json.loads((run / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) and card.get("schema") == SCHEMA else None


def read_finished(run: Path, described: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the card of a run if it is finished and the one that is wanted.

    Parameters
    ----------
    run : Path
        Its folder.
    described : mapping
        What is wanted.

    Returns
    -------
    dict or None
        The card.
    """
    card = read_card(run)
    if card is None or not (run / DESCRIPTION).is_file():
        return None
    found = json.loads((run / DESCRIPTION).read_text(encoding="utf-8"))
    return card if found == described else None


def check_replaceable(run: Path) -> None:
    """Refuse a place where something lies that is no run.

    Parameters
    ----------
    run : Path
        Where the run is to be.

    Raises
    ------
    FileExistsError
        If it is a file, or a folder with anything else in it.
    """
    if not run.exists() or read_card(run) is not None:
        return
    if not run.is_dir() or any(run.iterdir()):
        raise FileExistsError(f"{run} is no run of ours, so it is not replaced: name another place")


def open_work(run: Path, described: Mapping[str, Any]) -> Path:
    """Open the work folder of a run, made if it is not there.

    Parameters
    ----------
    run : Path
        The final name.
    described : mapping
        JSON-able: all that the numbers depend on.

    Returns
    -------
    Path
        The work folder.

    Raises
    ------
    ValueError
        If the folder that is there belongs to another run.
    """
    work = work_folder(run)
    path = work / DESCRIPTION
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        other = sorted(key for key in {*found, *described} if found.get(key) != described.get(key))
        if other and has_begun(work):
            raise ValueError(
                f"{work} holds the beginnings of another run, which differs in {', '.join(other)}: "
                "repeat its command to finish it, remove it, or name another output"
            )
        if other:
            for left in work.glob("*.training"):
                shutil.rmtree(left)
            write_json(path, described)
        return work
    if work.exists() and any(work.iterdir()):
        raise ValueError(f"{work} is in the way, and is not ours: name another output")
    work.mkdir(parents=True, exist_ok=True)
    write_json(path, described)
    return work


def has_begun(work: Path) -> bool:
    """Whether a work folder holds an epoch of training that would be lost.

    Parameters
    ----------
    work : Path
        The work folder.

    Returns
    -------
    bool
        False where a mistake was found before.
    """
    patterns = (f"*/{HELD_OUT}", "*.training/epoch_*.json")
    return any(found for pattern in patterns for found in work.glob(pattern))


def settle_rows(work: Path, *, clip_ids: Sequence[str], folds: np.ndarray) -> None:
    """Make sure that a run goes on with the rows that it was begun with.

    Parameters
    ----------
    work : Path
        The work folder.
    clip_ids : sequence of str
        The rows that can be read now.
    folds : np.ndarray of shape (n_samples,)
        Their folds.

    Raises
    ------
    ValueError
        If a clip can be read that could not before, or the other way round.
    """
    path = work / ROWS
    now = {"clips": hash_clip_ids(clip_ids), "folds": hash_folds(clip_ids, folds)}
    if has_begun(work) and path.is_file():
        if json.loads(path.read_text(encoding="utf-8")) != now:
            raise ValueError(
                f"other clips can be read now than when {work} was begun: make the same ones "
                "readable again, or remove it to begin anew"
            )
        return
    write_json(path, now)


def network_digests(run: Path) -> list[str]:
    """Name the networks of a run by their weights.

    Parameters
    ----------
    run : Path
        A finished run.

    Returns
    -------
    list of str
        SHA-256 in hexadecimal, in the order of the networks' names.
    """
    cards = sorted(run.glob(f"*/{CARD}"))
    return [str(json.loads(path.read_text(encoding="utf-8"))["weights_sha256"]) for path in cards]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    content : mapping
        JSON-able.
    """
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def publish(work: Path, run: Path) -> None:
    """Give a whole run its final name, in place of an earlier one.

    Parameters
    ----------
    work : Path
        The work folder.
    run : Path
        The final name.
    """
    earlier = run.with_name(f".{run.name}.{uuid.uuid4().hex[:8]}.old")
    if run.exists():
        os.replace(run, earlier)
    os.replace(work, run)
    shutil.rmtree(earlier, ignore_errors=True)
