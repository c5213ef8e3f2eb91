"""One-vs-rest support vector machines: one shared Gram matrix, cross-fitted probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from joblib import Parallel, delayed
from scipy.special import expit, logit
from sklearn import config_context
from sklearn.svm import SVC
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from classical.one_vs_rest import (
    BaseOneVsRestClassifier,
    ClassWeight,
    TrainingData,
    make_inner_folds,
)

# A single row costs as much as a whole chunk, so chunks are small.
_CHUNK_ROWS = 64


class OneVsRestSVMClassifier(BaseOneVsRestClassifier):
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
    random_state : int, RandomState or None, default=None
        Deals the inner folds.
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
    support_vectors_ : np.ndarray of shape (n_vectors, n_features)
        Union of the support vectors of all machines.
    dual_coef_ : np.ndarray of shape (n_machines, n_vectors)
        Signed dual coefficients, zero where a vector does not support a machine.
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

    Prediction runs in float64 over zero-padded chunks of one fixed shape, so a matrix product has
    the same form whatever the batch. A row alone and in a batch agree to about 1e-12, and on most
    machines to the bit; BLAS libraries promise no more.

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
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.gamma = gamma
        self.class_weight = class_weight
        self.n_splits = n_splits
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
        self.gamma_ = self._resolve_gamma(data.X)
        gram = _kernel_matrix(data.X, data.X, kernel=self.kernel, gamma=self.gamma_)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=len(data.constants))
        # Threads share the Gram matrix, and libsvm releases the interpreter lock.
        machines = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(_fit_machine)(
                gram, data, machine, cost=self.C, n_splits=self.n_splits, seed=seeds[machine]
            )
            for machine in range(len(data.constants))
        )
        self._store(machines, data.X)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the calibrated log-odds of every class.

        These, and not the margins, agree with `predict` and `predict_proba`: where a class is rare,
        its probability crosses one half on another side of the margin's zero.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Feature rows, scaled like those of `fit`.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels) or (n_samples,), float64
            1-D if there are two classes of which each row has one: then for the second.
        """
        check_is_fitted(self)
        logits = self._machine_logits(X)
        return logits[:, 0] if not self.multilabel_ and len(self.classes_) == 2 else logits

    def margins(self, X: Any) -> np.ndarray:
        """Return the decision values of the machines before calibration.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Feature rows, scaled like those of `fit`.

        Returns
        -------
        np.ndarray of shape (n_samples, n_machines), float64
            Positive on the side of the class. If there are two classes of which each row has one,
            a single column for the second.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        margins = np.tile(self.intercept_, (len(X), 1))
        if len(self.support_vectors_) == 0:
            return margins
        vectors = self.support_vectors_.astype(np.float64)
        for start in range(0, len(X), _CHUNK_ROWS):
            rows = X[start : start + _CHUNK_ROWS]
            # BLAS picks its kernels by shape, and kernels differ in the last bits.
            chunk = np.zeros((_CHUNK_ROWS, X.shape[1]))
            chunk[: len(rows)] = rows
            kernel = _kernel_matrix(chunk, vectors, kernel=self.kernel, gamma=self.gamma_)
            margins[start : start + len(rows)] += (kernel @ self.dual_coef_.T)[: len(rows)]
        return margins

    def _machine_logits(self, X: Any) -> np.ndarray:
        return self.sigmoid_slope_ * self.margins(X) + self.sigmoid_intercept_

    def _machine_probabilities(self, X: Any) -> np.ndarray:
        return expit(self._machine_logits(X))

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

    def _resolve_gamma(self, X: np.ndarray) -> float:
        if not isinstance(self.gamma, str):
            return float(self.gamma)
        variance = X.var(dtype=np.float64) if self.gamma == "scale" else 1.0
        return 1.0 / (X.shape[1] * variance) if variance > 0 else 1.0

    def _store(self, machines: list[_Machine], X: np.ndarray) -> None:
        dual_coef = np.array([machine.dual_coef for machine in machines])
        support = np.flatnonzero(dual_coef.any(axis=0))
        self.support_vectors_ = X[support]
        self.dual_coef_ = dual_coef[:, support]
        self.intercept_ = np.array([machine.intercept for machine in machines])
        self.sigmoid_slope_ = np.array([machine.slope for machine in machines])
        self.sigmoid_intercept_ = np.array([machine.offset for machine in machines])
        self.cross_fitted_ = np.array([machine.cross_fitted for machine in machines])


def fit_sigmoid(
    margins: np.ndarray, target: np.ndarray, *, sample_weight: np.ndarray | None = None
) -> tuple[float, float]:
    """Fit Platt's sigmoid to the margins of a machine.

    Parameters
    ----------
    margins : np.ndarray of shape (n_samples,)
        Margins of rows the machine was not fitted on.
    target : np.ndarray of shape (n_samples,)
        Values 1 and 0.
    sample_weight : np.ndarray of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    slope : float
        Not negative.
    intercept : float
        Probability = ``expit(slope * margin + intercept)``.

    Notes
    -----
    Maximum likelihood for the targets ``(n_pos + 1) / (n_pos + 2)`` and ``1 / (n_neg + 2)``, which
    keep probabilities from 0 and 1 where the sides are separated, by Newton's method with
    backtracking [1]_. A negative slope means that the machine ranks unseen rows worse than chance;
    turning it round would be fitting noise, so the slope is then 0 and the probability is the
    mean target.

    References
    ----------
    .. [1] H.-T. Lin, C.-J. Lin and R. C. Weng, "A note on Platt's probabilistic outputs for support
       vector machines", Machine Learning 68, 2007.

    Examples
    --------
    >>> slope, intercept = fit_sigmoid(np.array([-1.0, 1.0]), np.array([0, 1]))
    >>> bool(np.isclose(slope, np.log(2))), bool(abs(intercept) < 1e-9)
    (True, True)
    """
    weight = np.ones(len(target)) if sample_weight is None else sample_weight
    positive = target == 1
    n_pos, n_neg = weight[positive].sum(), weight[~positive].sum()
    smoothed = np.where(positive, (n_pos + 1) / (n_pos + 2), 1 / (n_neg + 2))
    # Newton's steps and their stopping rule should not depend on the unit of margins.
    scale = np.abs(margins).max() or 1.0
    slope, intercept = _fit_logistic(margins / scale, smoothed, weight)
    if slope < 0:
        return 0.0, float(logit(np.average(smoothed, weights=weight)))
    return slope / scale, intercept


def _fit_logistic(
    values: np.ndarray, target: np.ndarray, weight: np.ndarray
) -> tuple[float, float]:
    design = np.column_stack([values, np.ones_like(values)])
    weight = weight / weight.sum()

    def loss(coef: np.ndarray) -> float:
        logits = design @ coef
        return float(weight @ (np.logaddexp(0, logits) - target * logits))

    coef = np.array([0.0, logit(np.average(target, weights=weight))])
    for _ in range(100):
        probability = expit(design @ coef)
        gradient = design.T @ (weight * (probability - target))
        if np.abs(gradient).max() < 1e-10:
            break
        curvature = weight * probability * (1 - probability)
        # The ridge keeps the matrix invertible when all margins are equal.
        hessian = (design.T * curvature) @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        while loss(coef - step) > loss(coef) and np.abs(step).max() > 1e-12:
            step = step / 2
        coef = coef - step
    return float(coef[0]), float(coef[1])


@dataclass(frozen=True, slots=True)
class _Machine:
    """One fitted binary machine; `dual_coef` has one value for every training row."""

    dual_coef: np.ndarray
    intercept: float
    slope: float
    offset: float
    cross_fitted: bool


def _fit_machine(
    gram: np.ndarray, data: TrainingData, machine: int, *, cost: float, n_splits: int, seed: int
) -> _Machine:
    constant = data.constants[machine]
    if not np.isnan(constant):
        side = float(np.sign(constant - 0.5))
        return _Machine(np.zeros(len(gram)), side, 0.0, float(logit(constant)), False)
    rows = np.flatnonzero(data.targets[:, machine] >= 0)
    target, weight = data.targets[rows, machine], data.weights[rows, machine]
    groups = None if data.groups is None else data.groups[rows]
    folds = make_inner_folds(target, groups, n_splits=n_splits, random_state=seed)
    dual_coef, intercept = _solve(gram, rows, target, weight, cost=cost)
    if folds is None:
        margins = _sum_kernels(gram, rows, dual_coef) + intercept
    else:
        margins = np.empty(len(rows))
        for fold in np.unique(folds):
            left_out, kept = folds == fold, folds != fold
            coef, shift = _solve(gram, rows[kept], target[kept], weight[kept], cost=cost)
            margins[left_out] = _sum_kernels(gram, rows[left_out], coef) + shift
    slope, offset = fit_sigmoid(margins, target, sample_weight=data.counts[rows, machine])
    return _Machine(dual_coef, intercept, slope, offset, folds is not None)


def _solve(
    gram: np.ndarray, rows: np.ndarray, target: np.ndarray, weight: np.ndarray, *, cost: float
) -> tuple[np.ndarray, float]:
    """Return dual coefficients for all rows of `gram`, zero outside `rows`, and the intercept."""
    part = gram if len(rows) == len(gram) else gram[np.ix_(rows, rows)]
    # An explicit gamma saves libsvm's wrapper from computing the variance of the Gram matrix.
    svc = SVC(C=cost, kernel="precomputed", gamma=1.0)
    with config_context(assume_finite=True):
        svc.fit(part, target, sample_weight=weight)
    dual_coef = np.zeros(len(gram))
    dual_coef[rows[svc.support_]] = svc.dual_coef_[0]
    return dual_coef, float(svc.intercept_[0])


def _sum_kernels(gram: np.ndarray, rows: np.ndarray, dual_coef: np.ndarray) -> np.ndarray:
    support = np.flatnonzero(dual_coef)
    # Not a BLAS product: its bits may depend on what other threads are doing at the time.
    return np.einsum("ij,j->i", gram[np.ix_(rows, support)], dual_coef[support])


def _kernel_matrix(
    rows: np.ndarray, vectors: np.ndarray, *, kernel: str, gamma: float
) -> np.ndarray:
    """Return the kernel of all pairs, in float64 and in the memory of one result."""
    rows = rows.astype(np.float64, copy=False)
    vectors = vectors.astype(np.float64, copy=False)
    matrix = rows @ vectors.T
    if kernel == "linear":
        return matrix
    matrix *= -2
    matrix += np.einsum("ij,ij->i", rows, rows)[:, None]
    matrix += np.einsum("ij,ij->i", vectors, vectors)
    np.maximum(matrix, 0, out=matrix)
    matrix *= -gamma
    return np.exp(matrix, out=matrix)
