"""Margins -> probabilities: one sigmoid for each class, fitted on rows its machine never saw.

Conventions: a *margin* is what a binary model says of a row, higher for the class, in a unit of its
own. Probability = ``expit(slope * margin + intercept)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.utils.validation import check_is_fitted

from classical.one_vs_rest import BaseOneVsRestClassifier, TrainingData


class SigmoidCalibratedClassifier(BaseOneVsRestClassifier):
    """One-vs-rest classifiers whose margins become probabilities through sigmoids.

    A subclass gives `margins` and calls `_fit_sigmoids` at the end of `fit`.
    """

    def margins(self, X: Any) -> np.ndarray:
        """Return the decision values of the machines before calibration.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Feature rows, scaled like those of `fit`.

        Returns
        -------
        np.ndarray of shape (n_samples, n_machines), float64
            Higher on the side of the class. If there are two classes of which each row has one, a
            single column for the second.

        Raises
        ------
        NotImplementedError
            If a subclass does not give them.
        """
        raise NotImplementedError(f"{type(self).__name__} must give margins")

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

    def _machine_logits(self, X: Any) -> np.ndarray:
        return self.sigmoid_slope_ * self.margins(X) + self.sigmoid_intercept_

    def _machine_probabilities(self, X: Any) -> np.ndarray:
        return expit(self._machine_logits(X))

    def _fit_sigmoids(
        self, margins: np.ndarray, data: TrainingData, cross_fitted: np.ndarray
    ) -> None:
        """Fit a sigmoid to each machine's column; a constant machine keeps its constant."""
        constant = np.isfinite(data.constants)
        self.sigmoid_slope_ = np.zeros(len(constant))
        self.sigmoid_intercept_ = logit(np.where(constant, data.constants, 0.5))
        self.cross_fitted_ = cross_fitted & ~constant
        for machine in data.learnable:
            known = data.targets[:, machine] >= 0
            self.sigmoid_slope_[machine], self.sigmoid_intercept_[machine] = fit_sigmoid(
                margins[known, machine],
                data.targets[known, machine],
                sample_weight=data.counts[known, machine],
            )


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
