"""The convolutions before a speech transformer, so that a clip's steps do not depend on padding.

None of them pads, so a step depends on valid samples alone, as long as it is itself valid. Only the
group normalisation of the base models looks over the whole clip, and over all zeros behind it:
here its mean and variance are those of the valid steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.frontends.padding import valid_mask


class WaveformConvolutions(nn.Module):
    """Convolutions over the waveform, as wav2vec 2.0 and what came after it have them.

    Parameters
    ----------
    layers : iterable of nn.Module
        Each with ``conv``, where it normalises with ``layer_norm``, and with ``activation`` where
        that is not the GELU.

    Attributes
    ----------
    n_values : int
        Values per step.
    min_timepoints : int
        Samples that the first step takes.
    hop_length : int
        Samples from step to step.

    References
    ----------
    A. Baevski et al., wav2vec 2.0: a framework for self-supervised learning of speech
    representations, 2020, https://arxiv.org/abs/2006.11477
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.min_timepoints, self.hop_length = 1, 1
        for kernel, stride in self._sizes():
            self.min_timepoints += (kernel - 1) * self.hop_length
            self.hop_length *= stride
        self.n_values: int = self._layers()[-1].conv.out_channels

    def _layers(self) -> list[Any]:
        return list(self.layers)

    def _sizes(self) -> list[tuple[int, int]]:
        return [(layer.conv.kernel_size[0], layer.conv.stride[0]) for layer in self._layers()]

    def n_steps(self, lengths: Tensor) -> Tensor:
        """Count the steps of clips of the given lengths.

        Parameters
        ----------
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each clip.

        Returns
        -------
        Tensor of shape (n_samples,), int64
            One at ``min_timepoints``.
        """
        for kernel, stride in self._sizes():
            lengths = (lengths - kernel) // stride + 1
        return lengths

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute steps.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Any values past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform, at least ``min_timepoints``.

        Returns
        -------
        steps : Tensor of shape (n_samples, n_steps, n_values)
            Any values past each clip's last step.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip.
        """
        values, n_steps = waveforms[:, None], lengths
        for layer, (kernel, stride) in zip(self._layers(), self._sizes(), strict=True):
            n_steps = (n_steps - kernel) // stride + 1
            values = _normalise(layer.conv(values), n_steps, getattr(layer, "layer_norm", None))
            values = getattr(layer, "activation", functional.gelu)(values)
        return values.transpose(1, 2), n_steps


def _normalise(values: Tensor, n_steps: Tensor, norm: nn.Module | None) -> Tensor:
    if isinstance(norm, nn.GroupNorm):
        return _normalise_groups(values, n_steps, norm)
    if isinstance(norm, nn.LayerNorm):
        # Over the values of a step, wherever a library's own layer puts them.
        turned = values.transpose(1, 2)
        return functional.layer_norm(
            turned, norm.normalized_shape, norm.weight, norm.bias, norm.eps
        ).transpose(1, 2)
    return values


def _normalise_groups(values: Tensor, n_steps: Tensor, norm: nn.GroupNorm) -> Tensor:
    if (n_steps == values.shape[2]).all():
        return norm(values)
    with torch.autocast(values.device.type, enabled=False):
        parts = values.float().unflatten(1, (norm.num_groups, -1))
        valid = valid_mask(n_steps, values.shape[2], device=values.device)[:, None, None]
        count = (n_steps * parts.shape[2]).to(values.device)[:, None, None, None]
        mean = (parts * valid).sum(dim=(2, 3), keepdim=True) / count
        centred = (parts - mean) * valid
        variance = centred.square().sum(dim=(2, 3), keepdim=True) / count
        scaled = (centred * torch.rsqrt(variance + norm.eps)).flatten(1, 2).to(values.dtype)
    if norm.weight is None:
        return scaled
    return scaled * norm.weight[:, None] + norm.bias[:, None]
