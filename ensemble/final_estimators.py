"""The final estimators: what is learned from the members' out-of-fold scores.

Conventions: scores are a mapping of member to (n_samples, n_labels) in the order of the members;
truth is 1 present, 0 absent, -1 unknown, whose rows take no part in that label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from ensemble.probabilities import align_columns, normalise_rows, to_logits

Scores: TypeAlias = Mapping[str, np.ndarray]

STACKED_ON = ("logits", "probabilities")


class FinalSettings(NamedTuple):
    """What final estimators are made with.

    Parameters
    ----------
    estimator : BaseEstimator or None
        An unfitted classifier; None means a logistic regression.
    multilabel : bool
        Whether labels are independent of each other.
    across_labels : bool
        Whether every decision sees the scores of all labels, not of its own label alone.
    stack_on : {"logits", "probabilities"}
        In which form scores are seen.
    """

    estimator: BaseEstimator | None = None
    multilabel: bool = False
    across_labels: bool = False
    stack_on: str = "logits"


def fit_finals(scores: Scores, truth: np.ndarray, settings: FinalSettings) -> list[BaseEstimator]:
    """Fit the final estimators.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of every member, from models that never saw the row.
    truth : np.ndarray of shape (n_samples, n_labels)
        1, 0 and -1.
    settings : FinalSettings
        How.

    Returns
    -------
    list of BaseEstimator
        One a label; a single one that tells all classes apart if single-label scores are seen
        across labels.
    """
    if settings.across_labels and not settings.multilabel:
        columns = _columns(scores, None, settings)
        return [_fit(columns, truth.argmax(axis=1), settings, n_columns=columns.shape[1])]
    fitted = []
    for label in range(truth.shape[1]):
        known = truth[:, label] >= 0
        columns = _columns(scores, label, settings)
        fitted.append(
            _fit(columns[known], truth[known, label], settings, n_columns=columns.shape[1])
        )
    return fitted


def _fit(
    columns: np.ndarray, target: np.ndarray, settings: FinalSettings, *, n_columns: int
) -> BaseEstimator:
    # A target of one value only has no line to fit: its frequency is all that is known. Not even
    # that if it is known of no row: then one half.
    if len(np.unique(target)) < 2:
        target = target if len(target) else np.array([0, 1])
        return DummyClassifier(strategy="prior").fit(np.zeros((len(target), n_columns)), target)
    if settings.estimator is None:
        return LogisticRegression(max_iter=1000).fit(columns, target)
    return clone(settings.estimator).fit(columns, target)


def score_finals(
    finals: Sequence[BaseEstimator], scores: Scores, settings: FinalSettings
) -> np.ndarray:
    """Give the stack's probabilities.

    Parameters
    ----------
    finals : sequence of BaseEstimator
        From `fit_finals`.
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of the same members in the same order.
    settings : FinalSettings
        The same.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Single-label rows sum to one.
    """
    n_labels = next(iter(scores.values())).shape[1]
    if settings.across_labels and not settings.multilabel:
        probability = finals[0].predict_proba(_columns(scores, None, settings))
        have = list(finals[0].classes_)
        return align_columns(probability, have, list(range(n_labels)), fill=0.0)
    columns = []
    for label, final in enumerate(finals):
        probability = final.predict_proba(_columns(scores, label, settings))
        present = np.flatnonzero(final.classes_ == 1)
        columns.append(probability[:, present].sum(axis=1))
    combined = np.column_stack(columns)
    return combined if settings.multilabel else normalise_rows(combined)


def _columns(scores: Scores, label: int | None, settings: FinalSettings) -> np.ndarray:
    """Give what is seen of the scores: a column a member, or all of its columns."""
    if settings.across_labels:
        # The probability of one of two classes says all; of two labels it does not.
        first = 1 if _is_binary(scores, settings) else 0
        seen = np.column_stack([values[:, first:] for values in scores.values()])
    else:
        seen = np.column_stack([values[:, label] for values in scores.values()])
    return to_logits(seen) if settings.stack_on == "logits" else seen


def _is_binary(scores: Scores, settings: FinalSettings) -> bool:
    return not settings.multilabel and next(iter(scores.values())).shape[1] == 2
