"""The stacking ensemble: members, out-of-fold scores, a small final estimator a label.

Conventions: everything that is fitted is fitted inside the folds. Out-of-fold scores of a member
come from models that never saw the row nor its group; those of the stack come from final
estimators fitted on the other folds' out-of-fold scores, and so do its decisions' thresholds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from classical.labels import check_labels
from ensemble.calibration import calibrate, fit_calibration
from ensemble.members import (
    Member,
    ask_member,
    check_members,
    fit_member,
    keeps_folds,
    score_member,
    select_columns,
    take_rows,
)
from ensemble.probabilities import average_over, from_logits, normalise_rows, to_logits
from ensemble.thresholds import decide, fit_thresholds
from features.folds import GroupedStratifiedKFold

# Text and kind of a warning.
Warned: TypeAlias = tuple[str, type[Warning]]


class StackingEnsembleClassifier(ClassifierMixin, BaseEstimator):
    """Combine classifiers by what they say of rows they never saw.

    Parameters
    ----------
    members : list of (name, estimator, columns)
        Classifiers with `predict_proba`, and the columns of X each looks at: names for a
        DataFrame, positions for an array, None for all. An estimator that says
        `average_folds = True` keeps its model of every fold; the others are fitted again on all
        rows.
    final_estimator : classifier or None
        Fitted per label on the logits that the members give that label; None means a logistic
        regression.
    cv : int, splitter or array of int of shape (n_samples,)
        Number of group-aware stratified folds, a scikit-learn splitter, or the fold of each row.
    n_jobs : int or None
        Worker processes over members and folds; the numbers don't depend on it.
    random_state : int or None
        Decides between equals when `cv` is a number.
    progress : callable or None
        Called as `progress(done, total, text)` whenever a member is fitted on a fold.

    Attributes
    ----------
    classes_ : np.ndarray of shape (n_labels,)
        Classes; `arange(n_labels)` for multi-label.
    members_ : list of Member
        The checked members.
    named_estimators_ : dict
        Name -> list of fitted models: one, or one a fold.
    final_estimators_ : list
        One a label.
    folds_ : np.ndarray of shape (n_samples,)
        The fold of each row.
    oof_scores_ : dict
        Out-of-fold probabilities (n_samples, n_labels) of every member, of ``"stack"``, their
        plain mean ``"average"`` and ``"chance"``, the frequencies of the labels.
    oof_decisions_ : dict
        The same for decisions, int8.
    thresholds_ : dict or None
        Name -> (n_labels,) for multi-label; None for single-label, which takes the highest score.
    calibration_ : dict or None
        Name -> (n_labels, 2), set by `calibrate`.
    priors_ : np.ndarray of shape (n_labels,)
        How frequent each label is.
    n_features_in_ : int
        Number of columns of X.

    See Also
    --------
    sklearn.ensemble.StackingClassifier : cannot receive groups, and has no cross-fitted score.

    Notes
    -----
    A row's own fold still helped to fit the members behind the other folds' scores, on which its
    final estimator is fitted; with a final estimator of few parameters this matters little.

    References
    ----------
    D. Wolpert, Stacked generalization, Neural Networks 5, 1992.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = make_classification(n_samples=200, random_state=0)
    >>> members = [("logistic", LogisticRegression(), None), ("bayes", GaussianNB(), [0, 1, 2])]
    >>> stack = StackingEnsembleClassifier(members, cv=3).fit(X, y)
    >>> stack.predict_proba(X).shape
    (200, 2)
    >>> sorted(stack.oof_scores_)
    ['average', 'bayes', 'chance', 'logistic', 'stack']
    """

    # Groups are asked for without a word from the user: to leave them out would leak.
    __metadata_request__fit = {"groups": True, "parents": True}

    def __init__(
        self,
        members: Sequence[Sequence[Any]],
        final_estimator: BaseEstimator | None = None,
        *,
        cv: Any = 5,
        n_jobs: int | None = None,
        random_state: int | None = 0,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> None:
        self.members = members
        self.final_estimator = final_estimator
        self.cv = cv
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.progress = progress

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(
        self, X: Any, y: Any, groups: Any = None, parents: Any = None
    ) -> StackingEnsembleClassifier:
        """Fit members and final estimator, keeping all out-of-fold scores.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            All columns that members look at.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, or an indicator of 1 present, 0 absent, -1 unknown.
        groups : array-like of shape (n_samples,) or None
            What must not be torn between folds; None means `parents`, or if there are none, that
            every row stands alone.
        parents : array-like of shape (n_samples,) or None
            The clip that each row is a window of; scores of windows are averaged before they
            are decided on.

        Returns
        -------
        StackingEnsembleClassifier
            Itself.

        Raises
        ------
        ValueError
            If members, labels, groups or folds don't fit together.
        """
        self.members_ = check_members(self.members)
        X = self._check_rows(X, reset=True)
        labels = check_labels(y)
        if len(labels.indicator) != len(X):
            raise ValueError(f"X has {len(X)} rows, y has {len(labels.indicator)}")
        if len(labels.classes) < 2 and not labels.multilabel:
            raise ValueError(f"y must have 2 classes or more, got 1 class: {labels.classes[0]}")
        self.classes_ = labels.classes
        self._multilabel = labels.multilabel
        targets = labels.indicator if labels.multilabel else np.asarray(y).ravel()
        self._parents = None if parents is None else np.asarray(parents)
        groups = self._parents if groups is None else np.asarray(groups)
        self.folds_ = self._make_folds(X, labels.indicator, groups)
        scores = self._fit_members(X, targets, groups)
        self._fit_final(scores, labels.indicator)
        self._decide_out_of_fold(labels.indicator, groups)
        self.calibration_: dict[str, np.ndarray] | None = None
        return self

    def _check_rows(self, X: Any, *, reset: bool) -> Any:
        """Check X without copying a DataFrame, whose clip column is no number."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        return validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")

    def _make_folds(self, X: Any, indicator: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
        cv = self.cv
        if isinstance(cv, int | np.integer):
            cv = GroupedStratifiedKFold(int(cv), random_state=self.random_state)
        if hasattr(cv, "split"):
            folds = np.full(len(X), -1)
            truth = indicator if self._multilabel else indicator.argmax(axis=1)
            for fold, (_, rows) in enumerate(cv.split(np.zeros((len(X), 1)), truth, groups)):
                folds[rows] = fold
        else:
            folds = np.asarray(cv)
        if folds.shape != (len(X),) or (folds < 0).any() or len(np.unique(folds)) < 2:
            raise ValueError(
                f"cv must give each of the {len(X)} rows one of at least 2 folds, got "
                f"{len(np.unique(folds))} folds over shape {folds.shape}"
            )
        for what, keys in (("groups", groups), ("parents", self._parents)):
            if keys is None:
                continue
            spread = pd.Series(folds).groupby(keys).nunique()
            if (spread > 1).any():
                torn = spread.index[spread > 1][:5].tolist()
                raise ValueError(f"{what} must not be torn between folds, such as {torn}")
        return folds

    def _fit_members(
        self, X: Any, targets: np.ndarray, groups: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """Fit every member on every fold's other rows, and in the end on all; give its scores."""
        folds = np.unique(self.folds_)
        tasks = [
            (member, fold)
            for member in self.members_
            for fold in [*folds, *([] if keeps_folds(member.estimator) else [None])]
        ]
        shape = (len(X), len(self.classes_))
        scores = {member.name: np.empty(shape) for member in self.members_}
        self.named_estimators_: dict[str, list[Any]] = {name: [] for name in scores}
        told: set[Warned] = set()
        for done, ((member, fold), (model, part, warned)) in enumerate(
            zip(tasks, self._run(tasks, X, targets, groups), strict=True), start=1
        ):
            if fold is not None:
                scores[member.name][self.folds_ == fold] = part
            for message, category in sorted(warned - told, key=str):
                warnings.warn(message, category, stacklevel=3)
            told |= warned
            if model is not None:
                self.named_estimators_[member.name].append(model)
            if self.progress is not None:
                what = "all rows" if fold is None else f"fold {fold + 1} of {len(folds)}"
                self.progress(done, len(tasks), f"{member.name}, {what}")
        return scores

    def _run(
        self, tasks: list[tuple[Member, Any]], X: Any, targets: np.ndarray, groups: Any
    ) -> Iterator[tuple[Any, Any, set[Warned]]]:
        settings = {"classes": self.classes_, "multilabel": self._multilabel}
        # One BLAS thread in this process too: with two, sums round otherwise than in a worker.
        with (
            threadpool_limits(limits=1),
            joblib.parallel_config(backend="loky", inner_max_num_threads=1),
        ):
            yield from joblib.Parallel(n_jobs=self.n_jobs or 1, return_as="generator")(
                joblib.delayed(_fit_and_listen)(
                    member._replace(columns=None),
                    select_columns(X, member.columns),
                    targets,
                    groups,
                    None if fold is None else self.folds_ == fold,
                    **settings,
                )
                for member, fold in tasks
            )

    def _fit_final(self, scores: dict[str, np.ndarray], truth: np.ndarray) -> None:
        """Cross-fit the final estimator for honest scores, then fit it on all for use."""
        stacked = np.empty(truth.shape)
        for fold in np.unique(self.folds_):
            held_out = self.folds_ == fold
            finals = self._fit_labels(scores, truth, ~held_out)
            stacked[held_out] = self._combine(finals, {n: s[held_out] for n, s in scores.items()})
        self.final_estimators_ = self._fit_labels(scores, truth, np.ones(len(truth), dtype=bool))
        self.priors_ = _frequencies(truth)
        # Of all rows: what is frequent in the other folds is rare in this one by construction, and
        # chance by folds would look worse than chance.
        chance = np.tile(self.priors_, (len(truth), 1))
        average = np.mean(list(scores.values()), axis=0)
        self.oof_scores_ = {"stack": stacked, "average": average, "chance": chance, **scores}

    def _fit_labels(
        self, scores: dict[str, np.ndarray], truth: np.ndarray, rows: np.ndarray
    ) -> list[BaseEstimator]:
        fitted = []
        for label in range(truth.shape[1]):
            known = rows & (truth[:, label] >= 0)
            logits = to_logits(np.column_stack([s[known, label] for s in scores.values()]))
            present = truth[known, label]
            if self.final_estimator is None:
                final = LogisticRegression(max_iter=1000)
            else:
                final = clone(self.final_estimator)
            # A label with one value only has no line to fit: its frequency is all that is known.
            if len(np.unique(present)) < 2:
                final = DummyClassifier(strategy="prior")
                # Not even that if the label is known of no row: then one half.
                present = present if len(present) else np.array([0, 1])
                logits = np.zeros((len(present), len(scores)))
            fitted.append(final.fit(logits, present))
        return fitted

    def _combine(
        self, finals: Sequence[BaseEstimator], scores: dict[str, np.ndarray]
    ) -> np.ndarray:
        columns = []
        for label, final in enumerate(finals):
            logits = to_logits(np.column_stack([s[:, label] for s in scores.values()]))
            present = np.flatnonzero(final.classes_ == 1)
            probability = final.predict_proba(logits)
            columns.append(probability[:, present].sum(axis=1))
        combined = np.column_stack(columns)
        return combined if self._multilabel else normalise_rows(combined)

    def _decide_out_of_fold(self, truth: np.ndarray, groups: np.ndarray | None) -> None:
        """Decide each fold by thresholds from the other folds; keep those from all for use."""
        self.oof_scores_ = {n: average_over(self._parents, s) for n, s in self.oof_scores_.items()}
        if not self._multilabel:
            self.thresholds_: dict[str, np.ndarray] | None = None
            self.oof_decisions_ = {n: decide(s, None) for n, s in self.oof_scores_.items()}
            return
        first = _first_of_each(self._parents, len(truth))
        thresholds: dict[str, np.ndarray] = {}
        self.oof_decisions_ = {}
        for name, scores in self.oof_scores_.items():
            decisions = np.zeros(truth.shape, dtype=np.int8)
            for fold in np.unique(self.folds_):
                rows = first & (self.folds_ != fold)
                held_out = self.folds_ == fold
                cut = fit_thresholds(truth[rows], scores[rows], groups=_take(groups, rows))
                decisions[held_out] = decide(scores[held_out], cut)
            self.oof_decisions_[name] = decisions
            thresholds[name] = fit_thresholds(
                truth[first], scores[first], groups=_take(groups, first)
            )
        self.thresholds_ = thresholds

    def calibrate(
        self, X: Any, y: Any, groups: Any = None, parents: Any = None
    ) -> StackingEnsembleClassifier:
        """Fit calibration and thresholds anew, on labelled rows that took no part in `fit`.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Validation rows, from other groups than the training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their labels, as in `fit`.
        groups : array-like of shape (n_samples,) or None
            As in `fit`; rows of one group count as one where a threshold is weighed.
        parents : array-like of shape (n_samples,) or None
            As in `fit`.

        Returns
        -------
        StackingEnsembleClassifier
            Itself.
        """
        check_is_fitted(self)
        self.calibration_ = None
        scores = self.score_models(X, parents)
        truth = self._indicator(y)
        first = _first_of_each(None if parents is None else np.asarray(parents), len(truth))
        fitted = {n: fit_calibration(truth[first], s[first]) for n, s in scores.items()}
        self.calibration_ = fitted
        if self.thresholds_ is not None:
            self.thresholds_ = {
                n: fit_thresholds(
                    truth[first],
                    calibrate(s[first], fitted[n]),
                    groups=_take(None if groups is None else np.asarray(groups), first),
                )
                for n, s in scores.items()
            }
        return self

    def _indicator(self, y: Any) -> np.ndarray:
        if self._multilabel:
            return np.asarray(check_labels(y).indicator)
        return (np.asarray(y)[:, None] == self.classes_).astype(np.int8)

    def score_models(self, X: Any, parents: Any = None) -> dict[str, np.ndarray]:
        """Give the probabilities of the stack and of all it is compared with.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Rows to score.
        parents : array-like of shape (n_samples,) or None
            The clip that each row is a window of; scores are averaged over its windows.

        Returns
        -------
        dict
            Name -> (n_samples, n_labels): ``"stack"``, ``"average"``, ``"chance"``, each member.
        """
        return self.pool_scores(self.score_rows(X), parents)

    def score_rows(self, X: Any) -> dict[str, np.ndarray]:
        """Give what `score_models` starts from: each row by itself, not yet calibrated.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        dict
            Name -> (n_samples, n_labels).
        """
        check_is_fitted(self)
        X = self._check_rows(X, reset=False)
        members = {
            member.name: ask_member(
                self.named_estimators_[member.name],
                member,
                X,
                self.classes_,
                multilabel=self._multilabel,
            )
            for member in self.members_
        }
        return {
            "stack": self._combine(self.final_estimators_, members),
            "average": np.mean(list(members.values()), axis=0),
            "chance": np.tile(self.priors_, (len(X), 1)),
            **members,
        }

    def pool_scores(
        self, scores: dict[str, np.ndarray], parents: Any = None
    ) -> dict[str, np.ndarray]:
        """Average scores over the windows of each clip, then calibrate: the order of `calibrate`.

        Parameters
        ----------
        scores : dict
            Name -> (n_samples, n_labels), of `score_rows`; all windows of a clip together.
        parents : array-like of shape (n_samples,) or None
            The clip that each row is a window of.

        Returns
        -------
        dict
            Name -> (n_samples, n_labels).
        """
        parents = None if parents is None else np.asarray(parents)
        scores = {name: average_over(parents, values) for name, values in scores.items()}
        if self.calibration_ is None:
            return scores
        calibrated = {name: calibrate(s, self.calibration_[name]) for name, s in scores.items()}
        if self._multilabel:
            return calibrated
        return {name: normalise_rows(values) for name, values in calibrated.items()}

    def decide_models(self, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Decide on scores of `score_models`.

        Parameters
        ----------
        scores : dict
            Name -> (n_samples, n_labels).

        Returns
        -------
        dict
            Name -> int8 (n_samples, n_labels).
        """
        thresholds = self.thresholds_
        return {
            name: decide(values, None if thresholds is None else thresholds[name])
            for name, values in scores.items()
        }

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give the stack's probabilities.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels)
            In the order of `classes_`; rows sum to one for single-label.
        """
        return self.score_models(X)["stack"]

    def predict(self, X: Any) -> np.ndarray:
        """Give the stack's decisions.

        Parameters
        ----------
        X : pd.DataFrame or array-like of shape (n_samples, n_features)
            Rows to decide on.

        Returns
        -------
        np.ndarray of shape (n_samples,) or (n_samples, n_labels)
            Classes, or an indicator for multi-label.
        """
        scores = self.predict_proba(X)
        if self.thresholds_ is not None:
            # The type of scikit-learn's own indicators.
            return decide(scores, self.thresholds_["stack"]).astype(int)
        return self.classes_[scores.argmax(axis=1)]


def _fit_and_listen(
    member: Member, *data: Any, **settings: Any
) -> tuple[BaseEstimator | None, np.ndarray | None, set[Warned]]:
    """Give what `_fit_and_score` gives and what was warned of, which a worker cannot tell."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, scores = _fit_and_score(member, *data, **settings)
    wanted = (UserWarning, RuntimeWarning)
    told: set[Warned] = set()
    told.update((str(w.message), w.category) for w in caught if issubclass(w.category, wanted))
    return model, scores, told


def _fit_and_score(
    member: Member,
    X: Any,
    targets: np.ndarray,
    groups: np.ndarray | None,
    held_out: np.ndarray | None,
    *,
    classes: np.ndarray,
    multilabel: bool,
) -> tuple[BaseEstimator | None, np.ndarray | None]:
    """Fit on the rows not held out and score those held out; with none held out, only fit."""
    try:
        if held_out is None:
            return fit_member(member, X, targets, groups, np.arange(len(targets))), None
        model = fit_member(member, X, targets, groups, np.flatnonzero(~held_out))
        rows = take_rows(X, np.flatnonzero(held_out))
        scores = score_member(model, member, rows, classes, multilabel=multilabel)
    except Exception as exc:
        exc.add_note(f"while fitting member {member.name!r}")
        raise
    if not keeps_folds(member.estimator):
        return None, scores
    return model, from_logits(scores, multilabel=multilabel)


def _frequencies(truth: np.ndarray) -> np.ndarray:
    known = (truth >= 0).sum(axis=0)
    return np.divide((truth == 1).sum(axis=0), known, out=np.zeros(truth.shape[1]), where=known > 0)


def _take(groups: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if groups is None else groups[rows]


def _first_of_each(parents: np.ndarray | None, n_samples: int) -> np.ndarray:
    """Mark one row a parent: its windows share one score, which must count once."""
    if parents is None:
        return np.ones(n_samples, dtype=bool)
    return ~pd.Series(parents).duplicated().to_numpy()
