"""Honest scores and decisions of training rows: each fold by what was fitted on the others.

Conventions: scores are a mapping of member to (n_samples, n_labels) from models that never saw the
row's fold; truth is 1 present, 0 absent, -1 unknown. All windows of a clip lie in one fold and
share one truth; their scores are averaged before they are decided on.

Usual: what combines the members (final estimators, averages, thresholds) is fitted on the other
folds' out-of-fold scores. The members behind those scores did see the held-out fold, which a
combination of few parameters can hardly exploit.

Nested: for each fold, everything is done again on the other folds alone, members included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from ensemble.combination import fit_combination, frequencies
from ensemble.final_estimators import FinalSettings, Scores
from ensemble.probabilities import average_over
from ensemble.thresholds import decide, fit_thresholds


class Rows(NamedTuple):
    """What is known of training rows.

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


def cross_fit_scores(scores: Scores, rows: Rows, settings: FinalSettings) -> dict[str, np.ndarray]:
    """Score every fold by a combination that was fitted on the other folds.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of every member.
    rows : Rows
        What is known of them.
    settings : FinalSettings
        How final estimators are fitted.

    Returns
    -------
    dict of str to np.ndarray of shape (n_samples, n_labels)
        See `Combination.score`, averaged over the windows of each clip.
    """
    found: dict[str, np.ndarray] = {}
    for fold in np.unique(rows.folds):
        held_out = rows.folds == fold
        fitted = fit_combination(take_scores(scores, ~held_out), rows.truth[~held_out], settings)
        _put(found, held_out, fitted.score(take_scores(scores, held_out)))
    return _finish(found, rows)


def cross_fit_decisions(scores: Scores, rows: Rows) -> dict[str, np.ndarray]:
    """Decide every fold by thresholds that were fitted on the other folds.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Multi-label scores of several models, equal for all windows of a clip.
    rows : Rows
        What is known of them.

    Returns
    -------
    dict of str to np.ndarray of shape (n_samples, n_labels), int8
        1 where a label is decided present.
    """
    found: dict[str, np.ndarray] = {}
    for fold in np.unique(rows.folds):
        held_out = rows.folds == fold
        cuts = fit_model_thresholds(take_scores(scores, ~held_out), rows.take(~held_out))
        decided = {n: decide(s[held_out], cuts[n]) for n, s in scores.items()}
        _put(found, held_out, decided)
    return found


def fit_model_thresholds(scores: Scores, rows: Rows) -> dict[str, np.ndarray]:
    """Fit the thresholds of several models, each clip counting once.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Multi-label scores of several models, equal for all windows of a clip.
    rows : Rows
        What is known of them.

    Returns
    -------
    dict of str to np.ndarray of shape (n_labels,)
        See `fit_thresholds`.
    """
    first = rows.first_of_parent
    groups = None if rows.groups is None else rows.groups[first]
    return {
        name: fit_thresholds(rows.truth[first], values[first], groups=groups)
        for name, values in scores.items()
    }


def nest(
    scores: Scores,
    without: Mapping[int, Scores],
    rows: Rows,
    settings: FinalSettings,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Score and decide every fold by what was fitted without it at all, members included.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of every member.
    without : mapping of int to mapping of str to np.ndarray of shape (n_samples, n_labels)
        Fold -> scores of the other folds' rows, from models that saw neither that fold nor the
        row's own. What it says of the fold's own rows is not looked at.
    rows : Rows
        What is known of them.
    settings : FinalSettings
        How final estimators are fitted.

    Returns
    -------
    scores, decisions : dict of str to np.ndarray of shape (n_samples, n_labels)
        Of every model; see `cross_fit_scores` and `cross_fit_decisions`.
    """
    found: dict[str, np.ndarray] = {}
    decided: dict[str, np.ndarray] = {}
    for fold in np.unique(rows.folds):
        held_out = rows.folds == fold
        rest, inner = rows.take(~held_out), take_scores(without[fold], ~held_out)
        fitted = fit_combination(inner, rest.truth, settings)
        part = fitted.score(take_scores(scores, held_out))
        _put(found, held_out, part)
        if settings.multilabel:
            cuts = fit_model_thresholds(cross_fit_scores(inner, rest, settings), rest)
            parents = rows.take(held_out).parents
            pooled = {n: average_over(parents, s) for n, s in part.items()}
            _put(decided, held_out, {n: decide(s, cuts[n]) for n, s in pooled.items()})
    found = _finish(found, rows)
    return found, decided or {name: decide(values, None) for name, values in found.items()}


def _put(found: dict[str, np.ndarray], held_out: np.ndarray, part: Scores) -> None:
    for name, values in part.items():
        whole = found.setdefault(name, np.empty((len(held_out), values.shape[1]), values.dtype))
        whole[held_out] = values


def _finish(found: dict[str, np.ndarray], rows: Rows) -> dict[str, np.ndarray]:
    # Of all rows: what is frequent in the other folds is rare in this one by construction, and
    # chance by folds would look worse than chance.
    found["chance"] = np.tile(frequencies(rows.truth), (len(rows.truth), 1))
    return {name: average_over(rows.parents, values) for name, values in found.items()}
