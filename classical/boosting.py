"""One-vs-rest gradient boosted trees: XGBoost boosters on one shared quantised matrix."""

from __future__ import annotations

import json
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from scipy.special import expit
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from classical.one_vs_rest import (
    BaseOneVsRestClassifier,
    ClassWeight,
    TrainingData,
    make_inner_folds,
)

if TYPE_CHECKING:
    import xgboost

_CARD = "card.json"
_SCHEMA_VERSION = 1


class OneVsRestXGBClassifier(BaseOneVsRestClassifier):
    """Gradient boosted trees, one booster for each class.

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
        Share of the features each tree sees.
    min_child_weight : float, default=1.0
        Least sum of second derivatives in a leaf.
    reg_lambda : float, default=1.0
        L2 penalty on leaf values.
    max_bin : int, default=64
        Number of quantiles a feature is reduced to.
    class_weight : "balanced", mapping or None, default="balanced"
        "balanced" lets the rows with and without a label weigh the same, so probabilities answer
        as if half of the rows had the label: too high for a rare one. A mapping counts each row of
        a class so many times.
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
    n_features_in_ : int
        Number of features.
    feature_names_in_ : np.ndarray of shape (n_features_in_,)
        Only if `X` was a DataFrame with text column names.

    Notes
    -----
    Early stopping holds out rows class by class: groups stay whole, both sides are shared out
    evenly. Held-out and unknown rows weigh zero, so one quantised matrix serves all. Where groups
    are too few to hold any out, all `n_estimators` trees are grown.

    Each booster trains in one thread, and threads work on different classes: sums of a histogram
    would otherwise be taken in an order that depends on the number of threads, and at a few
    thousand rows one thread a class is also the quicker way.

    References
    ----------
    .. [1] T. Chen and C. Guestrin, "XGBoost: a scalable tree boosting system", KDD 2016.

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
        n_machines = len(data.constants)
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=n_machines)
        # Classes change labels and weights of the matrix in place: each thread has its own.
        parts = np.array_split(data.learnable, max(1, effective_n_jobs(self.n_jobs)))
        boosted = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(_boost)(data, part, seeds=seeds, **self._boost_settings())
            for part in parts
            if len(part)
        )
        self.constants_ = data.constants
        self.boosters_: list[xgboost.Booster | None] = [None] * n_machines
        for machine, booster in (pair for part in boosted for pair in part):
            self.boosters_[machine] = booster
        return self

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
        check_is_fitted(self)
        try:
            text = json.dumps(self._card(), indent=2, allow_nan=False)
        except TypeError as exc:
            raise ValueError(
                f"parameters must be plain numbers, texts or None to be saved, got {self}: {exc}"
            ) from exc
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        for machine, booster in enumerate(self.boosters_):
            if booster is not None:
                booster.save_model(directory / _booster_name(machine))
        # Last, so that a directory with a card is complete.
        (directory / _CARD).write_text(text + "\n", encoding="utf-8")

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
        card = json.loads((directory / _CARD).read_text(encoding="utf-8"))
        kind = (card.get("model"), card.get("schema_version"))
        if kind != (cls.__name__, _SCHEMA_VERSION):
            raise ValueError(
                f"{directory / _CARD} must describe a {cls.__name__} of schema version "
                f"{_SCHEMA_VERSION}, got {kind[0]} of version {kind[1]}"
            )
        loaded = cls._from_card(card)
        for machine, constant in enumerate(loaded.constants_):
            if not np.isnan(constant):
                continue
            path = directory / _booster_name(machine)
            if not path.is_file():
                raise FileNotFoundError(f"the booster of machine {machine} is missing: {path}")
            loaded.boosters_[machine] = xgboost.Booster({"nthread": 1}, model_file=path)
        return loaded

    def _machine_probabilities(self, X: Any) -> np.ndarray:
        X = validate_data(self, X, reset=False, dtype=np.float32, ensure_all_finite="allow-nan")
        probabilities = np.tile(self.constants_, (len(X), 1))
        for machine, booster in enumerate(self.boosters_):
            if booster is not None:
                # Margins, because xgboost's own sigmoid rounds to float32.
                margins = booster.inplace_predict(X, predict_type="margin")
                probabilities[:, machine] = expit(margins.astype(np.float64))
        return probabilities

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

    def _boost_settings(self) -> dict[str, Any]:
        names = ["learning_rate", "max_depth", "subsample", "colsample_bytree"]
        names += ["min_child_weight", "reg_lambda", "max_bin", "device"]
        params = {name: getattr(self, name) for name in names}
        return {
            "params": {**params, "objective": "binary:logistic", "tree_method": "hist"},
            "n_rounds": self.n_estimators,
            "patience": self.early_stopping_rounds,
            "validation_fraction": self.validation_fraction,
        }

    def _card(self) -> dict[str, Any]:
        params = self.get_params()
        if params["class_weight"] not in (None, "balanced"):
            # JSON would turn the keys of a mapping into texts.
            params["class_weight"] = list(params["class_weight"].items())
        names = getattr(self, "feature_names_in_", None)
        return {
            "schema_version": _SCHEMA_VERSION,
            "model": type(self).__name__,
            "params": params,
            "classes": self.classes_.tolist(),
            "classes_dtype": self.classes_.dtype.str,
            "multilabel": self.multilabel_,
            "n_features_in": self.n_features_in_,
            "feature_names_in": None if names is None else names.tolist(),
            "constants": [None if np.isnan(value) else value for value in self.constants_.tolist()],
        }

    @classmethod
    def _from_card(cls, card: dict[str, Any]) -> OneVsRestXGBClassifier:
        params = card["params"]
        if isinstance(params["class_weight"], list):
            params["class_weight"] = dict(params["class_weight"])
        loaded = cls(**params)
        loaded.classes_ = np.array(card["classes"], dtype=card["classes_dtype"])
        loaded.multilabel_ = card["multilabel"]
        loaded.n_features_in_ = card["n_features_in"]
        if card["feature_names_in"] is not None:
            loaded.feature_names_in_ = np.array(card["feature_names_in"], dtype=object)
        loaded.constants_ = np.array(card["constants"], dtype=np.float64)
        loaded.boosters_ = [None] * len(loaded.constants_)
        return loaded

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: indicators and missing features are welcome."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _booster_name(machine: int) -> str:
    return f"booster_{machine:03d}.ubj"


def _boost(
    data: TrainingData,
    machines: np.ndarray,
    *,
    seeds: np.ndarray,
    params: dict[str, Any],
    n_rounds: int,
    patience: int | None,
    validation_fraction: float,
) -> list[tuple[int, xgboost.Booster]]:
    """Fit the boosters of some machines, one after another, on one quantised matrix."""
    import xgboost

    settings = {"max_bin": params["max_bin"], "nthread": 1}
    train = xgboost.QuantileDMatrix(data.X, **settings)
    validation = xgboost.QuantileDMatrix(data.X, ref=train, **settings) if patience else None
    boosters = []
    for machine in machines.tolist():
        seed = int(seeds[machine])
        fitting, stopping = data.weights[:, machine], {}
        train.set_label(data.targets[:, machine] == 1)
        held_out = _hold_out(data, machine, fraction=validation_fraction, seed=seed)
        if validation is not None and held_out is not None:
            validation.set_label(data.targets[:, machine] == 1)
            validation.set_weight(np.where(held_out, fitting, 0.0))
            fitting = np.where(held_out, 0.0, fitting)
            stopping = {"evals": [(validation, "validation")], "early_stopping_rounds": patience}
        train.set_weight(fitting)
        booster = xgboost.train(
            {**params, "seed": seed, "nthread": 1},
            train,
            num_boost_round=n_rounds,
            verbose_eval=False,
            **stopping,
        )
        boosters.append((machine, booster[: booster.best_iteration + 1] if stopping else booster))
    return boosters


def _hold_out(data: TrainingData, machine: int, *, fraction: float, seed: int) -> np.ndarray | None:
    """Return which rows validate a machine; None if groups are too few to hold any out."""
    target = data.targets[:, machine]
    rows = np.flatnonzero(target >= 0)
    groups = None if data.groups is None else data.groups[rows]
    n_splits = max(2, round(1 / fraction))
    folds = make_inner_folds(target[rows], groups, n_splits=n_splits, random_state=seed)
    if folds is None:
        return None
    held_out = np.zeros(len(target), dtype=bool)
    held_out[rows[folds == 0]] = True
    return held_out
