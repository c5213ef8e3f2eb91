"""Columns of a manifest to numbers: categories one-hot, numbers as ranks.

Conventions: a category is a text, and an empty one is a category like any other; a number may be
missing (NaN). What is learned from rows are the categories and the ranks, so an encoder belongs
inside the fold: categories it never saw are none of those it knows, and rows of theirs hold zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

# Steps of a rank; more only copy the training rows into the bundle.
MAX_KNOTS = 200

# Between the lower and the upper half: says nothing.
MISSING_RANK = 0.5


class ColumnEncoder(TransformerMixin, BaseEstimator):
    """Encode categories one-hot and numbers as ranks, all between 0 and 1.

    Parameters
    ----------
    categorical : sequence of str
        Names of the columns that hold categories; all others hold numbers.

    Attributes
    ----------
    names_ : list of str
        Columns of X.
    categories_ : dict of str to np.ndarray of shape (n_categories,)
        Column -> its categories, sorted.
    knots_ : dict of str to np.ndarray of shape (n_knots,)
        Column -> its values, ascending; at most 200 of them.
    gaps_ : list of str
        Columns of numbers of which some were missing; each gets a column that tells so.

    Examples
    --------
    >>> X = pd.DataFrame({"genre": ["jazz", "rock", ""], "year": [1960.0, 1970.0, 1980.0]})
    >>> encoder = ColumnEncoder(["genre"]).fit(X)
    >>> encoder.get_feature_names_out().tolist()
    ['genre=', 'genre=jazz', 'genre=rock', 'year']
    >>> encoder.transform(pd.DataFrame({"genre": ["folk"], "year": [1970.0]})).tolist()
    [[0.0, 0.0, 0.0, 0.5]]
    """

    def __init__(self, categorical: Sequence[str] = ()) -> None:
        self.categorical = categorical

    def fit(self, X: pd.DataFrame, y: object = None) -> ColumnEncoder:
        """Learn categories and ranks.

        Parameters
        ----------
        X : pd.DataFrame of shape (n_samples, n_columns)
            Texts and numbers.
        y : object
            Not looked at.

        Returns
        -------
        ColumnEncoder
            Itself.
        """
        self.names_ = [str(name) for name in X.columns]
        categorical = set(self.categorical)
        # Fixed-width text arrays, unlike those of objects, can be saved without pickle.
        self.categories_ = {
            name: np.unique(_texts(X[name])) for name in self.names_ if name in categorical
        }
        self.knots_ = {
            name: _knots(_numbers(X[name])) for name in self.names_ if name not in categorical
        }
        self.gaps_ = [name for name in self.knots_ if np.isnan(_numbers(X[name])).any()]
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Encode rows.

        Parameters
        ----------
        X : pd.DataFrame of shape (n_samples, n_columns)
            With the columns of `fit`.

        Returns
        -------
        np.ndarray of shape (n_samples, n_encoded), float64
            In the order of `get_feature_names_out`.
        """
        check_is_fitted(self)
        parts: list[np.ndarray] = [np.empty((len(X), 0))]
        for name in self.names_:
            if name in self.categories_:
                parts.append(_texts(X[name])[:, None] == self.categories_[name])
                continue
            numbers = _numbers(X[name])
            parts.append(_ranks(numbers, self.knots_[name])[:, None])
            if name in self.gaps_:
                parts.append(np.isnan(numbers)[:, None])
        return np.hstack(parts).astype(float)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Name the encoded columns.

        Parameters
        ----------
        input_features : object
            Not looked at.

        Returns
        -------
        np.ndarray of shape (n_encoded,), object
            ``column=category`` for categories; ``column`` and ``column missing`` for numbers.
        """
        check_is_fitted(self)
        names: list[str] = []
        for name in self.names_:
            if name in self.categories_:
                names += [f"{name}={category}" for category in self.categories_[name]]
            else:
                names += [name, f"{name} missing"] if name in self.gaps_ else [name]
        return np.array(names, dtype=object)


def _texts(column: pd.Series) -> np.ndarray:
    return np.array([str(cell) for cell in column], dtype=str)


def _numbers(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype=float)


def _knots(numbers: np.ndarray) -> np.ndarray:
    known = np.sort(numbers[~np.isnan(numbers)])
    if len(known) <= MAX_KNOTS:
        return known
    return np.quantile(known, np.linspace(0.0, 1.0, MAX_KNOTS))


def _ranks(numbers: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Give the share of the knots below each number; equal ones stand in their middle."""
    if not len(knots):
        return np.full(len(numbers), MISSING_RANK)
    places = np.searchsorted(knots, numbers, "left") + np.searchsorted(knots, numbers, "right")
    return np.where(np.isnan(numbers), MISSING_RANK, places / (2.0 * len(knots)))
