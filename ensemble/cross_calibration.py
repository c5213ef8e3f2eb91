"""Calibration of every model on out-of-fold scores, each fold by what the other folds taught.

Conventions: scores are a mapping of model to (n_samples, n_labels), averaged over the windows of
each clip; a clip counts once. Chance is what it is: the frequencies of the labels are not
calibrated.

Which method a model gets is chosen once, by all folds together, and so depends on a row's own label
by one choice among four; what is fitted never does. Were it chosen for each fold, some would be
calibrated by one method and some by another: on the Philharmonia notes that alone cost a logistic
regression 0.003 of its mAP, and models whose choice is clear nothing, so that none could be
compared. Nested scores, see `ensemble.cross_fitting`, have the choice made without the fold too.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ensemble.calibration import Calibration, learn_calibration
from ensemble.calibration_choice import choose_calibration, deal_folds
from ensemble.calibration_methods import METHODS
from ensemble.final_estimators import Scores
from ensemble.scored_rows import Rows, fill_in, take_scores
from reports.metrics.reliability_card import describe_reliability
from reports.significance import MIN_GROUPS, group_bootstrap_weights

# What asks for the best of all methods.
CHOOSE = "choose"

# The model that is described, and the one that is never calibrated.
STACK, CHANCE = "stack", "chance"

# Enough for a 95 % interval to two digits.
N_BOOT = 500


class CalibrationSettings(NamedTuple):
    """How scores are calibrated.

    Parameters
    ----------
    asked : str
        ``"choose"``, or one of `ensemble.calibration_methods.METHODS`.
    multilabel : bool
        Whether labels are independent; else each row has exactly one.
    random_state : int
        Seed of folds that are dealt and of the intervals in the card.
    """

    asked: str
    multilabel: bool
    random_state: int = 0

    @property
    def methods(self) -> tuple[str, ...]:
        """What there is to choose from."""
        return tuple(METHODS) if self.asked == CHOOSE else (self.asked,)


def check_calibration(asked: str | None) -> str | None:
    """Make sure that a calibration is one that there is.

    Parameters
    ----------
    asked : str or None
        ``"choose"``, one of `ensemble.calibration_methods.METHODS`, or None.

    Returns
    -------
    str or None
        The same.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if asked is not None and asked not in (CHOOSE, *METHODS):
        known = ", ".join(map(repr, (CHOOSE, *METHODS)))
        raise ValueError(f"calibration must be None or one of {known}, got {asked!r}")
    return asked


def with_folds(rows: Rows, *, random_state: int) -> Rows | None:
    """Deal rows into folds that tear no group, to calibrate some by the others.

    Parameters
    ----------
    rows : Rows
        Whose folds say nothing yet.
    random_state : int
        Decides between equals.

    Returns
    -------
    Rows or None
        The same in folds; None if they are of one group, which cannot judge itself.

    Warns
    -----
    UserWarning
        Then.
    """
    groups = _groups_of(rows)
    if len(np.unique(groups)) < 2:
        warnings.warn(
            f"{len(rows.truth)} rows of one group cannot tell whether a calibration helps, so "
            "none is fitted; calibrate on rows of 2 groups or more",
            stacklevel=3,
        )
        return None
    return rows._replace(folds=deal_folds(rows.truth, groups, random_state=random_state))


class Calibrated(NamedTuple):
    """Scores out of fold after calibration, and calibrations for other rows.

    Parameters
    ----------
    scores : dict of str to np.ndarray of shape (n_samples, n_labels)
        Each row calibrated by a fit without its fold.
    fitted : dict of str to Calibration, or None
        Model -> the same method fitted on all rows; None where nothing is calibrated.
    """

    scores: dict[str, np.ndarray]
    fitted: dict[str, Calibration] | None


def cross_calibrate(scores: Scores, rows: Rows, settings: CalibrationSettings | None) -> Calibrated:
    """Calibrate every fold by what was fitted on the other folds.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of several models, equal for all windows of a clip.
    rows : Rows
        What is known of them, in at least two folds.
    settings : CalibrationSettings or None
        How; None leaves all alone.

    Returns
    -------
    Calibrated
        Scores of the same models in the same order.
    """
    if settings is None:
        return Calibrated(dict(scores), None)
    fitted = {
        name: _choose(values[rows.first_of_parent], rows.take(rows.first_of_parent), settings)
        for name, values in scores.items()
        if name != CHANCE
    }
    found: dict[str, np.ndarray] = {}
    for fold in np.unique(rows.folds):
        held_out = rows.folds == fold
        others = rows.first_of_parent & ~held_out
        without = {
            name: learn_calibration(
                rows.truth[others], scores[name][others], method=calibration.method,
                multilabel=settings.multilabel,
            )
            for name, calibration in fitted.items()
        }  # fmt: skip
        fill_in(found, held_out, apply_calibrations(take_scores(scores, held_out), without))
    return Calibrated(found, fitted)


def _choose(scores: np.ndarray, clips: Rows, settings: CalibrationSettings) -> Calibration:
    if len(settings.methods) == 1:
        return learn_calibration(
            clips.truth, scores, method=settings.asked, multilabel=settings.multilabel
        )
    return choose_calibration(
        clips.truth, scores, _groups_of(clips), multilabel=settings.multilabel, folds=clips.folds,
        methods=settings.methods,
    ).calibration  # fmt: skip


def _groups_of(rows: Rows) -> np.ndarray:
    """Give what must not be torn: groups, or clips, or every row by itself."""
    if rows.groups is not None:
        return rows.groups
    return np.arange(len(rows.truth)) if rows.parents is None else rows.parents


def apply_calibrations(
    scores: Scores, fitted: Mapping[str, Calibration] | None
) -> dict[str, np.ndarray]:
    """Calibrate the scores of every model that has a calibration.

    Parameters
    ----------
    scores : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Of several models, averaged over windows.
    fitted : mapping of str to Calibration, or None
        From `cross_calibrate`; None leaves all alone.

    Returns
    -------
    dict of str to np.ndarray of shape (n_samples, n_labels)
        Calibrated, in the same order.
    """
    fitted = fitted or {}
    return {
        name: fitted[name].apply(values) if name in fitted else values
        for name, values in scores.items()
    }


def describe_calibration(
    before: Scores, after: Calibrated, rows: Rows, settings: CalibrationSettings
) -> dict[str, Any]:
    """Say what was chosen for the stack, and what it changed.

    Parameters
    ----------
    before : mapping of str to np.ndarray of shape (n_samples, n_labels)
        Scores of rows that no model was trained on.
    after : Calibrated
        The same as of `cross_calibrate`.
    rows : Rows
        What is known of them.
    settings : CalibrationSettings
        How they were calibrated.

    Returns
    -------
    dict
        JSON-able, for ``calibration`` in the card of results: ``asked``; ``method`` of the stack
        and ``chosen_by``; ``rows`` and ``groups`` (numbers); ``methods`` (method -> ``log_loss``,
        ``brier`` and ``ece`` of the stack); ``before`` and ``after``, each as of
        `reports.metrics.reliability_card.describe_reliability`; ``models`` (model -> its method).
    """
    first = rows.first_of_parent
    clips = rows.take(first)
    groups = _groups_of(clips)
    choice = choose_calibration(
        clips.truth, before[STACK][first], groups, multilabel=settings.multilabel,
        folds=clips.folds, methods=settings.methods,
    )  # fmt: skip
    weights = None
    if len(np.unique(groups)) >= MIN_GROUPS:
        weights = group_bootstrap_weights(groups, n_boot=N_BOOT, seed=settings.random_state)
    task = "multi-label" if settings.multilabel else "single-label"
    described = [
        describe_reliability(clips.truth, scores[STACK][first], task=task, weights=weights)
        for scores in (before, after.scores)
    ]
    return {
        "asked": settings.asked,
        "method": choice.method,
        "chosen_by": choice.chosen_by,
        "rows": len(groups),
        "groups": len(np.unique(groups)),
        "methods": choice.losses,
        "before": described[0],
        "after": described[1],
        "models": {name: fitted.method for name, fitted in (after.fitted or {}).items()},
    }
