"""The folds of training rows: the clip table's own, or new ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.folds import GroupedStratifiedKFold, leave_one_group_out, make_folds


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


def resolve_folds(
    cv: Any, truth: np.ndarray, groups: np.ndarray | None, *, least: int, random_state: int | None
) -> np.ndarray:
    """Give the fold of each row.

    Parameters
    ----------
    cv : int, splitter or array of int of shape (n_samples,)
        Number of group-aware stratified folds, a scikit-learn splitter, or the folds themselves.
    truth : np.ndarray of shape (n_samples,) or (n_samples, n_labels)
        To stratify by.
    groups : np.ndarray of shape (n_samples,) or None
        What must not be torn between folds.
    least : int
        How many folds are needed.
    random_state : int or None
        Decides between equals when `cv` is a number.

    Returns
    -------
    np.ndarray of shape (n_samples,), int
        Not negative.

    Raises
    ------
    ValueError
        If some row has no fold, or there are fewer than `least`.
    """
    if isinstance(cv, int | np.integer):
        cv = GroupedStratifiedKFold(int(cv), random_state=random_state)
    folds = _split(cv, truth, groups) if hasattr(cv, "split") else np.asarray(cv)
    n_folds = len(np.unique(folds))
    if folds.shape != (len(truth),) or (folds < 0).any() or n_folds < least:
        raise ValueError(
            f"cv must give each of the {len(truth)} rows one of at least {least} folds, got "
            f"{n_folds} folds over shape {folds.shape}"
        )
    return folds


def _split(splitter: Any, truth: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Give the fold of each row by a splitter that holds out each once and fits on all others."""
    folds = np.full(len(truth), -1)
    times = np.zeros(len(truth), dtype=int)
    splits = splitter.split(np.zeros((len(truth), 1)), truth, groups)
    for fold, (fitted, held_out) in enumerate(splits):
        folds[held_out] = fold
        times[held_out] += 1
        if len(np.union1d(fitted, held_out)) < len(truth):
            raise ValueError(
                f"cv must fit each fold on all other rows, {type(splitter).__name__} leaves some "
                "of them out"
            )
    if (times != 1).any():
        raise ValueError(
            f"cv must hold out each row once, {type(splitter).__name__} holds out "
            f"{(times == 0).sum()} rows never and {(times > 1).sum()} rows several times"
        )
    return folds


def check_untorn(folds: np.ndarray, **keys: np.ndarray | None) -> None:
    """Make sure that rows with the same key lie in one fold.

    Parameters
    ----------
    folds : np.ndarray of shape (n_samples,)
        The fold of each row.
    **keys : np.ndarray of shape (n_samples,) or None
        What must not be torn, by the word for it.

    Raises
    ------
    ValueError
        If rows of one key lie in several folds.
    """
    for what, values in keys.items():
        if values is None:
            continue
        spread = pd.Series(folds).groupby(values).nunique()
        if (spread > 1).any():
            torn = spread.index[spread > 1][:5].tolist()
            raise ValueError(f"{what} must not be torn between folds, such as {torn}")
