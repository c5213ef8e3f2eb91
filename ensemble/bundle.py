"""The saved whole: one folder, checked part by part, without pickle.

Conventions: `card.json` describes the bundle and names the SHA-256 of every other part.
Models are kept in the formats of `ensemble.model_files`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from sklearn.base import clone

from ensemble.averages import Averages
from ensemble.bundle_schema import SCHEMA, SCHEMA_VERSION, upgrade_card
from ensemble.calibration import Calibration, read_calibration
from ensemble.cross_calibration import check_calibration
from ensemble.finished_fits import FinishedFits
from ensemble.members import Member
from ensemble.model_files import hash_file, load_model, load_skops, save_model
from ensemble.stacking import StackingEnsembleClassifier
from ensemble.versions import library_versions
from reports.results import Results, read_results, write_results
from reports.staging import check_replaceable, staged_directory

CLIP = "clip"

# The final estimators; with the card, what tells a bundle from somebody's folder.
FINAL = "final.skops"


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
    work_dir : str, path-like or None
        Where its finished fits are kept until it is saved.
    """

    stack: StackingEnsembleClassifier
    classes: list[str]
    task: str
    feature_set: dict[str, Any]
    card: dict[str, Any]
    results: Results | None = None
    work_dir: str | PathLike[str] | None = None


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
    """Write a bundle; it appears under its name only when whole. Its work folder is then removed.

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
        If a member or the final estimator holds a type that `load_bundle` would refuse.
    """
    with staged_directory(Path(directory), markers=("card.json", FINAL)) as folder:
        _write_parts(bundle, folder)
    if bundle.work_dir is not None:
        FinishedFits(bundle.work_dir).remove()


def _write_parts(bundle: Bundle, folder: Path) -> None:
    stack = bundle.stack
    names = [str(name) for name in getattr(stack, "feature_names_in_", [])]
    members = []
    for member in stack.members_:
        models = stack.named_estimators_[member.name]
        entries = [
            save_model(model, folder, f"members/{member.name}/model_{index}")
            for index, model in enumerate(models)
        ]
        columns = _describe_columns(member, names)
        members.append({"name": member.name, "columns": columns, "models": entries})
    save_model(list(stack.final_estimators_), folder, Path(FINAL).stem)
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
        "calibration_asked": stack.calibration,
        "priors": stack.priors_.tolist(),
        "final": {"across_labels": stack.across_labels, "stack_on": stack.stack_on},
        "averages": None if stack.averages_ is None else stack.averages_.as_dict(),
        "columns": names,
        "n_columns": int(stack.n_features_in_),
        "parts": {
            path.relative_to(folder).as_posix(): hash_file(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    text = json.dumps(card, indent=2, allow_nan=False)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")


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


def _jsonable(fitted: Mapping[str, np.ndarray | Calibration] | None) -> dict[str, Any] | None:
    if fitted is None:
        return None
    return {
        name: values.as_dict() if isinstance(values, Calibration) else values.tolist()
        for name, values in fitted.items()
    }


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
        If it is of a later schema, a part was changed, lies outside the folder, is of an unknown
        format or holds a type that is not to be trusted.

    Notes
    -----
    A bundle of an earlier schema is read as it was meant then: see `ensemble.bundle_schema`.
    """
    directory = Path(directory)
    card = _read_card(directory)
    try:
        card = upgrade_card(card, str(directory))
        stack = _rebuild(card, _check_parts(card, directory))
        results = read_results(directory / "results") if with_results else None
        return Bundle(stack, card["classes"], card["task"], card["feature_set"], card, results)
    except (KeyError, TypeError, AttributeError, IndexError, BadZipFile) as exc:
        # Whoever edits a card can break it in more ways than are worth naming.
        raise ValueError(f"{directory}: its card is damaged ({type(exc).__name__}: {exc})") from exc


def _check_parts(card: dict[str, Any], directory: Path) -> Path:
    """Make sure that all parts are those that the card was saved with."""
    for name, digest in card["parts"].items():
        path = _inside(directory, name)
        if not path.is_file():
            raise FileNotFoundError(f"{directory} lacks its part {name}")
        if hash_file(path) != digest:
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
    final, averages = card["final"], card["averages"]
    stack = StackingEnsembleClassifier(
        members,
        across_labels=final["across_labels"],
        stack_on=final["stack_on"],
        calibration=check_calibration(card["calibration_asked"]),
    )
    stack.members_ = members
    stack.named_estimators_ = models
    stack.final_estimators_ = load_skops(_listed(directory, FINAL, card))
    stack.classes_ = np.arange(len(card["classes"])) if multilabel else np.array(card["classes"])
    stack._multilabel = multilabel
    stack.averages_ = None if averages is None else Averages.from_dict(averages)
    stack.priors_ = np.array(card["priors"])
    stack.n_features_in_ = card["n_columns"]
    if card["columns"]:
        stack.feature_names_in_ = np.array(card["columns"], dtype=object)
    stack.thresholds_ = _read_each(np.array, card["thresholds"])
    stack.calibration_ = _read_each(read_calibration, card["calibration"])
    return stack


def _read_each(read: Callable[[Any], Any], given: Mapping[str, Any] | None) -> Any:
    return None if given is None else {name: read(values) for name, values in given.items()}


def _listed(directory: Path, name: str, card: dict[str, Any]) -> Path:
    """Give a part's path if the card vouches for it."""
    if not any(part == name or part.startswith(f"{name}/") for part in card["parts"]):
        raise ValueError(f"{directory}: {name!r} is not among the parts that its card lists")
    return _inside(directory, name)


def _load_model(entry: dict[str, str], directory: Path, card: dict[str, Any]) -> Any:
    path = _listed(directory, entry["path"], card)
    return load_model(entry["format"], path)
