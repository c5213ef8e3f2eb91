"""A stand-in for a member that was cross-validated already."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class GivenProbabilities(ClassifierMixin, BaseEstimator):
    """Stands for a member whose out-of-fold probabilities are known: they are its columns.

    Parameters
    ----------
    labels : np.ndarray of shape (n_labels,)
        What the columns are.
    """

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def fit(self, X: Any, y: Any) -> GivenProbabilities:
        """Learn nothing.

        Parameters
        ----------
        X, y : array-like
            Ignored.

        Returns
        -------
        GivenProbabilities
            Itself.
        """
        self.classes_ = np.asarray(self.labels)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give the columns.

        Parameters
        ----------
        X : np.ndarray of shape (n_samples, n_labels)
            Out-of-fold probabilities.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels)
            The same.
        """
        return np.asarray(X)
