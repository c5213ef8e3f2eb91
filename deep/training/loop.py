"""The training loop: epochs, validation, what is kept, and when to stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from deep.backbones.network import AudioNetwork
from deep.inference import forward_clips
from deep.losses.objective import Loss
from deep.training.averaging import mean_weights, refresh_batch_norm, wearing
from deep.training.checkpoints import Checkpoints
from deep.training.clock import Clock
from deep.training.epoch import StepReport, train_epoch
from deep.training.processes import agree, gather_rows, n_processes, process_number, share
from deep.training.record import Report, TrainingRecord, epochs_to_keep, watched_cost
from deep.training.scoring import Scorer, find_scorer, macro_f1, score_clips
from deep.training.settings import TrainingSettings
from deep.training.stages import train_from
from deep.training.state import TrainingState
from deep.training.step import Means
from deep.training_data import TrainingData


class Losses(NamedTuple):
    """What is learned by, and what is watched.

    Parameters
    ----------
    training : callable
        ``loss(logits, targets, embeddings) -> scalar`` of a part of a batch.
    validation : callable
        ``loss(logits, targets) -> scalar`` of whole validation clips.
    """

    training: Loss
    validation: Loss


def train_network(
    network: AudioNetwork,
    data: TrainingData,
    *,
    settings: TrainingSettings,
    losses: Losses,
    classes: np.ndarray,
    clock: Clock | None = None,
    checkpoints: Checkpoints | None = None,
    on_epoch: Report | None = None,
    on_step: StepReport | None = None,
) -> TrainingRecord:
    """Train in place, leaving the weights that the settings say are worth keeping.

    The schedule follows whichever is further on, the steps or the clock, so that the learning rate
    is annealed to its end whichever ends the run.

    Parameters
    ----------
    network : AudioNetwork
        On the device to train on.
    data : TrainingData
        Clips and targets.
    settings : TrainingSettings
        How to train.
    losses : Losses
        By what.
    classes : np.ndarray of shape (n_classes,)
        What a scorer gets for the columns of the targets.
    clock : Clock or None
        May end the run; None means never.
    checkpoints : Checkpoints or None
        Where to go on from and to write each epoch's state; None means nowhere.
    on_epoch : callable or None
        Called with each new entry of the history, by the first process only.
    on_step : callable or None
        Called after each step with the epochs done, by the first process only.

    Returns
    -------
    TrainingRecord
        Learning curves and why training ended.

    Raises
    ------
    ValueError
        If the scorer does not fit the validation part, the network has no such module to unfreeze
        from, there are more processes than parts of a batch, or the loss is no longer finite.
    """
    _check(network, settings)
    clock = clock or Clock()
    validation = _Validation(network, data, settings, losses.validation, classes)
    if settings.epochs == 0:
        return _leave_untrained(network, validation, clock)
    state = TrainingState.begin(network, settings)
    if checkpoints is None or not checkpoints.restore(state, clock):
        clock.begin()
    classify = network.classify
    if settings.compile:
        classify = torch.compile(classify, dynamic=True)
    means = Means(network, state.optimizer, losses.training, settings, classify)
    record, first = state.record, process_number() == 0
    while not record.stopped_by:
        entry = train_epoch(
            means,
            data,
            epoch=len(record.history) + 1,
            costs=tuple(watched_cost(each) for each in record.history),
            clock=clock,
            average=state.average,
            on_step=on_step if first else None,
        )
        with wearing(network, state.weights):
            entry |= validation.measure()
        entry["seconds"] = clock.elapsed()
        # Times differ between processes; what they go by must not.
        record.history.append(agree(entry))
        record.best_epoch = epochs_to_keep(record, keep="best", count=1)[0]
        record.stopped_by = agree(_reason_to_stop(record, settings, clock))
        state.keep(settings)
        # Before the checkpoint: after a kill an epoch is reported twice rather than never.
        if on_epoch is not None and first:
            on_epoch(record.history[-1])
        if checkpoints is not None:
            checkpoints.write(state, clock)
    _finish(network, state, data, settings, validation)
    return record


def _leave_untrained(
    network: AudioNetwork, validation: _Validation, clock: Clock
) -> TrainingRecord:
    """Only look at how good a network is that knows the classes already."""
    clock.begin()
    entry = {"epoch": 0, **validation.measure(), "seconds": clock.elapsed()}
    network.eval()
    return TrainingRecord([agree(entry)], kept_epochs=[0], best_epoch=0, stopped_by="epochs")


def _check(network: AudioNetwork, settings: TrainingSettings) -> None:
    if n_processes() > settings.accumulate:
        raise ValueError(
            f"accumulate must be at least the number of processes, {n_processes()}, which share "
            f"the parts of a batch, got {settings.accumulate}"
        )
    train_from(network, settings.unfreeze_from or "")


def _reason_to_stop(record: TrainingRecord, settings: TrainingSettings, clock: Clock) -> str:
    """Say why to stop now; empty to go on."""
    epoch = len(record.history)
    if epoch >= settings.epochs:
        return "epochs"
    if clock.progress() >= 1.0:
        return "time"
    if settings.patience is not None and epoch - record.best_epoch >= settings.patience:
        return "patience"
    return ""


def _finish(
    network: AudioNetwork,
    state: TrainingState,
    data: TrainingData,
    settings: TrainingSettings,
    validation: _Validation,
) -> None:
    """Give the network the kept weights, averaged if that is no worse than the best."""
    record = state.record
    record.kept_epochs = sorted(state.kept)
    best, *others = state.kept.values()
    network.load_state_dict(mean_weights([best, *others]) if others else best)
    if others:
        refresh_batch_norm(network, _statistics_batches(network, data, settings))
        measured = validation.measure()
        by_choice = settings.keep == "last" or not measured
        costs = [watched_cost(record.history[epoch - 1]) for epoch in state.kept]
        if not by_choice and watched_cost({"train_loss": 0.0, **measured}) > min(costs):
            network.load_state_dict(best)
            record.kept_epochs = [record.best_epoch]
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    network.eval()


def _statistics_batches(
    network: AudioNetwork, data: TrainingData, settings: TrainingSettings
) -> Iterator[tuple[Tensor, Tensor]]:
    device = next(network.parameters()).device
    batches = data.statistics_batches(
        max_length=settings.max_length,
        batch_size=settings.batch_size,
        rng=np.random.default_rng(settings.seed),
    )
    return ((waveforms.to(device), lengths) for waveforms, lengths in batches)


class _Validation:
    """Measures a network on whole validation clips, so that batches and windows do not matter."""

    def __init__(
        self,
        network: AudioNetwork,
        data: TrainingData,
        settings: TrainingSettings,
        loss: Loss,
        classes: np.ndarray,
    ) -> None:
        self.network, self.data, self.settings, self.loss = network, data, settings, loss
        self.classes = classes
        self.targets = data.targets[data.validation_rows]
        self.scorer: Scorer | None = None
        if settings.scoring is not None:
            self.scorer = find_scorer(
                settings.scoring, self.targets, classes=classes, multi_label=data.multi_label
            )

    def measure(self) -> dict[str, float]:
        """Give what a history holds of validation; nothing without validation clips."""
        if not len(self.targets):
            return {}
        logits = self._logits()
        loss = self.loss(torch.from_numpy(logits), torch.from_numpy(self.targets))
        multi_label = self.data.multi_label
        measured = {
            "validation_loss": loss.item(),
            "validation_macro_f1": macro_f1(self.targets, logits, multi_label=multi_label),
        }
        if self.scorer is not None:
            measured["validation_score"] = score_clips(
                self.scorer, self.targets, logits, classes=self.classes, multi_label=multi_label
            )
        return measured

    def _logits(self) -> np.ndarray:
        rows = share(self.data.validation_rows)
        if not len(rows):
            return gather_rows(np.empty((0, self.targets.shape[1]), dtype=np.float32))
        logits, _ = forward_clips(
            self.network,
            self.data.store,
            rows,
            max_length=self.settings.max_length,
            batch_size=self.settings.batch_size,
            n_jobs=self.settings.n_jobs,
        )
        return gather_rows(logits)
