"""Training the network of one fold, in a process of its own, and asking it of what it never saw."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deep.classifier import AudioBackboneClassifier
from deep.runs.folder import HELD_OUT, HISTORY, NETWORK
from deep.runs.rows import RunRows
from deep.runs.teacher import soften
from deep.training.logs import TENSORBOARD_NAME, write_history
from deep.training.processes import ask_first, process_number
from features.audio import Clip
from features.holding import holding
from features.replacing import replacing


@dataclass(frozen=True)
class FoldTask:
    """One network to train.

    Parameters
    ----------
    rows : RunRows
        All rows of the run.
    fold : int or None
        The fold that is held out; None for one network on all rows.
    parameters : mapping
        Of `AudioBackboneClassifier`.
    work : Path
        The run's work folder.
    teacher : Path or None
        A finished run over the same folds.
    """

    rows: RunRows
    fold: int | None
    parameters: Mapping[str, Any]
    work: Path
    teacher: Path | None = None

    @property
    def name(self) -> str:
        """What its folder is called."""
        return NETWORK if self.fold is None else f"fold_{self.fold}"

    @property
    def scores(self) -> Path:
        """Where the probabilities of the held-out rows lie once it is done."""
        return self.work / self.name / HELD_OUT

    @property
    def checkpoints(self) -> Path:
        """Where it is kept while it is trained."""
        return self.work / f"{self.name}.training"

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.scores.is_file()


def train_fold(task: FoldTask) -> None:
    """Train a network, or go on with it, and keep it with its probabilities of the rows held out.

    Parameters
    ----------
    task : FoldTask
        What to train; nothing is done for one that is done.

    Raises
    ------
    AudioDecodeError
        If a clip cannot be decoded any more.
    ValueError
        If the labels of the rows that are left cannot be learned.
    """
    # A worker may outlive the process that was killed: it ends its fold before another one looks.
    with held_by_first(task.work / task.name):
        if not ask_first(lambda: task.is_done):
            _train(task)
        if process_number() == 0:
            shutil.rmtree(task.checkpoints, ignore_errors=True)


@contextmanager
def held_by_first(path: Path, tell: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a path, by the first of the processes that train together.

    Parameters
    ----------
    path : Path
        What nobody else may touch meanwhile.
    tell : callable or None
        Called with a sentence when another run is waited for.

    Yields
    ------
    None
        Once it is held; in other processes, at once.
    """
    if process_number() > 0:
        yield
        return
    with holding(path, tell=tell):
        yield


def _train(task: FoldTask) -> None:
    rows = task.rows
    held_out = rows.is_validation if task.fold is None else rows.folds == task.fold
    clips = np.array([*rows.manifest.audio_clips(), None], dtype=object)[:-1]
    classifier = AudioBackboneClassifier(**task.parameters)
    given: dict[str, Any] = {}
    learned = ~held_out
    if task.fold is None and held_out.any():
        given["validation"], learned = held_out, np.ones(len(clips), dtype=bool)
    if task.teacher is not None:
        teacher = task.teacher
        given["soft_targets"] = ask_first(
            lambda: _ask_teacher(task, teacher, list(clips[learned]), rows.truth[learned])
        )
    classifier.fit(
        list(clips[learned]),
        rows.labels(learned),
        groups=rows.groups[learned],
        work_dir=task.checkpoints,
        **given,
    )
    if process_number() > 0:
        return
    probabilities = pd.DataFrame(columns=rows.classes, dtype=np.float32)
    if held_out.any():
        found = classifier.predict_proba(list(clips[held_out]))
        order = [[str(name) for name in classifier.classes_].index(name) for name in rows.classes]
        probabilities = pd.DataFrame(found[:, order], columns=rows.classes)
    probabilities.insert(0, "clip_id", np.array(rows.clip_ids, dtype=object)[held_out])
    probabilities.insert(1, "fold", rows.folds[held_out])
    _keep(classifier, task, probabilities, np.array(rows.clip_ids, dtype=object)[learned])


def _ask_teacher(
    task: FoldTask, teacher_run: Path, clips: list[Clip], truth: np.ndarray
) -> np.ndarray:
    """Give the softened labels, computed once: another device would round them otherwise."""
    path = task.work / f"{task.name}.taught.npy"
    if not path.is_file():
        teacher = AudioBackboneClassifier.load_model(teacher_run / task.name)
        teacher.set_params(
            cache_dir=task.parameters.get("cache_dir"), device=task.parameters.get("device", "auto")
        )
        with replacing(path) as partial, partial.open("wb") as stream:
            np.save(stream, soften(truth, teacher.predict_proba(clips)), allow_pickle=False)
    return np.asarray(np.load(path, allow_pickle=False))


def _keep(
    classifier: AudioBackboneClassifier, task: FoldTask, scores: pd.DataFrame, seen: np.ndarray
) -> None:
    """Keep all that a run holds of a network; the probabilities, which say it is done, last."""
    folder = task.work / task.name
    classifier.save_model(folder, clip_ids=[str(clip_id) for clip_id in seen])
    write_history(folder / HISTORY, classifier.history_)
    if (task.checkpoints / TENSORBOARD_NAME).is_dir():
        shutil.copytree(
            task.checkpoints / TENSORBOARD_NAME, folder / TENSORBOARD_NAME, dirs_exist_ok=True
        )
    (task.work / f"{task.name}.taught.npy").unlink(missing_ok=True)
    with replacing(task.scores) as partial:
        scores.to_parquet(partial, index=False)
