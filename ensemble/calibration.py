"""Calibration: probabilities made into frequencies, on rows that no model was trained on.

Conventions: truth is 1 present, 0 absent, -1 unknown, which takes no part. All methods keep the
order of a label's scores (isotonic may make ties) and are described by a few numbers that go into
a JSON card, so that none is ever unpickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ensemble.calibration_methods import METHODS


@dataclass(frozen=True)
class Calibration:
    """A fitted calibration of one model.

    Attributes
    ----------
    method : str
        One of `METHODS`.
    multilabel : bool
        Whether labels are independent; else calibrated rows are made to sum to one.
    parameters : list
        JSON-able. None of them for ``"none"``; the temperature; ``[slope, offset]`` for each label;
        or, for isotonic, ``[scores, probabilities]`` between which each label is interpolated
        (empty for one that keeps its scores).
    """

    method: str
    multilabel: bool
    parameters: list[Any]

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Calibrate.

        Parameters
        ----------
        scores : np.ndarray of shape (n_samples, n_labels)
            Probabilities.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels)
            Calibrated probabilities; single-label rows sum to one.
        """
        return METHODS[self.method].apply(scores, self.parameters, self.multilabel)

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON form.

        Returns
        -------
        dict
            For `read_calibration`.
        """
        return {
            "method": self.method,
            "multilabel": self.multilabel,
            "parameters": self.parameters,
        }


def read_calibration(given: Any) -> Calibration:
    """Take a calibration out of a card.

    Parameters
    ----------
    given : dict
        From `Calibration.as_dict`.

    Returns
    -------
    Calibration
        Equal to the one it came from.

    Raises
    ------
    ValueError
        If the method is unknown.
    """
    if given["method"] not in METHODS:
        raise ValueError(f"calibration must be one of {list(METHODS)}, got {given['method']!r}")
    return Calibration(given["method"], bool(given["multilabel"]), given["parameters"])


def learn_calibration(
    y_true: np.ndarray, scores: np.ndarray, *, method: str, multilabel: bool
) -> Calibration:
    """Fit a calibration by the name of its method.

    Parameters
    ----------
    y_true : np.ndarray of shape (n_samples, n_labels), int
        1 present, 0 absent, -1 unknown (left out).
    scores : np.ndarray of shape (n_samples, n_labels)
        Probabilities of rows that no model was trained on.
    method : str
        One of `METHODS`: ``"none"``; ``"temperature"``, one number for all labels; ``"sigmoid"``, a
        line on the logits of each label; ``"isotonic"``, any ascending curve for each label.
    multilabel : bool
        Whether labels are independent; else each row has exactly one.

    Returns
    -------
    Calibration
        Fitted.

    Raises
    ------
    ValueError
        If the method is unknown.

    References
    ----------
    J. Platt, Probabilistic outputs for support vector machines, 1999 (sigmoid); B. Zadrozny,
    C. Elkan, Transforming classifier scores into accurate multiclass probability estimates,
    KDD 2002 (isotonic); C. Guo et al., On calibration of modern neural networks, ICML 2017
    (temperature).

    Examples
    --------
    >>> y_true = np.array([[1], [0], [0], [0]] * 25)
    >>> sure = np.where(y_true == 1, 0.9, 0.1)
    >>> kept = learn_calibration(y_true, sure, method="none", multilabel=True)
    >>> bool((kept.apply(sure) == sure).all())
    True
    """
    if method not in METHODS:
        raise ValueError(f"calibration must be one of {list(METHODS)}, got {method!r}")
    return Calibration(method, multilabel, METHODS[method].learn(y_true, scores, multilabel))
