"""What is known of rows that have out-of-fold scores, and how such scores are taken and filled in.

Conventions: scores are a mapping of model to (n_samples, n_labels); truth is 1 present, 0 absent,
-1 unknown. All windows of a clip lie in one fold, share one truth and, once averaged, one score.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from ensemble.final_estimators import Scores


class Rows(NamedTuple):
    """What is known of scored rows.

    Parameters
    ----------
    truth : np.ndarray of shape (n_samples, n_labels)
        1, 0 and -1.
    folds : np.ndarray of shape (n_samples,)
        The fold of each row.
    groups : np.ndarray of shape (n_samples,) or None
        Rows of one group count as one where thresholds are fitted.
    parents : np.ndarray of shape (n_samples,) or None
        The clip each row is a window of.
    """

    truth: np.ndarray
    folds: np.ndarray
    groups: np.ndarray | None = None
    parents: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Rows:
        """Take some rows.

        Parameters
        ----------
        rows : np.ndarray of shape (n_samples,), bool
            Which.

        Returns
        -------
        Rows
            Those.
        """
        groups, parents = (None if keys is None else keys[rows] for keys in self[2:])
        return Rows(self.truth[rows], self.folds[rows], groups, parents)

    @property
    def first_of_parent(self) -> np.ndarray:
        """Mark one row a parent: its windows share one score, which must count once."""
        if self.parents is None:
            return np.ones(len(self.truth), dtype=bool)
        return ~pd.Series(self.parents).duplicated().to_numpy()


def take_scores(scores: Scores, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Take some rows of all scores.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of several models.
    rows : np.ndarray
        Which.

    Returns
    -------
    dict of str to np.ndarray
        Those.
    """
    return {name: values[rows] for name, values in scores.items()}


def fill_in(found: dict[str, np.ndarray], rows: np.ndarray, part: Scores) -> None:
    """Put the scores of some rows in their places.

    Parameters
    ----------
    found : dict of str to np.ndarray of shape (n_samples, n_labels)
        What has been found so far; a model that is new gets a table of its own.
    rows : np.ndarray of shape (n_samples,), bool
        Which rows.
    part : mapping of str to np.ndarray of shape (n_rows, n_labels)
        Their scores.
    """
    for name, values in part.items():
        whole = found.setdefault(name, np.empty((len(rows), values.shape[1]), values.dtype))
        whole[rows] = values
