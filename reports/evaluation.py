"""Results to the numbers of ``metrics.json``: every model, every label, and what the stack gains.

All is per parent, on the test stage if there is one, else on cross-fitted scores, and on the same
rows for every model. Each leaf is ``{"value", "low", "high"}``; undefined is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from reports.comparison import compare_models
from reports.metrics.areas import ranking_areas
from reports.metrics.decisions import f1, precision, recall
from reports.metrics.named import METRICS, check_metrics
from reports.metrics.ranking import label_lwlrap
from reports.metrics.reliability import label_brier, label_ece
from reports.metrics.reliability_card import describe_reliability
from reports.metrics.weighted import defined_mean
from reports.results import REFERENCE_MODELS, Results
from reports.significance import (
    MIN_GROUPS,
    Estimate,
    Metric,
    as_leaves,
    estimate,
    group_bootstrap_weights,
    without_bias,
)

HEADLINE = "macro_f1"

# How the two that are no textbook formula are estimated, for whoever reads the numbers alone.
ESTIMATORS = {
    "brier": "mean squared distance between probability and truth over all known cells",
    "ece": (
        "mean distance between share true and mean probability over floor(n^(1/3)) bins of equal "
        "mass: of all known cells in multi-label, of each clip's highest score in single-label; "
        "intervals are shifted by the bootstrap's own bias"
    ),
}

# Means over labels of what is computed per label anyway.
_LABEL_MEANS = {"macro_f1": "f1", "map": "ap", "macro_roc_auc": "roc_auc"}
_LABEL_METRICS: dict[str, tuple[str, Metric]] = {
    "precision": ("decisions", precision),
    "recall": ("decisions", recall),
    "lwlrap": ("scores", label_lwlrap),
    "brier": ("scores", label_brier),
    "ece": ("scores", label_ece),
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
        return [name for name in self.scores if name not in REFERENCE_MODELS]


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


def evaluate(
    results: Results, *, metrics: Sequence[str] | None = None, n_boot: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Return the dictionary of ``metrics.json``.

    Parameters
    ----------
    results : Results
        Checked results.
    metrics : sequence of str or None
        Names out of `reports.metrics.METRICS`; the first is the headline, by which models are
        compared. None means all, with macro F1 as the headline.
    n_boot : int
        Bootstrap replicates; whole groups are drawn.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``evaluated_on`` ("test" or "oof"), ``task``, ``headline``, ``estimators``, ``counts``,
        ``models`` ({name: {metric: leaf}}), ``labels`` ({label: {metric: leaf}}, the stack's),
        ``reliability`` (the stack's bins of `describe_reliability`) and ``comparison`` (see
        `reports.comparison.compare_models`).

    Raises
    ------
    ValueError
        If ``n_boot`` is below 1, a metric is unknown, or `evaluated_rows` finds none.
    """
    chosen = check_metrics([HEADLINE, *METRICS] if metrics is None else metrics)
    if n_boot < 1:
        raise ValueError(f"n_boot must be at least 1, got {n_boot}")
    rows = evaluated_rows(results)
    n_groups = len(np.unique(rows.groups))
    weights = None
    if n_groups >= MIN_GROUPS:
        weights = group_bootstrap_weights(rows.groups, n_boot=n_boot, seed=seed)
    labels = {name: _label_estimates(rows, name, weights) for name in rows.scores}
    models = {
        name: _model_estimates(rows, name, labels[name], weights, chosen, task=results.task)
        for name in rows.scores
    }
    return {
        "evaluated_on": rows.stage,
        "task": results.task,
        "headline": chosen[0],
        "estimators": ESTIMATORS,
        "counts": _counts(results, rows),
        "bootstrap": {"n_boot": n_boot if weights is not None else 0, "seed": seed},
        "models": {
            name: {metric: as_leaves(given)[0] for metric, given in found.items()}
            for name, found in models.items()
        },
        "labels": _label_leaves(results.classes, _stack_labels(rows, labels["stack"], weights)),
        "reliability": describe_reliability(
            rows.truth, rows.scores["stack"], task=results.task, weights=weights
        )["bins"],
        "comparison": compare_models(
            {name: found[chosen[0]] for name, found in models.items()},
            rows.truth,
            rows.decisions,
            metric=chosen[0],
            groups=rows.groups,
        ),
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
    """Estimate what the means over labels are made of."""
    truth, scores = rows.truth, rows.scores[model]
    replicates: tuple[np.ndarray | None, ...] = (None, None)
    if weights is not None:
        replicates = ranking_areas(truth, scores, weights=weights)
    areas = zip(("ap", "roc_auc"), ranking_areas(truth, scores), replicates, strict=True)
    found = {name: Estimate(value, drawn) for name, value, drawn in areas}
    return {"f1": estimate(f1, truth, rows.decisions[model], weights=weights), **found}


def _stack_labels(
    rows: EvaluatedRows, known: dict[str, Estimate], weights: np.ndarray | None
) -> dict[str, Estimate]:
    """Add the other metrics of each label, which no mean is made of."""
    predicted = {"decisions": rows.decisions["stack"], "scores": rows.scores["stack"]}
    more = {
        name: estimate(metric, rows.truth, predicted[of], weights=weights)
        for name, (of, metric) in _LABEL_METRICS.items()
    }
    more["ece"] = without_bias(more["ece"])
    order = ("precision", "recall", "f1", "ap", "roc_auc", "lwlrap", "brier", "ece")
    return {name: known[name] if name in known else more[name] for name in order}


def _model_estimates(
    rows: EvaluatedRows,
    model: str,
    labels: dict[str, Estimate],
    weights: np.ndarray | None,
    chosen: Sequence[str],
    *,
    task: str,
) -> dict[str, Estimate]:
    predicted = {"decisions": rows.decisions[model], "scores": rows.scores[model]}
    found = {}
    for name in chosen:
        if name in _LABEL_MEANS:
            found[name] = _mean_over_labels(labels[_LABEL_MEANS[name]])
            continue
        metric = METRICS[name]
        given = estimate(
            metric.function_for(task), rows.truth, predicted[metric.of], weights=weights
        )
        found[name] = without_bias(given) if name == "ece" else given
    return found


def _mean_over_labels(labels: Estimate) -> Estimate:
    drawn = labels.replicates
    mean = None if drawn is None else defined_mean(drawn)
    return Estimate(defined_mean(labels.value), mean)


def _label_leaves(
    classes: list[str], estimates: dict[str, Estimate]
) -> dict[str, dict[str, dict[str, float | None]]]:
    leaves = {metric: as_leaves(given) for metric, given in estimates.items()}
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
