"""Which labels are likely wrong: an audit of the given labels by out-of-fold probabilities.

A model that has seen a label can repeat it, so only scores of rows that no model was trained on
may doubt it. What is found are suspects: a rare way of playing, or a mistake of the model, looks
the same as a wrong label until someone listens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ensemble.labels.audit_words import describe_audit, reason_words
from ensemble.labels.rates import estimate_rates
from ensemble.labels.suspects import (
    correct_labels,
    estimate_noise,
    find_suspect_cells,
    score_suspects,
)
from features.manifest import SEPARATOR
from reports.results import Results

# One says the same of all clips, the other gives ranks: neither has probabilities of a clip.
NOT_AUDITING = ("chance", "rank")


@dataclass(frozen=True)
class LabelAudit:
    """What was found, and how sure one may be.

    Parameters
    ----------
    task : str
        ``"single-label"`` or ``"multi-label"``.
    model : str
        Whose out-of-fold probabilities were taken.
    classes : list of str
        The labels.
    suspects : pd.DataFrame
        One row a suspect clip, the most suspect first: ``clip_id`` (of windows, their parent's),
        ``group``, ``fold``, ``labels`` and ``unknown_labels`` as given, ``suggested`` (in place of
        ``labels``), ``score`` (0 most suspect, see `ensemble.labels.suspects.score_suspects`) and
        ``reason``.
    cells : pd.DataFrame
        One row a suspect label of a clip: ``clip_id``, ``label``, ``given`` (1 likely wrong, 0
        likely missing), ``probability`` (that the label is there).
    labels : pd.DataFrame
        Rates of each label: see `ensemble.labels.rates.estimate_rates`.
    noise : pd.DataFrame
        See `ensemble.labels.suspects.estimate_noise`.
    probabilities : pd.DataFrame
        Out-of-fold probabilities of the suspects, indexed by ``clip_id``, a column a label.
    windows : dict
        ``clip_id`` of a suspect -> names of its clips in the manifest.
    counts : dict
        ``clips``, ``groups``, ``suspects``, ``wrong`` and ``missing`` (suspect cells),
        ``unknown`` (cells left out).
    sentences : list of str
        The same in words.
    """

    task: str
    model: str
    classes: list[str]
    suspects: pd.DataFrame
    cells: pd.DataFrame
    labels: pd.DataFrame
    noise: pd.DataFrame
    probabilities: pd.DataFrame
    windows: dict[str, list[str]]
    counts: dict[str, int]
    sentences: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON form; what is not a number is None.

        Returns
        -------
        dict
            All but the suspects' probabilities.
        """
        return {
            "task": self.task,
            "model": self.model,
            "counts": self.counts,
            "sentences": self.sentences,
            "labels": _records(self.labels),
            "noise": _records(self.noise.reset_index()),
            "suspects": _records(self.suspects),
            "cells": _records(self.cells),
        }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    named = table.astype(object)
    rows = named.where(named.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def audit_labels(results: Results, *, model: str = "stack", seed: int = 0) -> LabelAudit:
    """Rank the clips whose labels out-of-fold probabilities contradict.

    Parameters
    ----------
    results : Results
        Of a bundle, with stage ``oof``. Rows of its test split take no part, for which the bundle
        has no out-of-fold scores.
    model : str
        Whose probabilities to take: the stack's, their average's or a member's.
    seed : int
        Seed of the bootstrap of rates.

    Returns
    -------
    LabelAudit
        Suspects, rates, noise and words.

    Raises
    ------
    ValueError
        If there are no out-of-fold scores, or no such model.

    References
    ----------
    C. Northcutt, L. Jiang, I. Chuang, Confident learning: estimating uncertainty in dataset labels,
    Journal of Artificial Intelligence Research 70, 2021.

    A. Thyagarajan et al., Identifying incorrect annotations in multi-label classification data,
    2022: each label as a problem of its own.
    """
    clips, truth, scores = _audited_rows(results, model)
    multilabel = results.task == "multi-label"
    values, probabilities = truth.to_numpy(), scores.to_numpy(float)
    cells = find_suspect_cells(values, probabilities, multilabel=multilabel)
    ranks = score_suspects(values, probabilities, cells, multilabel=multilabel)
    order = np.argsort(ranks, kind="stable")[: int(np.isfinite(ranks).sum())]
    suggested = correct_labels(values, cells)
    groups = clips["group"].to_numpy(dtype=object)
    suspects = pd.DataFrame(
        {
            "clip_id": clips.index[order],
            "group": groups[order],
            "fold": clips["fold"].to_numpy()[order],
            "labels": _joined(values[order] == 1, results.classes),
            "unknown_labels": _joined(values[order] < 0, results.classes),
            "suggested": _joined(suggested[order] == 1, results.classes),
            "score": ranks[order],
            "reason": [
                reason_words(values[row], probabilities[row], cells[row], results.classes)
                for row in order
            ],
        }
    )
    rates = estimate_rates(values, probabilities, cells, groups, results.classes,
                           multilabel=multilabel, seed=seed)  # fmt: skip
    n_groups = len(set(groups.tolist()))
    counts = {
        "clips": len(clips),
        "groups": n_groups,
        "suspects": len(suspects),
        "wrong": int((cells & (values == 1)).sum()),
        "missing": int((cells & (values == 0)).sum()),
        "unknown": int((values < 0).sum()),
    }
    return LabelAudit(
        task=results.task,
        model=model,
        classes=list(results.classes),
        suspects=suspects,
        cells=_list_cells(clips.index[order], values[order], probabilities[order], cells[order],
                          results.classes),
        labels=rates,
        noise=estimate_noise(values, probabilities, results.classes, multilabel=multilabel),
        probabilities=scores.iloc[order],
        windows=_windows(results, suspects["clip_id"]),
        counts=counts,
        sentences=describe_audit(counts, rates, task=results.task, model=model),
    )  # fmt: skip


def _audited_rows(results: Results, model: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Give clips, truth and out-of-fold scores, one row a parent, in the same order."""
    models = [name for name in results.models if name not in NOT_AUDITING]
    if model not in models:
        raise ValueError(f"model must be one of {', '.join(models)}, got {model!r}")
    rows = results.per_parent()
    scores = rows.scores[(rows.scores["model"] == model) & (rows.scores["stage"] == "oof")]
    if scores.empty:
        raise ValueError(
            "an audit of labels needs out-of-fold scores, which fit-ensemble leaves in its bundle; "
            "these results have none, and a model cannot judge labels that it may have learned"
        )
    scores = scores.set_index("clip_id")[list(rows.classes)]
    return rows.clips.loc[scores.index], rows.truth.loc[scores.index], scores


def _joined(presence: np.ndarray, classes: list[str]) -> list[str]:
    names = np.array(classes, dtype=object)
    return [SEPARATOR.join(sorted(names[row])) for row in presence]


def _list_cells(
    clip_ids: pd.Index, truth: np.ndarray, scores: np.ndarray, cells: np.ndarray,
    classes: list[str],
) -> pd.DataFrame:  # fmt: skip
    rows, labels = np.nonzero(cells)
    return pd.DataFrame(
        {
            "clip_id": clip_ids[rows],
            "label": np.array(classes, dtype=object)[labels],
            "given": truth[rows, labels].astype(int),
            "probability": scores[rows, labels],
        }
    )


def _windows(results: Results, suspects: pd.Series) -> dict[str, list[str]]:
    parents = results.clips["parent"].astype(str)
    of_parent = parents[parents.isin(set(suspects))].groupby(parents).groups
    return {name: [str(clip_id) for clip_id in of_parent[name]] for name in suspects}
