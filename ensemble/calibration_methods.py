"""The ways of calibrating: none, temperature, sigmoid and isotonic, each learned and applied.

Conventions: truth is 1 present, 0 absent, -1 unknown, which takes no part; parameters are a list
that goes into a JSON card.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression, minimize_scalar
from scipy.special import expit, softmax

from ensemble.probabilities import normalise_rows, to_logits

# Too few of either kind say nothing about a slope; the label then keeps its scores.
MIN_ROWS_OF_A_KIND = 3

# Just enough to keep logits finite: a calibration must not make ties.
EPSILON = 1e-12

# Newton's method takes about five steps from the line that changes nothing; after many more there
# is nothing left but rounding errors.
MAX_STEPS = 50
STEP_TOLERANCE = 1e-10

# Beyond these a temperature says that there is nothing to say.
TEMPERATURES = (0.05, 20.0)


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

    Notes
    -----
    Maximum likelihood with a penalty of slope^2 / 2, which keeps the slope finite where a label's
    scores part the rows without a mistake.

    References
    ----------
    J. Platt, Probabilistic outputs for support vector machines, 1999.
    """
    logits = to_logits(scores, epsilon=EPSILON)
    fitted = np.tile([1.0, 0.0], (scores.shape[1], 1))
    for label in range(scores.shape[1]):
        rows = y_true[:, label] >= 0
        truth = y_true[rows, label]
        if not _is_enough(truth):
            continue
        slope, offset = _fit_line(logits[rows, label], truth)
        # A calibration must keep the order of the scores.
        if slope > 0:
            fitted[label] = slope, offset
    return fitted


def _fit_line(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Fit slope and offset by Newton's method with backtracking."""
    design = np.column_stack([logits, np.ones_like(logits)])
    penalty = np.array([1.0, 0.0])

    def loss(line: np.ndarray) -> float:
        values = design @ line
        return float(np.logaddexp(0.0, values).sum() - truth @ values + 0.5 * line[0] ** 2)

    line = np.array([1.0, 0.0])
    now = loss(line)
    for _ in range(MAX_STEPS):
        chances = expit(design @ line)
        gradient = design.T @ (chances - truth) + penalty * line
        curvature = (design.T * (chances * (1.0 - chances))) @ design + np.diag(penalty)
        # Where all chances are 0 or 1 the curvature of the offset is lost to rounding.
        step = np.linalg.solve(curvature + STEP_TOLERANCE * np.eye(2), gradient)
        while (after := loss(line - step)) > now and np.abs(step).max() > STEP_TOLERANCE:
            step = step / 2.0
        if np.abs(step).max() <= STEP_TOLERANCE:
            break
        line, now = line - step, after
    return float(line[0]), float(line[1])


class _Method(NamedTuple):
    learn: Callable[[np.ndarray, np.ndarray, bool], list[Any]]
    apply: Callable[[np.ndarray, list[Any], bool], np.ndarray]


def _is_enough(truth: np.ndarray) -> bool:
    return min((truth == 1).sum(), (truth == 0).sum()) >= MIN_ROWS_OF_A_KIND


def _learn_sigmoid(y_true: np.ndarray, scores: np.ndarray, multilabel: bool) -> list[Any]:
    return list(fit_calibration(y_true, scores).tolist())


def _apply_sigmoid(scores: np.ndarray, parameters: list[Any], multilabel: bool) -> np.ndarray:
    lines = np.array(parameters)
    calibrated = expit(to_logits(scores, epsilon=EPSILON) * lines[:, 0] + lines[:, 1])
    return calibrated if multilabel else normalise_rows(calibrated)


def _learn_temperature(y_true: np.ndarray, scores: np.ndarray, multilabel: bool) -> list[Any]:
    known = y_true >= 0
    if not _is_enough(y_true[known]):
        return [1.0]

    if multilabel:
        logits = to_logits(scores[known], epsilon=EPSILON)
        against = np.where(y_true[known] == 1, -logits, logits)
    else:
        logs = _log(scores)
        # The highest stays the highest at any temperature, so no exponential overflows.
        logs = logs - logs.max(axis=1, keepdims=True)
        right = logs[y_true == 1]

    def loss(log_temperature: float) -> float:
        temperature = float(np.exp(log_temperature))
        if multilabel:
            return float(np.logaddexp(0.0, against / temperature).mean())
        totals = np.log(np.exp(logs / temperature).sum(axis=1))
        return float((totals - right / temperature).mean())

    bounds = tuple(np.log(TEMPERATURES))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return [float(np.exp(found.x))]


def _apply_temperature(scores: np.ndarray, parameters: list[Any], multilabel: bool) -> np.ndarray:
    (temperature,) = parameters
    if multilabel:
        return expit(to_logits(scores, epsilon=EPSILON) / temperature)
    return softmax(_log(scores) / temperature, axis=1)


def _learn_isotonic(y_true: np.ndarray, scores: np.ndarray, multilabel: bool) -> list[Any]:
    curves: list[Any] = []
    for label in range(scores.shape[1]):
        rows = y_true[:, label] >= 0
        truth = y_true[rows, label]
        if not _is_enough(truth):
            curves.append([])
            continue
        # A few rows prove no certainty: Platt's (1999) targets bound what they may be taken for.
        bounds = 1.0 / ((truth == 0).sum() + 2.0), 1.0 - 1.0 / ((truth == 1).sum() + 2.0)
        values, chances = _fit_stairs(scores[rows, label], truth)
        curves.append([values.tolist(), np.clip(chances, *bounds).tolist()])
    return curves


def _fit_stairs(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the ascending curve nearest to the truth, by both ends of each of its steps."""
    values, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    shares = np.bincount(place, truth) / counts
    chances = isotonic_regression(shares, weights=counts).x
    rises = np.diff(chances) > 0
    ends = np.append(True, rises) | np.append(rises, True)
    return values[ends], chances[ends]


def _apply_isotonic(scores: np.ndarray, parameters: list[Any], multilabel: bool) -> np.ndarray:
    columns = [
        np.interp(scores[:, label], *curve) if curve else scores[:, label]
        for label, curve in enumerate(parameters)
    ]
    calibrated = np.column_stack(columns)
    return calibrated if multilabel else normalise_rows(calibrated)


def _log(scores: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(scores, EPSILON))


# From the simplest to the most flexible.
METHODS = {
    "none": _Method(lambda y_true, scores, multilabel: [], lambda scores, *settings: scores),
    "temperature": _Method(_learn_temperature, _apply_temperature),
    "sigmoid": _Method(_learn_sigmoid, _apply_sigmoid),
    "isotonic": _Method(_learn_isotonic, _apply_isotonic),
}
