"""One-vs-rest extremely randomised trees, calibrated on the groups each tree left out."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
from joblib import Parallel, delayed
from sklearn.tree import ExtraTreeClassifier
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from classical.model_card import CARD, load_card, render_card
from classical.one_vs_rest import ClassWeight, TrainingData
from classical.sigmoid import SigmoidCalibratedClassifier
from classical.tree_arrays import TreeArrays, join_trees, read_tree

_TREES = "trees.npz"
_NODES = tuple(f"node_{field.name}_" for field in fields(TreeArrays))
_ARRAYS = ("roots_", *_NODES)


class OneVsRestExtraTreesClassifier(SigmoidCalibratedClassifier):
    """Extremely randomised trees, a forest for each class, with calibrated probabilities.

    Each tree learns from some of the groups and scores the others, which gives every row an honest
    score without any further training. Scaling is of no use to trees.

    Parameters
    ----------
    n_estimators : int, default=100
        Number of trees a class.
    max_features : "sqrt" or float, default="sqrt"
        Features tried at each split: the square root of their number, or a share of them.
    min_samples_leaf : int, default=1
        Least number of rows in a leaf.
    max_samples : float, default=0.8
        Share of the groups each tree learns from.
    class_weight : "balanced", mapping or None, default="balanced"
        "balanced" lets the rows with and without a label weigh the same in each machine; sigmoids
        still see the true share of each class, so probabilities stay calibrated. A mapping counts
        each row of a class so many times, in sigmoids too.
    random_state : int, RandomState or None, default=None
        Draws groups, features and splits.
    n_jobs : int or None, default=None
        Number of threads over classes. It changes no number.

    Attributes
    ----------
    classes_ : np.ndarray of shape (n_labels,)
        Classes in order of the columns; ``np.arange(n_labels)`` for multi-label.
    multilabel_ : bool
        Whether `y` was an indicator.
    constants_ : np.ndarray of shape (n_machines,)
        Probability of a constant class, NaN for all others.
    roots_ : np.ndarray of shape (n_machines, n_estimators), int
        The node each tree begins with; -1 for a constant class.
    node_feature_, node_threshold_, node_left_, node_right_, node_value_ : np.ndarray
        Nodes of all trees, see `TreeArrays`.
    sigmoid_slope_, sigmoid_intercept_ : np.ndarray of shape (n_machines,)
        Probability = ``expit(slope * margin + intercept)``.
    cross_fitted_ : np.ndarray of shape (n_machines,), bool
        Whether the sigmoid was fitted on scores of trees that left the row's group out.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : np.ndarray of shape (n_features_in_,)
        Only if `X` was a DataFrame with text column names.

    Notes
    -----
    Trees as in [1]_, but each on some of the groups, as bagging [2]_ does with rows. A row's honest
    score comes from a fifth of the forest, and is noisier than those the sigmoid will meet. A class
    whose positives (or negatives) lie in a single group has no honest scores, and is treated as in
    `OneVsRestSVMClassifier`.

    References
    ----------
    .. [1] P. Geurts, D. Ernst and L. Wehenkel, "Extremely randomized trees", Machine Learning 63,
       2006.
    .. [2] L. Breiman, "Bagging predictors", Machine Learning 24, 1996.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(n_classes=3, n_informative=4, random_state=0)
    >>> classifier = OneVsRestExtraTreesClassifier(n_estimators=10, random_state=0).fit(X, y)
    >>> classifier.predict_proba(X[:2]).shape
    (2, 3)
    """

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_features: Literal["sqrt"] | float = "sqrt",
        min_samples_leaf: int = 1,
        max_samples: float = 0.8,
        class_weight: ClassWeight = "balanced",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.min_samples_leaf = min_samples_leaf
        self.max_samples = max_samples
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None
    ) -> OneVsRestExtraTreesClassifier:
        """Fit one forest and one sigmoid for each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Feature rows, used as float32.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            See `check_labels`.
        groups : array-like of shape (n_samples,), default=None
            What a tree sees or leaves out as one (song, speaker, note).
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; rows of weight zero are left out.

        Returns
        -------
        OneVsRestExtraTreesClassifier
            Itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, or `X`, `y`, `groups`, `sample_weight` do not fit.
        TypeError
            If a parameter is of the wrong type.

        Warns
        -----
        UserWarning
            For each class that has nothing to learn from.
        """
        self._check_params()
        data = self._check_training(X, y, groups, sample_weight, dtype=np.float32)
        n_machines = len(data.constants)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=n_machines)
        settings = {"max_features": self.max_features, "min_samples_leaf": self.min_samples_leaf}
        forests = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(_grow)(
                data, machine, self.n_estimators, self.max_samples, int(seeds[machine]), settings
            )
            for machine in data.learnable
        )
        self.constants_ = data.constants
        self.roots_ = np.full((n_machines, self.n_estimators), -1)
        nodes, starts = join_trees([tree for trees, _, _ in forests for tree in trees])
        self.roots_[data.learnable] = starts.reshape(len(forests), self.n_estimators)
        for name, field in zip(_NODES, fields(TreeArrays), strict=True):
            setattr(self, name, getattr(nodes, field.name))
        margins = np.zeros(data.targets.shape)
        cross_fitted = np.zeros(n_machines, dtype=bool)
        for machine, (_, scores, honest) in zip(data.learnable, forests, strict=True):
            margins[:, machine], cross_fitted[machine] = 2 * scores - 1, honest
        self._fit_sigmoids(margins, data, cross_fitted)
        return self

    def margins(self, X: Any) -> np.ndarray:
        """Return the mean vote of each machine's trees, from -1 to 1, see the base class."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float32)
        margins = np.tile(np.sign(np.nan_to_num(self.constants_, nan=0.5) - 0.5), (len(X), 1))
        nodes = TreeArrays(*(getattr(self, name) for name in _NODES))
        for machine in np.flatnonzero(np.isnan(self.constants_)):
            margins[:, machine] = 2 * nodes.score(X, self.roots_[machine]) - 1
        return margins

    def save_model(self, directory: str | Path) -> None:
        """Write the fitted classifier to a directory, without pickle.

        Parameters
        ----------
        directory : str or Path
            Made if missing. Gets `card.json` and `trees.npz`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If a parameter cannot be written as JSON, such as a `random_state` that is no int.
        """
        check_is_fitted(self)
        text = render_card(self)
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        np.savez_compressed(directory / _TREES, allow_pickle=False, **arrays)
        # Last, so that a directory with a card is complete.
        (directory / CARD).write_text(text, encoding="utf-8")

    @classmethod
    def load_model(cls, directory: str | Path) -> OneVsRestExtraTreesClassifier:
        """Read what `save_model` wrote.

        Parameters
        ----------
        directory : str or Path
            With `card.json` and `trees.npz`.

        Returns
        -------
        OneVsRestExtraTreesClassifier
            Fitted, with the same predictions.

        Raises
        ------
        FileNotFoundError
            If the card or the trees are missing.
        ValueError
            If the card is of another schema version or another kind of model, or the trees are no
            trees.
        """
        directory = Path(directory)
        loaded = load_card(cls, directory)
        with np.load(directory / _TREES, allow_pickle=False) as arrays:
            for name in _ARRAYS:
                setattr(loaded, name, arrays[name])
        nodes = TreeArrays(*(getattr(loaded, name) for name in _NODES))
        nodes.check(loaded.roots_[np.isnan(loaded.constants_)], n_features=loaded.n_features_in_)
        return loaded

    def _check_params(self) -> None:
        for name in ("n_estimators", "min_samples_leaf"):
            check_scalar(getattr(self, name), name, Integral, min_val=1)
        if isinstance(self.max_features, str):
            if self.max_features != "sqrt":
                raise ValueError(
                    f"max_features must be 'sqrt' or a share, got {self.max_features!r}"
                )
        else:
            _check_share(self.max_features, "max_features")
        _check_share(self.max_samples, "max_samples")


def _check_share(value: Any, name: str) -> None:
    check_scalar(value, name, Real, min_val=0, max_val=1, include_boundaries="right")


def _grow(
    data: TrainingData,
    machine: int,
    n_trees: int,
    max_samples: float,
    seed: int,
    settings: dict[str, Any],
) -> tuple[list[TreeArrays], np.ndarray, bool]:
    """Grow a forest; give its trees, the score of each row, and whether scores are honest."""
    known = np.flatnonzero(data.targets[:, machine] >= 0)
    X, target, weight = data.X[known], data.targets[known, machine], data.weights[known, machine]
    names = known if data.groups is None else data.groups[known]
    group_of_row = np.unique(names, return_inverse=True)[1]
    n_groups = group_of_row.max() + 1
    honest = all(len(np.unique(group_of_row[target == side])) > 1 for side in (0, 1))
    # With one group or more on either side.
    n_drawn = int(np.clip(round(max_samples * n_groups), 1, max(1, n_groups - honest)))
    rng = np.random.default_rng(seed)
    trees, totals, n_scores = [], np.zeros(len(known)), np.zeros(len(known))
    for _ in range(n_trees):
        drawn = np.isin(group_of_row, rng.permutation(n_groups)[:n_drawn])
        tree = ExtraTreeClassifier(**settings, random_state=int(rng.integers(2**31)))
        # A tree leaves out rows of weight zero.
        seen = weight * drawn
        tree.fit(X, target, sample_weight=seen if seen.any() else weight, check_input=False)
        trees.append(read_tree(tree))
        scored = np.flatnonzero(~drawn) if honest else np.arange(len(known))
        totals[scored] += trees[-1].score(X[scored], np.zeros(1, dtype=int))
        n_scores[scored] += 1
    scores = np.zeros(len(data.X))
    scores[known] = np.divide(totals, n_scores, out=np.full(len(known), 0.5), where=n_scores > 0)
    return trees, scores, honest
