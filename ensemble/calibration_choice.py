"""Which calibration, if any: asked of rows that the calibration was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensemble.calibration import Calibration, learn_calibration
from ensemble.calibration_methods import METHODS
from features.folds import make_folds
from reports.metrics.reliability import cell_ece, top_label_ece

LOSSES = ("log_loss", "brier")

# Folds that rows are dealt into unless their folds are given.
N_FOLDS = 5

# No certainty is worth an infinite loss: a mistake made for sure costs 13.8, not everything.
SURE = 1e-6


@dataclass(frozen=True)
class CalibrationChoice:
    """The calibration that was chosen, and what it was chosen by.

    Attributes
    ----------
    calibration : Calibration
        Of the chosen method, fitted on all rows: for use.
    losses : dict
        Method -> ``log_loss``, ``brier`` and ``ece`` of its cross-fitted scores.
    chosen_by : str or None
        The loss that decided; None if there was nothing to choose.
    """

    calibration: Calibration
    losses: dict[str, dict[str, float]]
    chosen_by: str | None

    @property
    def method(self) -> str:
        """Name of the chosen method."""
        return self.calibration.method


def choose_calibration(
    y_true: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    multilabel: bool,
    folds: np.ndarray | None = None,
    methods: Sequence[str] = tuple(METHODS),
    loss: str = "log_loss",
    random_state: int = 0,
) -> CalibrationChoice:
    """Choose a calibration by grouped cross-fitting, the simplest among those as good as the best.

    Parameters
    ----------
    y_true : np.ndarray of shape (n_samples, n_labels), int
        1 present, 0 absent, -1 unknown (left out).
    scores : np.ndarray of shape (n_samples, n_labels)
        Probabilities of rows that no model was trained on; one row a clip.
    groups : np.ndarray of shape (n_samples,) or None
        What must not be torn; None means that every row stands alone.
    multilabel : bool
        Whether labels are independent; else each row has exactly one.
    folds : np.ndarray of shape (n_samples,) or None
        The fold of each row; None deals groups into five.
    methods : sequence of str
        What to choose from, out of `ensemble.calibration_methods.METHODS`. One alone is not chosen
        but measured.
    loss : {"log_loss", "brier"}
        What is to be low.
    random_state : int
        Seed of dealt folds.

    Returns
    -------
    CalibrationChoice
        With the same losses for every method.

    Raises
    ------
    ValueError
        If a method or the loss is unknown, there are fewer than two folds or groups, or folds tear
        a group.

    Notes
    -----
    The best is the one of lowest loss; a simpler one is taken if it is worse by no more than one
    standard error of the difference, over groups. The losses of the chosen one are those it was
    chosen by: with four methods this flatters it little, and less than a fit on all rows would.

    References
    ----------
    L. Breiman et al., Classification and regression trees, 1984, for the rule of one standard
    error.
    """
    _check(methods, loss)
    groups = np.arange(len(y_true)) if groups is None else np.asarray(groups)
    if folds is None:
        folds = deal_folds(y_true, groups, random_state=random_state)
    _check_folds(np.asarray(folds), groups)
    fitted = {
        method: _cross_fit(y_true, scores, folds, method=method, multilabel=multilabel)
        for method in METHODS
        if method in (*methods, "none")
    }
    parts = {name: _row_losses(y_true, values, multilabel) for name, values in fitted.items()}
    chosen = _simplest(
        {name: found[loss] for name, found in parts.items() if name in methods},
        np.unique(groups, return_inverse=True)[1],
    )
    ece = cell_ece if multilabel else top_label_ece
    losses = {
        name: {kind: _mean(part) for kind, part in found.items()}
        | {"ece": float(ece(y_true, fitted[name]))}
        for name, found in parts.items()
    }
    calibration = learn_calibration(y_true, scores, method=chosen, multilabel=multilabel)
    return CalibrationChoice(calibration, losses, loss if len(methods) > 1 else None)


def _check(methods: Sequence[str], loss: str) -> None:
    unknown = [method for method in methods if method not in METHODS]
    if unknown or not methods:
        raise ValueError(f"calibrations must be among {list(METHODS)}, got {list(methods)}")
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {LOSSES}, got {loss!r}")


def deal_folds(y_true: np.ndarray, groups: np.ndarray, *, random_state: int) -> np.ndarray:
    """Deal rows into at most five folds that tear no group.

    Parameters
    ----------
    y_true : np.ndarray of shape (n_samples, n_labels), int
        1 present, 0 absent, -1 unknown; to stratify by.
    groups : np.ndarray of shape (n_samples,)
        What must not be torn.
    random_state : int
        Decides between equals.

    Returns
    -------
    np.ndarray of shape (n_samples,), int
        The fold of each row.

    Raises
    ------
    ValueError
        If there are fewer than two groups.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(f"a calibration is chosen over at least 2 groups, got {n_groups}")
    n_folds = min(N_FOLDS, n_groups)
    return make_folds(y_true == 1, groups, n_folds=n_folds, random_state=random_state)


def _check_folds(folds: np.ndarray, groups: np.ndarray) -> None:
    n_groups = len(np.unique(groups))
    pairs = np.unique(np.column_stack([_codes(groups), _codes(folds)]), axis=0)
    n_folds, n_torn = len(np.unique(folds)), len(pairs) - n_groups
    if n_folds < 2 or n_torn:
        raise ValueError(
            "a calibration is chosen over at least 2 folds that tear no group, got "
            f"{n_folds} folds that tear {n_torn} groups"
        )


def _codes(names: np.ndarray) -> np.ndarray:
    return np.unique(names, return_inverse=True)[1]


def _cross_fit(
    y_true: np.ndarray, scores: np.ndarray, folds: np.ndarray, *, method: str, multilabel: bool
) -> np.ndarray:
    calibrated = np.empty(scores.shape)
    for fold in np.unique(folds):
        held_out = folds == fold
        fitted = learn_calibration(
            y_true[~held_out], scores[~held_out], method=method, multilabel=multilabel
        )
        calibrated[held_out] = fitted.apply(scores[held_out])
    return calibrated


def _row_losses(y_true: np.ndarray, scores: np.ndarray, multilabel: bool) -> dict[str, np.ndarray]:
    """Give (n_samples, 2) a loss: its sum over a row's cells, and how many they are."""
    known = y_true >= 0
    n_known = known.sum(axis=1)
    squares = np.where(known, (scores - y_true) ** 2, 0.0).sum(axis=1)
    right = np.clip(np.where(y_true == 1, scores, 1.0 - scores), SURE, 1.0)
    # One label a row: only what is said of the true one counts, the others follow from it.
    counted = known if multilabel else y_true == 1
    logs = np.where(counted, -np.log(right), 0.0).sum(axis=1)
    return {
        "log_loss": np.column_stack([logs, counted.sum(axis=1)]),
        "brier": np.column_stack([squares, n_known]),
    }


def _mean(part: np.ndarray) -> float:
    total, n_cells = part.sum(axis=0)
    return float(total / n_cells)


def _simplest(parts: dict[str, np.ndarray], group_of_row: np.ndarray) -> str:
    means = {name: _mean(part) for name, part in parts.items()}
    best = min(means, key=lambda name: means[name])
    for name, part in parts.items():
        worse = np.bincount(group_of_row, part[:, 0] - parts[best][:, 0])
        n_groups = len(worse)
        spread = float(np.sqrt(n_groups * worse.var(ddof=1))) if n_groups > 1 else 0.0
        if worse.sum() <= spread:
            return name
    return best
