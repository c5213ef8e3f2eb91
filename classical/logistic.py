"""One-vs-rest logistic regressions: all classes and inner folds solved together."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from classical.fixed_chunks import map_fixed_chunks
from classical.linear_machines import cross_fit_machines
from classical.linear_solver import LOGISTIC
from classical.one_vs_rest import ClassWeight
from classical.row_chunks import DenseRows
from classical.sigmoid import SigmoidCalibratedClassifier

# What is left to gain then is far below what another sample of rows would change.
_TOL = 1e-7


class OneVsRestLogisticClassifier(SigmoidCalibratedClassifier):
    """L2-penalised logistic regressions, one for each class, with calibrated probabilities.

    All classes and all inner folds go through the same matrix products. Features are **not** scaled
    here: put a `StandardScaler` before this estimator in a `Pipeline`, so that the scaler is fitted
    on the same rows.

    Parameters
    ----------
    C : float, default=1.0
        Weight of the rows' losses against the penalty.
    class_weight : "balanced", mapping or None, default="balanced"
        "balanced" lets the rows with and without a label weigh the same in each machine; sigmoids
        still see the true share of each class, so probabilities stay calibrated. A mapping counts
        each row of a class so many times, in sigmoids too.
    n_splits : int, default=3
        Number of inner folds the sigmoids are fitted over.
    random_state : int, RandomState or None, default=None
        Deals the inner folds.

    Attributes
    ----------
    classes_ : np.ndarray of shape (n_labels,)
        Classes in order of the columns; ``np.arange(n_labels)`` for multi-label.
    multilabel_ : bool
        Whether `y` was an indicator.
    coef_ : np.ndarray of shape (n_machines, n_features)
        Zero for a constant class.
    intercept_ : np.ndarray of shape (n_machines,)
        For a constant class the margin itself (-1, 0 or 1).
    sigmoid_slope_, sigmoid_intercept_ : np.ndarray of shape (n_machines,)
        Probability = ``expit(slope * margin + intercept)``.
    cross_fitted_ : np.ndarray of shape (n_machines,), bool
        Whether the sigmoid was fitted on out-of-fold margins.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : np.ndarray of shape (n_features_in_,)
        Only if `X` was a DataFrame with text column names.

    Notes
    -----
    A regression's own probabilities are those of its training rows: with as many features as clips
    they are near 0 and 1 whatever the truth, and balancing shifts them. So margins are calibrated
    like those of `OneVsRestSVMClassifier`, with the same rule for a class in a single group.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(n_classes=3, n_informative=4, random_state=0)
    >>> classifier = OneVsRestLogisticClassifier(random_state=0).fit(X, y)
    >>> classifier.predict_proba(X[:2]).shape
    (2, 3)
    """

    def __init__(
        self,
        C: float = 1.0,
        *,
        class_weight: ClassWeight = "balanced",
        n_splits: int = 3,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.C = C
        self.class_weight = class_weight
        self.n_splits = n_splits
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None
    ) -> OneVsRestLogisticClassifier:
        """Fit one regression and one sigmoid for each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Scaled feature rows.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            See `check_labels`.
        groups : array-like of shape (n_samples,), default=None
            What inner folds must not separate (song, speaker, note).
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; rows of weight zero are left out.

        Returns
        -------
        OneVsRestLogisticClassifier
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, or `X`, `y`, `groups`, `sample_weight` do not fit.
        TypeError
            If a parameter is of the wrong type.

        Warns
        -----
        UserWarning
            For each class that has nothing to learn from.
        """
        check_scalar(self.C, "C", Real, min_val=0, include_boundaries="neither")
        check_scalar(self.n_splits, "n_splits", Integral, min_val=2)
        data = self._check_training(X, y, groups, sample_weight, dtype=[np.float64, np.float32])
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=len(data.constants))
        coef, margins, cross_fitted = cross_fit_machines(
            DenseRows(data.X),
            data,
            loss=LOGISTIC,
            cost=self.C,
            n_splits=self.n_splits,
            seeds=seeds,
            tol=_TOL,
        )
        self.coef_, self.intercept_ = coef[:-1].T.copy(), coef[-1].copy()
        self._fit_sigmoids(margins, data, cross_fitted)
        return self

    def margins(self, X: Any) -> np.ndarray:
        """Return the decision values of the machines before calibration, see the base class."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return map_fixed_chunks(
            X, lambda rows: rows @ self.coef_.T + self.intercept_, n_columns=len(self.intercept_)
        )
