"""The folds of training rows: the clip table's own, or new ones."""

from __future__ import annotations

import numpy as np

from features.folds import leave_one_group_out, make_folds


def choose_folds(
    given: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray,
    *,
    wanted: int | str,
    random_state: int,
) -> np.ndarray:
    """Give the fold of each training row.

    Parameters
    ----------
    given : np.ndarray of shape (n_samples,), int
        Folds of the clip table, which come first; -1 where there is none.
    truth : np.ndarray of shape (n_samples, n_labels)
        1 present, 0 absent, -1 unknown.
    groups : np.ndarray of shape (n_samples,)
        What must not be torn between folds.
    wanted : int or "group"
        Number of folds, or each group a fold of its own.
    random_state : int
        Decides between equals.

    Returns
    -------
    np.ndarray of shape (n_samples,), int
        Numbered from 0 without gaps.

    Raises
    ------
    ValueError
        If only some rows have a fold, all have the same, groups are fewer than folds, or `wanted`
        is neither a number nor "group".
    """
    if (given >= 0).all():
        # Folds may be numbered from 1, as in ESC-50 and UrbanSound8K.
        folds: np.ndarray = np.unique(given, return_inverse=True)[1]
        if folds.max() < 1:
            raise ValueError(
                "the clip table must have at least 2 folds, all training clips are in one; "
                "deal them anew, or empty the column 'fold'"
            )
        return folds
    if (given >= 0).any():
        n_without = int((given < 0).sum())
        raise ValueError(f"either all training clips have a fold or none; {n_without} have none")
    if wanted == "group":
        _check_enough_groups(groups, 2)
        return leave_one_group_out(groups)
    if isinstance(wanted, str):
        raise ValueError(f"folds must be a number or 'group', got {wanted!r}")
    _check_enough_groups(groups, wanted)
    return make_folds(truth, groups, n_folds=wanted, random_state=random_state)


def _check_enough_groups(groups: np.ndarray, n_folds: int) -> None:
    if (n_groups := len(set(groups))) < n_folds:
        raise ValueError(
            f"{n_folds} folds need at least as many groups, which stay whole; the {len(groups)} "
            f"training clips have {n_groups}: ask for fewer folds, or give finer groups"
        )
