"""One search: trials of a member, or of the stack over members that are settled."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from ensemble.members import Member, fit_member, score_member, take_rows
from ensemble.stacking import StackingEnsembleClassifier
from ensemble.tuning.given import GivenProbabilities
from ensemble.tuning.rows import SearchRows
from ensemble.tuning.scores import FoldScores, score_answers, score_folds
from ensemble.tuning.settings import create_final_estimator, settle_member
from ensemble.tuning.study import Study, TakenTrial
from reports.metrics.named import NamedMetric


@dataclass
class CrossValidator:
    """Out-of-fold probabilities of members on one set of rows, and what they score.

    Parameters
    ----------
    rows : SearchRows
        Rows and folds.
    metric : NamedMetric
        What is maximised.
    n_jobs : int or None
        Threads over classes; the numbers don't depend on it.
    told : set
        Warnings that have been passed on; each is told once.
    """

    rows: SearchRows
    metric: NamedMetric
    n_jobs: int | None = None
    told: set[tuple[str, type[Warning]]] = field(default_factory=set)

    @property
    def folds(self) -> list[int]:
        """The folds, in order."""
        return [int(fold) for fold in np.unique(self.rows.folds)]

    def predict_fold(self, member: Member, fold: int) -> np.ndarray:
        """Fit a member outside a fold and give its probabilities inside.

        Parameters
        ----------
        member : Member
            Unfitted.
        fold : int
            The fold that is held out, preprocessing included.

        Returns
        -------
        np.ndarray of shape (n_rows_of_fold, n_labels)
            Probabilities.
        """
        rows = self.rows
        held_out = rows.folds == fold
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # One BLAS thread, as in the stack: with two, sums round otherwise.
            with threadpool_limits(limits=1):
                model = fit_member(member, rows.X, rows.y, rows.groups, np.flatnonzero(~held_out))
                scores = score_member(
                    model, member, take_rows(rows.X, np.flatnonzero(held_out)), rows.labels,
                    multilabel=rows.multilabel,
                )  # fmt: skip
        self._pass_on(caught)
        return scores

    def _pass_on(self, caught: Sequence[warnings.WarningMessage]) -> None:
        for warning in caught:
            heard = (str(warning.message), warning.category)
            if issubclass(warning.category, UserWarning | RuntimeWarning) and (
                heard not in self.told
            ):
                self.told.add(heard)
                warnings.warn(*heard, stacklevel=4)

    def predict(self, member: Member) -> np.ndarray:
        """Give a member's probabilities of all rows, each from the other folds.

        Parameters
        ----------
        member : Member
            Unfitted.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels)
            Out-of-fold probabilities.
        """
        member = self.with_threads(member)
        probabilities = np.empty(self.rows.truth.shape)
        for fold in self.folds:
            probabilities[self.rows.folds == fold] = self.predict_fold(member, fold)
        return probabilities

    def score(self, probabilities: np.ndarray) -> FoldScores:
        """Score out-of-fold probabilities of all rows.

        Parameters
        ----------
        probabilities : np.ndarray of shape (n_samples, n_labels)
            Of `predict`.

        Returns
        -------
        FoldScores
            Pooled and of each fold.
        """
        return score_folds(self.rows, probabilities, self.metric, done=self.folds)

    def with_threads(self, member: Member) -> Member:
        """Let a member use the threads there are.

        Parameters
        ----------
        member : Member
            Unfitted.

        Returns
        -------
        Member
            A copy.
        """
        estimator = clone(member.estimator)
        classifier = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        if "n_jobs" in classifier.get_params(deep=False):
            classifier.set_params(n_jobs=self.n_jobs)
        return member._replace(estimator=estimator)

    def try_member(self, study: Study, taken: TakenTrial, member: Member) -> None:
        """Run a trial of a member fold by fold, and give it up if it falls behind.

        Parameters
        ----------
        study : Study
            Whose trial it is.
        taken : TakenTrial
            With the parameters to be tried.
        member : Member
            Ready-made.
        """
        begun = time.monotonic()
        settled = self.with_threads(settle_member(member, taken.parameters))
        probabilities = np.zeros(self.rows.truth.shape)
        done: list[int] = []
        pruned = False
        for fold in self.folds:
            probabilities[self.rows.folds == fold] = self.predict_fold(settled, fold)
            done.append(fold)
            found = score_folds(self.rows, probabilities, self.metric, done=done)
            if len(done) < len(self.folds) and np.isfinite(found.value):
                pruned = study.is_hopeless(taken, found.value, len(done))
            if pruned:
                break
        _end(study, taken, found, begun, pruned=pruned)

    def try_stack(
        self, study: Study, taken: TakenTrial, probabilities: Mapping[str, np.ndarray]
    ) -> None:
        """Run a trial of the stack over members' out-of-fold probabilities.

        Parameters
        ----------
        study : Study
            Whose trial it is.
        taken : TakenTrial
            With the parameters to be tried.
        probabilities : mapping of str to np.ndarray of shape (n_samples, n_labels)
            Of `predict`.
        """
        begun = time.monotonic()
        found = self.score_stack(probabilities, taken.parameters)
        _end(study, taken, found, begun)

    def score_stack(
        self, probabilities: Mapping[str, np.ndarray], parameters: Mapping[str, Any]
    ) -> FoldScores:
        """Score a stack over members' out-of-fold probabilities, cross-fitted.

        Parameters
        ----------
        probabilities : mapping of str to np.ndarray of shape (n_samples, n_labels)
            Of `predict`.
        parameters : mapping of str to object
            Of the stack.

        Returns
        -------
        FoldScores
            Pooled and of each fold.
        """
        rows = self.rows
        # A class without a row here, as may be in a part of the rows, is none to the stack.
        there = slice(None) if rows.multilabel else (rows.truth == 1).any(axis=0)
        labels = rows.labels[there]
        members = [
            (name, GivenProbabilities(labels), list(range(k * len(labels), (k + 1) * len(labels))))
            for k, name in enumerate(probabilities)
        ]
        stack = StackingEnsembleClassifier(
            members, final_estimator=create_final_estimator(parameters), cv=rows.folds
        )
        with threadpool_limits(limits=1):
            stack.fit(
                np.column_stack([given[:, there] for given in probabilities.values()]),
                rows.y,
                groups=rows.groups,
                parents=rows.parents,
            )
        found = stack.oof_decisions_ if self.metric.of == "decisions" else stack.oof_scores_
        answers = np.zeros(rows.truth.shape)
        answers[:, there] = found["stack"]
        return score_answers(rows, answers, self.metric)


def _end(
    study: Study, taken: TakenTrial, found: FoldScores, begun: float, *, pruned: bool = False
) -> None:
    value = defined(found.value)
    if value is None and not pruned:
        raise ValueError(
            "the metric is undefined on these rows, so there is nothing to maximise: choose another"
        )
    study.end(
        taken,
        value=value,
        fold_scores=found.folds,
        seconds=time.monotonic() - begun,
        pruned=pruned,
    )


def defined(value: float) -> float | None:
    """Give a number as JSON can hold it.

    Parameters
    ----------
    value : float
        Perhaps NaN.

    Returns
    -------
    float or None
        None for NaN.
    """
    return float(value) if np.isfinite(value) else None
