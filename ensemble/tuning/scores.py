"""What a search maximises, on out-of-fold probabilities.

Conventions: scores are pooled over all folds, as in a report, and each parent counts once. Where
labels are decided by thresholds, those of a fold come from the other folds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensemble.probabilities import average_over
from ensemble.thresholds import decide, fit_thresholds
from ensemble.tuning.rows import SearchRows
from features.naming import did_you_mean
from reports.metrics.named import METRICS, NamedMetric


def get_metric(name: str) -> NamedMetric:
    """Give a metric to be maximised.

    Parameters
    ----------
    name : str
        One of `reports.metrics.named.METRICS`, such as ``"macro_f1"``.

    Returns
    -------
    NamedMetric
        The metric.

    Raises
    ------
    ValueError
        If there is none of that name, or lower is better.
    """
    known = [key for key, metric in METRICS.items() if not metric.lower_is_better]
    if name not in known:
        raise ValueError(
            f"what is maximised must be one of {', '.join(known)}, got {name!r}"
            f"{did_you_mean(name, known)}"
        )
    return METRICS[name]


@dataclass(frozen=True)
class FoldScores:
    """A metric over the folds that were scored so far.

    Attributes
    ----------
    value : float
        Of their rows pooled; NaN where undefined.
    folds : list of float or None
        Of each fold alone; None where undefined.
    answers : np.ndarray of shape (n_samples, n_labels)
        The decisions or probabilities that were measured.
    """

    value: float
    folds: list[float | None]
    answers: np.ndarray


def score_folds(
    rows: SearchRows, probabilities: np.ndarray, metric: NamedMetric, *, done: list[int]
) -> FoldScores:
    """Score out-of-fold probabilities of some folds.

    Parameters
    ----------
    rows : SearchRows
        What was to be guessed.
    probabilities : np.ndarray of shape (n_samples, n_labels)
        Only rows of the folds `done` are looked at.
    metric : SearchMetric
        What is measured.
    done : list of int
        Folds that have been predicted.

    Returns
    -------
    FoldScores
        NaN while a metric of multi-label decisions has one fold only: there is no other to take
        thresholds from.
    """
    seen = np.isin(rows.folds, done)
    answers = np.zeros(probabilities.shape)
    answers[seen] = average_over(rows.parents[seen], probabilities[seen])
    counted = rows.scored
    if metric.of == "decisions":
        if rows.multilabel and len(done) < 2:
            return FoldScores(float("nan"), [None] * len(done), answers)
        answers = _decide(rows, answers, seen & counted, done)
    return score_answers(rows, answers, metric, done=done)


def score_answers(
    rows: SearchRows, answers: np.ndarray, metric: NamedMetric, *, done: list[int] | None = None
) -> FoldScores:
    """Score what was decided, or the probabilities of a metric that takes those.

    Parameters
    ----------
    rows : SearchRows
        What was to be guessed.
    answers : np.ndarray of shape (n_samples, n_labels)
        Equal for all windows of a parent.
    metric : SearchMetric
        What is measured.
    done : list of int or None
        Folds to be looked at; None means all.

    Returns
    -------
    FoldScores
        Pooled and of each fold.
    """
    done = np.unique(rows.folds).tolist() if done is None else done
    counted, function = rows.scored, metric.function_for(rows.task)
    each = []
    for fold in done:
        part = counted & (rows.folds == fold)
        value = float(function(rows.truth[part], answers[part]))
        each.append(value if np.isfinite(value) else None)
    pooled = counted & np.isin(rows.folds, done)
    return FoldScores(float(function(rows.truth[pooled], answers[pooled])), each, answers)


def _decide(
    rows: SearchRows, scores: np.ndarray, counted: np.ndarray, done: list[int]
) -> np.ndarray:
    if not rows.multilabel:
        return decide(scores, None)
    decisions = np.zeros(scores.shape, dtype=np.int8)
    for fold in done:
        others = counted & (rows.folds != fold)
        cut = fit_thresholds(rows.truth[others], scores[others], groups=rows.groups[others])
        decisions[rows.folds == fold] = decide(scores[rows.folds == fold], cut)
    return decisions
