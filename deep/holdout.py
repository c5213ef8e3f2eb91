"""The validation part for early stopping: whole groups, every label in proportion."""

from __future__ import annotations

import numpy as np


def hold_out(
    targets: np.ndarray, groups: np.ndarray, *, fraction: float, rng: np.random.Generator
) -> np.ndarray:
    """Choose validation rows.

    Groups are taken one at a time, each time the one that brings the counts of all labels closest
    to `fraction` of their totals; a group that holds the last positives of a label stays in
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
        Breaks ties.

    Returns
    -------
    np.ndarray of shape (n_samples,), bool
        True for validation rows; all False if no group can be spared.
    """
    _, codes = np.unique(groups, return_inverse=True)
    n_groups = codes.max() + 1
    # Rows count as one more label, so that rows without any label are shared out too.
    indicator = np.column_stack([targets == 1, np.ones(len(targets))])
    counts = np.zeros((n_groups, indicator.shape[1]))
    np.add.at(counts, codes, indicator)
    totals = counts.sum(axis=0)
    wanted, weights = fraction * totals, 1 / np.maximum(totals, 1)
    chosen = np.zeros(n_groups, dtype=bool)
    held = np.zeros_like(totals)
    order = rng.permutation(n_groups)
    while held[-1] < wanted[-1]:
        holds_last = ((counts > 0) & (counts == totals - held)).any(axis=1)
        candidates = order[~(chosen | holds_last)[order]]
        if not len(candidates):
            break
        miss = ((held + counts[candidates] - wanted) ** 2 * weights).sum(axis=1)
        best = candidates[np.argmin(miss)]
        if miss.min() >= ((held - wanted) ** 2 * weights).sum():
            break
        chosen[best] = True
        held += counts[best]
    return chosen[codes]
