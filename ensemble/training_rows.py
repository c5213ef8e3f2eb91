"""The rows that members are fitted on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class TrainingRows(NamedTuple):
    """What members are fitted on.

    Parameters
    ----------
    X : pd.DataFrame or np.ndarray of shape (n_samples, n_features)
        All columns.
    y : np.ndarray of shape (n_samples,) or (n_samples, n_labels)
        Classes, or an indicator of 1, 0 and -1.
    groups : np.ndarray of shape (n_samples,) or None
        For estimators that ask for groups.
    folds : np.ndarray of shape (n_samples,)
        The fold of each row.
    classes : np.ndarray of shape (n_labels,)
        Order of the columns of scores.
    multilabel : bool
        Whether labels are independent of each other.
    """

    X: Any
    y: np.ndarray
    groups: np.ndarray | None
    folds: np.ndarray
    classes: np.ndarray
    multilabel: bool
