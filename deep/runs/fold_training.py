"""Training the network of one fold, in a process of its own, and asking it of what it never saw."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deep.classifier import AudioBackboneClassifier
from deep.runs.folder import HELD_OUT, HISTORY, NETWORK
from deep.runs.rows import RunRows
from deep.runs.teacher import soften
from deep.training.logs import write_history
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
    if task.is_done:
        return
    rows = task.rows
    held_out = rows.is_validation if task.fold is None else rows.folds == task.fold
    clips = np.array(rows.manifest.audio_clips() + [None], dtype=object)[:-1]
    classifier = AudioBackboneClassifier(**task.parameters)
    given: dict[str, Any] = {}
    if task.fold is None and held_out.any():
        given["validation"] = held_out
    learned = ~held_out if "validation" not in given else np.ones(len(clips), dtype=bool)
    if task.teacher is not None:
        teacher = AudioBackboneClassifier.load_model(task.teacher / task.name)
        teacher.set_params(cache_dir=classifier.cache_dir, device=classifier.device)
        given["soft_targets"] = soften(
            rows.truth[learned], teacher.predict_proba(list(clips[learned]))
        )
    y = rows.labels()
    labels = y[learned] if isinstance(y, np.ndarray) else y[learned].reset_index(drop=True)
    classifier.fit(
        list(clips[learned]),
        labels,
        groups=rows.groups[learned],
        work_dir=task.checkpoints,
        **given,
    )
    probabilities = pd.DataFrame(columns=rows.classes, dtype=np.float32)
    if held_out.any():
        order = _columns(classifier, rows)
        found = classifier.predict_proba(list(clips[held_out]))[:, order]
        probabilities = pd.DataFrame(found, columns=rows.classes)
    probabilities.insert(0, "clip_id", np.array(rows.clip_ids, dtype=object)[held_out])
    probabilities.insert(1, "fold", rows.folds[held_out])
    classifier.save_model(task.work / task.name)
    write_history(task.work / task.name / HISTORY, classifier.history_)
    with replacing(task.scores) as partial:
        probabilities.to_parquet(partial, index=False)
    shutil.rmtree(task.checkpoints)


def _columns(classifier: AudioBackboneClassifier, rows: RunRows) -> list[int]:
    """Give the column of each class of the run, all of which the network must know."""
    known = [str(name) for name in classifier.classes_]
    if missing := [name for name in rows.classes if name not in known]:
        raise ValueError(
            f"without a fold no clip is left of {missing}: ask for fewer folds, give finer groups "
            "or leave these labels out"
        )
    return [known.index(name) for name in rows.classes]
