"""Pooling over time: embeddings of a clip's steps to one embedding of the clip.

Called as ``pooling(steps, n_steps) -> embeddings`` with steps of shape (n_samples, n_steps,
n_values), of which each clip's first ``n_steps`` are valid; what follows them does not matter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deep.frontends.log_mel import valid_mask


class MeanMaxPooling(nn.Module):
    """The mean over a clip's steps plus their maximum: a sound counts wherever in the clip it is.

    References
    ----------
    Q. Kong et al., PANNs: large-scale pretrained audio neural networks, IEEE/ACM TASLP 28, 2020.
    """

    def forward(self, steps: Tensor, n_steps: Tensor) -> Tensor:
        """Pool.

        Parameters
        ----------
        steps : Tensor of shape (n_samples, n_steps, n_values)
            Embeddings of steps.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip, at least one.

        Returns
        -------
        Tensor of shape (n_samples, n_values)
            Embeddings of clips.
        """
        valid = valid_mask(n_steps, steps.shape[1], device=steps.device)[..., None]
        mean = (steps * valid).sum(dim=1) / n_steps.to(steps.device)[:, None]
        return mean + steps.masked_fill(~valid, -torch.inf).amax(dim=1)


class AttentionPooling(nn.Module):
    """Weighted means over a clip's steps, by weights that are learned from the steps themselves.

    Values are dealt into as many parts as there are weights a step, so that one part may listen to
    an onset while another one waits for what sounds after it.

    Parameters
    ----------
    n_values : int
        Values per step.
    n_weights : int
        Weights per step; a divisor of `n_values`.

    References
    ----------
    Q. Kong et al., Audio Set classification with attention model: a probabilistic perspective,
    ICASSP 2018; weights there are of classes, here of parts of the embedding.
    """

    def __init__(self, n_values: int, *, n_weights: int = 16) -> None:
        super().__init__()
        if n_values % n_weights:
            raise ValueError(f"n_weights must divide the {n_values} values, got {n_weights}")
        self.weigh = nn.Linear(n_values, n_weights)

    def forward(self, steps: Tensor, n_steps: Tensor) -> Tensor:
        """Pool; see `MeanMaxPooling.forward`.

        Parameters
        ----------
        steps : Tensor of shape (n_samples, n_steps, n_values)
            Embeddings of steps.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip, at least one.

        Returns
        -------
        Tensor of shape (n_samples, n_values)
            Embeddings of clips.
        """
        valid = valid_mask(n_steps, steps.shape[1], device=steps.device)[..., None]
        weights = self.weigh(steps).masked_fill(~valid, -torch.inf).softmax(dim=1)
        parts = steps.unflatten(2, (weights.shape[2], -1))
        return (weights[..., None] * parts).sum(dim=1).flatten(start_dim=1)


POOLINGS = ("mean-max", "attention")


def create_pooling(name: str, n_values: int) -> nn.Module:
    """Make a pooling by name.

    Parameters
    ----------
    name : str
        One of `POOLINGS`.
    n_values : int
        Values per step.

    Returns
    -------
    nn.Module
        ``pooling(steps, n_steps) -> embeddings``.

    Raises
    ------
    ValueError
        If there is no such pooling.
    """
    if name not in POOLINGS:
        raise ValueError(f"pooling must be one of {POOLINGS}, got {name!r}")
    return MeanMaxPooling() if name == "mean-max" else AttentionPooling(n_values)
