"""What lies past the end of a clip in a batch: where it begins, and how the clip is continued."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_mask(lengths: Tensor, size: int, *, device: torch.device | None = None) -> Tensor:
    """Mark the valid positions of padded sequences.

    Parameters
    ----------
    lengths : Tensor of shape (n_samples,), int64
        Valid positions of each sequence.
    size : int
        Padded length.
    device : torch.device or None
        Where the mask is needed; None means where `lengths` lives.

    Returns
    -------
    Tensor of shape (n_samples, size), bool
        True before each sequence's end.
    """
    lengths = lengths.to(device) if device is not None else lengths
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def reflect_ends(waveforms: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Continue each waveform beyond both its ends by its mirror image.

    Parameters
    ----------
    waveforms : Tensor of shape (n_samples, n_timepoints)
        Zero past each clip's end.
    lengths : Tensor of shape (n_samples,), int64
        Valid samples of each waveform.
    size : int
        Samples to add at each end.

    Returns
    -------
    Tensor of shape (n_samples, n_timepoints + 2 * size)
        As ``numpy.pad(waveform, size, mode="reflect")`` of each clip alone, however short; zero
        past its mirrored end.
    """
    lengths = lengths.to(waveforms.device)[:, None]
    positions = torch.arange(-size, waveforms.shape[1] + size, device=waveforms.device)
    # There and back again: neither end is met twice.
    period = (2 * (lengths - 1)).clamp_min(1)
    folded = positions % period
    mirrored = waveforms.gather(1, torch.minimum(folded, period - folded))
    return mirrored.masked_fill(positions >= lengths + size, 0.0)
