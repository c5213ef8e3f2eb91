"""What a search is worth: all of it again without each fold, scored on that fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ensemble.stacking import StackingEnsembleClassifier
from ensemble.tuning.parts import Outcome, Search
from ensemble.tuning.rows import SearchRows
from ensemble.tuning.scores import FoldScores, get_metric, score_answers
from ensemble.tuning.settings import create_final_estimator
from ensemble.tuning.trials import CrossValidator, defined
from reports.metrics.named import NamedMetric
from reports.significance import (
    MIN_GROUPS,
    Difference,
    Estimate,
    estimate,
    group_bootstrap_weights,
    paired_difference,
)

# As many searches as there are outer folds: each has to be a small one.
NESTED_TRIALS = 10
NESTED_FOLDS = 3


@dataclass(frozen=True)
class NestedPart:
    """The honest score of a searched member, or of the stack.

    Attributes
    ----------
    tuned, ready_made : Estimate
        The metric on rows that took no part in the choice, and that of the ready-made parameters
        on the same rows.
    gain : Difference
        Tuned minus ready-made.
    fold_scores : list of float or None
        Of each outer fold, tuned.
    """

    tuned: Estimate
    ready_made: Estimate
    gain: Difference
    fold_scores: list[float | None]

    def as_dict(self) -> dict[str, object]:
        """Give the scores as JSON-able data.

        Returns
        -------
        dict
            ``tuned``, ``ready_made`` and ``gain`` as ``{"value", "low", "high"}``, and
            ``fold_scores``.
        """
        gain = {end: defined(getattr(self.gain, end)) for end in ("value", "low", "high")}
        return {
            "tuned": _leaf(self.tuned),
            "ready_made": _leaf(self.ready_made),
            "gain": gain,
            "fold_scores": self.fold_scores,
        }


def _leaf(given: Estimate) -> dict[str, float | None]:
    low, high = given.interval()
    return {
        "value": defined(float(given.value)),
        "low": defined(float(low)),
        "high": defined(float(high)),
    }


def nested_scores(
    search: Search, rows: SearchRows, ready_made: Mapping[str, FoldScores]
) -> dict[str, NestedPart]:
    """Score a search as a whole.

    Parameters
    ----------
    search : Search
        As it ran on all rows.
    rows : SearchRows
        Its rows and folds, which are the outer ones.
    ready_made : mapping of str to FoldScores
        What the ready-made parameters score in the same folds.

    Returns
    -------
    dict of str to NestedPart
        The same parts.

    Notes
    -----
    In every outer fold the search has `NESTED_TRIALS` trials a member over `NESTED_FOLDS` inner
    grouped folds; thresholds and final estimator come from those, too. So it is the estimate of a
    smaller search on fewer rows, and in that slightly modest.
    """
    metric = get_metric(search.metric)
    answers = {name: np.zeros(rows.truth.shape) for name in ready_made}
    for fold in np.unique(rows.folds):
        inner = rows.outside(int(fold), n_folds=NESTED_FOLDS, seed=search.seed)
        found = search.run(inner, n_trials=NESTED_TRIALS, prefix=f"without fold {fold}, ")
        held_out = rows.folds == fold
        for name, part in _answer(search, inner, found, rows, held_out, metric).items():
            answers[name][held_out] = part
    drawn = None
    if len(set(rows.groups)) >= MIN_GROUPS:
        drawn = group_bootstrap_weights(rows.groups[rows.scored], seed=search.seed)
    return {
        name: _compare(rows, answers[name], scores.answers, metric, drawn)
        for name, scores in ready_made.items()
    }


def _answer(
    search: Search, inner: SearchRows, found: Outcome, rows: SearchRows, held_out: np.ndarray,
    metric: NamedMetric,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Fit what was chosen on the inner rows, and ask it for the others."""
    validator = CrossValidator(inner, metric, search.n_jobs)
    stack = StackingEnsembleClassifier(
        [validator.with_threads(member) for member in found.members],
        final_estimator=create_final_estimator(found.parameters.stack),
        cv=inner.folds,
        random_state=search.seed,
    )
    stack.fit(inner.X, inner.y, groups=inner.groups, parents=inner.parents)
    scores = stack.score_models(rows.X[held_out], rows.parents[held_out])
    answers = stack.decide_models(scores) if metric.of == "decisions" else scores
    # A class may be missing from the inner rows: its column then stays at zero.
    positions = np.searchsorted(rows.labels, stack.classes_)
    wanted = {}
    for name in found.parts:
        wanted[name] = np.zeros((int(held_out.sum()), len(rows.classes)))
        wanted[name][:, positions] = answers[name]
    return wanted


def _compare(
    rows: SearchRows, tuned: np.ndarray, ready_made: np.ndarray, metric: NamedMetric,
    drawn: np.ndarray | None,
) -> NestedPart:  # fmt: skip
    counted, function = rows.scored, metric.function_for(rows.task)
    after, before = (
        estimate(function, rows.truth[counted], answers[counted], weights=drawn)
        for answers in (tuned, ready_made)
    )
    return NestedPart(
        tuned=after,
        ready_made=before,
        gain=paired_difference(after, before),
        fold_scores=score_answers(rows, tuned, metric).folds,
    )
