"""Training by one more epoch at a time, over whatever clips come."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from deep.labelled_clips import LabelledClips, load_data, open_store
from deep.preparation import (
    create_engine_losses,
    engine_settings,
    fit_frontend,
    own_arithmetic,
    start_head,
    start_network,
)
from deep.targets import Targets, encode_labels
from deep.training.averaging import Weights
from deep.training.clock import Clock
from deep.training.epoch import train_epoch
from deep.training.state import TrainingState, load_optimizer_tensors, optimizer_tensors
from deep.training.step import Means


def train_one_epoch_more(
    model: Any, clips: list[Any], targets: Targets, *, seed: int, tensors: Weights, epoch: int
) -> tuple[dict[str, float], Weights]:
    """Train the network of a classifier, making it for the first epoch.

    Parameters
    ----------
    model : AudioBackboneClassifier
        Its parameters count, and its ``network_`` is trained in place.
    clips : list
        All of them are for training.
    targets : Targets
        Their labels.
    seed : int
        Of all epochs.
    tensors : dict of Tensor
        The optimiser's state after the epoch before; empty for a new one.
    epoch : int
        Counted from one.

    Returns
    -------
    entry : dict
        For the history; see `TrainingRecord`.
    tensors : dict of Tensor
        The optimiser's state.
    """
    clock, rows = Clock(), np.arange(len(clips))
    # No end is known, so nothing may depend on how far the training is.
    settings = replace(
        engine_settings(model, seed=seed, multi_label=targets.multi_label),
        epochs=epoch,
        schedule="constant",
        schedule_params={},
        warm_up_epochs=0.0,
        head_epochs=0,
        ema_decay=None,
    )
    with ExitStack() as stack:
        device = stack.enter_context(own_arithmetic(model, seed))
        begun = hasattr(model, "network_")
        network = model.network_ if begun else start_network(model, len(targets.classes))
        network = network.to(device)
        given = LabelledClips(clips, targets, rows)
        data = load_data(model, open_store(stack, model, clips), given, rows, rows[:0])
        if not begun:
            fit_frontend(network, data, settings)
            start_head(network, data, model.classes_, balanced=model.class_weight == "balanced")
        state = TrainingState.begin(network, settings)
        load_optimizer_tensors(state.optimizer, tensors)
        loss = create_engine_losses(model, network, data).training
        means = Means(network, state.optimizer, loss, settings, network.classify)
        entry = train_epoch(means, data, epoch=epoch, costs=(), clock=clock)
    model.network_ = network.requires_grad_(True).eval()
    return {**entry, "seconds": clock.elapsed()}, optimizer_tensors(state.optimizer)


def encode_known(y: Any, classes: Any, *, n_samples: int) -> Targets:
    """Encode labels of which not every class need be there.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_labels)
        Labels; see `encode_labels`.
    classes : array-like of shape (n_classes,) or None
        All there are; None takes the columns of an indicator.
    n_samples : int
        Number of clips.

    Returns
    -------
    Targets
        With a column for each class.

    Raises
    ------
    ValueError
        If labels are not among the classes, or an indicator has another number of columns.
    """
    if np.ndim(y) == 2:
        targets = encode_labels(y, n_samples=n_samples)
        if classes is not None and len(classes) != len(targets.classes):
            raise ValueError(
                f"y must have a column for each of {len(classes)} classes, got "
                f"{len(targets.classes)}"
            )
        known = targets.classes if classes is None else np.asarray(classes)
        return replace(targets, classes=known)
    labels, known = np.asarray(y), np.unique(classes)
    if strange := sorted({*labels.tolist()} - {*known.tolist()}, key=str):
        raise ValueError(f"y must hold classes of the first call, {known.tolist()}, got {strange}")
    both = np.concatenate([known, labels])
    targets = encode_labels(both, n_samples=len(known) + n_samples)
    return replace(targets, values=targets.values[len(known) :])
