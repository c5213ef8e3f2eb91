"""Feature selection that happens where it must: in `fit`, on the training rows alone.

Put a `RankingSelector` before a classifier in a pipeline. Features that were chosen by a look at
all rows make cross-validation find labels even in noise.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_consistent_length, check_random_state, check_scalar, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from classical.labels import Labels, check_labels
from classical.ranking_folds import deal_folds
from classical.ranking_importance import machine_targets, measure_importance
from classical.ranking_redundancy import drop_redundant, rank_correlation
from classical.ranking_univariate import anova_f, mean_defined, mutual_information, roc_auc, spread

Criterion: TypeAlias = Literal["variance", "anova_f", "mutual_information", "roc_auc", "gain"]

# Trees of each label and inner fold: enough to tell which features trees ask for.
N_ESTIMATORS = 50
N_INNER_FOLDS = 3


class RankingSelector(SelectorMixin, BaseEstimator):
    """Keep the best features, without those that say what a better one says already.

    Parameters
    ----------
    by : {"anova_f", "mutual_information", "roc_auc", "gain", "variance"}, default="anova_f"
        What features are ranked by: see Notes.
    n_features : int or None, default=None
        Largest number of features to keep; None goes by `share`.
    share : float, default=0.3
        The same as a share of all features; at least one is kept.
    max_correlation : float or None, default=0.95
        Largest absolute rank correlation of two features that are kept; None keeps them all.
    random_state : int, RandomState or None, default=None
        Seed of "gain", and of the rows that correlations of large tables are taken from.
    n_jobs : int or None, default=None
        Threads over the inner folds of "gain". It changes no number.

    Attributes
    ----------
    scores_ : np.ndarray of shape (n_features_in_,)
        Larger is better; minus infinity where a score is not defined.
    support_ : np.ndarray of shape (n_features_in_,), bool
        Which features are kept.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : np.ndarray of shape (n_features_in_,)
        Only if `X` was a DataFrame with text column names.

    Notes
    -----
    "anova_f" and "mutual_information" see all classes at once, "roc_auc" is the area in the better
    direction; of several labels the mean counts. "gain" is the mean absolute TreeSHAP contribution
    to boosted trees on held-out rows of inner folds, which keep groups whole: it costs some twenty
    times as much as the others, and suits trees. "variance" is the interquartile range as a share
    of the range, which needs neither labels nor units.

    Features are taken in order of their score, the first of equals first, and one that correlates
    too much with one already taken is passed over: so fewer than `n_features` may be kept.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(80, 4))
    >>> X[:, 3] = 2 * X[:, 1]
    >>> y = np.where(X[:, 1] > 0, "loud", "soft")
    >>> RankingSelector("roc_auc", n_features=1).fit(X, y).get_support().tolist()
    [False, True, False, False]
    """

    # Inner folds need groups, so they are asked for wherever metadata routing is on.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}

    def __init__(
        self,
        by: Criterion = "anova_f",
        *,
        n_features: int | None = None,
        share: float = 0.3,
        max_correlation: float | None = 0.95,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.by = by
        self.n_features = n_features
        self.share = share
        self.max_correlation = max_correlation
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> RankingSelector:
        """Rank the features and choose.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite feature rows.
        y : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            See `check_labels`; only "variance" can do without.
        groups : array-like of shape (n_samples,), default=None
            What inner folds must not separate (song, speaker, note).

        Returns
        -------
        RankingSelector
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, `y` is missing, or `X`, `y` and `groups` do not fit.
        TypeError
            If a parameter is of the wrong type.
        """
        self._check_params()
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        groups = None if groups is None else column_or_1d(groups)
        labels = None
        if self.by != "variance":
            labels = check_labels(y)
            check_consistent_length(X, labels.indicator, groups)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        scores = self._rank(X, labels, groups, seed)
        self.scores_ = np.where(np.isnan(scores), -np.inf, scores)
        kept = np.argsort(-self.scores_, kind="stable")
        if self.max_correlation is not None:
            correlation = rank_correlation(X, random_state=seed)
            kept = drop_redundant(correlation, kept, most=self.max_correlation)
        n_wanted = self.n_features or max(1, round(self.share * X.shape[1]))
        self.support_ = np.zeros(X.shape[1], dtype=bool)
        self.support_[kept[:n_wanted]] = True
        return self

    def _rank(
        self, X: np.ndarray, labels: Labels | None, groups: np.ndarray | None, seed: int
    ) -> np.ndarray:
        if labels is None:
            return spread(X)
        if self.by == "gain":
            return _gain(X, labels, groups, seed=seed, n_jobs=self.n_jobs)
        return _UNIVARIATE[self.by](X, labels)

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.support_

    def _check_params(self) -> None:
        known = [*_UNIVARIATE, "gain", "variance"]
        if self.by not in known:
            raise ValueError(f"by must be one of {', '.join(known)}, got {self.by!r}")
        if self.n_features is not None:
            check_scalar(self.n_features, "n_features", Integral, min_val=1)
        check_scalar(self.share, "share", Real, min_val=0, max_val=1, include_boundaries="right")
        if self.max_correlation is not None:
            check_scalar(self.max_correlation, "max_correlation", Real, min_val=0, max_val=1)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: labels are needed unless features are ranked by variance."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.by != "variance"
        return tags


def _best_direction(X: np.ndarray, labels: Labels) -> np.ndarray:
    areas = roc_auc(X, machine_targets(labels))
    return mean_defined(np.maximum(areas, 1 - areas), axis=1)


_UNIVARIATE: dict[str, Callable[[np.ndarray, Labels], np.ndarray]] = {
    "anova_f": anova_f,
    "mutual_information": mutual_information,
    "roc_auc": _best_direction,
}


def _gain(
    X: np.ndarray,
    labels: Labels,
    groups: np.ndarray | None,
    *,
    seed: int,
    n_jobs: int | None,
) -> np.ndarray:
    """Return the mean contribution of each feature over inner folds."""
    folds = deal_folds(labels, groups, n_folds=N_INNER_FOLDS, random_state=seed)
    X = X.astype(np.float32)
    looks = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(measure_importance)(
            X, machine_targets(labels), folds == fold, blocks=(), n_estimators=N_ESTIMATORS,
            random_state=seed + fold,
        )
        for fold in range(folds.max() + 1)
    )  # fmt: skip
    return np.mean([look.gains.mean(axis=1) for look in looks], axis=0)
