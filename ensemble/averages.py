"""Averages of the members' scores: what a learned combination has to beat.

Conventions: scores are a mapping of member to (n_samples, n_labels) in the order of the members.
What is fitted is fitted on out-of-fold scores, and a row's average depends on no other row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from ensemble.final_estimators import Scores
from ensemble.member_weights import fit_weights, select_greedily
from ensemble.probabilities import EPSILON, normalise_rows, to_logits

# In the order of reports.
AVERAGES = ("average", "weighted", "geometric", "rank", "greedy")

# Steps of the distributions behind ranks: a member's score is placed to one percent.
N_LEVELS = 100


@dataclass(frozen=True)
class Averages:
    """What the averages need besides the members' scores.

    Parameters
    ----------
    weights : dict of str to np.ndarray of shape (n_members,)
        Of ``"weighted"`` and ``"greedy"``; sum to one.
    knots : np.ndarray of shape (n_members, n_labels, n_levels)
        Quantiles of the members' out-of-fold scores, for ``"rank"``.

    See Also
    --------
    fit_averages : makes them.
    """

    weights: dict[str, np.ndarray]
    knots: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON form.

        Returns
        -------
        dict
            Of lists of numbers.
        """
        weights = {name: values.tolist() for name, values in self.weights.items()}
        return {"weights": weights, "knots": self.knots.tolist()}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Averages:
        """Read what `as_dict` gave.

        Parameters
        ----------
        given : mapping
            The JSON form.

        Returns
        -------
        Averages
            Equal to the one it came from.
        """
        weights = {name: np.array(values) for name, values in given["weights"].items()}
        return cls(weights, np.array(given["knots"]))


def fit_averages(scores: Scores, truth: np.ndarray, *, multilabel: bool) -> Averages | None:
    """Fit what the averages need.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of every member, from models that never saw the row.
    truth : np.ndarray of shape (n_samples, n_labels)
        1 present, 0 absent, -1 unknown (left out).
    multilabel : bool
        Whether labels are independent of each other.

    Returns
    -------
    Averages or None
        None for one member alone, with which all averages are the same.
    """
    if len(scores) < 2:
        return None
    members = np.stack(list(scores.values()))
    weights = {
        "weighted": fit_weights(members, truth, multilabel=multilabel),
        "greedy": select_greedily(members, truth, multilabel=multilabel),
    }
    inner = np.quantile(members, (np.arange(N_LEVELS) + 0.5) / N_LEVELS, axis=1)
    ends = np.zeros((1, *inner.shape[1:]))
    knots = np.concatenate([ends, inner, ends + 1.0])
    return Averages(weights, np.moveaxis(knots, 0, -1))


def average_members(
    scores: Scores, fitted: Averages | None, *, multilabel: bool
) -> dict[str, np.ndarray]:
    """Give all averages.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of every member.
    fitted : Averages or None
        From `fit_averages`; None gives the plain average alone.
    multilabel : bool
        Whether labels are independent of each other.

    Returns
    -------
    dict of str to np.ndarray of shape (n_samples, n_labels)
        In the order of `AVERAGES`; single-label rows sum to one.
    """
    members = np.stack(list(scores.values()))
    plain = members.mean(axis=0)
    if fitted is None:
        return {"average": plain}
    found = {
        "average": plain,
        "weighted": np.tensordot(fitted.weights["weighted"], members, axes=1),
        "geometric": geometric_mean(members, multilabel=multilabel),
        "rank": average_ranks(members, fitted.knots, multilabel=multilabel),
        "greedy": np.tensordot(fitted.weights["greedy"], members, axes=1),
    }
    return {name: found[name] for name in AVERAGES}


def geometric_mean(members: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Give the geometric mean of probabilities, renormalised over what it is shared among.

    Parameters
    ----------
    members : np.ndarray of shape (n_members, n_samples, n_labels)
        Probabilities; kept 1e-4 away from 0 and 1, so that no member alone has a veto.
    multilabel : bool
        Shared between presence and absence of each label if true (which is the sigmoid of the mean
        logit), else among the classes of a row.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Probabilities.

    Examples
    --------
    >>> geometric_mean(np.array([[[0.8, 0.2]], [[0.5, 0.5]]]), multilabel=False).round(3).tolist()
    [[0.667, 0.333]]
    """
    if multilabel:
        return np.asarray(expit(to_logits(members).mean(axis=0)))
    return normalise_rows(np.exp(np.log(np.maximum(members, EPSILON)).mean(axis=0)))


def average_ranks(members: np.ndarray, knots: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Average where each score stands among the member's own training scores.

    Parameters
    ----------
    members : np.ndarray of shape (n_members, n_samples, n_labels)
        Probabilities.
    knots : np.ndarray of shape (n_members, n_labels, n_levels)
        Quantiles of each member's out-of-fold scores, between 0 and 1 as first and last.
    multilabel : bool
        Whether labels are independent of each other.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Between 0 and 1.

    Notes
    -----
    A member's rank is the share of its training scores for that label below the score, so members
    that are sure and members that are timid weigh the same. The mean rank is then read as a score
    again, through the mean of the members' quantiles: a rare label's best ranks stand for low
    scores, and would otherwise outrank a frequent label. A member alone gets its own scores back.
    """
    n_levels = knots.shape[2] - 2
    levels = np.concatenate([[0.0], (np.arange(n_levels) + 0.5) / n_levels, [1.0]])
    averaged = np.empty_like(members[0])
    for label in range(averaged.shape[1]):
        curves = [_distribution(values, levels) for values in knots[:, label]]
        ranks = [
            np.interp(scores[:, label], *curve)
            for scores, curve in zip(members, curves, strict=True)
        ]
        mean = np.mean(ranks, axis=0)
        averaged[:, label] = np.mean(
            [np.interp(mean, shares, values) for values, shares in curves], axis=0
        )
    return averaged if multilabel else normalise_rows(averaged)


def _distribution(values: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give different values and the share below each; equal values stand in their middle."""
    different, place = np.unique(values, return_inverse=True)
    return different, np.bincount(place, levels) / np.bincount(place)
