"""One epoch: deal the training clips into steps, take them, and measure how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from deep.batches import length_batches
from deep.loading import BatchLoader, load_batches
from deep.training.averaging import MovingAverage
from deep.training.clock import Clock
from deep.training.parameter_groups import set_rate
from deep.training.processes import agree, n_processes, share
from deep.training.randomness import epoch_rng
from deep.training.schedules import Moment, rate_share
from deep.training.settings import TrainingSettings
from deep.training.stages import first_trained_module, train_from
from deep.training.step import Means, Part, cut_batch, take_step
from deep.training_data import TrainingData

# Called with the epochs done, parts of one included.
StepReport = Callable[[float], None]


def train_epoch(
    means: Means,
    data: TrainingData,
    *,
    epoch: int,
    costs: tuple[float, ...],
    clock: Clock,
    average: MovingAverage | None = None,
    on_step: StepReport | None = None,
) -> dict[str, float]:
    """Take one pass over the training clips, or as much of it as the clock allows.

    Parameters
    ----------
    means : Means
        Network, optimiser, loss and settings.
    data : TrainingData
        Clips and targets.
    epoch : int
        Counted from one.
    costs : tuple of float
        The watched cost of the epochs before.
    clock : Clock
        Pushes the schedule on when time runs out.
    average : MovingAverage or None
        Updated with each step.
    on_step : callable or None
        Called after each step with the epochs done.

    Returns
    -------
    dict
        What a history holds of training; see `TrainingRecord`.

    Raises
    ------
    ValueError
        If the loss is no longer finite.
    """
    settings, network = means.settings, means.network
    _freeze(means, epoch, clock)
    windows, steps = deal_steps(data, settings, epoch)
    device = next(network.parameters()).device
    started, rate, count, n_taken = clock.elapsed(), 0.0, 0, 0
    total = torch.zeros((), device=device)
    own = [part for parts in steps for part in share(parts)]
    with load_batches(data.store, windows, own, device=device) as loader:
        loaded = _with_targets(loader, data, windows, settings.max_length)
        for step, parts in enumerate(steps, 1):
            moment = _moment(settings, epoch - 1 + (step - 1) / len(steps), costs, clock)
            # The first step is always taken, so that a tiny budget still gives a network.
            if moment.epoch >= settings.epochs and (epoch, step) != (1, 1):
                break
            rate = settings.learning_rate * _share(settings, moment)
            set_rate(means.optimizer, rate)
            sizes = [len(part) for part in parts]
            total += sum(sizes) * take_step(means, loaded, sizes, epoch=epoch, step=step)
            count, n_taken = count + sum(sizes), n_taken + 1
            if average is not None:
                average.update(network)
            if on_step is not None:
                on_step(epoch - 1 + step / len(steps))
    loss = _mean_loss(total.item(), count, settings, epoch)
    seconds = max(clock.elapsed() - started, 1e-9)
    return {
        "epoch": epoch,
        "train_loss": loss,
        "learning_rate": rate,
        "clips_per_second": count / seconds,
        "step_seconds": seconds / max(n_taken, 1),
        "share_waiting": min(1.0, loader.waited_s / seconds),
    }


def _freeze(means: Means, epoch: int, clock: Clock) -> None:
    settings = means.settings
    first = first_trained_module(
        epochs_done=_moment(settings, epoch - 1, (), clock).epoch,
        head_epochs=settings.head_epochs,
        unfreeze_from=settings.unfreeze_from,
    )
    train_from(means.network, first)


def deal_steps(
    data: TrainingData, settings: TrainingSettings, epoch: int
) -> tuple[np.ndarray, list[list[np.ndarray]]]:
    """Deal an epoch's windows into steps.

    Parameters
    ----------
    data : TrainingData
        Clips and targets.
    settings : TrainingSettings
        Batches are of similar length, unless clips are mixed with others of their batch.
    epoch : int
        Counted from one; with the seed it decides all.

    Returns
    -------
    windows : np.ndarray of shape (n_windows, 3), int64
        See `deep.windows`.
    steps : list of list of np.ndarray
        For each step the positions of the parts of its batch.
    """
    rng = epoch_rng(settings.seed, epoch)
    windows = data.training_windows(settings.max_length, rng)
    lengths = windows[:, 2] - windows[:, 1]
    if settings.augmentation is not None and settings.augmentation.mixes:
        # Partners come from the batch: dealt by length, short sounds would meet short ones only.
        lengths = np.ones_like(lengths)
    batches = length_batches(lengths, settings.batch_size, rng=rng)
    return windows, [cut_batch(batch, settings.accumulate) for batch in batches]


def _with_targets(
    loader: BatchLoader, data: TrainingData, windows: np.ndarray, max_length: int
) -> Iterator[Part]:
    weights = data.window_weights(windows, max_length)
    learned = data.targets if data.soft_targets is None else data.soft_targets
    for positions, waveforms, lengths in loader:
        targets = torch.from_numpy(learned[windows[positions, 0]]).to(waveforms.device)
        yield Part(waveforms, lengths, targets, torch.from_numpy(weights[positions]))


def _moment(
    settings: TrainingSettings, epochs_done: float, costs: tuple[float, ...], clock: Clock
) -> Moment:
    """Give the moment by steps or by the clock, whichever is further on."""
    if clock.budget_s is not None:
        # Clocks differ, and processes have to take the same steps.
        epochs_done = max(epochs_done, settings.epochs * agree(clock.progress()))
    return Moment(epochs_done, settings.epochs, costs)


def _share(settings: TrainingSettings, moment: Moment) -> float:
    return rate_share(
        settings.schedule,
        moment,
        options=settings.schedule_params,
        head_epochs=settings.head_epochs,
        warm_up_epochs=settings.warm_up_epochs,
    )


def _mean_loss(total: float, count: int, settings: TrainingSettings, epoch: int) -> float:
    """Give the mean over clips; each process has seen its share of it."""
    if n_processes() > 1:
        summed = torch.tensor([total], dtype=torch.float64)
        if torch.distributed.get_backend() == "nccl":
            summed = summed.float().cuda()
        torch.distributed.all_reduce(summed)
        total = summed.item()
    loss = total / max(count, 1)
    if not np.isfinite(loss):
        raise ValueError(
            f"the loss must stay finite, got {loss} in epoch {epoch}: lower learning_rate "
            f"({settings.learning_rate:g}) or clip_norm ({settings.clip_norm})"
        )
    return loss
