"""The two kinds of labels, seen as one.

Conventions: single-label `y` is 1-D, one class name or number a row; multi-label `y` is an
indicator of shape (n_samples, n_labels) holding 1 (present), 0 (absent) and -1 (unknown: nobody
ever listened for this label in this clip).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array

_ALLOWED = (-1, 0, 1)


@dataclass(frozen=True, slots=True)
class Labels:
    """Checked labels.

    Attributes
    ----------
    classes : np.ndarray of shape (n_labels,)
        Sorted class names or numbers; ``np.arange(n_labels)`` for multi-label.
    indicator : np.ndarray of shape (n_samples, n_labels), int8
        1 present, 0 absent, -1 unknown.
    multilabel : bool
        Whether the labels came as an indicator.
    """

    classes: np.ndarray
    indicator: np.ndarray
    multilabel: bool

    @property
    def is_binary(self) -> bool:
        """Whether there are exactly two classes of which each row has one."""
        return not self.multilabel and len(self.classes) == 2


def check_labels(y: Any) -> Labels:
    """Return checked labels, or raise.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_labels)
        Class names or numbers, or an indicator of 1, 0 and -1 (integers, booleans or whole floats).

    Returns
    -------
    Labels
        Classes, int8 indicator, and which of the two kinds it was.

    Raises
    ------
    ValueError
        If `y` is None or empty, holds NaN or None, is continuous, mixes texts with numbers, or is
        2-D with a value other than 1, 0 and -1.

    Warns
    -----
    DataConversionWarning
        If `y` is a single column that is no indicator: it is read as 1-D.

    Notes
    -----
    Texts mixed with numbers have no order, and so no order of classes: scikit-learn raises
    TypeError for arrays of them and makes texts of a list of them without a word, so that it
    predicts ``"1"`` where 1 was given. Here both are refused.

    Examples
    --------
    >>> check_labels(["flute", "cello", "flute"]).classes.tolist()
    ['cello', 'flute']
    >>> check_labels([[1, 0], [-1, 1]]).indicator.tolist()
    [[1, 0], [-1, 1]]
    """
    if y is None:
        raise ValueError(
            "classification requires y to be passed, but the target y is None; "
            "pass one label per row, or an indicator"
        )
    values = np.asarray(y)
    if values.ndim == 2 and (values.shape[1] != 1 or np.isin(values, _ALLOWED).all()):
        return _from_indicator(values)
    return _from_names(y)


def _from_names(y: Any) -> Labels:
    names = column_or_1d(y, warn=True)
    if len(names) == 0:
        raise ValueError("y must hold at least one label, got an empty array")
    if names.dtype.kind == "U" and isinstance(y, list | tuple):
        # NumPy makes texts of the numbers in a list, and predictions would not be those given.
        names = np.array(y, dtype=object).ravel()
    if names.dtype.kind == "O":
        _check_all_texts(names)
        # A fixed-width text array, unlike one of objects, can be saved without pickle.
        names = names.astype(str)
    assert_all_finite(names, input_name="y")
    check_classification_targets(names)
    classes, codes = np.unique(names, return_inverse=True)
    indicator = np.zeros((len(names), len(classes)), dtype=np.int8)
    indicator[np.arange(len(names)), codes] = 1
    return Labels(classes, indicator, multilabel=False)


def _check_all_texts(names: np.ndarray) -> None:
    others = {type(name).__name__: name for name in names if not isinstance(name, str)}
    if others:
        first = ", ".join(f"{kind} ({others[kind]!r})" for kind in sorted(others))
        raise ValueError(
            "Unknown label type: labels must all be texts or all be numbers; those of a list or of "
            f"dtype object must all be texts, got also {first}. Convert them with "
            "np.array(y).astype(str) or .astype(int); leave rows with a missing label out"
        )


def _from_indicator(values: np.ndarray) -> Labels:
    if values.shape[0] == 0 or values.shape[1] == 0:
        raise ValueError(f"an indicator must have rows and columns, got shape {values.shape}")
    if values.dtype.kind not in "biufO":
        raise ValueError(f"an indicator must hold 1, 0 and -1, got dtype {values.dtype}")
    if values.dtype.kind in "fO":
        values = check_array(values, dtype=np.float64, ensure_all_finite=False, input_name="y")
    if np.isnan(values).any():
        raise ValueError("an indicator must not contain NaN; write an unknown label as -1")
    strange = np.unique(values[~np.isin(values, _ALLOWED)])
    if strange.size:
        raise ValueError(f"an indicator must hold 1, 0 and -1 only, got also {strange.tolist()}")
    return Labels(np.arange(values.shape[1]), values.astype(np.int8), multilabel=True)
