"""What an audit of labels leaves in a folder: tables to read, and one to edit.

``relabel.csv`` is the table to edit: its column ``labels`` holds what is given, so a line that
nobody touched changes nothing. ``manifest --relabel`` reads it as it is.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from ensemble.labels.audit import LabelAudit
from ensemble.labels.cleaning import CleaningEffect
from features.manifest import read_csv
from features.replacing import replacing
from reports.staging import check_replaceable

SUSPECTS, RELABEL = "suspects.csv", "relabel.csv"
MARKERS = (SUSPECTS, RELABEL)
# Digits of probabilities that a person can use.
_DIGITS = "%.4f"


def check_audit_place(directory: str | PathLike[str]) -> Path:
    """Make sure that an audit may be written here, and that nobody's decisions get lost.

    Parameters
    ----------
    directory : str or path-like
        Where the audit is to be.

    Returns
    -------
    Path
        The same, absolute.

    Raises
    ------
    FileExistsError
        If something other than an audit is there, or an audit whose `relabel.csv` was edited.
    """
    final = check_replaceable(Path(directory), markers=MARKERS)
    if (final / RELABEL).is_file():
        table = read_csv(final / RELABEL)
        untouched = {"labels", "given"} <= set(table) and (table["labels"] == table["given"]).all()
        if not untouched:
            raise FileExistsError(
                f"{final / RELABEL} was edited and would be lost: name another folder, or move it"
            )
    return final


def write_audit(audit: LabelAudit, directory: str | PathLike[str]) -> None:
    """Write the tables of an audit into a folder.

    Parameters
    ----------
    audit : LabelAudit
        From `ensemble.labels.audit.audit_labels`.
    directory : str or path-like
        Gets ``suspects.csv`` (ranked clips), ``relabel.csv`` (the same clips, to edit),
        ``suspect_labels.csv`` (one row a suspect label of a clip), ``labels.csv`` (rates),
        ``noise.csv`` and ``audit.json``. Give a staged folder to have all or nothing.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    suspects = audit.suspects.drop(columns=["unknown_labels"])
    _write(suspects, folder / SUSPECTS)
    _write(relabel_table(audit), folder / RELABEL)
    _write(audit.cells, folder / "suspect_labels.csv")
    _write(audit.labels, folder / "labels.csv")
    _write(audit.noise.reset_index(), folder / "noise.csv")
    _write_json(audit.as_dict(), folder / "audit.json")


def write_effect(effect: CleaningEffect, directory: str | PathLike[str]) -> None:
    """Write what cleaning gains beside an audit.

    Parameters
    ----------
    effect : CleaningEffect
        From `ensemble.labels.cleaning.measure_cleaning`.
    directory : str or path-like
        Gets ``effect.csv`` (``trained_on``, ``metric``, ``value``, ``low``, ``high``: both scores,
        and the gain with its interval) and ``effect.json``.
    """
    folder = Path(directory)
    gain = effect.gain
    table = pd.DataFrame(
        [
            ("labels as given", effect.metric, effect.given, None, None),
            ("cleaned labels", effect.metric, effect.cleaned, None, None),
            ("gain", effect.metric, gain.value, gain.low, gain.high),
        ],
        columns=["trained_on", "metric", "value", "low", "high"],
    )
    _write(table, folder / "effect.csv")
    _write_json(effect.as_dict(), folder / "effect.json")


def relabel_table(audit: LabelAudit) -> pd.DataFrame:
    """Give the suspects as a table that changes nothing until it is edited.

    Parameters
    ----------
    audit : LabelAudit
        The audit.

    Returns
    -------
    pd.DataFrame
        ``clip_id``, ``labels`` (to edit, as given), ``unknown_labels`` if there are any, ``given``,
        ``suggested``, ``score``, ``reason``; one row for each window of a suspect.
    """
    table = audit.suspects.assign(
        clip_id=audit.suspects["clip_id"].map(audit.windows), given=audit.suspects["labels"]
    ).explode("clip_id")
    columns = ["clip_id", "labels", "unknown_labels", "given", "suggested", "score", "reason"]
    if not (table["unknown_labels"] != "").any():
        columns.remove("unknown_labels")
    return table[columns].reset_index(drop=True)


def _write_json(content: dict[str, Any], path: Path) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _write(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as partial:
        table.to_csv(partial, index=False, float_format=_DIGITS)
