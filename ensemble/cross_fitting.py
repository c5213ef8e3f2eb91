"""Honest scores and decisions of training rows: each fold by what was fitted on the others.

Conventions: scores are a mapping of member to (n_samples, n_labels) from models that never saw the
row's fold; truth is 1 present, 0 absent, -1 unknown. All windows of a clip lie in one fold and
share one truth; their scores are averaged before they are decided on.

Usual: what combines the members (final estimators, averages, calibrations, thresholds) is fitted on
the other folds' out-of-fold scores. The members behind those scores did see the held-out fold,
which a combination of few parameters can hardly exploit.

Nested: for each fold, everything is done again on the other folds alone, members included.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ensemble.combination import fit_combination, frequencies
from ensemble.cross_calibration import (
    Calibrated,
    CalibrationSettings,
    apply_calibrations,
    cross_calibrate,
)
from ensemble.final_estimators import FinalSettings, Scores
from ensemble.probabilities import average_over
from ensemble.scored_rows import Rows, fill_in, take_scores
from ensemble.thresholds import decide, fit_thresholds


class CrossFitted(NamedTuple):
    """What all models say of training rows, each by what was fitted on other folds.

    Parameters
    ----------
    uncalibrated : dict of str to np.ndarray of shape (n_samples, n_labels)
        Before calibration.
    calibrated : Calibrated
        After it.
    decisions : dict of str to np.ndarray of shape (n_samples, n_labels), int8
        From the latter.
    """

    uncalibrated: dict[str, np.ndarray]
    calibrated: Calibrated
    decisions: dict[str, np.ndarray]


def cross_fit(
    scores: Scores,
    rows: Rows,
    settings: FinalSettings,
    calibrating: CalibrationSettings | None = None,
) -> CrossFitted:
    """Score, calibrate and decide every fold by what was fitted on the other folds.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of every member.
    rows : Rows
        What is known of them.
    settings : FinalSettings
        How final estimators are fitted.
    calibrating : CalibrationSettings or None
        How scores are calibrated; None leaves them alone.

    Returns
    -------
    CrossFitted
        Of every model; see `cross_fit_scores`, `cross_calibrate` and `cross_fit_decisions`.
    """
    found = cross_fit_scores(scores, rows, settings)
    calibrated = cross_calibrate(found, rows, calibrating)
    if settings.multilabel:
        return CrossFitted(found, calibrated, cross_fit_decisions(calibrated.scores, rows))
    return CrossFitted(found, calibrated, _decide_highest(calibrated.scores))


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
        fill_in(found, held_out, fitted.score(take_scores(scores, held_out)))
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
        fill_in(found, held_out, decided)
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
    calibrating: CalibrationSettings | None = None,
) -> CrossFitted:
    """Score, calibrate and decide every fold by what was fitted without it at all, members too.

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
    calibrating : CalibrationSettings or None
        How scores are calibrated; None leaves them alone.

    Returns
    -------
    CrossFitted
        Of every model; see `cross_fit`. There are calibrations for each fold, none for other rows.
    """
    found: dict[str, np.ndarray] = {}
    calibrated: dict[str, np.ndarray] = {}
    decided: dict[str, np.ndarray] = {}
    for fold in np.unique(rows.folds):
        held_out = rows.folds == fold
        rest, inner = rows.take(~held_out), take_scores(without[fold], ~held_out)
        combined = fit_combination(inner, rest.truth, settings).score(take_scores(scores, held_out))
        parents = rows.take(held_out).parents
        part = {name: average_over(parents, values) for name, values in combined.items()}
        fill_in(found, held_out, part)
        others = cross_calibrate(cross_fit_scores(inner, rest, settings), rest, calibrating)
        part = apply_calibrations(part, others.fitted)
        fill_in(calibrated, held_out, part)
        if settings.multilabel:
            cuts = fit_model_thresholds(others.scores, rest)
            fill_in(decided, held_out, {n: decide(s, cuts[n]) for n, s in part.items()})
    after = Calibrated(_finish(calibrated, rows), None)
    return CrossFitted(_finish(found, rows), after, decided or _decide_highest(after.scores))


def _decide_highest(scores: Scores) -> dict[str, np.ndarray]:
    return {name: decide(values, None) for name, values in scores.items()}


def _finish(found: dict[str, np.ndarray], rows: Rows) -> dict[str, np.ndarray]:
    # Of all rows: what is frequent in the other folds is rare in this one by construction, and
    # chance by folds would look worse than chance.
    found["chance"] = np.tile(frequencies(rows.truth), (len(rows.truth), 1))
    return {name: average_over(rows.parents, values) for name, values in found.items()}
