"""Results to the numbers of ``metrics.json``: every model, every label, and what the stack gains.

All is per parent, on the test stage if there is one, else on cross-fitted scores, and on the same
rows for every model. Each leaf is ``{"value", "low", "high"}``; undefined is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import reports.metrics as metrics
from reports.results import Results
from reports.significance import (
    MIN_GROUPS,
    Estimate,
    Metric,
    describe_gain,
    estimate,
    group_bootstrap_weights,
    group_scores,
    paired_difference,
)

HEADLINE = "macro_f1"

# Of decisions, over all labels and per label; those of the ranking are computed together.
_DECISION_METRICS: dict[str, Metric] = {
    "micro_f1": metrics.micro_f1,
    "micro_precision": metrics.micro_precision,
    "micro_recall": metrics.micro_recall,
    "samples_f1": metrics.samples_f1,
    "accuracy": metrics.accuracy,
    "hamming_loss": metrics.hamming_loss,
}
_LABEL_METRICS: dict[str, Metric] = {
    "precision": metrics.precision,
    "recall": metrics.recall,
    "f1": metrics.f1,
}


@dataclass(frozen=True)
class EvaluatedRows:
    """The rows a report is about, as aligned arrays.

    Attributes
    ----------
    stage : {"test", "oof"}
        What was scored.
    clips : DataFrame of shape (n_samples, ...)
        One row per parent, indexed by its name.
    truth : int8 array of shape (n_samples, n_labels)
        1, 0 or -1.
    scores, decisions : dict of str to array of shape (n_samples, n_labels)
        By model, in the order of `Results.models`.
    left_out : int
        Rows of the stack that some model has no score for; they count for no model.
    """

    stage: str
    clips: pd.DataFrame
    truth: np.ndarray
    scores: dict[str, np.ndarray]
    decisions: dict[str, np.ndarray]
    left_out: int

    @property
    def groups(self) -> np.ndarray:
        """Group of each row."""
        return self.clips["group"].astype(str).to_numpy()

    @property
    def members(self) -> list[str]:
        """Names of the stack's members."""
        return [name for name in self.scores if name not in ("stack", "average", "chance")]


def evaluated_rows(results: Results) -> EvaluatedRows:
    """Return the rows to be scored: one per parent, of one stage, known to every model.

    Parameters
    ----------
    results : Results
        Checked results.

    Returns
    -------
    EvaluatedRows
        Aligned truth, scores and decisions.

    Raises
    ------
    ValueError
        If the stack has no scores at that stage, or no row is shared by all models.
    """
    stage = "test" if (results.scores["stage"] == "test").any() else "oof"
    parents = results.per_parent()
    scores = _by_model(parents.scores, parents, stage)
    decisions = _by_model(parents.decisions, parents, stage)
    if "stack" not in scores:
        raise ValueError(f"stage {stage!r} must have scores of the stack, got only {list(scores)}")
    shared = scores["stack"].index
    for table in scores.values():
        shared = shared.intersection(table.index, sort=False)
    if not len(shared):
        raise ValueError(f"the models {list(scores)} must share rows at stage {stage!r}, got none")
    return EvaluatedRows(
        stage=stage,
        clips=parents.clips.loc[shared],
        truth=parents.truth.loc[shared].to_numpy(),
        scores={name: table.loc[shared].to_numpy() for name, table in scores.items()},
        decisions={name: table.loc[shared].to_numpy() for name, table in decisions.items()},
        left_out=len(scores["stack"]) - len(shared),
    )


def evaluate(results: Results, *, n_boot: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Return the dictionary of ``metrics.json``.

    Parameters
    ----------
    results : Results
        Checked results.
    n_boot : int
        Bootstrap replicates; whole groups are drawn.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``evaluated_on`` ("test" or "oof"), ``task``, ``headline``, ``counts``, ``models``
        ({name: {metric: leaf}}), ``labels`` ({label: {metric: leaf}}, the stack's) and
        ``comparison``: the best member by macro F1, the stack's gain over it and over the average,
        each with a ``sentence``, and with few groups each group's micro F1 (``groups``).

    Raises
    ------
    ValueError
        If ``n_boot`` is below 1, or `evaluated_rows` finds none.
    """
    if n_boot < 1:
        raise ValueError(f"n_boot must be at least 1, got {n_boot}")
    rows = evaluated_rows(results)
    n_groups = len(np.unique(rows.groups))
    weights = None
    if n_groups >= MIN_GROUPS:
        weights = group_bootstrap_weights(rows.groups, n_boot=n_boot, seed=seed)
    labels = {name: _label_estimates(rows, name, weights) for name in rows.scores}
    models = {name: _model_estimates(rows, name, labels[name], weights) for name in rows.scores}
    return {
        "evaluated_on": rows.stage,
        "task": results.task,
        "headline": HEADLINE,
        "counts": _counts(results, rows),
        "bootstrap": {"n_boot": n_boot if weights is not None else 0, "seed": seed},
        "models": {
            name: {metric: _leaves(given)[0] for metric, given in found.items()}
            for name, found in models.items()
        },
        "labels": _label_leaves(results.classes, labels["stack"]),
        "comparison": _comparison(rows, models),
    }


def _by_model(table: pd.DataFrame, parents: Results, stage: str) -> dict[str, pd.DataFrame]:
    at_stage = table[table["stage"] == stage]
    found = {
        name: at_stage.loc[at_stage["model"] == name].set_index("clip_id")[parents.classes]
        for name in parents.models
    }
    return {name: rows for name, rows in found.items() if len(rows)}


def _label_estimates(
    rows: EvaluatedRows, model: str, weights: np.ndarray | None
) -> dict[str, Estimate]:
    truth, scores = rows.truth, rows.scores[model]
    replicates: tuple[np.ndarray | None, ...] = (None, None)
    if weights is not None:
        replicates = metrics.ranking_areas(truth, scores, weights=weights)
    areas = zip(metrics.ranking_areas(truth, scores), replicates, strict=True)
    found = {
        name: estimate(metric, truth, rows.decisions[model], weights=weights)
        for name, metric in _LABEL_METRICS.items()
    }
    return found | {
        name: Estimate(value, drawn)
        for name, (value, drawn) in zip(("ap", "roc_auc"), areas, strict=True)
    }


def _model_estimates(
    rows: EvaluatedRows, model: str, labels: dict[str, Estimate], weights: np.ndarray | None
) -> dict[str, Estimate]:
    decided = {
        name: estimate(metric, rows.truth, rows.decisions[model], weights=weights)
        for name, metric in _DECISION_METRICS.items()
    }
    return {
        HEADLINE: _mean_over_labels(labels["f1"]),
        **decided,
        "map": _mean_over_labels(labels["ap"]),
        "lrap": estimate(metrics.lrap, rows.truth, rows.scores[model], weights=weights),
        "macro_roc_auc": _mean_over_labels(labels["roc_auc"]),
    }


def _mean_over_labels(labels: Estimate) -> Estimate:
    drawn = labels.replicates
    mean = None if drawn is None else metrics.defined_mean(drawn)
    return Estimate(metrics.defined_mean(labels.value), mean)


def _leaves(given: Estimate) -> list[dict[str, float | None]]:
    columns = (np.atleast_1d(column) for column in (given.value, *given.interval()))
    return [
        {"value": _json(value), "low": _json(low), "high": _json(high)}
        for value, low, high in zip(*columns, strict=True)
    ]


def _label_leaves(
    classes: list[str], estimates: dict[str, Estimate]
) -> dict[str, dict[str, dict[str, float | None]]]:
    leaves = {metric: _leaves(given) for metric, given in estimates.items()}
    return {
        label: {metric: found[number] for metric, found in leaves.items()}
        for number, label in enumerate(classes)
    }


def _counts(results: Results, rows: EvaluatedRows) -> dict[str, Any]:
    stage = results.scores[results.scores["stage"] == rows.stage]
    windows = results.clips.loc[stage["clip_id"].unique(), "parent"].astype(str)
    folds = rows.clips["fold"].astype(int)
    return {
        "clips": len(rows.clips),
        "windows": int(windows.isin(rows.clips.index).sum()),
        "groups": len(np.unique(rows.groups)),
        "folds": int(folds[folds >= 0].nunique()),
        "left_out": rows.left_out,
        "positives": dict(
            zip(results.classes, (rows.truth == 1).sum(axis=0).tolist(), strict=True)
        ),
        "positive_groups": {
            label: len(np.unique(rows.groups[rows.truth[:, number] == 1]))
            for number, label in enumerate(results.classes)
        },
    }


def _comparison(rows: EvaluatedRows, estimates: dict[str, dict[str, Estimate]]) -> dict[str, Any]:
    headline = {name: found[HEADLINE] for name, found in estimates.items()}
    n_groups = len(np.unique(rows.groups))
    best = max(rows.members, key=lambda name: _rank(headline[name]), default=None)
    rivals = {
        "stack_vs_best_member": (best, f"its best member ({best})"),
        "stack_vs_average": ("average", "the plain average of the members"),
    }
    answer: dict[str, Any] = {"metric": HEADLINE, "n_groups": n_groups, "best_member": best}
    for key, (rival, words) in rivals.items():
        # Beside one member alone the average says the same again.
        if rival not in headline or (rival == "average" and len(rows.members) == 1):
            continue
        gain = paired_difference(headline["stack"], headline[rival])
        sentence = describe_gain(
            gain, first="the stack", second=words, metric="macro F1", n_groups=n_groups
        )
        numbers = {name: _json(number) for name, number in vars(gain).items()}
        answer[key] = {**numbers, "sentence": sentence}
    if n_groups < MIN_GROUPS:
        answer["groups"] = _each_group(rows)
    return answer


def _each_group(rows: EvaluatedRows) -> dict[str, dict[str, float | None]]:
    # Micro F1, because a single group seldom holds every label, which macro F1 wants.
    return {
        name: {
            group: _json(score)
            for group, score in group_scores(
                metrics.micro_f1, rows.truth, decided, groups=rows.groups
            ).items()
        }
        for name, decided in rows.decisions.items()
    }


def _rank(given: Estimate) -> float:
    return float(np.nan_to_num(given.value, nan=-np.inf))


def _json(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
