"""Tables of a report: models, labels, clips, and the clips that were most surely wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from reports.evaluation import EvaluatedRows


def models_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Return one row per model with every metric and its interval.

    Parameters
    ----------
    evaluation : dict
        From `reports.evaluation.evaluate`.

    Returns
    -------
    DataFrame
        ``model``, then ``<metric>``, ``<metric>_low``, ``<metric>_high``; undefined is empty.
    """
    return _flat(evaluation["models"], first="model")


def labels_table(evaluation: dict[str, Any]) -> pd.DataFrame:
    """Return one row per label with the stack's metrics and intervals.

    Parameters
    ----------
    evaluation : dict
        From `reports.evaluation.evaluate`.

    Returns
    -------
    DataFrame
        ``label``, ``clips`` (that have it), then as in `models_table`.
    """
    table = _flat(evaluation["labels"], first="label")
    table.insert(1, "clips", table["label"].map(evaluation["counts"]["positives"]))
    return table


def clips_table(
    rows: EvaluatedRows, *, classes: Sequence[str], model: str = "stack"
) -> pd.DataFrame:
    """Return one row per clip: what is true, what was decided, how sure.

    Parameters
    ----------
    rows : EvaluatedRows
        The evaluated rows.
    classes : sequence of str
        Names of the labels.
    model : str
        Whose decisions.

    Returns
    -------
    DataFrame
        ``clip_id``, ``group``, ``fold``; ``truth``, ``unknown``, ``decision``, ``missed`` and
        ``wrong`` (labels joined by ";"); ``correct`` (in all known labels; empty if none is
        known); ``gap`` (largest distance between truth and probability among known labels); then
        ``p_<label>``.
    """
    truth, scores, decided = rows.truth, rows.scores[model], rows.decisions[model]
    known = truth >= 0
    correct = pd.array(((truth == decided) | ~known).all(axis=1), dtype="boolean")
    correct[~known.any(axis=1)] = pd.NA
    table = pd.DataFrame(
        {
            "clip_id": rows.clips.index.astype(str),
            "group": rows.groups,
            "fold": rows.clips["fold"].to_numpy(),
            "truth": _join(truth == 1, classes),
            "unknown": _join(truth < 0, classes),
            "decision": _join(decided == 1, classes),
            "missed": _join((truth == 1) & (decided == 0), classes),
            "wrong": _join((truth == 0) & (decided == 1), classes),
            "correct": correct,
            "gap": np.where(known, np.abs(truth - scores), 0.0).max(axis=1),
        }
    )
    probabilities = pd.DataFrame(scores, columns=[f"p_{label}" for label in classes])
    return pd.concat([table, probabilities], axis=1)


def worst_clips(clips: pd.DataFrame, *, limit: int = 20) -> pd.DataFrame:
    """Return the wrong clips, those first whose probabilities were furthest from the truth.

    Parameters
    ----------
    clips : DataFrame
        From `clips_table`.
    limit : int
        Most rows.

    Returns
    -------
    DataFrame
        Rows of ``clips``: where to listen first for wrong labels and blind spots.
    """
    wrong = clips[clips["correct"].eq(False).fillna(False).astype(bool)]
    return wrong.sort_values(["gap", "clip_id"], ascending=[False, True]).head(limit)


def comparison_table(evaluations: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return one row per source with the stack's metrics.

    Parameters
    ----------
    evaluations : dict of str to dict
        By name of the source, from `reports.evaluation.evaluate`.

    Returns
    -------
    DataFrame
        ``source``, ``evaluated_on``, ``clips``, ``groups``, then as in `models_table`.
    """
    table = _flat(
        {name: found["models"]["stack"] for name, found in evaluations.items()}, first="source"
    )
    for place, (column, read) in enumerate(
        {
            "evaluated_on": lambda found: found["evaluated_on"],
            "clips": lambda found: found["counts"]["clips"],
            "groups": lambda found: found["counts"]["groups"],
        }.items(),
        start=1,
    ):
        table.insert(place, column, [read(found) for found in evaluations.values()])
    return table


def _flat(leaves: dict[str, dict[str, dict[str, float | None]]], *, first: str) -> pd.DataFrame:
    records = []
    for name, metrics in leaves.items():
        record: dict[str, Any] = {first: name}
        for metric, leaf in metrics.items():
            record[metric] = leaf["value"]
            record[f"{metric}_low"], record[f"{metric}_high"] = leaf["low"], leaf["high"]
        records.append(record)
    table = pd.DataFrame(records)
    return table.astype({name: float for name in table.columns if name != first})


def _join(chosen: np.ndarray, classes: Sequence[str]) -> list[str]:
    names = np.asarray(classes, dtype=object)
    return [";".join(names[row]) for row in chosen]
