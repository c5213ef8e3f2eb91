"""The stacking ensemble: members, out-of-fold scores, a small final estimator a label.

Conventions: everything that is fitted is fitted inside the folds. Out-of-fold scores of a member
come from models that never saw the row nor its group; those of the stack come from final
estimators fitted on the other folds' out-of-fold scores, and so do its decisions' thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from threadpoolctl import threadpool_limits

from classical.labels import Labels, check_labels
from ensemble.answering import AnsweringMixin
from ensemble.combination import fit_combination
from ensemble.cross_calibration import check_calibration
from ensemble.cross_fitting import cross_fit, nest
from ensemble.final_estimators import STACKED_ON, FinalSettings
from ensemble.finished_fits import FinishedFits
from ensemble.member_fits import MemberFits, fit_members
from ensemble.members import check_members
from ensemble.scored_rows import Rows
from ensemble.training_folds import check_untorn, resolve_folds
from ensemble.training_rows import TrainingRows


class StackingEnsembleClassifier(ClassifierMixin, AnsweringMixin, BaseEstimator):
    """Combine classifiers by what they say of rows they never saw.

    Parameters
    ----------
    members : list of (name, estimator, columns)
        Classifiers with `predict_proba`, and the columns of X each looks at: names for a
        DataFrame, positions for an array, None for all. An estimator that says
        `average_folds = True` keeps its model of every fold; the others are fitted again on all
        rows.
    final_estimator : classifier or None
        Fitted for each label on what the members say of that label; None means a logistic
        regression.
    across_labels : bool
        Whether it sees what the members say of all labels instead; for single-label, one estimator
        then tells all classes apart.
    stack_on : {"logits", "probabilities"}
        What the final estimator sees of the members. Logits are kept within about -9.2 to 9.2.
    cv : int, splitter or array of int of shape (n_samples,)
        Number of group-aware stratified folds, a scikit-learn splitter, or the fold of each row.
    calibration : str or None
        How the scores of the stack, the members and the averages are made frequencies:
        ``"none"``, ``"temperature"``, ``"sigmoid"``, ``"isotonic"``, or ``"choose"``, the simplest
        of those as good as the best; see `ensemble.calibration.learn_calibration` and
        `ensemble.cross_calibration`. None leaves them alone until `calibrate` is called, which
        then chooses.
    nested : bool
        Whether ``oof_scores_`` and ``oof_decisions_`` of each fold come from members, final
        estimator, averages, calibrations and thresholds that were all fitted without that fold. It
        takes K (K - 1) / 2 more fits a member: with 5 folds 16, not 6. What ships is the same.
    n_jobs : int or None
        Worker processes over members and folds; the numbers don't depend on it.
    random_state : int or None
        Decides between equals when `cv` is a number.
    work_dir : str, path-like or None
        Where finished fits are kept, so that a killed `fit` goes on where it stopped; see
        `ensemble.finished_fits`.
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
        One a label, or a single one; see `across_labels`.
    averages_ : Averages or None
        Weights and ranks of the averages; None for a single member.
    folds_ : np.ndarray of shape (n_samples,)
        The fold of each row.
    oof_scores_ : dict
        Out-of-fold probabilities (n_samples, n_labels) of ``"stack"``, of each of `AVERAGES`
        (with one member alone only of ``"average"``), of ``"chance"``, the frequencies of the
        labels, and of every member. Each is calibrated by what was fitted on the other folds.
    oof_decisions_ : dict
        The same for decisions, int8.
    uncalibrated_scores_ : dict or None
        ``oof_scores_`` before calibration; None without one.
    thresholds_ : dict or None
        Name -> (n_labels,) for multi-label; None for single-label, which takes the highest score.
    calibration_ : dict or None
        Name -> `Calibration`, fitted on all out-of-fold scores, or by `calibrate`; None without.
    calibration_card_ : dict or None
        What was chosen for the stack, and its Brier score and calibration error before and after:
        see `ensemble.cross_calibration.describe_calibration`.
    priors_ : np.ndarray of shape (n_labels,)
        How frequent each label is.
    n_features_in_ : int
        Number of columns of X.

    See Also
    --------
    sklearn.ensemble.StackingClassifier : cannot receive groups, and has no cross-fitted score.
    ensemble.averages : how the averages are made.

    Notes
    -----
    With `across_labels` and ``stack_on="probabilities"``, and the same `final_estimator` and
    splitter, probabilities of single-label problems are those of scikit-learn's
    `StackingClassifier`.

    A row's own fold still helped to fit the members behind the other folds' scores, on which its
    final estimator is fitted. With a signal this matters little, and `nested` tells how much. Where
    there is none it flatters: of three labels dealt by chance to 90 groups, over 60 deals, the
    stack's score was 0.370 (standard error 0.009), not 0.333; nested it was 0.331, and members and
    averages are unbiased. When in doubt whether there is anything to find, take `nested`.

    Scikit-learn's searches and cross-validation keep groups to their own splitter and pass none to
    the estimator, unless metadata routing is on: ``GridSearchCV(stack, grid,
    cv=GroupKFold(3)).fit(X, y, groups=groups)`` scores groups it never saw, but inside `fit` every
    row stands alone, siblings lie in several folds, and what is learned from out-of-fold scores is
    too sure. No estimator can notice. Do it within
    ``sklearn.config_context(enable_metadata_routing=True)``, where the stack asks for groups by
    itself.

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
    ['average', 'bayes', 'chance', 'geometric', 'greedy', 'logistic', 'rank', 'stack', 'weighted']
    """

    # Groups are asked for without a word from the user: to leave them out would leak.
    __metadata_request__fit = {"groups": True, "parents": True}

    def __init__(
        self,
        members: Sequence[Sequence[Any]],
        final_estimator: BaseEstimator | None = None,
        *,
        across_labels: bool = False,
        stack_on: str = "logits",
        cv: Any = 5,
        calibration: str | None = None,
        nested: bool = False,
        n_jobs: int | None = None,
        random_state: int | None = 0,
        work_dir: str | PathLike[str] | None = None,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> None:
        self.members = members
        self.final_estimator = final_estimator
        self.across_labels = across_labels
        self.stack_on = stack_on
        self.cv = cv
        self.calibration = calibration
        self.nested = nested
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.work_dir = work_dir
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
            If members, labels, groups or folds don't fit together, or a setting is unknown.
        """
        self.members_ = check_members(self.members)
        if self.stack_on not in STACKED_ON:
            raise ValueError(f"stack_on must be one of {STACKED_ON}, got {self.stack_on!r}")
        check_calibration(self.calibration)
        X = self._check_rows(X, reset=True)
        labels = _check_labels(y, n_samples=len(X))
        self.classes_ = labels.classes
        self._multilabel = labels.multilabel
        parents = None if parents is None else np.asarray(parents)
        groups = parents if groups is None else np.asarray(groups)
        truth = labels.indicator if labels.multilabel else labels.indicator.argmax(axis=1)
        self.folds_ = resolve_folds(
            self.cv, truth, groups, least=3 if self.nested else 2, random_state=self.random_state
        )
        check_untorn(self.folds_, groups=groups, parents=parents)
        targets = labels.indicator if labels.multilabel else np.asarray(y).ravel()
        data = TrainingRows(X, targets, groups, self.folds_, self.classes_, labels.multilabel)
        self._fit(data, Rows(labels.indicator, self.folds_, groups, parents))
        return self

    def _fit(self, data: TrainingRows, rows: Rows) -> None:
        settings = self._final_settings()
        fits = fit_members(
            self.members_,
            data,
            nested=self.nested,
            n_jobs=self.n_jobs,
            finished=None if self.work_dir is None else FinishedFits(self.work_dir),
            progress=self.progress,
        )
        self.named_estimators_ = fits.models
        # Small problems, many of them: on busy cores threads of BLAS make them eight times slower.
        with threadpool_limits(limits=1):
            self._combine(fits, rows, settings)

    def _combine(self, fits: MemberFits, rows: Rows, settings: FinalSettings) -> None:
        combination = fit_combination(fits.scores, rows.truth, settings)
        self.final_estimators_ = combination.finals
        self.averages_ = combination.averages
        self.priors_ = combination.priors
        asked = self._calibration_settings(self.calibration)
        usual = reported = cross_fit(fits.scores, rows, settings, asked)
        if self.nested:
            reported = nest(fits.scores, fits.without, rows, settings, asked)
        self.oof_scores_, self.oof_decisions_ = reported.calibrated.scores, reported.decisions
        self.uncalibrated_scores_ = None if asked is None else reported.uncalibrated
        self._settle(usual.uncalibrated, usual.calibrated, rows, asked)


def _check_labels(y: Any, *, n_samples: int) -> Labels:
    labels = check_labels(y)
    if len(labels.indicator) != n_samples:
        raise ValueError(f"X has {n_samples} rows, y has {len(labels.indicator)}")
    if len(labels.classes) < 2 and not labels.multilabel:
        raise ValueError(f"y must have 2 classes or more, got 1 class: {labels.classes[0]}")
    return labels
