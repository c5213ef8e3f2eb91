"""Pre-training a backbone, from clips to what can be saved."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np
import torch

from deep.augmentation import create_augmentation
from deep.clips import WaveformStore
from deep.inference import reproducible_arithmetic, resolve_device
from deep.pretraining.asking import Learner, Means
from deep.pretraining.corpus import Corpus, read_corpus, statistics_batches
from deep.pretraining.learning import StepReport, learn
from deep.pretraining.pretrained import PretrainedBackbone, create_headless
from deep.pretraining.settings import OF_TASK, PretrainingSettings
from deep.pretraining.tasks import create_task
from deep.pretraining.unlabelled import UnlabelledClips, find_clips
from deep.training.checkpoints import Checkpoints, open_checkpoints
from deep.training.clock import Clock
from deep.training.fingerprint import describe_training, hash_data
from deep.training.record import Report, TrainingRecord
from features.table import hash_clip_ids


def pretrain_backbone(
    clips: UnlabelledClips | Sequence[Any],
    *,
    settings: PretrainingSettings | None = None,
    source_sr: int | None = None,
    work_dir: str | PathLike[str] | None = None,
    cache_dir: str | PathLike[str] | None = None,
    device: str = "auto",
    n_jobs: int | None = None,
    on_epoch: Report | None = None,
    on_step: StepReport | None = None,
) -> PretrainedBackbone:
    """Let a backbone learn from sound alone.

    Parameters
    ----------
    clips : UnlabelledClips or sequence
        From `find_clips`; or `Clip`, paths or waveforms, each file and waveform its own group.
    settings : PretrainingSettings or None
        How; None means the defaults.
    source_sr : int or None
        Sampling rate in Hz of clips given as arrays; None means the network's.
    work_dir : path-like or None
        Where each epoch's state is kept, so that the same call goes on after a kill and ends with
        the same weights; None means nowhere.
    cache_dir : path-like or None
        Where decoded clips are kept; None means a temporary folder.
    device : str
        A torch device, or ``"auto"``: CUDA if there is any, else the CPU.
    n_jobs : int or None
        Threads that decode; no number depends on it.
    on_epoch : callable or None
        Called with each new entry of the history; see `learn`.
    on_step : callable or None
        Called after each step with the epochs done.

    Returns
    -------
    PretrainedBackbone
        On the CPU, with its card.

    Raises
    ------
    ValueError
        If the settings do not fit the backbone or the task, too few clips can be read, or
        `work_dir` belongs to another training.
    """
    settings = settings or PretrainingSettings()
    clock = Clock(None if settings.minutes is None else 60 * settings.minutes)
    known = clips if isinstance(clips, UnlabelledClips) else find_clips(clips)
    where = resolve_device(device)
    with ExitStack() as stack:
        stack.enter_context(reproducible_arithmetic())
        stack.enter_context(torch.random.fork_rng([where] if where.type == "cuda" else []))
        torch.manual_seed(settings.seed)
        learner = _create_learner(settings).to(where)
        directory = cache_dir or stack.enter_context(
            tempfile.TemporaryDirectory(prefix="timbrestack-")
        )
        corpus = read_corpus(
            WaveformStore(known.clips, sr=settings.sr, source_sr=source_sr, directory=directory),
            known,
            validation_fraction=settings.validation_fraction,
            seed=settings.seed,
            n_jobs=n_jobs,
        )
        batches = statistics_batches(corpus, max_length=settings.max_length, seed=settings.seed)
        learner.network.frontend.fit_statistics((batch.to(where), n) for batch, n in batches)
        checkpoints = None
        if work_dir is not None:
            checkpoints = _open(work_dir, settings, known, stack)
        recipe = learner.task.augment if settings.augment == OF_TASK else settings.augment
        augmentation = create_augmentation(recipe, sr=settings.sr)
        record = learn(
            Means(learner, corpus, settings.of_training(augmentation)),
            clock=clock,
            checkpoints=checkpoints,
            on_epoch=on_epoch,
            on_step=on_step,
        )
    card = {**_describe(settings), "augment": augmentation.recipe}
    card |= _describe_outcome(record, corpus, known)
    card["score_name"] = learner.task.score_name
    return PretrainedBackbone(learner.network.cpu().eval(), card)


def _create_learner(settings: PretrainingSettings) -> Learner:
    network = create_headless(asdict(settings))
    return Learner(network, create_task(settings.task, network, settings.task_params))


def _describe(settings: PretrainingSettings) -> dict[str, Any]:
    """Give settings as JSON gives them back."""
    return json.loads(json.dumps(asdict(settings)))


def _open(
    work_dir: str | PathLike[str],
    settings: PretrainingSettings,
    known: UnlabelledClips,
    stack: ExitStack,
) -> Checkpoints:
    without_labels = np.zeros((len(known), 0))
    described = describe_training(
        _describe(settings),
        seed=settings.seed,
        data=hash_data(known.clips, without_labels, known.groups),
        n_classes=0,
    )
    return stack.enter_context(open_checkpoints(work_dir, described, seed=settings.seed))


def _describe_outcome(
    record: TrainingRecord, corpus: Corpus, known: UnlabelledClips
) -> dict[str, Any]:
    """Tell how it went, and which clips were seen."""
    ids = np.array(known.clip_ids, dtype=object)
    seen = np.sort(np.concatenate([corpus.training_rows, corpus.validation_rows]))
    return {
        "history": record.history,
        "stopped_by": record.stopped_by,
        "best_epoch": record.best_epoch,
        "failures": [
            {"clip_id": known.clip_ids[row], "reason": reason}
            for row, reason in corpus.failures.items()
        ],
        "trained_on": {
            "clip_ids": ids[seen].tolist(),
            "clip_ids_sha256": hash_clip_ids(ids[seen]),
            "validation_clip_ids": ids[corpus.validation_rows].tolist(),
            "folds_sha256": None,
            "labels": False,
            "test_rows": known.n_test,
        },
    }
