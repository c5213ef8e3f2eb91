"""One binary model per class: what every one-vs-rest classifier here shares.

Conventions: a *machine* is one binary model. There is one for each class, except that a
single-label problem of two classes needs only one, for the second class. A target is a column of
1, 0 and -1 (unknown: the row takes no part in that machine).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from classical.labels import Labels, check_labels

ClassWeight: TypeAlias = Literal["balanced"] | Mapping[Any, float] | None


def make_inner_folds(
    target: np.ndarray,
    groups: np.ndarray | Sequence[Any] | None = None,
    *,
    n_splits: int,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray | None:
    """Deal the rows of one target to folds: groups stay whole, both sides are shared out evenly.

    Parameters
    ----------
    target : np.ndarray of shape (n_samples,)
        Values 1 and 0.
    groups : array-like of shape (n_samples,), default=None
        Rows with the same value go to the same fold. By default every row is its own group.
    n_splits : int
        Wanted number of folds; fewer are made if fewer groups hold the rarer side.
    random_state : int, RandomState or None
        Decides between equal groups.

    Returns
    -------
    np.ndarray of shape (n_samples,), int, or None
        The fold of each row. None if there are no folds of which each leaves both sides for
        training, as when one group holds all the positives.

    Notes
    -----
    Groups are dealt in order of how many rows of the rarer side they hold, each to the fold that
    has the fewest of them; then groups without any, to the smallest fold.

    Examples
    --------
    >>> target = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    >>> folds = make_inner_folds(target, list("aabbccdd"), n_splits=2, random_state=0)
    >>> bool(folds[0] == folds[1] != folds[2] == folds[3])
    True
    >>> make_inner_folds(target, list("aaabbccd"), n_splits=2) is None
    True
    """
    names = np.arange(len(target)) if groups is None else np.asarray(groups)
    _, group_of_row = np.unique(names, return_inverse=True)
    rarer = target == (1 if 2 * np.count_nonzero(target == 1) <= len(target) else 0)
    rare = np.bincount(group_of_row, weights=rarer)
    size = np.bincount(group_of_row)
    n_folds = min(n_splits, int(np.count_nonzero(rare)), int(np.count_nonzero(size - rare)))
    if n_folds < 2:
        return None
    shuffled = check_random_state(random_state).permutation(len(size))
    order = shuffled[np.lexsort((-size[shuffled], -rare[shuffled]))]
    folds = _deal(rare, size, order, n_folds)[group_of_row]
    for fold in range(n_folds):
        if len(np.unique(target[folds != fold])) < 2:
            return None
    return folds


def _deal(rare: np.ndarray, size: np.ndarray, order: np.ndarray, n_folds: int) -> np.ndarray:
    fold_of_group = np.empty(len(size), dtype=int)
    rare_in_fold, size_in_fold = [0.0] * n_folds, [0] * n_folds
    for group in order:
        if rare[group]:
            fold = min(range(n_folds), key=lambda f: (rare_in_fold[f], size_in_fold[f]))
        else:
            fold = min(range(n_folds), key=size_in_fold.__getitem__)
        fold_of_group[group] = fold
        rare_in_fold[fold] += rare[group]
        size_in_fold[fold] += size[group]
    return fold_of_group


def count_rows(
    labels: Labels, *, sample_weight: np.ndarray, class_weight: ClassWeight
) -> np.ndarray:
    """Return how many rows each row counts for, class by class.

    Parameters
    ----------
    labels : Labels
        Checked labels.
    sample_weight : np.ndarray of shape (n_samples,)
        Weight of each row.
    class_weight : "balanced", mapping or None
        A mapping gives the weight of a class's own rows, 1 where it is silent. The others change
        nothing here, see `balance_sides`.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels), float64
        Zero where the label is unknown.

    Raises
    ------
    ValueError
        If `class_weight` is neither "balanced" nor a mapping nor None.
    """
    indicator = labels.indicator
    counts = np.where(indicator >= 0, sample_weight[:, None], 0.0)
    if isinstance(class_weight, Mapping):
        of_class = np.array([class_weight.get(name, 1.0) for name in labels.classes.tolist()])
        if labels.multilabel:
            return counts * np.where(indicator == 1, of_class, 1.0)
        return counts * of_class[indicator.argmax(axis=1), None]
    if class_weight not in ("balanced", None):
        raise ValueError(
            f"class_weight must be 'balanced', a mapping or None, got {class_weight!r}"
        )
    return counts


def balance_sides(targets: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Scale weights so that the rows with and without a label each weigh half of the total.

    Parameters
    ----------
    targets : np.ndarray of shape (n_samples, n_machines)
        Values 1, 0 and -1 (unknown).
    counts : np.ndarray of shape (n_samples, n_machines)
        Weights, zero where unknown.

    Returns
    -------
    np.ndarray of shape (n_samples, n_machines)
        Weights of the same column sums.

    Examples
    --------
    >>> balance_sides(np.array([[1], [0], [0], [0]]), np.ones((4, 1)))[:, 0].round(2).tolist()
    [2.0, 0.67, 0.67, 0.67]
    """
    present = targets == 1
    of_all, of_present = counts.sum(axis=0), (counts * present).sum(axis=0)
    return counts * np.where(
        present, _half_share(of_present, of_all), _half_share(of_all - of_present, of_all)
    )


def _half_share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    # An empty part weighs nothing whatever its factor.
    return np.divide(whole, 2 * part, out=np.ones_like(whole), where=part > 0)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What every machine is fitted on.

    Attributes
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        Rows of positive weight.
    targets : np.ndarray of shape (n_samples, n_machines), int8
        1, 0 and -1 (unknown).
    counts : np.ndarray of shape (n_samples, n_machines)
        How many rows each row counts for, zero where unknown.
    weights : np.ndarray of shape (n_samples, n_machines)
        The same, balanced between the sides if asked for.
    groups : np.ndarray of shape (n_samples,) or None
        What inner folds must not separate.
    constants : np.ndarray of shape (n_machines,)
        The probability of a machine with nothing to learn, NaN for all others.
    """

    X: np.ndarray
    targets: np.ndarray
    counts: np.ndarray
    weights: np.ndarray
    groups: np.ndarray | None
    constants: np.ndarray

    @property
    def learnable(self) -> np.ndarray:
        """Numbers of the machines that have both sides to learn from."""
        return np.flatnonzero(np.isnan(self.constants))


class BaseOneVsRestClassifier(ClassifierMixin, BaseEstimator):
    """Checks, conventions of prediction and tags of the one-vs-rest classifiers.

    A subclass has the parameter `class_weight`, fits on what `_check_training` returns and gives
    `_machine_probabilities`.
    """

    # Inner folds need groups, so they are asked for wherever metadata routing is on.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of every class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Feature rows.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels), float64
            Columns in order of `classes_`. Single-label rows sum to one; multi-label columns are
            independent of each other.
        """
        check_is_fitted(self)
        probabilities = self._machine_probabilities(X)
        if self.multilabel_:
            return probabilities
        if len(self.classes_) == 2:
            return np.column_stack([1 - probabilities[:, 0], probabilities[:, 0]])
        return normalize_rows(probabilities)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class, or which labels are more probable than not.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Feature rows.

        Returns
        -------
        np.ndarray of shape (n_samples,) or (n_samples, n_labels)
            Values of `classes_`; for multi-label an indicator of 1 and 0.
        """
        probabilities = self.predict_proba(X)
        if self.multilabel_:
            return (probabilities > 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def _machine_probabilities(self, X: Any) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must give _machine_probabilities")

    def _check_training(
        self, X: Any, y: Any, groups: Any, sample_weight: Any, **check_params: Any
    ) -> TrainingData:
        """Check the input of `fit`, set what depends on it alone, warn of constant classes."""
        X = validate_data(self, X, **check_params)
        labels = check_labels(y)
        sample_weight = _check_sample_weight(sample_weight, n_samples=len(X))
        groups = None if groups is None else column_or_1d(groups)
        check_consistent_length(X, labels.indicator, groups, sample_weight)
        counts = count_rows(labels, sample_weight=sample_weight, class_weight=self.class_weight)
        self.classes_, self.multilabel_ = labels.classes, labels.multilabel
        # A row that weighs nothing is no row: it must not steer folds, gamma or quantiles.
        kept = sample_weight > 0
        machines = slice(1, None) if labels.is_binary else slice(None)
        targets, counts = labels.indicator[kept, machines], counts[kept, machines]
        return TrainingData(
            X=X if kept.all() else X[kept],
            targets=targets,
            counts=counts,
            weights=balance_sides(targets, counts) if self.class_weight == "balanced" else counts,
            groups=None if groups is None else groups[kept],
            constants=find_constants(targets, names=labels.classes[machines]),
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what was saved; parameters an earlier version did not have take their default."""
        parameters = signature(type(self).__init__).parameters
        defaults = {name: p.default for name, p in parameters.items() if name != "self"}
        super().__setstate__({**defaults, **state})

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: indicators are welcome."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _check_sample_weight(sample_weight: Any, *, n_samples: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n_samples)
    weight = column_or_1d(sample_weight, dtype=np.float64)
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(
            f"sample_weight must be finite and not negative, got {weight.min()} to {weight.max()}"
        )
    if not weight.any():
        raise ValueError("no row of any class is left: every sample_weight is zero")
    return weight


def find_constants(targets: np.ndarray, *, names: Iterable[Any]) -> np.ndarray:
    """Return the probability of each class that has nothing to learn from, and warn of it.

    Parameters
    ----------
    targets : np.ndarray of shape (n_samples, n_machines)
        Values 1, 0 and -1 (unknown).
    names : iterable of n_machines class names
        For the warning.

    Returns
    -------
    np.ndarray of shape (n_machines,), float64
        NaN for a class with both sides. Else Laplace's estimate from the n known rows:
        ``1 / (n + 2)`` if the class is in none of them, ``(n + 1) / (n + 2)`` if it is in all,
        one half if no row is known.

    Warns
    -----
    UserWarning
        For each class that will be predicted as a constant.

    Examples
    --------
    >>> find_constants(np.array([[1], [0]]), names=["flute"])
    array([nan])
    """
    constants = np.full(targets.shape[1], np.nan)
    for machine, name in enumerate(names):
        n_present = np.count_nonzero(targets[:, machine] == 1)
        n_known = np.count_nonzero(targets[:, machine] >= 0)
        if 0 < n_present < n_known:
            continue
        state = "present in" if n_present else "absent from"
        constants[machine] = (n_present + 1) / (n_known + 2)
        warnings.warn(
            f"class {name!s} is {state} all of the {n_known} rows that are known for it: "
            f"its probability will be {constants[machine]:.3g} for every row",
            stacklevel=4,
        )
    return constants


def normalize_rows(probabilities: np.ndarray) -> np.ndarray:
    """Scale each row to sum one; a row of zeros becomes uniform.

    Parameters
    ----------
    probabilities : np.ndarray of shape (n_samples, n_labels)
        Not negative.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        Rows that sum to one.

    Examples
    --------
    >>> normalize_rows(np.array([[0.5, 1.5], [0.0, 0.0]])).tolist()
    [[0.25, 0.75], [0.5, 0.5]]
    """
    totals = probabilities.sum(axis=1, keepdims=True)
    uniform = np.full_like(probabilities, 1 / probabilities.shape[1])
    return np.divide(probabilities, totals, out=uniform, where=totals > 0)
