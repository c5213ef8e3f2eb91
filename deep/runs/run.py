"""Training a backbone over all folds of a clip table.

The network of a fold never saw it, so the probabilities of all rows together are out-of-fold: they
may enter a stack, and their score may be read. The folds are those of the clip table, or made as
the stack makes them.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch

from deep.backbones.registry import check_backbone
from deep.classifier import AudioBackboneClassifier
from deep.inference import resolve_device
from deep.losses.registry import list_losses
from deep.preparation import check_settings
from deep.pretraining.pretrained import PretrainedBackbone
from deep.runs.fold_training import FoldTask, held_by_first, train_fold
from deep.runs.folder import (
    CARD,
    CLIPS,
    FAILURES,
    HISTORY,
    OUT_OF_FOLD,
    SCHEMA,
    SCHEMA_VERSION,
    check_replaceable,
    digest,
    network_digests,
    open_work,
    publish,
    read_card,
    read_finished,
    settle_rows,
    work_folder,
    write_json,
)
from deep.runs.rows import RunRows, take_rows
from deep.runs.teacher import check_teacher
from deep.runs.watching import watching
from deep.training.fingerprint import hash_data, hash_files
from deep.training.processes import ask_first, joined_processes, n_processes, process_number
from features.folds import hash_folds
from features.manifest import Manifest
from features.replacing import replacing
from features.table import hash_clip_ids

# Where and by how many a run is made says nothing of its numbers.
OF_THE_MACHINE = ("cache_dir", "device", "n_jobs", "verbose", "tensorboard")

# Decoded clips, unless a cache is given; gone when the run is whole.
SOUND = "sound"

Progress = Callable[[int, int, str], None]


def train_run(
    manifest: Manifest,
    output: str | PathLike[str],
    *,
    parameters: Mapping[str, Any] | None = None,
    folds: int | str | None = 5,
    task: str | None = None,
    minutes: float | None = None,
    teacher: str | PathLike[str] | None = None,
    command: str | None = None,
    n_jobs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Train a network a fold, or go on where a killed run stopped; a finished run is left alone.

    Parameters
    ----------
    manifest : Manifest
        The clip table. Rows of split test are never looked at; those of split validation are kept
        for the stack's thresholds, or choose the epoch of a run without folds.
    output : path-like
        The run's folder; see `deep.runs.folder` and `ensemble.trained_run`.
    parameters : mapping or None
        Of `AudioBackboneClassifier`, where they are not its defaults.
    folds : int, "group" or None
        Number of folds where the clip table has none, or each group a fold of its own. None trains
        one network on all rows, for embeddings and prediction; it cannot enter a stack.
    task : str or None
        ``"single-label"`` or ``"multi-label"``; None decides by the labels.
    minutes : float or None
        Ceiling on the training of all networks together; None means none.
    teacher : path-like or None
        A finished run over the same folds, whose network for a fold teaches that fold's network:
        it never saw it either. See `deep.runs.teacher`.
    command : str or None
        What was typed, for the card.
    n_jobs : int or None
        Folds trained side by side, on a CPU; no number depends on it, unless `minutes` ends them.
    seed : int
        Of folds and networks.
    progress : callable or None
        Called as `progress(done, total, text)`, in epochs over all folds.
    tell : callable or None
        Called with a sentence when another process is waited for.

    Returns
    -------
    dict
        The run's card.

    Raises
    ------
    FileExistsError
        If something that is no run is at `output`.
    ValueError
        If settings, clips, labels, folds or the teacher don't fit, or the work folder holds the
        beginnings of another run.
    """
    output = Path(output).absolute()
    check_replaceable(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    parameters = {**(parameters or {}), "random_state": seed}
    model = AudioBackboneClassifier(**_check_names(parameters))
    _check_settings(model, output, teacher)
    described = _describe(model, manifest, folds=folds, task=task, minutes=minutes, teacher=teacher)
    # Other processes of a launcher compute their share of each step; the first one keeps the run.
    with joined_processes(), held_by_first(output, tell):
        if (finished := ask_first(lambda: read_finished(output, described))) is not None:
            return finished
        work = ask_first(lambda: open_work(output, described))
        parameters.setdefault("cache_dir", str(work / SOUND))
        rows = ask_first(
            lambda: take_rows(
                manifest, folds=folds, task=task, sr=model.find_sr(),
                cache_dir=parameters["cache_dir"], n_jobs=n_jobs, seed=seed,
            )
        )  # fmt: skip
        if teacher is not None:
            check_teacher(Path(teacher), rows)
        _check_start(model, rows)
        n_at_once = _at_once(model, n_jobs)
        tasks = _plan(rows, parameters, work, minutes, teacher, n_at_once)
        ask_first(lambda: settle_rows(work, clip_ids=rows.clip_ids, folds=rows.folds))
        with watching(tasks, model.epochs, progress if process_number() == 0 else None):
            _train(tasks, n_at_once)

        def keep() -> dict[str, Any]:
            card = _finish(tasks, rows, model, work) | {"seed": seed, "command": command}
            write_json(work / CARD, card)
            publish(work, output)
            return card

        return ask_first(keep)


def _check_names(parameters: dict[str, Any]) -> dict[str, Any]:
    known = AudioBackboneClassifier().get_params()
    if stray := sorted(set(parameters) - set(known)):
        raise ValueError(f"a backbone has no settings {stray}; there are {sorted(known)}")
    return parameters


def _check_settings(
    model: AudioBackboneClassifier, output: Path, teacher: str | PathLike[str] | None
) -> None:
    """Raise for what can be known to be wrong before a clip is decoded."""
    check_settings(model, work_folder(output))
    check_backbone(model.backbone)
    if model.loss not in ("auto", *list_losses()):
        raise ValueError(f"loss must be one of {['auto', *list_losses()]}, got {model.loss!r}")
    if teacher is not None and read_card(Path(teacher)) is None:
        raise ValueError(f"{teacher} is no finished run")


def _check_start(model: AudioBackboneClassifier, rows: RunRows) -> None:
    """Refuse to start from what has learned the labels that folds are to be judged by."""
    if model.pretrained is None or rows.folds[0] < 0:
        return
    before = PretrainedBackbone.load(model.pretrained).card["trained_on"]
    if not before["labels"]:
        return
    if before["clip_ids"] is None:
        raise ValueError(
            f"{model.pretrained} does not say whose labels it has learned, so no clip is known to "
            "be held out from it: start from a network of a run, or train without folds"
        )
    if known := sorted(set(before["clip_ids"]) & set(rows.clip_ids)):
        raise ValueError(
            f"{model.pretrained} has learned the labels of {len(known)} of these clips, such as "
            f"{known[0]}, so no fold of theirs is held out from it: start from a backbone that was "
            "pre-trained without labels or on other clips, or train without folds"
        )


def _describe(
    model: AudioBackboneClassifier, manifest: Manifest, **asked: Any
) -> dict[str, str | None]:
    """Name all that the numbers of a run depend on."""
    parameters = {
        name: value if isinstance(value, str | int | float | bool | dict | None) else repr(value)
        for name, value in model.get_params().items()
        if name not in (*OF_THE_MACHINE, "pretrained")
    }
    columns = ["clip_id", "path", "start_s", "end_s", "labels", "unknown_labels", "group", "split"]
    lines = manifest.clips[[*columns, "fold"]].to_csv(index=False)
    seen = manifest.select(np.asarray(manifest.clips["split"] != "test"))
    teacher = asked.pop("teacher")
    return {
        "settings": digest(parameters),
        "files": hash_files(parameters),
        "clips": digest(lines),
        "sound": hash_data(seen.audio_clips(), np.empty((len(seen), 0)), np.zeros(len(seen))),
        "options": digest(asked),
        "pretrained": None
        if model.pretrained is None
        else str(PretrainedBackbone.load(model.pretrained).card["weights_sha256"]),
        "teacher": None if teacher is None else digest(network_digests(Path(teacher))),
    }


def _at_once(model: AudioBackboneClassifier, n_jobs: int | None) -> int:
    """Trainings share a processor well, a GPU badly, and one of many processes not at all."""
    if resolve_device(model.device).type != "cpu" or n_processes() > 1:
        return 1
    return int(joblib.effective_n_jobs(n_jobs or 1))


def _plan(
    rows: RunRows,
    parameters: Mapping[str, Any],
    work: Path,
    minutes: float | None,
    teacher: str | PathLike[str] | None,
    n_at_once: int,
) -> list[FoldTask]:
    folds = [int(fold) for fold in np.unique(rows.folds)] if rows.folds[0] >= 0 else [None]
    n_at_once = min(n_at_once, len(folds))
    # Trainings that run side by side share the ceiling by rounds, not by number.
    each = None if minutes is None else minutes / -(-len(folds) // n_at_once)
    own = {**parameters, "n_jobs": 1}
    if each is not None:
        own["minutes"] = each
    taught_by = None if teacher is None else Path(teacher).absolute()
    return [FoldTask(rows, fold, own, work, taught_by) for fold in folds]


def _train(tasks: Sequence[FoldTask], n_at_once: int) -> None:
    waiting = ask_first(lambda: [task for task in tasks if not task.is_done])
    n_at_once = min(n_at_once, max(1, len(waiting)))
    # In this very process where there is one at a time: it may be one of many that train together.
    with joblib.Parallel(n_jobs=n_at_once) as parallel:
        parallel(joblib.delayed(train_fold)(task) for task in waiting)


def _finish(
    tasks: Sequence[FoldTask], rows: RunRows, model: AudioBackboneClassifier, work: Path
) -> dict[str, Any]:
    """Join what the folds gave, clear away what only they needed, and describe the whole."""
    scores = pd.concat([pd.read_parquet(task.scores) for task in tasks], ignore_index=True)
    has_folds = tasks[0].fold is not None
    if has_folds:
        order = pd.Index(scores["clip_id"]).get_indexer(rows.clip_ids)
        with replacing(work / OUT_OF_FOLD) as partial:
            scores.iloc[order].to_parquet(partial, index=False)
    with replacing(work / CLIPS) as partial:
        clips = rows.manifest.clips[["clip_id", "split"]].assign(fold=rows.folds)
        clips[["clip_id", "fold", "split"]].to_csv(partial, index=False)
    if len(rows.failures):
        with replacing(work / FAILURES) as partial:
            rows.failures.to_csv(partial, index=False)
    for left in [work / SOUND, *(task.checkpoints for task in tasks)]:
        shutil.rmtree(left, ignore_errors=True)
    n_folds = len(tasks) if has_folds else 0
    network = json.loads((work / tasks[0].name / CARD).read_text(encoding="utf-8"))
    # Of the networks themselves: some may have been trained before a kill.
    curves = [pd.read_csv(each.work / each.name / HISTORY) for each in tasks]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "backbone": model.backbone,
        "task": rows.task,
        "classes": rows.classes,
        "n_folds": n_folds,
        "n_clips": len(rows.clip_ids),
        "n_failures": len(rows.failures),
        "n_parameters": network["n_parameters"],
        "minutes": round(sum(curve["seconds"].iloc[-1] for curve in curves) / 60, 2),
        "clip_ids_sha256": hash_clip_ids(rows.clip_ids),
        "folds_sha256": hash_folds(rows.clip_ids, rows.parts),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
