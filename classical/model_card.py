"""How a classifier that writes itself describes itself: a JSON file beside its trees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from classical.sigmoid import SigmoidCalibratedClassifier

CARD = "card.json"
# Version 1 had no sigmoids.
SCHEMA_VERSION = 2

Classifier = TypeVar("Classifier", bound=SigmoidCalibratedClassifier)


def render_card(classifier: SigmoidCalibratedClassifier) -> str:
    """Render the card of a fitted classifier.

    Parameters
    ----------
    classifier : SigmoidCalibratedClassifier
        Fitted, with `constants_`.

    Returns
    -------
    str
        JSON.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the classifier is not fitted.
    ValueError
        If a parameter cannot be written as JSON, such as a `random_state` that is no int.
    """
    check_is_fitted(classifier)
    params = classifier.get_params()
    if params["class_weight"] not in (None, "balanced"):
        # JSON would turn the keys of a mapping into texts.
        params["class_weight"] = list(params["class_weight"].items())
    names = getattr(classifier, "feature_names_in_", None)
    constants = classifier.constants_.tolist()
    card = {
        "schema_version": SCHEMA_VERSION,
        "model": type(classifier).__name__,
        "params": params,
        "classes": classifier.classes_.tolist(),
        "classes_dtype": classifier.classes_.dtype.str,
        "multilabel": classifier.multilabel_,
        "n_features_in": classifier.n_features_in_,
        "feature_names_in": None if names is None else names.tolist(),
        "constants": [None if np.isnan(value) else value for value in constants],
        "sigmoid_slope": classifier.sigmoid_slope_.tolist(),
        "sigmoid_intercept": classifier.sigmoid_intercept_.tolist(),
        "cross_fitted": classifier.cross_fitted_.tolist(),
    }
    try:
        return json.dumps(card, indent=2, allow_nan=False) + "\n"
    except TypeError as exc:
        raise ValueError(
            f"parameters must be plain numbers, texts or None to be saved, got {classifier}: {exc}"
        ) from exc


def load_card(kind: type[Classifier], directory: Path) -> Classifier:
    """Make a classifier as far as its card describes it.

    Parameters
    ----------
    kind : type
        Class of the classifier.
    directory : Path
        Where its card is.

    Returns
    -------
    SigmoidCalibratedClassifier
        With all but its trees.

    Raises
    ------
    FileNotFoundError
        If there is no card.
    ValueError
        If the card is of another schema version or another kind of model.
    """
    path = directory / CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    model, version = card.get("model"), card.get("schema_version")
    if model != kind.__name__ or version not in range(1, SCHEMA_VERSION + 1):
        raise ValueError(
            f"{path} must describe a {kind.__name__} of schema version {SCHEMA_VERSION} or "
            f"earlier, got {model} of version {version}"
        )
    params = card["params"]
    if isinstance(params["class_weight"], list):
        params["class_weight"] = dict(params["class_weight"])
    loaded = kind(**params)
    loaded.classes_ = np.array(card["classes"], dtype=card["classes_dtype"])
    loaded.multilabel_ = card["multilabel"]
    loaded.n_features_in_ = card["n_features_in"]
    if card["feature_names_in"] is not None:
        loaded.feature_names_in_ = np.array(card["feature_names_in"], dtype=object)
    loaded.constants_ = np.array(card["constants"], dtype=np.float64)
    n_machines = len(loaded.constants_)
    loaded.sigmoid_slope_ = np.array(card.get("sigmoid_slope", [1.0] * n_machines))
    loaded.sigmoid_intercept_ = np.array(card.get("sigmoid_intercept", [0.0] * n_machines))
    loaded.cross_fitted_ = np.array(card.get("cross_fitted", [False] * n_machines))
    return loaded
