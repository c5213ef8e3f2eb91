"""Calibration: one sigmoid a label, fitted on rows that no model was trained on."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ensemble.probabilities import to_logits

# Too few of either kind say nothing about a slope; the label then keeps its scores.
MIN_ROWS_OF_A_KIND = 3

# Just enough to keep logits finite: a calibration must not make ties.
EPSILON = 1e-12


def fit_calibration(y_true: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Fit p' = sigmoid(slope * logit(p) + offset) for each label.

    Parameters
    ----------
    y_true : np.ndarray of shape (n_samples, n_labels), int
        1 present, 0 absent, -1 unknown (left out).
    scores : np.ndarray of shape (n_samples, n_labels)
        Probabilities of rows that no model was trained on.

    Returns
    -------
    np.ndarray of shape (n_labels, 2)
        Slope and offset; (1, 0), which changes nothing, where a label has too few rows or where
        the scores point the wrong way.

    References
    ----------
    J. Platt, Probabilistic outputs for support vector machines, 1999.
    """
    logits = to_logits(scores, epsilon=EPSILON)
    fitted = np.tile([1.0, 0.0], (scores.shape[1], 1))
    for label in range(scores.shape[1]):
        rows = y_true[:, label] >= 0
        truth = y_true[rows, label]
        if min((truth == 1).sum(), (truth == 0).sum()) < MIN_ROWS_OF_A_KIND:
            continue
        line = LogisticRegression().fit(logits[rows, label, None], truth)
        # A calibration must keep the order of the scores.
        if line.coef_[0, 0] > 0:
            fitted[label] = line.coef_[0, 0], line.intercept_[0]
    return fitted


def calibrate(scores: np.ndarray, calibration: np.ndarray | None) -> np.ndarray:
    """Apply a fitted calibration.

    Parameters
    ----------
    scores : np.ndarray of shape (n_samples, n_labels)
        Probabilities.
    calibration : np.ndarray of shape (n_labels, 2) or None
        From `fit_calibration`; None leaves the scores alone.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Calibrated probabilities.
    """
    if calibration is None:
        return scores
    return expit(to_logits(scores, epsilon=EPSILON) * calibration[:, 0] + calibration[:, 1])
