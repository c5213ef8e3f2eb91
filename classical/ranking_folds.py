"""Folds of a ranking: dealt with groups whole, or given and checked."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils import check_consistent_length, check_scalar, column_or_1d

from classical.labels import Labels


def deal_folds(
    labels: Labels, groups: np.ndarray | None, *, n_folds: int, random_state: int
) -> np.ndarray:
    """Deal rows to folds: groups stay whole, the rarest label of each row is shared out evenly.

    Parameters
    ----------
    labels : Labels
        Checked labels.
    groups : np.ndarray of shape (n_samples,) or None
        Rows with the same value go to the same fold. None: every row is its own group.
    n_folds : int
        Wanted number; fewer are made if there are fewer groups.
    random_state : int
        Seed of the deal.

    Returns
    -------
    np.ndarray of shape (n_samples,), int
        The fold of each row.

    Raises
    ------
    ValueError
        If there is only one group.
    """
    present = labels.indicator == 1
    n_rows = len(present)
    groups = np.arange(n_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(
            f"cross-validation needs at least 2 groups, got {n_groups} group of {n_rows} samples"
        )
    n_folds = min(n_folds, n_groups)
    frequency = np.where(present, present.sum(axis=0), n_rows + 1)
    rarest = np.where(present.any(axis=1), frequency.argmin(axis=1), -1)
    # Labels of fewer rows than folds cannot be shared out; the splitter would refuse or warn.
    names, counts = np.unique(rarest, return_counts=True)
    rarest[np.isin(rarest, names[counts < n_folds])] = -1
    if np.count_nonzero(rarest == -1) < n_folds:
        rarest[rarest == -1] = rarest.max()
    folds = np.empty(n_rows, dtype=int)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=random_state)
    for fold, (_, rows) in enumerate(splitter.split(np.zeros((n_rows, 1)), rarest, groups)):
        folds[rows] = fold
    return folds


def check_folds(
    labels: Labels, groups: np.ndarray | None, *, folds: Any, random_state: int
) -> np.ndarray:
    """Return the fold of each row, dealt if only the number of folds is given.

    Parameters
    ----------
    labels : Labels
        Checked labels.
    groups : np.ndarray of shape (n_samples,) or None
        What folds must not separate.
    folds : int or array-like of shape (n_samples,)
        Number of folds, or the fold of each row; -1 for rows that always train.
    random_state : int
        Seed of the deal.

    Returns
    -------
    np.ndarray of shape (n_samples,), int
        Numbers from 0 without a gap, and -1.

    Raises
    ------
    ValueError
        If there are fewer than two folds, folds are no whole numbers from -1, or a group lies in
        several.
    """
    if isinstance(folds, Integral):
        check_scalar(folds, "folds", Integral, min_val=2)
        return deal_folds(labels, groups, n_folds=int(folds), random_state=random_state)
    given = column_or_1d(folds)
    check_consistent_length(labels.indicator, given)
    numbers = np.unique(given[given >= 0])
    if len(numbers) < 2 or given.min() < -1 or not np.array_equal(given, given.astype(int)):
        raise ValueError(
            "folds must be whole numbers from 0, at least two different ones, or -1 for rows that "
            f"always train; got {np.unique(given)[:8].tolist()}"
        )
    if groups is not None:
        pairs = pd.DataFrame({"group": groups, "fold": given}).drop_duplicates()
        parted = pairs.loc[pairs["group"].duplicated(), "group"].unique()
        if len(parted):
            raise ValueError(
                f"a group must lie in one fold, got {len(parted)} groups in several, such as "
                f"{parted[0]!r}"
            )
    return np.where(given >= 0, np.searchsorted(numbers, given), -1)
