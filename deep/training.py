"""The training loop: plain functions over a network and a store of waveforms.

Plain functions rather than skorch, because whole-clip validation, schedules that a clock may end
and batches by length would each have to override its loop. Everything random comes from the seed
and the epoch; the clock alone may end a run early, and then the record says so.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from deep.augmentation import Augmentation
from deep.backbones.network import AudioNetwork
from deep.batches import length_batches, window_batches
from deep.inference import forward_clips
from deep.losses import Loss
from deep.schedule import Clock, one_cycle
from deep.training_data import TrainingData

MAX_GRADIENT_NORM = 2.0

Report = Callable[[dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    loss, validation_loss : callable
        ``loss(logits, targets) -> scalar`` of a training batch and of whole validation clips.
    epochs : int
        Passes over the training clips.
    budget_s : float or None
        Ceiling on the wall clock in seconds; None means none.
    patience : int or None
        Epochs without a better validation loss before stopping; None means never.
    batch_size : int
        Clips per step.
    learning_rate : float
        Peak of the one-cycle schedule.
    weight_decay : float
        Of AdamW.
    max_length : int
        Longest window in samples.
    augmentation : Augmentation or None
        What is done to training batches.
    seed : int
        Of crops, batches, dropout and augmentation.
    n_jobs : int or None
        Threads that score the validation clips.
    """

    loss: Loss
    validation_loss: Loss
    epochs: int
    budget_s: float | None
    patience: int | None
    batch_size: int
    learning_rate: float
    weight_decay: float
    max_length: int
    augmentation: Augmentation | None
    seed: int
    n_jobs: int | None


@dataclass(slots=True)
class TrainingRecord:
    """How a training went.

    Parameters
    ----------
    history : list of dict
        Per epoch: ``epoch``, ``train_loss``, ``validation_loss``, ``validation_macro_f1`` (both
        absent without validation rows), ``learning_rate``, ``seconds`` since the start and
        ``clips_per_second`` while training.
    stopped_by : str
        ``"epochs"``, ``"patience"`` or ``"time"``.
    best_epoch : int
        The epoch whose weights were kept, counted from one.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    stopped_by: str = "epochs"
    best_epoch: int = 0


def train_network(
    network: AudioNetwork,
    data: TrainingData,
    *,
    settings: TrainingSettings,
    on_epoch: Report | None = None,
) -> TrainingRecord:
    """Train in place, leaving the weights of the best validation loss.

    The learning rate follows `one_cycle` of whichever is further on, the steps or the clock, so
    that it is annealed to zero whichever ends the run.

    Parameters
    ----------
    network : AudioNetwork
        On the device to train on.
    data : TrainingData
        Clips and targets.
    settings : TrainingSettings
        How to train.
    on_epoch : callable or None
        Called with each entry of the history.

    Returns
    -------
    TrainingRecord
        Learning curves and why training ended.
    """
    clock = Clock(settings.budget_s)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    record = TrainingRecord()
    best_loss, best_state = math.inf, network.state_dict()
    for epoch in range(1, settings.epochs + 1):
        entry = _train_epoch(network, data, settings, epoch, optimizer, clock)
        if len(data.validation_rows):
            entry |= _validate(network, data, settings)
        # Without validation rows the latest weights are the best known.
        if entry.get("validation_loss", -math.inf) < best_loss or not len(data.validation_rows):
            best_loss, record.best_epoch = entry.get("validation_loss", math.inf), epoch
            best_state = copy.deepcopy(network.state_dict())
        entry["seconds"] = clock.elapsed()
        record.history.append(entry)
        if on_epoch is not None:
            on_epoch(entry)
        if clock.progress() >= 1.0 and epoch < settings.epochs:
            record.stopped_by = "time"
            break
        if settings.patience is not None and epoch - record.best_epoch >= settings.patience:
            record.stopped_by = "patience"
            break
    network.load_state_dict(best_state)
    network.eval()
    return record


def _train_epoch(
    network: AudioNetwork,
    data: TrainingData,
    settings: TrainingSettings,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    clock: Clock,
) -> dict[str, float]:
    """Take one pass over the training clips, or as much of it as the clock allows."""
    network.train()
    rng = np.random.default_rng([settings.seed, epoch])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    # Dropout draws from the global generator.
    torch.manual_seed(int(rng.integers(2**62)))
    windows = data.training_windows(settings.max_length, rng)
    batches = length_batches(windows[:, 2] - windows[:, 1], settings.batch_size, rng=rng)
    n_steps, started = settings.epochs * len(batches), clock.elapsed()
    total, count, rate = 0.0, 0, 0.0
    loaded = window_batches(data.store, windows, batches)
    for step, (positions, waveforms, lengths) in enumerate(loaded, (epoch - 1) * len(batches)):
        progress = max(step / n_steps, clock.progress())
        # The first step is always taken, so that a tiny budget still gives a network.
        if progress >= 1.0 and step > 0:
            break
        rate = settings.learning_rate * one_cycle(progress)
        for parameters in optimizer.param_groups:
            parameters["lr"] = rate
        targets = torch.from_numpy(data.targets[windows[positions, 0]])
        value = _loss_of_batch(network, (waveforms, lengths, targets), settings, generator)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        total, count = total + value.item() * len(positions), count + len(positions)
    return {
        "epoch": epoch,
        "train_loss": total / max(count, 1),
        "learning_rate": rate,
        "clips_per_second": count / max(clock.elapsed() - started, 1e-9),
    }


def _loss_of_batch(
    network: AudioNetwork,
    batch: tuple[Tensor, Tensor, Tensor],
    settings: TrainingSettings,
    generator: torch.Generator,
) -> Tensor:
    """Augment a batch and run it through the network."""
    device, augmentation = next(network.parameters()).device, settings.augmentation
    waveforms, lengths, targets = batch[0].to(device), batch[1], batch[2].to(device)
    # bfloat16 needs no loss scaling; on most processors it would only be slower.
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        if augmentation is not None:
            waveforms = augmentation.add_noise(waveforms, lengths, generator=generator)
            waveforms, lengths, targets = augmentation.mix(
                waveforms, lengths, targets, generator=generator
            )
        frames, n_frames = network.frames(waveforms, lengths)
        if augmentation is not None:
            frames = augmentation.mask(frames, n_frames, generator=generator)
        logits = network.head(network.backbone(frames, n_frames))
    return settings.loss(logits.float(), targets)


def _validate(
    network: AudioNetwork, data: TrainingData, settings: TrainingSettings
) -> dict[str, float]:
    """Score whole validation clips, so that batches and windows do not matter."""
    logits, _ = forward_clips(
        network,
        data.store,
        data.validation_rows,
        max_length=settings.max_length,
        batch_size=settings.batch_size,
        n_jobs=settings.n_jobs,
    )
    targets = data.targets[data.validation_rows]
    loss = settings.validation_loss(torch.from_numpy(logits), torch.from_numpy(targets))
    return {
        "validation_loss": loss.item(),
        "validation_macro_f1": macro_f1(targets, logits, multi_label=data.multi_label),
    }


def macro_f1(targets: np.ndarray, logits: np.ndarray, *, multi_label: bool) -> float:
    """Macro F1 over annotated labels, for watching a training.

    Parameters
    ----------
    targets : np.ndarray of shape (n_samples, n_classes)
        1, 0 and -1 = unknown.
    logits : np.ndarray of shape (n_samples, n_classes)
        Multi-label: positive means present. Single-label: the largest wins.
    multi_label : bool
        Which of the two it is.

    Returns
    -------
    float
        Mean F1 over the classes that have a positive; 0 if none has.
    """
    if multi_label:
        predicted = logits > 0
    else:
        predicted = np.eye(logits.shape[1], dtype=bool)[logits.argmax(axis=1)]
    positive, negative = targets == 1, targets == 0
    hits = (predicted & positive).sum(axis=0)
    errors = (predicted & negative).sum(axis=0) + (~predicted & positive).sum(axis=0)
    present = positive.any(axis=0)
    scores = 2 * hits[present] / (2 * hits + errors)[present]
    return float(scores.mean()) if present.any() else 0.0
