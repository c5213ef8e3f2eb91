"""What a member of the ensemble is, and how it is fitted and asked for scores.

A member is `(name, estimator, columns)`: any scikit-learn classifier over some columns of X. Most
are fitted again on all rows in the end. One whose class says `average_folds = True` (a deep
network, too dear to train once more and better averaged) keeps the model of every fold instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.utils.metadata_routing import get_routing_for_object

from ensemble.probabilities import align_columns, from_logits
from reports.results import REFERENCE_MODELS

# Not all of them are made for every stack, but what one name means should not depend on that.
RESERVED_NAMES = REFERENCE_MODELS

# Logit of a class that a fold's network never saw: far below any it did see, yet finite.
UNSEEN_LOGIT = -10.0


class Member(NamedTuple):
    """One model of the ensemble.

    Parameters
    ----------
    name : str
        What reports call it.
    estimator : BaseEstimator
        An unfitted classifier with `predict_proba`.
    columns : list, or None
        Names (X a DataFrame) or positions of its columns; None means all.
    """

    name: str
    estimator: BaseEstimator
    columns: Sequence[Any] | None = None


def check_members(members: Sequence[Sequence[Any]]) -> list[Member]:
    """Give members as `Member`, or say all that is wrong with them.

    Parameters
    ----------
    members : sequence of (name, estimator, columns)
        `columns` may be left out, meaning all.

    Returns
    -------
    list of Member
        In the order given.

    Raises
    ------
    ValueError
        If there is none, a name is empty, taken or given twice, or an estimator has no
        `predict_proba`.
    """
    checked = [Member(*member) for member in members]
    names = [member.name for member in checked]
    problems = [
        f"{name!r} is given twice" for name in sorted({n for n in names if names.count(n) > 1})
    ]
    problems += [f"{name!r} is reserved" for name in names if name in RESERVED_NAMES]
    problems += [f"{name!r} is not a name" for name in names if not _is_name(name)]
    problems += [
        f"{member.name!r} has no predict_proba"
        for member in checked
        if not hasattr(member.estimator, "predict_proba")
    ]
    if not checked:
        problems = ["at least one is needed"]
    if problems:
        raise ValueError(f"members must be (name, estimator, columns): {'; '.join(problems)}")
    return checked


def _is_name(name: object) -> bool:
    # A bundle keeps each member in a folder of its name, which must not lead elsewhere.
    return isinstance(name, str) and re.fullmatch(r"[^\s./\\][^/\\\0\n]*", name) is not None


def keeps_folds(estimator: BaseEstimator) -> bool:
    """Whether the models of all folds are kept and averaged, instead of one fitted on all rows.

    Parameters
    ----------
    estimator : BaseEstimator
        A member's estimator.

    Returns
    -------
    bool
        Its `average_folds`, False where it has none.
    """
    return bool(getattr(estimator, "average_folds", False))


def is_trained(estimator: BaseEstimator) -> bool:
    """Whether a member comes with its out-of-fold probabilities and networks, see `TrainedRun`.

    Parameters
    ----------
    estimator : BaseEstimator
        A member's estimator.

    Returns
    -------
    bool
        True if there is nothing left to fit.
    """
    return hasattr(estimator, "out_of_fold")


def select_columns(X: Any, columns: Sequence[Any] | None) -> Any:
    """Take a member's columns.

    Parameters
    ----------
    X : pd.DataFrame or np.ndarray of shape (n_samples, n_features)
        All columns.
    columns : list or None
        Names for a DataFrame, positions for an array; None means all.

    Returns
    -------
    pd.DataFrame or np.ndarray
        The columns.

    Raises
    ------
    ValueError
        If some are not there.
    """
    if columns is None:
        return X
    if isinstance(X, pd.DataFrame):
        missing = [column for column in columns if column not in X.columns]
        if missing:
            raise ValueError(f"X lacks {len(missing)} columns, such as {missing[:5]}")
        return X[list(columns)]
    return X[:, list(columns)]


def take_rows(X: Any, rows: np.ndarray) -> Any:
    """Take rows by position.

    Parameters
    ----------
    X : pd.DataFrame or np.ndarray
        All rows.
    rows : np.ndarray of int
        Positions.

    Returns
    -------
    pd.DataFrame or np.ndarray
        The rows.
    """
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]


def fit_member(
    member: Member, X: Any, y: np.ndarray, groups: np.ndarray | None, rows: np.ndarray
) -> BaseEstimator:
    """Fit a fresh copy of a member on some rows.

    Parameters
    ----------
    member : Member
        What to fit.
    X : pd.DataFrame or np.ndarray of shape (n_samples, n_features)
        All columns, all rows.
    y : np.ndarray of shape (n_samples,) or (n_samples, n_labels)
        Labels.
    groups : np.ndarray of shape (n_samples,) or None
        Passed on to estimators that ask for groups, so that their inner folds keep them whole.
    rows : np.ndarray of int
        Positions to fit on.

    Returns
    -------
    BaseEstimator
        Fitted.
    """
    estimator = clone(member.estimator)
    part, labels = take_rows(select_columns(X, member.columns), rows), y[rows]
    # Only with routing on can groups reach an estimator inside a Pipeline.
    with config_context(enable_metadata_routing=True):
        if groups is not None and _asks_for_groups(estimator):
            return estimator.fit(part, labels, groups=groups[rows])
    return estimator.fit(part, labels)


def _asks_for_groups(estimator: BaseEstimator) -> bool:
    try:
        return bool(get_routing_for_object(estimator).consumes("fit", ["groups"]))
    except NotImplementedError:
        # Some of scikit-learn's meta-estimators, such as AdaBoost, know of no routing.
        return False


def score_member(
    estimator: BaseEstimator, member: Member, X: Any, classes: np.ndarray, *, multilabel: bool
) -> np.ndarray:
    """Give what one fitted model says of rows: probabilities, or logits if folds are averaged.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted.
    member : Member
        Whose columns it takes.
    X : pd.DataFrame or np.ndarray of shape (n_samples, n_features)
        All columns, the rows to score.
    classes : np.ndarray of shape (n_labels,)
        Order of the columns of the result.
    multilabel : bool
        Whether labels are independent.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Probabilities, or logits for members that keep folds.

    Raises
    ------
    ValueError
        If the model has another number of columns than of classes.
    """
    part = select_columns(X, member.columns)
    if keeps_folds(member.estimator):
        scores, fill = np.asarray(estimator.decision_function(part)), UNSEEN_LOGIT
        if scores.ndim == 1:
            # Scikit-learn's binary form: the logit of the second class against the first.
            scores = np.column_stack([np.zeros(len(scores)), scores])
    else:
        scores, fill = _probabilities(estimator, part), 0.0
    have = classes if multilabel else estimator.classes_
    if scores.shape[1] != len(have):
        raise ValueError(
            f"member {member.name!r} must give a column for each of {len(have)} classes, "
            f"got {scores.shape[1]}"
        )
    return align_columns(scores, list(have), list(classes), fill=fill)


def _probabilities(estimator: BaseEstimator, X: Any) -> np.ndarray:
    """Accept scikit-learn's two multi-label forms: one array, or a label's own array for each."""
    output = estimator.predict_proba(X)
    if not isinstance(output, list):
        return np.asarray(output)
    pairs = zip(output, estimator.classes_, strict=True)
    return np.column_stack([_presence(np.asarray(scores), values) for scores, values in pairs])


def _presence(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Give the probability of 1 against 0: training may have shown one of them only, or -1."""
    present = scores[:, np.equal(values, 1)].sum(axis=1)
    known = scores[:, np.greater_equal(values, 0)].sum(axis=1)
    return np.divide(present, known, out=np.full(len(scores), 0.5), where=known > 0)


def ask_member(
    estimators: Sequence[BaseEstimator], member: Member, X: Any, classes: np.ndarray, *,
    multilabel: bool
) -> np.ndarray:  # fmt: skip
    """Give a member's probabilities from its final model, or from the mean logits of its folds'.

    Parameters
    ----------
    estimators : sequence of BaseEstimator
        One, or one a fold.
    member : Member
        Whose they are.
    X : pd.DataFrame or np.ndarray of shape (n_samples, n_features)
        All columns, the rows to score.
    classes : np.ndarray of shape (n_labels,)
        Order of the columns of the result.
    multilabel : bool
        Whether labels are independent.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Probabilities.
    """
    scores = [
        score_member(estimator, member, X, classes, multilabel=multilabel)
        for estimator in estimators
    ]
    mean = scores[0] if len(scores) == 1 else np.mean(scores, axis=0)
    return from_logits(mean, multilabel=multilabel) if keeps_folds(member.estimator) else mean
