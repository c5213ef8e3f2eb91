"""The saved whole: one folder, checked part by part, without pickle.

Conventions: `card.json` describes the bundle and names the SHA-256 of every other part.
Scikit-learn parts are skops files, boosters UBJSON, networks safetensors. What a card names is
loaded by the few formats listed here and by nothing else, so opening a foreign bundle runs no
code of its own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from sklearn.base import clone

from ensemble.members import Member
from ensemble.stacking import StackingEnsembleClassifier
from reports.results import Results, read_results, write_results
from reports.staging import check_replaceable, staged_directory

SCHEMA = "timbrestack.bundle"
SCHEMA_VERSION = 1
CLIP = "clip"

# The final estimators; with the card, what tells a bundle from somebody's folder.
FINAL = "final.skops"

# Estimators that write themselves, by the format's name: class, and where it lives.
FORMATS = {
    "xgboost": ("classical.boosting", "OneVsRestXGBClassifier"),
    "torch": ("deep.classifier", "AudioBackboneClassifier"),
}

# Own types in skops files; skops itself knows scikit-learn's and numpy's.
TRUSTED = ("classical.svm.OneVsRestSVMClassifier",)

LIBRARIES = ("numpy", "scikit-learn", "xgboost", "torch", "librosa", "soundfile", "soxr", "scipy")


@dataclass
class Bundle:
    """A fitted ensemble with all that is needed to use it and to judge it.

    Parameters
    ----------
    stack : StackingEnsembleClassifier
        Fitted.
    classes : list of str
        Labels in the order of its columns.
    task : str
        ``"single-label"`` or ``"multi-label"``.
    feature_set : dict
        Card of the feature set that its feature columns come from.
    card : dict
        How it was made; JSON-able.
    results : Results or None
        Scores and truth of every row, for the report.
    """

    stack: StackingEnsembleClassifier
    classes: list[str]
    task: str
    feature_set: dict[str, Any]
    card: dict[str, Any]
    results: Results | None = None


def check_target(directory: str | PathLike[str]) -> Path:
    """Make sure that a bundle may be written here, before hours are spent on it.

    Parameters
    ----------
    directory : str or path-like
        Where the bundle is to be.

    Returns
    -------
    Path
        The same, absolute.

    Raises
    ------
    FileExistsError
        If something other than a bundle or an empty folder is there.
    """
    return check_replaceable(Path(directory), markers=("card.json", FINAL))


def save_bundle(bundle: Bundle, directory: str | PathLike[str]) -> None:
    """Write a bundle; it appears under its name only when whole.

    Parameters
    ----------
    bundle : Bundle
        What to save.
    directory : str or path-like
        A new folder, an empty one, or an earlier bundle, which is replaced.

    Raises
    ------
    FileExistsError
        If something else is there.
    ValueError
        If a member holds a type that `load_bundle` would refuse.
    """
    with staged_directory(Path(directory), markers=("card.json", FINAL)) as folder:
        _write_parts(bundle, folder)


def _write_parts(bundle: Bundle, folder: Path) -> None:
    import skops.io

    stack = bundle.stack
    names = [str(name) for name in getattr(stack, "feature_names_in_", [])]
    members = []
    for member in stack.members_:
        models = stack.named_estimators_[member.name]
        entries = [
            _save_model(model, folder, f"members/{member.name}/model_{index}")
            for index, model in enumerate(models)
        ]
        columns = _describe_columns(member, names)
        members.append({"name": member.name, "columns": columns, "models": entries})
    skops.io.dump(list(stack.final_estimators_), folder / FINAL)
    if bundle.results is not None:
        write_results(bundle.results, folder / "results")
    card = {
        "versions": library_versions(),
        # A bundle that was loaded has a whole card: what follows describes it as it is now.
        **bundle.card,
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "task": bundle.task,
        "classes": bundle.classes,
        "feature_set": bundle.feature_set,
        # Rows are whole clips; where a clip has windows, their scores are averaged.
        "windowing": {"window_s": None, "aggregation": "mean"},
        "members": members,
        "thresholds": _jsonable(stack.thresholds_),
        "calibration": _jsonable(stack.calibration_),
        "priors": stack.priors_.tolist(),
        "columns": names,
        "n_columns": int(stack.n_features_in_),
        "parts": {
            path.relative_to(folder).as_posix(): _sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    text = json.dumps(card, indent=2, allow_nan=False)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")


def library_versions() -> dict[str, str]:
    """Give the versions of this toolkit and of the libraries behind its numbers.

    Returns
    -------
    dict
        Name -> version, of those installed.
    """
    found = {}
    for name in ("timbrestack", *LIBRARIES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _describe_columns(member: Member, names: list[str]) -> Any:
    """Give a member's columns in short: what most members take needs no list of a thousand."""
    columns = None if member.columns is None else list(member.columns)
    if columns == [name for name in names if name != CLIP]:
        return "features"
    return CLIP if columns == [CLIP] else columns


def _name_columns(described: Any, names: list[str]) -> list[Any] | None:
    if described == "features":
        return [name for name in names if name != CLIP]
    return [CLIP] if described == CLIP else described


def _jsonable(arrays: dict[str, np.ndarray] | None) -> dict[str, Any] | None:
    return None if arrays is None else {name: values.tolist() for name, values in arrays.items()}


def _save_model(model: Any, folder: Path, stem: str) -> dict[str, str]:
    import skops.io

    for kind, home in FORMATS.items():
        if (type(model).__module__, type(model).__name__) == home:
            model.save_model(folder / stem)
            return {"format": kind, "path": stem}
    path = folder / f"{stem}.skops"
    path.parent.mkdir(parents=True, exist_ok=True)
    skops.io.dump(model, path)
    if foreign := _foreign_types(path):
        raise ValueError(
            f"{type(model).__name__} in {stem} cannot be saved: no bundle is trusted with "
            f"{', '.join(foreign)}; take another estimator for this member"
        )
    return {"format": "skops", "path": f"{stem}.skops"}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_card(directory: Path) -> dict[str, Any]:
    path = directory / "card.json"
    if not path.is_file():
        raise FileNotFoundError(f"{directory} is no bundle: it has no card.json")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise ValueError(f"{path} is not JSON: {exc}") from exc
    schema = card.get("schema") if isinstance(card, dict) else None
    if schema != SCHEMA:
        raise ValueError(f"{directory} is no bundle: its card says {schema!r}")
    return card


def load_bundle(directory: str | PathLike[str], *, with_results: bool = False) -> Bundle:
    """Open a bundle, checking every part first.

    Parameters
    ----------
    directory : str or path-like
        The bundle.
    with_results : bool
        Whether to read its results too.

    Returns
    -------
    Bundle
        Ready to predict.

    Raises
    ------
    FileNotFoundError
        If there is no bundle, or a part is missing.
    ValueError
        If it is of another schema, a part was changed, lies outside the folder, is of an unknown
        format or holds a type that is not to be trusted.
    """
    directory = Path(directory)
    card = _read_card(directory)
    try:
        stack = _rebuild(card, _check_parts(card, directory))
        results = read_results(directory / "results") if with_results else None
        return Bundle(stack, card["classes"], card["task"], card["feature_set"], card, results)
    except (KeyError, TypeError, AttributeError, IndexError, BadZipFile) as exc:
        # Whoever edits a card can break it in more ways than are worth naming.
        raise ValueError(f"{directory}: its card is damaged ({type(exc).__name__}: {exc})") from exc


def _check_parts(card: dict[str, Any], directory: Path) -> Path:
    """Make sure that the card is of a known schema and its parts are those it was saved with."""
    if card["schema_version"] > SCHEMA_VERSION:
        raise ValueError(
            f"{directory} has schema {card['schema_version']}, this version reads up to "
            f"{SCHEMA_VERSION}; upgrade timbrestack"
        )
    for name, digest in card["parts"].items():
        path = _inside(directory, name)
        if not path.is_file():
            raise FileNotFoundError(f"{directory} lacks its part {name}")
        if _sha256(path) != digest:
            raise ValueError(f"{directory}: part {name} was changed since the bundle was saved")
    return directory


def _inside(directory: Path, name: str) -> Path:
    path = directory / name
    if not path.resolve().is_relative_to(directory.resolve()):
        raise ValueError(f"{directory}: part {name!r} lies outside the bundle")
    return path


def _rebuild(card: dict[str, Any], directory: Path) -> StackingEnsembleClassifier:
    """Put a fitted stack together from its parts."""
    models = {
        entry["name"]: [_load_model(model, directory, card) for model in entry["models"]]
        for entry in card["members"]
    }
    members = [
        Member(
            entry["name"],
            clone(models[entry["name"]][0]),
            _name_columns(entry["columns"], card["columns"]),
        )
        for entry in card["members"]
    ]
    multilabel = card["task"] == "multi-label"
    stack = StackingEnsembleClassifier(members)
    stack.members_ = members
    stack.named_estimators_ = models
    stack.final_estimators_ = _load_skops(_listed(directory, FINAL, card))
    stack.classes_ = np.arange(len(card["classes"])) if multilabel else np.array(card["classes"])
    stack._multilabel = multilabel
    stack.priors_ = np.array(card["priors"])
    stack.n_features_in_ = card["n_columns"]
    if card["columns"]:
        stack.feature_names_in_ = np.array(card["columns"], dtype=object)
    stack.thresholds_ = _arrays(card["thresholds"])
    stack.calibration_ = _arrays(card["calibration"])
    return stack


def _arrays(lists: dict[str, Any] | None) -> Any:
    return None if lists is None else {name: np.array(values) for name, values in lists.items()}


def _listed(directory: Path, name: str, card: dict[str, Any]) -> Path:
    """Give a part's path if the card vouches for it."""
    if not any(part == name or part.startswith(f"{name}/") for part in card["parts"]):
        raise ValueError(f"{directory}: {name!r} is not among the parts that its card lists")
    return _inside(directory, name)


def _load_model(entry: dict[str, str], directory: Path, card: dict[str, Any]) -> Any:
    path = _listed(directory, entry["path"], card)
    if entry["format"] == "skops":
        return _load_skops(path)
    if entry["format"] not in FORMATS:
        known = ", ".join(["skops", *FORMATS])
        raise ValueError(f"{directory}: format must be one of {known}, got {entry['format']!r}")
    module, class_name = FORMATS[entry["format"]]
    return getattr(import_module(module), class_name).load_model(path)


def _foreign_types(path: Path) -> list[str]:
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))


def _load_skops(path: Path) -> Any:
    import skops.io

    if foreign := _foreign_types(path):
        raise ValueError(f"{path} holds types that are not trusted: {', '.join(foreign)}")
    return skops.io.load(path, trusted=list(TRUSTED))
