"""Feature table to bundle: the main job.

Rows of split `test` are scored once, at the end, by the models that ship. Rows of split
`validation` take no part in training; where there are any, calibration and thresholds come from
them, else from out-of-fold scores. All others are training rows, in folds. Features of the group
`nuisance` stay in the table, but no member looks at them unless told.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import joblib
import numpy as np

from ensemble.bundle import CLIP, Bundle
from ensemble.cross_calibration import CHOOSE, check_calibration
from ensemble.fit_results import gather_results
from ensemble.labelled_rows import LabelledRows
from ensemble.manifest_columns import full_names, read_columns
from ensemble.members import Member
from ensemble.nuisance.audit import NuisanceAudit, audit_nuisance
from ensemble.nuisance.table import measure_nuisance, nuisance_names
from ensemble.recipes import DEFAULT_MEMBERS, MemberSettings, create_members, is_deep
from ensemble.stacking import StackingEnsembleClassifier
from ensemble.trained_run import TrainedRun, check_run, is_run
from ensemble.tuning.settings import MemberParameters, create_final_estimator
from ensemble.views import View, read_view
from features.feature_set import NUISANCE, grouped_columns
from features.folds import hash_folds
from features.manifest import Manifest
from features.table import FeatureTable, hash_clip_ids

Progress: TypeAlias = Callable[[int, int, str], None]


def fit_bundle(
    table: FeatureTable,
    *,
    members: Sequence[str | Member] = DEFAULT_MEMBERS,
    add: Sequence[str | PathLike[str]] = (),
    columns: Sequence[str] = (),
    folds: int | str = 5,
    task: str | None = None,
    deep_minutes: float | None = 10.0,
    with_nuisance: bool = False,
    audit: bool = True,
    calibration: str | None = CHOOSE,
    nested: bool = False,
    work_dir: str | PathLike[str] | None = None,
    settings: MemberParameters | None = None,
    n_jobs: int | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Bundle:
    """Fit the ensemble on a feature table and score every row honestly.

    Parameters
    ----------
    table : FeatureTable
        Features, with the clip table they were made from.
    members : sequence of str or Member
        Ready-made members by name, or your own; one without columns takes all features but
        nuisance, or the clip if its tags say that it takes no table of numbers. With added tables,
        a ready-made classical member is made for each of them, under names such as ``"svm@E"``;
        asked for by such a name, it is made for that table alone.
    add : sequence of str or path-like
        More tables for the same clips (see `ensemble.views`), and folders of finished runs, which
        become members (see `ensemble.trained_run`).
    columns : sequence of str
        Columns of the clip table that become one more view, called ``"columns"``: numbers, or
        categories. See `ensemble.manifest_columns`, and `ensemble.column_checks` for what is
        refused. The bundle then predicts from manifests that have them.
    folds : int or "group"
        Number of folds, or each group a fold of its own. Folds in the clip table come first, then
        those of an added run.
    task : {"single-label", "multi-label"} or None
        None decides by the labels.
    deep_minutes : float or None
        Ceiling on the training of all networks together; None means none.
    with_nuisance : bool
        Whether members take features of the group `nuisance` too, which say more of the recording
        than of the sound. One whose columns are given takes those in any case.
    audit : bool
        Whether the results say how far the training rows' labels could be guessed from how the
        clips were recorded: see `ensemble.nuisance.audit`. The sound is read once more for it,
        unless the table has the features of `nuisance-v1`; not if it would have to be fetched
        from a URI.
    calibration : str or None
        How scores are made frequencies: see `StackingEnsembleClassifier`. On rows of split
        `validation` if there are any, and out of fold. ``"none"`` fits thresholds alone.
    nested : bool
        Whether out-of-fold scores are the strict ones: see `StackingEnsembleClassifier`. With K
        folds a member is fitted K (K - 1) / 2 more times.
    work_dir : str, path-like or None
        Where finished fits are kept, so that a killed run goes on where it stopped: see
        `ensemble.finished_fits`. `save_bundle` removes it.
    settings : MemberParameters or None
        Settings of members and final estimator in place of the ready-made ones, as `tune` finds
        them: see `ensemble.tuning.settings`.
    n_jobs : int or None
        Worker processes; the numbers don't depend on it.
    random_state : int
        Seed of folds and members.
    progress : callable or None
        Called as `progress(done, total, text)`.

    Returns
    -------
    Bundle
        With its results.

    Raises
    ------
    ValueError
        If the table has no labels, too few groups or classes, nothing but nuisance, or does not
        fit the task; if what is added leaks or is of other clips, classes or folds; if settings
        are for members that are not asked for; if the calibration is unknown; if columns are not
        there, refused, ids, or the labels by another name.
    FileNotFoundError
        If sound files that a member listens to are gone.
    """
    check_calibration(calibration)
    if settings is not None:
        _check_settings(settings, members)
    runs, views = _read_added(add, table.manifest, with_nuisance)
    if columns:
        # Last, as it stands when the bundle is asked.
        views.append(read_columns(table.manifest, columns))
    failed = {run.name: run.failures for run in runs}
    data = LabelledRows(table, task, with_nuisance, views, failed)
    for run in runs:
        check_run(run, table.manifest, data.clip_ids[data.train], task=data.task,
                  classes=data.classes)  # fmt: skip
    fold_of_row = data.folds(folds, random_state, runs)
    with tempfile.TemporaryDirectory(prefix="timbrestack-") as cache_dir:
        making = MemberSettings(
            feature_names=data.features,
            n_samples=int(data.train.sum()),
            random_state=random_state,
            minutes_per_network=_minutes_each(members, deep_minutes, fold_of_row, n_jobs, nested),
            cache_dir=cache_dir,
            parameters={} if settings is None else settings.members,
            categorical=full_names(views[-1].card, categorical=True) if columns else (),
        )
        made = create_members(members, data.views, making)
        made += [Member(run.name, run, [CLIP]) for run in runs]
        if any(CLIP in (member.columns or ()) for member in made):
            data.check_files()
        audited = None
        if audit and not data.is_elsewhere:
            audited = _audit(table, data, fold_of_row, random_state, n_jobs)
            progress = _after_audit(progress)
        stack = StackingEnsembleClassifier(
            made, None if settings is None else create_final_estimator(settings.stack),
            cv=fold_of_row[data.train], calibration=calibration, nested=nested, n_jobs=n_jobs,
            random_state=random_state, work_dir=work_dir, progress=progress,
        )  # fmt: skip
        stack.fit(*data.take(data.train), groups=data.groups[data.train],
                  parents=data.parents[data.train])  # fmt: skip
        if data.validation.any():
            stack.calibrate(
                *data.take(data.validation),
                groups=data.groups[data.validation],
                parents=data.parents[data.validation],
            )
        data.warn_if_thresholds_do_not_transfer()
        results = gather_results(stack, data, fold_of_row, table, audited)
    _forget_cache(stack, cache_dir)
    card = {
        "seed": random_state,
        "n_folds": int(fold_of_row.max()) + 1,
        "n_training_clips": int(data.train.sum()),
        "folds_sha256": hash_folds(list(data.clip_ids[data.train]), fold_of_row[data.train]),
        "clip_ids_sha256": hash_clip_ids(data.clip_ids[data.train]),
        "silent": list(table.card["silent"]),
        "nested": nested,
        "views": [view.card for view in views],
        "runs": [_describe_run(run) for run in runs],
    }
    feature_set = dict(table.card["feature_set"])
    return Bundle(stack, data.classes, data.task, feature_set, card, results, work_dir)


def _read_added(
    add: Sequence[str | PathLike[str]], manifest: Manifest, with_nuisance: bool
) -> tuple[list[TrainedRun], list[View]]:
    """Read what is added to a table: finished runs, and more tables."""
    tables = [path for path in add if not is_run(path)]
    if folders := [str(path) for path in tables if Path(path).is_dir()]:
        raise ValueError(
            f"{', '.join(folders)}: no run with folds, which alone can enter a stack; train it "
            "with --folds 5, or with those of the manifest"
        )
    clips = manifest.clips
    clip_ids, test_ids = set(clips["clip_id"]), set(clips["clip_id"][clips["split"] == "test"])
    views = [
        read_view(path, clip_ids, test_ids=test_ids, with_nuisance=with_nuisance) for path in tables
    ]
    return [TrainedRun(path) for path in add if is_run(path)], views


def _forget_cache(stack: StackingEnsembleClassifier, cache_dir: str) -> None:
    """Take a folder that is gone out of ready-made members; what the user set stays as it is."""
    for member in stack.members_:
        for model in (member.estimator, *stack.named_estimators_[member.name]):
            if model.get_params().get("cache_dir") == cache_dir:
                model.set_params(cache_dir=None)


def _check_settings(settings: MemberParameters, members: Sequence[str | Member]) -> None:
    asked = {each.partition("@")[0] for each in members if isinstance(each, str)}
    if stray := sorted(set(settings.members) - asked):
        raise ValueError(
            f"settings are for {', '.join(stray)}, but the members are {', '.join(sorted(asked))}"
        )


def _describe_run(run: TrainedRun) -> dict[str, Any]:
    kept = ("backbone", "clip_ids_sha256", "folds_sha256")
    return {"name": run.name, **{key: run.card[key] for key in kept}}


def _after_audit(progress: Progress | None) -> Progress | None:
    """Count the audit as the first thing done."""
    if progress is None:
        return None
    return lambda done, total, text: progress(done + 1, total + 1, text)


def _audit(
    table: FeatureTable,
    data: LabelledRows,
    folds: np.ndarray,
    random_state: int,
    n_jobs: int | None,
) -> NuisanceAudit:
    """Audit the training rows, on the folds of the stack."""
    training = data.manifest.select(data.train)
    names = nuisance_names()
    measured = set(names) <= set(grouped_columns(table.card["feature_set"]).get(NUISANCE, ()))
    nuisance = measure_nuisance(
        training, features=table.values[names] if measured else None, n_jobs=n_jobs
    )
    return audit_nuisance(
        nuisance, training, folds=folds[data.train], task=data.task, random_state=random_state,
        n_jobs=n_jobs,
    )  # fmt: skip


def _minutes_each(
    members: Sequence[str | Member],
    minutes: float | None,
    folds: np.ndarray,
    n_jobs: int | None,
    nested: bool,
) -> float | None:
    """Share the ceiling out: networks train side by side in as many workers as there are."""
    n_folds = int(folds.max()) + 1
    n_each = n_folds + (n_folds * (n_folds - 1) // 2 if nested else 0)
    n_networks = n_each * sum(
        isinstance(each, str) and is_deep(each.partition("@")[0]) for each in members
    )
    if minutes is None or n_networks == 0:
        return None
    at_once = min(joblib.effective_n_jobs(n_jobs or 1), n_networks)
    return minutes / -(-n_networks // at_once)
