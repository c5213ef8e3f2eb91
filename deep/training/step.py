"""One step: augment, run and differentiate the parts of a batch, then move the weights once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor, nn

from deep.backbones.network import AudioNetwork
from deep.losses.objective import Loss
from deep.training.processes import SharedStatistics, n_processes, process_number, sum_gradients
from deep.training.randomness import seed_part
from deep.training.settings import TrainingSettings
from deep.weighting import weighted_loss

Classify = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a batch.

    Parameters
    ----------
    waveforms : Tensor of shape (n_samples, n_timepoints)
        Zero past each clip's end.
    lengths : Tensor of shape (n_samples,), int64
        Valid samples of each waveform, on the CPU.
    targets : Tensor of shape (n_samples, n_classes)
        See `deep.losses`.
    weights : Tensor of shape (n_samples,)
        How much each row counts, on the CPU; see `TrainingData.window_weights`.
    """

    waveforms: Tensor
    lengths: Tensor
    targets: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True)
class Means:
    """What a step is taken with.

    Parameters
    ----------
    network : AudioNetwork
        In training.
    optimizer : Optimizer
        Over its parameters.
    loss : callable
        Of logits, targets and embeddings.
    settings : TrainingSettings
        How.
    classify : callable
        The network's own, compiled or not.
    """

    network: AudioNetwork
    optimizer: torch.optim.Optimizer
    loss: Loss
    settings: TrainingSettings
    classify: Classify


def cut_batch(batch: np.ndarray, n_parts: int) -> list[np.ndarray]:
    """Cut a batch into parts of at least two clips, which batch normalisation needs.

    Parameters
    ----------
    batch : np.ndarray of shape (n_samples,)
        Positions.
    n_parts : int
        Parts wanted.

    Returns
    -------
    list of np.ndarray
        Neighbours stay together.
    """
    return np.array_split(batch, min(n_parts, max(1, len(batch) // 2)))


def take_step(
    means: Means, loaded: Iterator[Part], sizes: Sequence[int], *, epoch: int, step: int
) -> Tensor:
    """Compute the parts of a batch that are this process's, and move the weights once.

    The gradient is the mean over the clips of the batch, however it is cut: each part counts by
    its clips.

    Parameters
    ----------
    means : Means
        What with.
    loaded : iterator of Part
        Gives the parts of this process, in order.
    sizes : sequence of int
        Clips in each part of the batch, those of other processes included.
    epoch, step : int
        Counted from one.

    Returns
    -------
    Tensor, scalar
        This process's share of the batch's loss, on the network's device.
    """
    network, settings = means.network, means.settings
    total = torch.zeros((), device=next(network.parameters()).device)
    statistics = SharedStatistics(network)
    means.optimizer.zero_grad(set_to_none=True)
    statistics.begin()
    for number, size in enumerate(sizes):
        if number % n_processes() != process_number():
            statistics.skip()
            continue
        generator = seed_part(settings.seed, epoch, step, number)
        value = _loss_of_part(means, next(loaded), generator) * (size / sum(sizes))
        value.backward()
        total += value.detach()
    statistics.end()
    sum_gradients(network.parameters())
    if settings.clip_norm is not None:
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
    means.optimizer.step()
    return total


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """Tell whether steps are computed in bfloat16, where autocast deems it safe.

    Parameters
    ----------
    precision : str
        Of the settings.
    device : torch.device
        Where.

    Returns
    -------
    bool
        ``"auto"`` means yes on CUDA: on most processors it would only be slower.
    """
    return precision == "bfloat16" or (precision == "auto" and device.type == "cuda")


def _loss_of_part(means: Means, part: Part, generator: Generator) -> Tensor:
    """Augment a part and run it through the network."""
    network, device = means.network, part.waveforms.device
    # bfloat16 has the range of float32, so the loss needs no scaling.
    enabled = uses_bfloat16(means.settings.precision, device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled):
        augmentation, targets = means.settings.augmentation, part.targets
        waveforms, lengths = part.waveforms, part.lengths
        if augmentation is not None:
            waveforms, lengths, targets = augmentation.on_waveforms(
                waveforms, lengths, targets, generator=generator
            )
        frames, n_frames = network.frames(waveforms, lengths)
        if augmentation is not None:
            frames, n_frames, targets = augmentation.on_frames(
                frames, n_frames, targets, generator=generator
            )
        logits, embeddings = means.classify(frames, n_frames)
    return weighted_loss(means.loss, logits.float(), targets, embeddings.float(), part.weights)
