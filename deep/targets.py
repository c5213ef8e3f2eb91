"""Labels as the losses want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Targets:
    """Encoded labels.

    Parameters
    ----------
    values : np.ndarray of shape (n_samples, n_classes), float32
        One-hot rows, or 1, 0 and -1 (unknown) for multi-label.
    classes : np.ndarray of shape (n_classes,)
        Class of each column.
    multi_label : bool
        Which of the two it is.
    """

    values: np.ndarray
    classes: np.ndarray
    multi_label: bool


def encode_labels(y: Any, *, n_samples: int) -> Targets:
    """Check and encode labels.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_labels)
        Class names or numbers; or an indicator of 1, 0 and -1 = never annotated, whose column
        names become the classes if it is a DataFrame.
    n_samples : int
        Number of clips.

    Returns
    -------
    Targets
        What the losses want.

    Raises
    ------
    ValueError
        If the number of rows differs from `n_samples`, there is only one class, or an indicator
        holds another value.
    """
    labels = np.asarray(y)
    if len(labels) != n_samples:
        raise ValueError(f"X and y must have as many rows, got {n_samples} and {len(labels)}")
    if labels.ndim == 1:
        return _encode_single(labels)
    if labels.ndim != 2 or not labels.shape[1]:
        raise ValueError(f"y must be one- or two-dimensional, got shape {labels.shape}")
    if not np.isin(labels, (-1, 0, 1)).all():
        raise ValueError("a label indicator must hold 1, 0 or -1 only, got other values")
    columns = getattr(y, "columns", None)
    classes = np.arange(labels.shape[1]) if columns is None else np.array(list(columns))
    return Targets(labels.astype(np.float32), classes, multi_label=True)


def _encode_single(labels: np.ndarray) -> Targets:
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("y must not hold NaN or infinite values")
    if labels.dtype.kind == "O":
        labels = np.array([str(label) for label in labels])
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y must hold at least two classes, got {classes.tolist()}")
    values = np.eye(len(classes), dtype=np.float32)[codes]
    return Targets(values, classes, multi_label=False)
