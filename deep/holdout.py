"""The validation part for early stopping: whole groups, every label in proportion."""

from __future__ import annotations

import numpy as np

from features.folds import deal_groups


def hold_out(
    targets: np.ndarray, groups: np.ndarray, *, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Choose validation rows.

    Groups are dealt as `deal_groups` does; one that holds the last positives of a label stays in
    training.

    Parameters
    ----------
    targets : np.ndarray of shape (n_samples, n_classes)
        1 marks a label.
    groups : np.ndarray of shape (n_samples,)
        Rows of one group stay together.
    fraction : float
        Share of the rows to hold out.
    rng : np.random.Generator
        Decides between equals.

    Returns
    -------
    np.ndarray of shape (n_samples,), bool
        True for validation rows; all False if no group can be spared.
    """
    if fraction <= 0 or len(np.unique(groups)) < 2:
        return np.zeros(len(targets), dtype=bool)
    shares = [1.0 - fraction, fraction]
    parts = deal_groups(targets, groups, shares=shares, random_state=int(rng.integers(2**31)))
    held = parts == 1
    present = targets == 1
    lost = present[held].any(axis=0) & ~present[~held].any(axis=0)
    needed = groups[held & present[:, lost].any(axis=1)]
    return held & ~np.isin(groups, needed)
