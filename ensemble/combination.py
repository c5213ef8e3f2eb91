"""From members' scores to those of the ensemble: stack, averages and chance.

Conventions: scores are a mapping of member to (n_samples, n_labels) in the order of the members;
truth is 1 present, 0 absent, -1 unknown.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from ensemble.averages import Averages, average_members, fit_averages
from ensemble.final_estimators import FinalSettings, Scores, fit_finals, score_finals


class Combination(NamedTuple):
    """All that turns members' scores into those of the ensemble.

    Parameters
    ----------
    finals : list of BaseEstimator
        Of the stack; see `fit_finals`.
    averages : Averages or None
        See `fit_averages`.
    priors : np.ndarray of shape (n_labels,)
        How frequent each label is, among the rows where it is known.
    settings : FinalSettings
        How the final estimators see the scores.
    """

    finals: list[BaseEstimator]
    averages: Averages | None
    priors: np.ndarray
    settings: FinalSettings

    def score(self, scores: Scores) -> dict[str, np.ndarray]:
        """Give the probabilities of the stack and of all it is compared with.

        Parameters
        ----------
        scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
            Of every member.

        Returns
        -------
        dict of str to np.ndarray of shape (n_samples, n_labels)
            ``"stack"``, the averages, ``"chance"``, then each member.
        """
        n_samples = len(next(iter(scores.values())))
        return {
            "stack": score_finals(self.finals, scores, self.settings),
            **average_members(scores, self.averages, multilabel=self.settings.multilabel),
            "chance": np.tile(self.priors, (n_samples, 1)),
            **scores,
        }


def fit_combination(scores: Scores, truth: np.ndarray, settings: FinalSettings) -> Combination:
    """Fit stack and averages on members' out-of-fold scores.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of every member, from models that never saw the row.
    truth : np.ndarray of shape (n_samples, n_labels)
        1, 0 and -1.
    settings : FinalSettings
        How.

    Returns
    -------
    Combination
        Fitted.
    """
    return Combination(
        fit_finals(scores, truth, settings),
        fit_averages(scores, truth, multilabel=settings.multilabel),
        frequencies(truth),
        settings,
    )


def frequencies(truth: np.ndarray) -> np.ndarray:
    """Give the share of the rows that have each label, among those where it is known.

    Parameters
    ----------
    truth : np.ndarray of shape (n_samples, n_labels)
        1, 0 and -1.

    Returns
    -------
    np.ndarray of shape (n_labels,)
        0 for a label that is known of no row.
    """
    known, present = (truth >= 0).sum(axis=0), (truth == 1).sum(axis=0)
    return np.divide(present, known, out=np.zeros(truth.shape[1]), where=known > 0)
