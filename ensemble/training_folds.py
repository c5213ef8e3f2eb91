"""The folds of training rows, as scikit-learn's `cv` gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.folds import GroupedStratifiedKFold


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
