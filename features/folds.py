"""The one fold table: groups stay whole, labels stay in proportion.

Conventions: a fold is a number from 0, -1 means in none. Labels come as an indicator of shape
(n_samples, n_labels) with 1 present, 0 absent, -1 unknown; groups as one value per row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state


def deal_groups(
    labels: np.ndarray,
    groups: np.ndarray | Sequence[Any],
    *,
    shares: Sequence[float],
    random_state: int | np.random.RandomState | None = 0,
) -> np.ndarray:
    """Deal whole groups to parts so that every label is shared out in proportion.

    Parameters
    ----------
    labels : np.ndarray of shape (n_samples, n_labels)
        Indicator; cells other than 1 do not count.
    groups : array-like of shape (n_samples,)
        Rows with the same value go to the same part.
    shares : sequence of float
        Wanted size of each part, relative to the others.
    random_state : int, RandomState or None
        Decides between equals.

    Returns
    -------
    np.ndarray of shape (n_samples,), int
        The part of each row.

    Raises
    ------
    ValueError
        If there are fewer groups than parts, or a share is not positive.

    Notes
    -----
    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011), with groups in
    place of rows: the label with the fewest rows left is served first, its largest groups first,
    each to the part that still lacks most of its share of that label.

    Examples
    --------
    >>> labels = np.eye(2, dtype=int).repeat(4, axis=0)
    >>> parts = deal_groups(labels, list("aabbccdd"), shares=[1, 1])
    >>> [int(labels[parts == part, 0].sum()) for part in (0, 1)]
    [2, 2]
    """
    weights = np.asarray(shares, dtype=float)
    if len(weights) == 0 or (weights <= 0).any():
        raise ValueError(f"every share must be positive, got {list(shares)}")
    names, group_of_row = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < len(weights):
        raise ValueError(f"{len(weights)} parts need at least as many groups, got {len(names)}")
    present = (np.asarray(labels) == 1).astype(float)
    # One more column, in which every row counts: it keeps sizes even and serves unlabelled rows.
    counts = np.zeros((len(names), present.shape[1] + 1))
    np.add.at(counts, group_of_row, np.column_stack([present, np.ones(len(present))]))
    order = check_random_state(random_state).permutation(len(names))
    part_of_group = np.empty(len(names), dtype=int)
    part_of_group[order] = _deal(counts[order], weights / weights.sum())
    return part_of_group[group_of_row]


def _deal(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Deal groups, given as rows of label counts (last column: size), to parts."""
    parts = np.full(len(counts), -1)
    lacking = shares[:, None] * counts.sum(axis=0)
    n_groups_in = np.zeros(len(shares), dtype=int)
    left = counts.sum(axis=0)
    n_left = len(counts)
    while n_left:
        open_labels = np.flatnonzero(left[:-1] > 0)
        # Unlabelled groups come last, by size alone.
        label = open_labels[left[open_labels].argmin()] if len(open_labels) else len(left) - 1
        waiting = np.flatnonzero((parts < 0) & (counts[:, label] > 0))
        for group in waiting[np.argsort(-counts[waiting, label], kind="stable")]:
            # An empty part must be filled while there are just enough groups left to do so.
            empty = n_groups_in == 0
            candidates = np.flatnonzero(empty) if empty.sum() >= n_left else np.arange(len(shares))
            need, share = lacking[candidates], shares[candidates]
            # By relative need, so that a small part gets its share of large groups too; but not
            # one that would overfill it more than leave it short, in this label or in all rows.
            fits = (need[:, [label, -1]] >= counts[group, [label, -1]] / 2).all(axis=1)
            urgency = np.where(fits, need[:, label] / share, need[:, label])
            part = candidates[np.lexsort((-need[:, -1] / share, -urgency, ~fits))[0]]
            parts[group] = part
            lacking[part] -= counts[group]
            left -= counts[group]
            n_groups_in[part] += 1
            n_left -= 1
    return parts


def make_folds(
    labels: np.ndarray,
    groups: np.ndarray | Sequence[Any],
    *,
    n_folds: int = 5,
    random_state: int | np.random.RandomState | None = 0,
) -> np.ndarray:
    """Deal rows into folds of equal size; see `deal_groups`.

    Parameters
    ----------
    labels : np.ndarray of shape (n_samples, n_labels)
        Indicator.
    groups : array-like of shape (n_samples,)
        Rows with the same value stay in one fold.
    n_folds : int
        Number of folds, 2 or more.
    random_state : int, RandomState or None
        Decides between equals.

    Returns
    -------
    np.ndarray of shape (n_samples,), int
        The fold of each row.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or fewer groups than folds.
    """
    if n_folds < 2:
        raise ValueError(f"cross-validation needs at least 2 folds, got {n_folds}")
    return deal_groups(labels, groups, shares=[1.0] * n_folds, random_state=random_state)


def leave_one_group_out(groups: np.ndarray | Sequence[Any]) -> np.ndarray:
    """Make every group a fold of its own.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Any hashable, sortable values.

    Returns
    -------
    np.ndarray of shape (n_samples,), int
        The fold of each row, in sorted order of the groups.
    """
    return np.unique(np.asarray(groups), return_inverse=True)[1]


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


def hash_folds(clip_ids: Sequence[str], folds: np.ndarray) -> str:
    """Name a fold table by its content.

    Parameters
    ----------
    clip_ids : sequence of str
        The rows.
    folds : np.ndarray of shape (n_samples,)
        Their folds.

    Returns
    -------
    str
        SHA-256 in hexadecimal; the same for any order of the rows.
    """
    lines = sorted(f"{clip_id}\t{fold}" for clip_id, fold in zip(clip_ids, folds, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class GroupedStratifiedKFold(BaseCrossValidator):
    """Scikit-learn splitter over `make_folds`, for single- and multi-label targets.

    Parameters
    ----------
    n_splits : int
        Number of folds.
    random_state : int, RandomState or None
        Decides between equals.

    Examples
    --------
    >>> X, y, groups = np.zeros((6, 1)), list("ababab"), [0, 0, 1, 1, 2, 2]
    >>> splitter = GroupedStratifiedKFold(n_splits=3)
    >>> sorted(test.tolist() for _, test in splitter.split(X, y, groups))
    [[0, 1], [2, 3], [4, 5]]
    """

    # Groups flow to the splitter without being asked for, as for scikit-learn's own.
    __metadata_request__split = {"groups": True}

    def __init__(self, n_splits: int = 5, *, random_state: int | None = 0) -> None:
        self.n_splits = n_splits
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Give the number of folds.

        Parameters
        ----------
        X, y, groups : object
            Ignored.

        Returns
        -------
        int
            `n_splits`.
        """
        return self.n_splits

    def _iter_test_indices(
        self, X: Any = None, y: Any = None, groups: Any = None
    ) -> Iterator[np.ndarray]:
        labels = np.asarray(y)
        if labels.ndim == 1:
            labels = labels[:, None] == np.unique(labels)
        if groups is None:
            groups = np.arange(len(labels))
        folds = make_folds(labels, groups, n_folds=self.n_splits, random_state=self.random_state)
        for fold in range(self.n_splits):
            yield np.flatnonzero(folds == fold)
