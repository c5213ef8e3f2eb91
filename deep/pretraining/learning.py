"""The loop of pre-training: epochs of a pretext task, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from deep.pretraining.asking import Means
from deep.training.checkpoints import Checkpoints
from deep.training.clock import Clock
from deep.training.parameter_groups import set_rate
from deep.training.record import Report, TrainingRecord, epochs_to_keep
from deep.training.schedules import Moment, rate_share
from deep.training.state import TrainingState

# Epochs count from one: windows and questions of validation are those of an epoch that never is.
VALIDATION_EPOCH = 0

StepReport = Callable[[float], None]


def learn(
    means: Means,
    *,
    clock: Clock,
    checkpoints: Checkpoints | None = None,
    on_epoch: Report | None = None,
    on_step: StepReport | None = None,
) -> TrainingRecord:
    """Pre-train in place, leaving the weights of the best epoch.

    Parameters
    ----------
    means : Means
        What with.
    clock : Clock
        May end the run, and pushes the schedule on.
    checkpoints : Checkpoints or None
        Where to go on from and to write each epoch's state.
    on_epoch : callable or None
        Called with each new entry of the history.
    on_step : callable or None
        Called after each step with the epochs done.

    Returns
    -------
    TrainingRecord
        Learning curves and why it ended. Entries have ``train_loss`` and, with validation rows,
        ``validation_loss``, ``pretext_score`` and ``pretext_chance`` of clips that are not learned
        from.

    Raises
    ------
    ValueError
        If the loss is no longer finite.
    """
    learner, settings = means.learner, means.settings
    state = TrainingState.begin(learner, settings)
    if checkpoints is None or not checkpoints.restore(state, clock):
        clock.begin()
    record = state.record
    while not record.stopped_by:
        entry = _learn_epoch(means, state, clock, on_step)
        entry |= _validate(means)
        entry["seconds"] = clock.elapsed()
        record.history.append(entry)
        record.best_epoch = epochs_to_keep(record, keep=settings.keep, count=1)[0]
        if len(record.history) >= settings.epochs or clock.progress() >= 1.0:
            record.stopped_by = "epochs" if len(record.history) >= settings.epochs else "time"
        state.keep(settings)
        if checkpoints is not None:
            checkpoints.write(state, clock)
        if on_epoch is not None:
            on_epoch(entry)
    record.kept_epochs = [record.best_epoch]
    learner.load_state_dict(state.kept[record.best_epoch])
    learner.eval()
    return record


def _learn_epoch(
    means: Means, state: TrainingState, clock: Clock, on_step: StepReport | None
) -> dict[str, float]:
    """Take one pass over the clips, or as much of it as the clock allows."""
    settings, epoch = means.settings, len(state.record.history) + 1
    means.learner.train()
    started, count, rate = clock.elapsed(), 0, 0.0
    total = torch.zeros((), device=means.device)
    for outcome, n_clips, share in means.outcomes(means.corpus.training_rows, epoch, shuffle=True):
        by_steps, by_clock = epoch - 1 + share.before, settings.epochs * clock.progress()
        moment = Moment(max(by_steps, by_clock), settings.epochs)
        # The first step is always taken, so that a tiny budget still gives a network.
        if moment.epoch >= settings.epochs and count + epoch > 1:
            break
        rate = settings.learning_rate * rate_share(
            settings.schedule, moment, options=settings.schedule_params
        )
        set_rate(state.optimizer, rate)
        state.optimizer.zero_grad(set_to_none=True)
        outcome.loss.backward()
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(means.learner.parameters(), settings.clip_norm)
        state.optimizer.step()
        total, count = total + n_clips * outcome.loss.detach(), count + n_clips
        if on_step is not None:
            on_step(epoch - 1 + share.after)
    loss = total.item() / max(count, 1)
    if not np.isfinite(loss):
        raise ValueError(
            f"the loss must stay finite, got {loss} in epoch {epoch}: lower learning_rate "
            f"({settings.learning_rate:g})"
        )
    seconds = max(clock.elapsed() - started, 1e-9)
    return {
        "epoch": epoch,
        "train_loss": loss,
        "learning_rate": rate,
        "clips_per_second": count / seconds,
    }


@torch.no_grad()
def _validate(means: Means) -> dict[str, float]:
    """Ask about the held-out clips, each time the same."""
    rows = means.corpus.validation_rows
    if not len(rows):
        return {}
    means.learner.eval()
    outcomes = list(means.outcomes(rows, VALIDATION_EPOCH, shuffle=False))
    loss = sum(n_clips * outcome.loss.item() for outcome, n_clips, _ in outcomes) / len(rows)
    tallies = torch.stack([outcome.tallies for outcome, _, _ in outcomes]).sum(dim=0)
    score, chance = means.learner.task.judge(tallies)
    return {
        "validation_loss": loss,
        "pretext_score": score,
        "pretext_chance": chance,
    }


def describe_pretraining(entry: Mapping[str, float], epochs: int, score_name: str) -> str:
    """Put an entry of the history into one line.

    Parameters
    ----------
    entry : mapping
        See `learn`.
    epochs : int
        Epochs planned.
    score_name : str
        What the score is, from the task or the card.

    Returns
    -------
    str
        For people to read.

    Examples
    --------
    >>> entry = {"epoch": 2, "train_loss": 1.2, "validation_loss": 1.3, "clips_per_second": 210.4,
    ...          "pretext_score": 0.61, "pretext_chance": 0.02}
    >>> describe_pretraining(entry, 50, "accuracy")
    'epoch 2/50  loss 1.200  validation loss 1.300  accuracy 0.610 (chance 0.020)  210 clips/s'
    """
    text = f"epoch {entry['epoch']:.0f}/{epochs}  loss {entry['train_loss']:.3f}"
    if "validation_loss" in entry:
        text += (
            f"  validation loss {entry['validation_loss']:.3f}  {score_name} "
            f"{entry['pretext_score']:.3f} (chance {entry['pretext_chance']:.3f})"
        )
    return f"{text}  {entry['clips_per_second']:.0f} clips/s"
