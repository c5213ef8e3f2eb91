"""One-vs-rest support vector machines: one shared Gram matrix, cross-fitted probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from joblib import Parallel, delayed
from sklearn import config_context
from sklearn.svm import SVC
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from classical.fixed_chunks import map_fixed_chunks
from classical.kernel import NystroemRows, kernel_matrix, resolve_gamma
from classical.linear_machines import cross_fit_machines
from classical.linear_solver import SQUARED_HINGE
from classical.one_vs_rest import ClassWeight, TrainingData, make_inner_folds
from classical.sigmoid import SigmoidCalibratedClassifier

# Gain still to be had, as a share of the loss at zero, where the linear models stop.
_TOL = 1e-4


class OneVsRestSVMClassifier(SigmoidCalibratedClassifier):
    """Support vector machines, one for each class, with calibrated probabilities.

    The kernel matrix of the training rows is computed once and shared by all classes and all inner
    folds. Features are **not** scaled here: put a `StandardScaler` before this estimator in a
    `Pipeline`, so that the scaler is fitted on the same rows.

    Parameters
    ----------
    C : float, default=10.0
        Cost of a training row on the wrong side.
    kernel : {"rbf", "linear"}, default="rbf"
        ``exp(-gamma * ||a - b||**2)`` or ``a @ b``.
    gamma : {"scale", "auto"} or float, default="scale"
        "scale" is ``1 / (n_features * X.var())``, "auto" is ``1 / n_features``.
    class_weight : "balanced", mapping or None, default="balanced"
        "balanced" lets the rows with and without a label weigh the same in each machine; sigmoids
        still see the true share of each class, so probabilities stay calibrated. A mapping counts
        each row of a class so many times, in sigmoids too.
    n_splits : int, default=3
        Number of inner folds the sigmoids are fitted over.
    max_exact_rows : int, default=15_000
        With more rows the kernel is approximated, see Notes.
    n_components : int, default=2000
        Number of training rows that then stand for all others in the kernel.
    random_state : int, RandomState or None, default=None
        Deals the inner folds, draws the rows that stand for others.
    n_jobs : int or None, default=None
        Number of threads over classes. It changes no number.

    Attributes
    ----------
    classes_ : np.ndarray of shape (n_labels,)
        Classes in order of the columns; ``np.arange(n_labels)`` for multi-label.
    multilabel_ : bool
        Whether `y` was an indicator.
    gamma_ : float
        The gamma used.
    approximate_ : bool
        Whether there were more than `max_exact_rows`.
    support_vectors_ : np.ndarray of shape (n_vectors, n_features)
        Union of the support vectors of all machines; if approximate, the rows that stand for
        others.
    dual_coef_ : np.ndarray of shape (n_machines, n_vectors)
        Signed dual coefficients, zero where a vector does not support a machine; if approximate,
        factors of the kernel alike.
    intercept_ : np.ndarray of shape (n_machines,)
        Added to the kernel sums; for a constant class the margin itself (-1, 0 or 1).
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
    Sigmoids follow Platt [1]_, see `fit_sigmoid`: for each class they are fitted on the margins of
    rows left out by inner folds, which keep groups whole. A class whose positives (or negatives)
    lie in a single group has no such folds. Its sigmoid is then fitted on the margins of the
    training rows themselves (`cross_fitted_` is False), where only Platt's smoothed targets hold
    its confidence back: to 2/3 for a class of one clip. A class with nothing to learn from becomes
    a constant with a warning.

    With n rows the exact way takes 8 n² bytes for the kernel matrix and time that grows about as
    fast: 1.8 GB at 15,000 rows, 7.2 GB at 30,000, for every fit that runs at a time. So past
    `max_exact_rows` the kernel is replaced by Nyström features of `n_components` training rows,
    drawn in proportion to their weights, and the machines by linear ones with a squared hinge loss,
    see `NystroemRows` and `fit_columns`. Their features come and go in chunks; about a gigabyte of
    them is kept. `approximate_` says so, and raising `max_exact_rows` where memory allows is
    usually rewarded by a slightly better score.

    Prediction runs in float64, see `map_fixed_chunks`.

    References
    ----------
    .. [1] J. C. Platt, "Probabilistic outputs for support vector machines and comparisons to
       regularized likelihood methods", Advances in Large Margin Classifiers, 1999.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = make_classification(n_classes=3, n_informative=4, random_state=0)
    >>> classifier = make_pipeline(StandardScaler(), OneVsRestSVMClassifier(random_state=0))
    >>> classifier.fit(X, y).predict_proba(X[:2]).shape
    (2, 3)
    """

    def __init__(
        self,
        C: float = 10.0,
        *,
        kernel: Literal["rbf", "linear"] = "rbf",
        gamma: float | Literal["scale", "auto"] = "scale",
        class_weight: ClassWeight = "balanced",
        n_splits: int = 3,
        max_exact_rows: int = 15_000,
        n_components: int = 2000,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.gamma = gamma
        self.class_weight = class_weight
        self.n_splits = n_splits
        self.max_exact_rows = max_exact_rows
        self.n_components = n_components
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None
    ) -> OneVsRestSVMClassifier:
        """Fit one machine and one sigmoid for each class.

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
        OneVsRestSVMClassifier
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
        self._check_params()
        data = self._check_training(X, y, groups, sample_weight, dtype=[np.float64, np.float32])
        self.gamma_ = resolve_gamma(self.gamma, data.X)
        self.approximate_ = len(data.X) > self.max_exact_rows
        random = check_random_state(self.random_state)
        seeds = random.randint(2**31 - 1, size=len(data.constants))
        if self.approximate_:
            self._fit_approximately(data, seeds, random)
        else:
            self._fit_exactly(data, seeds)
        return self

    def _fit_exactly(self, data: TrainingData, seeds: np.ndarray) -> None:
        gram = kernel_matrix(data.X, data.X, kernel=self.kernel, gamma=self.gamma_)
        # Threads share the Gram matrix, and libsvm releases the interpreter lock.
        machines = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(_fit_machine)(
                gram, data, machine, cost=self.C, n_splits=self.n_splits, seed=seeds[machine]
            )
            for machine in range(len(data.constants))
        )
        dual_coef = np.array([machine.dual_coef for machine in machines])
        support = np.flatnonzero(dual_coef.any(axis=0))
        self.support_vectors_ = data.X[support]
        self.dual_coef_ = dual_coef[:, support]
        self.intercept_ = np.array([machine.intercept for machine in machines])
        margins = np.column_stack([machine.margins for machine in machines])
        self._fit_sigmoids(margins, data, np.array([machine.cross_fitted for machine in machines]))

    def _fit_approximately(
        self, data: TrainingData, seeds: np.ndarray, random: np.random.RandomState
    ) -> None:
        landmarks = data.X[_draw_landmarks(data, self.n_components, random)]
        rows = NystroemRows(data.X, landmarks, kernel=self.kernel, gamma=self.gamma_)
        coef, margins, cross_fitted = cross_fit_machines(
            rows,
            data,
            loss=SQUARED_HINGE,
            cost=self.C,
            n_splits=self.n_splits,
            seeds=seeds,
            tol=_TOL,
        )
        self.support_vectors_ = landmarks
        self.dual_coef_ = rows.expand(coef[:-1]).T.copy()
        self.intercept_ = coef[-1]
        self._fit_sigmoids(margins, data, cross_fitted)

    def margins(self, X: Any) -> np.ndarray:
        """Return the decision values of the machines before calibration, see the base class."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        if len(self.support_vectors_) == 0:
            return np.tile(self.intercept_, (len(X), 1))
        vectors = self.support_vectors_.astype(np.float64)

        def score(rows: np.ndarray) -> np.ndarray:
            kernel = kernel_matrix(rows, vectors, kernel=self.kernel, gamma=self.gamma_)
            return kernel @ self.dual_coef_.T + self.intercept_

        return map_fixed_chunks(X, score, n_columns=len(self.intercept_))

    def _check_params(self) -> None:
        check_scalar(self.C, "C", Real, min_val=0, include_boundaries="neither")
        check_scalar(self.n_splits, "n_splits", Integral, min_val=2)
        if self.kernel not in ("rbf", "linear"):
            raise ValueError(f"kernel must be 'rbf' or 'linear', got {self.kernel!r}")
        if isinstance(self.gamma, str):
            if self.gamma not in ("scale", "auto"):
                raise ValueError(f"gamma must be 'scale', 'auto' or positive, got {self.gamma!r}")
        else:
            check_scalar(self.gamma, "gamma", Real, min_val=0, include_boundaries="neither")
        check_scalar(self.max_exact_rows, "max_exact_rows", Integral, min_val=1)
        check_scalar(self.n_components, "n_components", Integral, min_val=1)


def _draw_landmarks(
    data: TrainingData, n_components: int, random: np.random.RandomState
) -> np.ndarray:
    """Draw rows by what they weigh, so that a rare class has landmarks too if sides balance."""
    weight = data.weights[:, data.learnable].sum(axis=1)
    if not weight.any():
        return np.arange(1)
    size = min(n_components, int(np.count_nonzero(weight)))
    drawn = random.choice(len(weight), size=size, replace=False, p=weight / weight.sum())
    return np.sort(drawn)


@dataclass(frozen=True, slots=True)
class _Machine:
    """One fitted binary machine; coefficients and margins have one value for every training row."""

    dual_coef: np.ndarray
    intercept: float
    margins: np.ndarray
    cross_fitted: bool


def _fit_machine(
    gram: np.ndarray, data: TrainingData, machine: int, *, cost: float, n_splits: int, seed: int
) -> _Machine:
    constant = data.constants[machine]
    margins = np.zeros(len(gram))
    if not np.isnan(constant):
        return _Machine(np.zeros(len(gram)), float(np.sign(constant - 0.5)), margins, False)
    present, weight = data.targets[:, machine] == 1, data.weights[:, machine].copy()
    rows = np.flatnonzero(data.targets[:, machine] >= 0)
    groups = None if data.groups is None else data.groups[rows]
    folds = make_inner_folds(present[rows], groups, n_splits=n_splits, random_state=seed)
    dual_coef, intercept = _solve(gram, present, weight, cost=cost)
    if folds is None:
        margins[rows] = _sum_kernels(gram, rows, dual_coef) + intercept
    else:
        for fold in np.unique(folds):
            left_out, kept = rows[folds == fold], weight.copy()
            kept[left_out] = 0
            coef, shift = _solve(gram, present, kept, cost=cost)
            margins[left_out] = _sum_kernels(gram, left_out, coef) + shift
    return _Machine(dual_coef, intercept, margins, folds is not None)


def _solve(
    gram: np.ndarray, present: np.ndarray, weight: np.ndarray, *, cost: float
) -> tuple[np.ndarray, float]:
    """Return dual coefficients, zero for rows of weight zero, and the intercept."""
    # An explicit gamma saves libsvm's wrapper from computing the variance of the Gram matrix.
    svc = SVC(C=cost, kernel="precomputed", gamma=1.0)
    with config_context(assume_finite=True):
        svc.fit(gram, present, sample_weight=weight)
    dual_coef = np.zeros(len(gram))
    # Libsvm leaves out rows of weight zero without a copy of the matrix, and counts without them.
    dual_coef[np.flatnonzero(weight)[svc.support_]] = svc.dual_coef_[0]
    return dual_coef, float(svc.intercept_[0])


def _sum_kernels(gram: np.ndarray, rows: np.ndarray, dual_coef: np.ndarray) -> np.ndarray:
    support = np.flatnonzero(dual_coef)
    # Not a BLAS product: its bits may depend on what other threads are doing at the time.
    return np.einsum("ij,j->i", gram[np.ix_(rows, support)], dual_coef[support])
