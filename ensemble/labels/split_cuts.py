"""Cuts above which a model may say which of several finer labels a sound has.

Conventions: truth is int8 (1, 0, -1) and scores are out-of-fold probabilities, both of shape
(n_samples, n_labels) over the finer labels alone, on rows of a corpus that knows them; every row
has at least one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ensemble.labels.rates import unseen_share
from reports.metrics import precision as precision_score
from reports.significance import MIN_GROUPS, estimate, group_bootstrap_weights

# A cut that lets fewer groups through may owe its precision to chance.
MIN_DECIDED_GROUPS = 10
N_BOOT = 1000


@dataclass(frozen=True)
class Cuts:
    """From where on each label is decided.

    Parameters
    ----------
    present : np.ndarray of shape (n_labels,)
        A label is present where its score is at least this; infinite: never.
    absent : np.ndarray of shape (n_labels,)
        A label is absent where its score is at most this; minus infinite: never.
    """

    present: np.ndarray
    absent: np.ndarray

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Decide on sounds of which each has at least one of the labels.

        Parameters
        ----------
        scores : np.ndarray of shape (n_samples, n_labels)
            Probabilities; NaN where there are none.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels), int8
            1 present, 0 absent, -1 undecided. Nothing is absent where nothing is present: the model
            then does not hear what is known to be there.
        """
        decided = np.full(scores.shape, -1, dtype=np.int8)
        decided[scores <= self.absent] = 0
        decided[scores >= self.present] = 1
        decided[~(decided == 1).any(axis=1)] = -1
        return decided


def find_cuts(
    truth: np.ndarray, scores: np.ndarray, groups: np.ndarray, *, precision: float
) -> Cuts:
    """Find the cuts that decide the most rows at a wanted precision.

    Parameters
    ----------
    truth, scores : np.ndarray of shape (n_samples, n_labels)
        Finer labels and out-of-fold probabilities.
    groups : np.ndarray of shape (n_samples,)
        Rows of one group are alike.
    precision : float
        Wanted share of right decisions.

    Returns
    -------
    Cuts
        Infinite where no cut reaches the precision on `MIN_DECIDED_GROUPS` groups.
    """
    present, absent = np.empty(truth.shape[1]), np.empty(truth.shape[1])
    for label in range(truth.shape[1]):
        known = truth[:, label] >= 0
        values, there, names = scores[known, label], truth[known, label] == 1, groups[known]
        present[label] = _lowest_cut(values, there, names, precision)
        absent[label] = -_lowest_cut(-values, ~there, names, precision)
    # Where the two cross, the label is told so well that half way between is as good for both.
    crossed = absent >= present
    middle = np.zeros(len(present))
    middle[crossed] = (present[crossed] + absent[crossed]) / 2
    return Cuts(np.where(crossed, np.maximum(middle, present), present),
                np.where(crossed, np.minimum(middle, absent), absent))  # fmt: skip


def _lowest_cut(
    scores: np.ndarray, right: np.ndarray, groups: np.ndarray, precision: float
) -> float:
    """Give the lowest score from which on enough rows are right; infinite if there is none."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(right[order])
    n_groups = np.cumsum(~pd.Series(groups[order]).duplicated().to_numpy())
    # A cut may only fall between different scores, or below the last one.
    is_cut = np.append(ranked[1:] < ranked[:-1], True) if len(ranked) else np.zeros(0, dtype=bool)
    good = is_cut & (hits >= precision * np.arange(1, len(ranked) + 1))
    good &= n_groups >= MIN_DECIDED_GROUPS
    if not good.any():
        return float("inf")
    last = int(np.flatnonzero(good)[-1])
    # Half way to the first score below it: in between nothing is known.
    return float(ranked[last : last + 2].mean())


def measure_cuts(
    truth: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
    *,
    precision: float,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure how often decisions are right where the cuts were found in the other folds.

    Parameters
    ----------
    truth, scores : np.ndarray of shape (n_samples, n_labels)
        As in `find_cuts`.
    groups, folds : np.ndarray of shape (n_samples,)
        What is alike, and the fold of each row.
    precision : float
        As in `find_cuts`.
    seed : int
        Seed of the bootstrap by group.

    Returns
    -------
    pd.DataFrame
        One row a label: ``present_precision`` and ``absent_precision``, shares of right decisions,
        NaN where none was made, each with ``_low`` and ``_high``, its 95 % interval by group, and
        ``_groups``, in how many groups it was made.
    """
    decided = np.full(truth.shape, -1, dtype=np.int8)
    for fold in np.unique(folds):
        own = folds == fold
        cuts = find_cuts(truth[~own], scores[~own], groups[~own], precision=precision)
        decided[own] = cuts.decide(scores[own])
    weights = None
    if len(set(groups.tolist())) >= MIN_GROUPS:
        weights = group_bootstrap_weights(groups, n_boot=N_BOOT, seed=seed)
    opposite = np.where(truth >= 0, 1 - truth, -1)
    rules = pd.DataFrame(index=range(truth.shape[1]))
    for kind, value, wanted in (("present", 1, truth), ("absent", 0, opposite)):
        made = (decided == value) & (truth >= 0)
        found = estimate(precision_score, wanted, made.astype(np.int8), weights=weights)
        low, high = found.interval()
        n_groups = np.array([len(set(groups[column])) for column in made.T])
        # A bootstrap of decisions that are all right knows no spread.
        low = np.where((found.value == 1) & np.isfinite(low), 1 - unseen_share(n_groups), low)
        rules[f"{kind}_precision"] = found.value
        rules[f"{kind}_low"], rules[f"{kind}_high"] = low, high
        rules[f"{kind}_groups"] = n_groups
    return rules
