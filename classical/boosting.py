"""One-vs-rest gradient boosted trees: XGBoost boosters on shared quantised matrices."""

from __future__ import annotations

from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from scipy.special import logit
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from classical.block_boosting import BlockBooster, check_device, deal_columns
from classical.model_card import CARD, load_card, render_card
from classical.one_vs_rest import ClassWeight, TrainingData, make_inner_folds
from classical.sigmoid import SigmoidCalibratedClassifier

if TYPE_CHECKING:
    import xgboost


class OneVsRestXGBClassifier(SigmoidCalibratedClassifier):
    """Gradient boosted trees, one booster for each class, with calibrated probabilities.

    The feature table is quantised once and shared by all classes. Missing features (NaN) are
    allowed and go down the side of a split that suits them best; scaling is of no use to trees.

    Parameters
    ----------
    n_estimators : int, default=200
        Number of trees a class; with early stopping, at most.
    learning_rate : float, default=0.1
        Factor on the contribution of each tree.
    max_depth : int, default=3
        Largest depth of a tree.
    subsample : float, default=0.8
        Share of the rows each tree sees.
    colsample_bytree : float, default=0.2
        Share of the features each tree sees. Where features are many they are dealt into as many
        blocks, and a few trees at a time see one of them.
    min_child_weight : float, default=1.0
        Least sum of second derivatives in a leaf.
    reg_lambda : float, default=1.0
        L2 penalty on leaf values.
    max_bin : int, default=64
        Number of quantiles a feature is reduced to.
    class_weight : "balanced", mapping or None, default="balanced"
        "balanced" lets the rows with and without a label weigh the same in each machine;
        probabilities are set right for the true share of each class. A mapping counts each row of a
        class so many times, in probabilities too.
    n_splits : int or None, default=None
        Number of inner folds that a sigmoid for each class is fitted over, each of which costs
        another training. None takes the boosters' own probabilities, see Notes.
    early_stopping_rounds : int or None, default=None
        Stop a class after so many trees without a smaller validation loss, and keep the best. Off
        by default: with a few dozen clips a class, holding some out costs more than it saves.
    validation_fraction : float, default=0.2
        Share of the rows held out for early stopping; not trained on.
    device : str, default="cpu"
        "cpu", "cuda" or "cuda:1".
    random_state : int, RandomState or None, default=None
        Draws rows and features, deals the validation rows.
    n_jobs : int or None, default=None
        Number of threads over classes. It changes no number.

    Attributes
    ----------
    classes_ : np.ndarray of shape (n_labels,)
        Classes in order of the columns; ``np.arange(n_labels)`` for multi-label.
    multilabel_ : bool
        Whether `y` was an indicator.
    boosters_ : list of xgboost.Booster or None
        One for each machine, None for a constant class.
    constants_ : np.ndarray of shape (n_machines,)
        Probability of a constant class, NaN for all others.
    sigmoid_slope_, sigmoid_intercept_ : np.ndarray of shape (n_machines,)
        Probability = ``expit(slope * margin + intercept)``.
    cross_fitted_ : np.ndarray of shape (n_machines,), bool
        Whether the sigmoid was fitted on out-of-fold margins.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : np.ndarray of shape (n_features_in_,)
        Only if `X` was a DataFrame with text column names.

    Notes
    -----
    Boosters minimise a logistic loss, so their probabilities need no sigmoid unless they overfit;
    but balancing multiplies the odds of a class by the weight of its rows against that of all
    others, and this factor is divided out [2]_.

    Early stopping holds out rows class by class: groups stay whole, both sides are shared out
    evenly. Held-out and unknown rows weigh zero, so the same quantised matrices serve all. Where
    groups are too few to hold any out, all `n_estimators` trees are grown.

    Each booster trains in one thread, and threads work on different classes: sums of a histogram
    would otherwise be taken in an order that depends on the number of threads, and at a few
    thousand rows one thread a class is also the quicker way.

    References
    ----------
    .. [1] T. Chen and C. Guestrin, "XGBoost: a scalable tree boosting system", KDD 2016.
    .. [2] C. Elkan, "The foundations of cost-sensitive learning", IJCAI 2001.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(n_classes=3, n_informative=4, random_state=0)
    >>> classifier = OneVsRestXGBClassifier(n_estimators=10, random_state=0).fit(X, y)
    >>> classifier.predict_proba(X[:2]).shape
    (2, 3)
    """

    def __init__(
        self,
        n_estimators: int = 200,
        *,
        learning_rate: float = 0.1,
        max_depth: int = 3,
        subsample: float = 0.8,
        colsample_bytree: float = 0.2,
        min_child_weight: float = 1.0,
        reg_lambda: float = 1.0,
        max_bin: int = 64,
        class_weight: ClassWeight = "balanced",
        n_splits: int | None = None,
        early_stopping_rounds: int | None = None,
        validation_fraction: float = 0.2,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.min_child_weight = min_child_weight
        self.reg_lambda = reg_lambda
        self.max_bin = max_bin
        self.class_weight = class_weight
        self.n_splits = n_splits
        self.early_stopping_rounds = early_stopping_rounds
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self, X: Any, y: Any, groups: Any = None, sample_weight: Any = None
    ) -> OneVsRestXGBClassifier:
        """Fit one booster for each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Feature rows, used as float32; NaN is a missing feature.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            See `check_labels`.
        groups : array-like of shape (n_samples,), default=None
            What early stopping must not separate (song, speaker, note).
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; rows of weight zero are left out.

        Returns
        -------
        OneVsRestXGBClassifier
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
        data = self._check_training(
            X, y, groups, sample_weight, dtype=np.float32, ensure_all_finite="allow-nan"
        )
        random = check_random_state(self.random_state)
        n_machines = len(data.constants)
        seeds = random.randint(2**31 - 1, size=n_machines)
        blocks = deal_columns(data.X.shape[1], self.colsample_bytree, random)
        # Classes change labels and weights of the matrices in place: each thread has its own.
        parts = np.array_split(data.learnable, max(1, effective_n_jobs(self.n_jobs)))
        grown = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(self._boost)(data, part, blocks, seeds) for part in parts if len(part)
        )
        self.constants_ = data.constants
        self.boosters_: list[xgboost.Booster | None] = [None] * n_machines
        margins, cross_fitted = np.zeros(data.targets.shape), np.zeros(n_machines, dtype=bool)
        for machine, booster, scores, honest in (entry for part in grown for entry in part):
            self.boosters_[machine] = booster
            margins[:, machine], cross_fitted[machine] = scores, honest
        if self.n_splits is None:
            self.sigmoid_slope_ = np.ones(n_machines)
            self.sigmoid_intercept_ = -_balancing_logit(data)
            self.cross_fitted_ = cross_fitted
        else:
            self._fit_sigmoids(margins, data, cross_fitted)
        return self

    def _boost(
        self, data: TrainingData, machines: np.ndarray, blocks: list[np.ndarray], seeds: np.ndarray
    ) -> list[tuple[int, xgboost.Booster, Any, bool]]:
        """Fit some machines one after another: booster, margins for the sigmoid, if honest."""
        names = ["learning_rate", "max_depth", "subsample", "min_child_weight", "reg_lambda"]
        names += ["max_bin", "device"]
        params = {name: getattr(self, name) for name in names}
        params["colsample_bytree"] = min(1.0, self.colsample_bytree * len(blocks))
        trainer = BlockBooster(
            data.X,
            blocks,
            params=params,
            n_rounds=self.n_estimators,
            patience=self.early_stopping_rounds,
        )
        return [
            (machine, *self._boost_machine(trainer, data, machine, int(seeds[machine])))
            for machine in machines.tolist()
        ]

    def _boost_machine(
        self, trainer: BlockBooster, data: TrainingData, machine: int, seed: int
    ) -> tuple[xgboost.Booster, Any, bool]:
        target, weight = data.targets[:, machine], data.weights[:, machine]

        def train(rows: np.ndarray) -> xgboost.Booster:
            held_out = None
            if self.early_stopping_rounds is not None:
                held_out = self._hold_out(target, data.groups, rows, seed)
            kept = np.zeros_like(weight)
            kept[rows] = weight[rows]
            return trainer.train(target == 1, kept, held_out=held_out, seed=seed)

        known = np.flatnonzero(target >= 0)
        booster = train(known)
        if self.n_splits is None:
            return booster, 0.0, False
        margins = booster.inplace_predict(data.X, predict_type="margin")
        folds = make_inner_folds(
            target[known], _take(data.groups, known), n_splits=self.n_splits, random_state=seed
        )
        if folds is None:
            return booster, margins, False
        for fold in np.unique(folds):
            left_out = known[folds == fold]
            other = train(known[folds != fold])
            margins[left_out] = other.inplace_predict(data.X[left_out], predict_type="margin")
        return booster, margins, True

    def _hold_out(
        self, target: np.ndarray, groups: np.ndarray | None, rows: np.ndarray, seed: int
    ) -> np.ndarray | None:
        """Return which of some rows validate; None if groups are too few to hold any out."""
        n_splits = max(2, round(1 / self.validation_fraction))
        folds = make_inner_folds(
            target[rows], _take(groups, rows), n_splits=n_splits, random_state=seed
        )
        if folds is None:
            return None
        held_out = np.zeros(len(target), dtype=bool)
        held_out[rows[folds == 0]] = True
        return held_out

    def save_model(self, directory: str | Path) -> None:
        """Write the fitted classifier to a directory, without pickle.

        Parameters
        ----------
        directory : str or Path
            Made if missing. Gets `card.json` and a `booster_000.ubj` for each booster.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If a parameter cannot be written as JSON, such as a `random_state` that is no int.
        """
        text = render_card(self)
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        for machine, booster in enumerate(self.boosters_):
            if booster is not None:
                booster.save_model(directory / _booster_name(machine))
        # Last, so that a directory with a card is complete.
        (directory / CARD).write_text(text, encoding="utf-8")

    @classmethod
    def load_model(cls, directory: str | Path) -> OneVsRestXGBClassifier:
        """Read what `save_model` wrote.

        Parameters
        ----------
        directory : str or Path
            With `card.json` and boosters.

        Returns
        -------
        OneVsRestXGBClassifier
            Fitted, with the same predictions.

        Raises
        ------
        FileNotFoundError
            If the card or a booster is missing.
        ValueError
            If the card is of another schema version or another kind of model.
        """
        import xgboost

        directory = Path(directory)
        loaded = load_card(cls, directory)
        loaded.boosters_ = [None] * len(loaded.constants_)
        for machine, constant in enumerate(loaded.constants_):
            if not np.isnan(constant):
                continue
            path = directory / _booster_name(machine)
            if not path.is_file():
                raise FileNotFoundError(f"the booster of machine {machine} is missing: {path}")
            loaded.boosters_[machine] = xgboost.Booster({"nthread": 1}, model_file=path)
        return loaded

    def margins(self, X: Any) -> np.ndarray:
        """Return the sums of leaves before calibration, see the base class."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float32, ensure_all_finite="allow-nan")
        margins = np.tile(np.nan_to_num(logit(self.constants_), nan=0.0), (len(X), 1))
        for machine, booster in enumerate(self.boosters_):
            if booster is not None:
                margins[:, machine] = booster.inplace_predict(X, predict_type="margin")
        return margins

    def _check_params(self) -> None:
        for name, least in [("n_estimators", 1), ("max_depth", 1), ("max_bin", 2)]:
            check_scalar(getattr(self, name), name, Integral, min_val=least)
        for name in ("learning_rate", "subsample", "colsample_bytree"):
            value = getattr(self, name)
            check_scalar(value, name, Real, min_val=0, max_val=1, include_boundaries="right")
        for name in ("min_child_weight", "reg_lambda"):
            check_scalar(getattr(self, name), name, Real, min_val=0)
        if self.early_stopping_rounds is not None:
            check_scalar(self.early_stopping_rounds, "early_stopping_rounds", Integral, min_val=1)
            check_scalar(
                self.validation_fraction,
                "validation_fraction",
                Real,
                min_val=0,
                max_val=0.5,
                include_boundaries="right",
            )

        if self.n_splits is not None:
            check_scalar(self.n_splits, "n_splits", Integral, min_val=2)
        check_device(self.device)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: indicators and missing features are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _booster_name(machine: int) -> str:
    return f"booster_{machine:03d}.ubj"


def _take(groups: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if groups is None else groups[rows]


def _balancing_logit(data: TrainingData) -> np.ndarray:
    """Return by how much balancing raises the log-odds of each class; zero for a constant one."""
    present = data.targets == 1
    shift = np.zeros(len(data.constants))
    for machine in data.learnable:
        side = present[:, machine]
        weight, count = data.weights[:, machine], data.counts[:, machine]
        shift[machine] = np.log(weight[side].sum() / count[side].sum()) - np.log(
            weight[~side].sum() / count[~side].sum()
        )
    return shift
