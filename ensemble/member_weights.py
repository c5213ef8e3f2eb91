"""Weights of an average of members, learned from their out-of-fold scores."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from ensemble.probabilities import EPSILON
from ensemble.thresholds import decide
from reports.metrics import macro_f1, mean_average_precision

# Picks of the greedy selection: weights come in twentieths, fine enough for a handful of members.
N_PICKS = 20

# Of the mean log likelihood: closer to the summit no score can tell the difference.
TOLERANCE = 1e-10


def fit_weights(members: np.ndarray, truth: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Find the weights whose average gives the truth the highest likelihood.

    Parameters
    ----------
    members : np.ndarray of shape (n_members, n_samples, n_labels)
        Probabilities.
    truth : np.ndarray of shape (n_samples, n_labels)
        1, 0 and -1.
    multilabel : bool
        Whether labels are independent of each other.

    Returns
    -------
    np.ndarray of shape (n_members,)
        Not negative, with sum one; all equal if nothing is known.

    Notes
    -----
    With p_mi the probability that member m gives to what is true of row (or cell) i, the log
    likelihood ``sum_i log(sum_m w_m p_mi)`` is concave in the weights, so its one summit on the
    simplex is found by sequential quadratic programming [1]_.

    References
    ----------
    .. [1] D. Kraft, "A software package for sequential quadratic programming", DFVLR-FB 88-28,
       1988.

    Examples
    --------
    >>> truth = np.array([[1, 0], [0, 1], [1, 0]])
    >>> right, wrong = 0.1 + 0.8 * truth, 0.9 - 0.8 * truth
    >>> fit_weights(np.stack([right, wrong]), truth, multilabel=False).round(3).tolist()
    [1.0, 0.0]
    """
    rows = truth == 1 if not multilabel else truth >= 0
    of_truth = np.where(truth[rows] == 1, members[:, rows], 1.0 - members[:, rows])
    even = np.full(len(members), 1.0 / len(members))
    if of_truth.shape[1] == 0:
        return even
    # One mistake that a member is sure of should not decide over its weight.
    of_truth = np.maximum(of_truth, EPSILON)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = np.maximum(weights @ of_truth, np.finfo(float).tiny)
        return -float(np.log(mixed).mean()), -(of_truth / mixed).mean(axis=1)

    found = minimize(
        loss,
        even,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(members),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": np.ones_like},
        options={"ftol": TOLERANCE, "maxiter": 200},
    )
    weights = np.clip(found.x, 0.0, None)
    return np.asarray(weights / weights.sum())


def select_greedily(members: np.ndarray, truth: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Pick members one after another, with replacement, whichever helps the average most.

    Parameters
    ----------
    members : np.ndarray of shape (n_members, n_samples, n_labels)
        Probabilities.
    truth : np.ndarray of shape (n_samples, n_labels)
        1, 0 and -1.
    multilabel : bool
        Whether labels are independent of each other.

    Returns
    -------
    np.ndarray of shape (n_members,)
        Share of each in the picks of the best average on the way; all equal if nothing is known.

    Notes
    -----
    The best is that of highest macro F1 for single-label, of highest mean average precision for
    multi-label, where decisions wait for thresholds. Among equals the earlier member and the
    smaller selection win.

    References
    ----------
    .. [1] R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble selection from libraries
       of models", ICML 2004.
    """

    def quality(scores: np.ndarray) -> float:
        if multilabel:
            return float(mean_average_precision(truth, scores))
        return float(macro_f1(truth, decide(scores, None)))

    total = np.zeros(truth.shape)
    picks, best, best_picks = np.zeros(len(members)), -np.inf, np.ones(len(members))
    for size in range(1, N_PICKS + 1):
        found = [quality((total + scores) / size) for scores in members]
        pick = int(np.nan_to_num(found, nan=-np.inf).argmax())
        total += members[pick]
        picks[pick] += 1
        # Sums in another order may differ in their last bits, which is no gain.
        if found[pick] > best + 1e-12:
            best, best_picks = found[pick], picks.copy()
    return best_picks / best_picks.sum()
