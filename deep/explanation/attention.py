"""Attention over time: which moments of a clip a network weighs most.

Conventions: weights are given as multiples of the even weight that each step would have if all
counted the same, so that windows of different lengths compare: 1 is even, 0 is not heard at all.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from deep.backbones.network import AudioNetwork
from deep.explanation.windows import explain_windows
from deep.heads.head import Head


@dataclass(frozen=True)
class _Call:
    """What a module that weighs steps was given, and what it made of it."""

    module: nn.Module
    steps: Tensor
    n_steps: Tensor
    output: Tensor


def compute_attention(
    networks: Sequence[AudioNetwork], waveform: np.ndarray, *, target: int, max_length: int
) -> np.ndarray | None:
    """Find how much networks attend to each moment of a clip.

    Looks for poolings and heads that weigh steps, which say how by ``weights(steps, n_steps)``. Of
    a head with a weight for each label the one of the label is taken; of heads of one label each
    the one that its logit depends on.

    Parameters
    ----------
    networks : sequence of AudioNetwork
        Of the same architecture; put into evaluation mode.
    waveform : np.ndarray of shape (n_timepoints,), float32
        The clip at their sampling rate.
    target : int
        Of which logit.
    max_length : int
        Longest window in samples; see `deep.windows.covering_windows`.

    Returns
    -------
    np.ndarray of shape (n_weights, n_frames), float32, or None
        All weights of all networks in multiples of the even weight, at the frontend's frames; those
        behind a clip's last whole step have 0. None if no network weighs steps.
    """
    found = [_attend(network, waveform, target, max_length) for network in networks]
    known = [weights for weights in found if weights is not None]
    return np.concatenate(known).astype(np.float32) if known else None


def _attend(
    network: AudioNetwork, waveform: np.ndarray, target: int, max_length: int
) -> np.ndarray | None:
    modules = [module for module in network.modules() if _weighs_steps(module)]

    def attend(frames: Tensor, n_frames: Tensor) -> np.ndarray:
        with _listening(modules) as calls:
            logits, _ = network.classify(frames, n_frames)
        # Modules that take no part, or not as they were meant to be called, say nothing.
        rows = [
            _over_frames(network, _weigh(call, target), frames.shape[3])
            for call in _choose(calls, logits[0, target])
        ]
        return np.concatenate(rows) if rows else np.zeros((0, frames.shape[3]))

    if not modules:
        return None
    weights = explain_windows(network, waveform, attend, max_length=max_length)
    return weights if len(weights) else None


def _weighs_steps(module: nn.Module) -> bool:
    weights = getattr(type(module), "weights", None)
    return inspect.isfunction(weights) and {"steps", "n_steps"} <= set(
        inspect.signature(weights).parameters
    )


@contextmanager
def _listening(modules: Sequence[nn.Module]) -> Iterator[list[_Call]]:
    """Keep what modules are called with."""
    calls: list[_Call] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        # Called otherwise, it weighs something else than the steps of clips.
        if len(given) == 2:
            calls.append(_Call(module, given[0].detach(), given[1], output))

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _choose(calls: Sequence[_Call], logit: Tensor) -> list[_Call]:
    """Give the calls that a logit depends on; all of them where it depends on none."""
    if len(calls) < 2:
        return list(calls)
    outputs = [call.output for call in calls]
    gradients = torch.autograd.grad(logit, outputs, allow_unused=True)
    chosen = [
        call
        for call, gradient in zip(calls, gradients, strict=True)
        if gradient is not None and bool(gradient.any())
    ]
    return chosen or list(calls)


@torch.no_grad()
def _weigh(call: _Call, target: int) -> np.ndarray:
    """Give weights of one clip, of shape (n_weights, n_steps)."""
    weights = call.module.weights(call.steps, call.n_steps)  # type: ignore[operator]
    # Of a head with a weight for each label, that of the label.
    if isinstance(call.module, Head) and weights.shape[2] > 1:
        weights = weights[:, :, target : target + 1]
    return weights[0, : int(call.n_steps[0])].T.float().cpu().numpy()


def _over_frames(network: AudioNetwork, weights: np.ndarray, n_frames: int) -> np.ndarray:
    """Give each frame the weight of its step, in multiples of the even one; NaN past the last."""
    n_steps = weights.shape[1]
    step = getattr(network.backbone, "frames_per_step", None)
    if not step or n_frames // step != n_steps:
        step = n_frames / n_steps
    places = (np.arange(n_frames) / step).astype(int)
    even = weights * n_steps
    return np.where(places < n_steps, even[:, np.minimum(places, n_steps - 1)], np.nan)
