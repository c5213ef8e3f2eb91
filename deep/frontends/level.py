"""Level of a waveform in a batch, over its own samples only."""

from __future__ import annotations

import torch
from torch import Tensor


def scale_to_peak(waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Scale each waveform to a peak of one, and tell its level over its valid samples then.

    Parameters
    ----------
    waveforms : Tensor of shape (n_samples, n_timepoints), float32
        Zero past each clip's end.
    lengths : Tensor of shape (n_samples,), int64
        Valid samples of each waveform.

    Returns
    -------
    scaled : Tensor of shape (n_samples, n_timepoints), float32
        Scaled waveforms; silence stays silence.
    rms : Tensor of shape (n_samples, 1), float32
        Root mean square of each; one for silence.
    """
    # Not the level at once: the squares of a very quiet clip would underflow.
    peak = waveforms.abs().amax(dim=1, keepdim=True)
    scaled = waveforms / torch.where(peak > 0, peak, torch.ones_like(peak))
    norm = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    rms = norm / lengths.to(waveforms.device).sqrt()[:, None]
    return scaled, torch.where(rms > 0, rms, torch.ones_like(rms))
