"""Silence past the end of each clip in maps of clips of different lengths."""

from __future__ import annotations

from torch import Tensor

from deep.frontends.padding import valid_mask


def silence_end(maps: Tensor, n_steps: Tensor) -> Tensor:
    """Put zeros past each clip's end, as a convolution sees them beyond a clip alone.

    Parameters
    ----------
    maps : Tensor of shape (n_samples, n_maps, n_bands, longest)
        Whatever past each clip's end.
    n_steps : Tensor of shape (n_samples,), int64, on the CPU
        Valid steps of each clip; maps may be longer than the longest of them.

    Returns
    -------
    Tensor of shape (n_samples, n_maps, n_bands, n_steps.max())
        Cut after the longest clip, zero past each clip's end.
    """
    maps = maps[..., : int(n_steps.max())]
    if not (n_steps < maps.shape[-1]).any():
        return maps
    return maps * valid_mask(n_steps, maps.shape[-1], device=maps.device)[:, None, None, :]
