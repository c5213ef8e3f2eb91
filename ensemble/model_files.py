"""Fitted models on disk, by the few formats that a bundle is trusted with; no pickle.

Conventions: scikit-learn models are skops files; boosters, forests and networks write themselves,
as UBJSON, plain arrays and safetensors; a pipeline that holds one of those is a folder of its
steps. What a card names is loaded by these formats and by nothing else, so opening a foreign file
runs no code of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

# Estimators that write themselves, by the format's name: class, and where it lives.
FORMATS = {
    "xgboost": ("classical.boosting", "OneVsRestXGBClassifier"),
    "trees": ("classical.extra_trees", "OneVsRestExtraTreesClassifier"),
    "torch": ("deep.classifier", "AudioBackboneClassifier"),
}

# Own types in skops files; skops itself knows scikit-learn's and numpy's.
TRUSTED = (
    "classical.logistic.OneVsRestLogisticClassifier",
    "classical.selection.RankingSelector",
    "classical.svm.OneVsRestSVMClassifier",
    "ensemble.column_encoder.ColumnEncoder",
)

PIPELINE = "pipeline"
_STEPS = "pipeline.json"


class UnsavableModelError(ValueError):
    """A model holds a type that no bundle is trusted with."""


def save_model(model: Any, folder: Path, stem: str) -> dict[str, str]:
    """Write a fitted model.

    Parameters
    ----------
    model : BaseEstimator
        What to write.
    folder : Path
        Where.
    stem : str
        Its path below `folder`, without extension.

    Returns
    -------
    dict
        ``format`` and ``path``, for `load_model`.

    Raises
    ------
    UnsavableModelError
        If `load_model` would refuse it.
    """
    if (kind := _own_format(model)) is not None:
        model.save_model(folder / stem)
        return {"format": kind, "path": stem}
    if type(model) is Pipeline and any(_own_format(step) for _, step in model.steps):
        return _save_steps(model, folder, stem)
    import skops.io

    path = folder / f"{stem}.skops"
    path.parent.mkdir(parents=True, exist_ok=True)
    skops.io.dump(model, path)
    if foreign := _foreign_types(path):
        path.unlink()
        raise UnsavableModelError(
            f"{type(model).__name__} in {stem} cannot be saved: no bundle is trusted with "
            f"{', '.join(foreign)}; take another estimator for this member"
        )
    return {"format": "skops", "path": f"{stem}.skops"}


def _own_format(model: Any) -> str | None:
    home = (type(model).__module__, type(model).__name__)
    return next((kind for kind, known in FORMATS.items() if known == home), None)


def _save_steps(model: Pipeline, folder: Path, stem: str) -> dict[str, str]:
    place = folder / stem
    place.mkdir(parents=True)
    steps = [
        {"name": name, **save_model(step, place, f"step_{number}")}
        for number, (name, step) in enumerate(model.steps)
    ]
    (place / _STEPS).write_text(json.dumps(steps, indent=2) + "\n", encoding="utf-8")
    return {"format": PIPELINE, "path": stem}


def _load_steps(path: Path) -> Pipeline:
    steps = json.loads((path / _STEPS).read_text(encoding="utf-8"))
    if stray := [
        step["path"] for step in steps if not re.fullmatch(r"step_\d+(\.skops)?", step["path"])
    ]:
        raise ValueError(f"{path}: the steps of a pipeline lie beside each other, got {stray}")
    return Pipeline(
        [(step["name"], load_model(step["format"], path / step["path"])) for step in steps]
    )


def load_model(kind: str, path: Path) -> Any:
    """Read what `save_model` wrote.

    Parameters
    ----------
    kind : str
        The format.
    path : Path
        The file or folder.

    Returns
    -------
    BaseEstimator
        Fitted.

    Raises
    ------
    ValueError
        If the format is unknown, the file holds a type that is not to be trusted, or steps of a
        pipeline lie elsewhere.
    """
    if kind == "skops":
        return load_skops(path)
    if kind == PIPELINE:
        return _load_steps(path)
    if kind not in FORMATS:
        known = ", ".join(["skops", PIPELINE, *FORMATS])
        raise ValueError(f"{path}: format must be one of {known}, got {kind!r}")
    module, class_name = FORMATS[kind]
    return getattr(import_module(module), class_name).load_model(path)


def load_skops(path: Path) -> Any:
    """Read a skops file of trusted types.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    object
        What it holds.

    Raises
    ------
    ValueError
        If it holds a type that is not to be trusted.
    """
    import skops.io

    if foreign := _foreign_types(path):
        raise ValueError(f"{path} holds types that are not trusted: {', '.join(foreign)}")
    return skops.io.load(path, trusted=list(TRUSTED))


def _foreign_types(path: Path) -> list[str]:
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))


def hash_file(path: Path) -> str:
    """Name a file by its content.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
