"""A linear model for each machine, and honest margins for its sigmoid, all solved together."""

from __future__ import annotations

import numpy as np

from classical.linear_solver import Columns, Loss, fit_columns, score_parts
from classical.one_vs_rest import TrainingData, make_inner_folds
from classical.row_chunks import Rows


def cross_fit_machines(
    rows: Rows,
    data: TrainingData,
    *,
    loss: Loss,
    cost: float,
    n_splits: int,
    seeds: np.ndarray,
    tol: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit a linear model for each machine, and its margins on inner folds left out.

    Parameters
    ----------
    rows : Rows
        Features of the rows of `data`.
    data : TrainingData
        Targets, weights, groups and which machines are constant.
    loss : Loss
        `LOGISTIC` or `SQUARED_HINGE`.
    cost : float
        See `fit_columns`.
    n_splits : int
        Number of inner folds.
    seeds : np.ndarray of shape (n_machines,), int
        Deal the inner folds.
    tol : float
        See `fit_columns`.

    Returns
    -------
    coef : np.ndarray of shape (n_features + 1, n_machines)
        Coefficients, in the last row intercepts; for a constant machine zeros and -1, 0 or 1.
    margins : np.ndarray of shape (n_samples, n_machines)
        Of rows left out; of training rows where there are no folds.
    cross_fitted : np.ndarray of shape (n_machines,), bool
        Where there are folds.
    """
    folds, cross_fitted = _deal_folds(data, n_splits=n_splits, seeds=seeds)
    copies = [
        (machine, fold)
        for machine in data.learnable.tolist()
        for fold in (-1, *range(int(folds[:, machine].max()) + 1 if cross_fitted[machine] else 0))
    ]
    machines, left_out = np.array(copies, dtype=int).reshape(-1, 2).T
    columns = Columns(data.targets == 1, data.weights, folds, machines, left_out)
    fitted = fit_columns(rows, columns, loss=loss, cost=cost, tol=tol)
    whole = left_out < 0
    coef = np.zeros((rows.shape[1] + 1, len(data.constants)))
    coef[-1] = np.sign(np.nan_to_num(data.constants, nan=0.5) - 0.5)
    coef[:, machines[whole]] = fitted[:, whole]
    margins = np.tile(coef[-1], (rows.shape[0], 1))
    for part, _, scores in score_parts(rows, fitted):
        for column, (machine, fold) in enumerate(copies):
            mine = folds[part, machine] == fold if fold >= 0 else slice(None)
            # A machine's own column comes first; its copies replace what they left out.
            margins[part, machine][mine] = scores[mine, column]
    return coef, margins, cross_fitted


def _deal_folds(
    data: TrainingData, *, n_splits: int, seeds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the inner fold of each row in each machine, and which machines have folds at all."""
    folds = np.zeros(data.targets.shape, dtype=np.int16)
    cross_fitted = np.zeros(len(data.constants), dtype=bool)
    for machine in data.learnable:
        known = np.flatnonzero(data.targets[:, machine] >= 0)
        dealt = make_inner_folds(
            data.targets[known, machine],
            None if data.groups is None else data.groups[known],
            n_splits=n_splits,
            random_state=seeds[machine],
        )
        if dealt is not None:
            folds[known, machine], cross_fitted[machine] = dealt, True
    return folds, cross_fitted
