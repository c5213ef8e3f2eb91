"""How fast values change from frame to frame, up to each clip's own end."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from deep.frontends.padding import valid_mask


def deltas(frames: Tensor, n_frames: Tensor, *, reach: int = 2) -> Tensor:
    """Compute the slope of the line fitted to the frames around each, per frame.

    Parameters
    ----------
    frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
        Of any value past each clip's last frame.
    n_frames : Tensor of shape (n_samples,), int64
        Valid frames of each clip, at least one.
    reach : int
        Frames to either side. 2 is the usual one of speech recognisers, 4 that of librosa.

    Returns
    -------
    Tensor of shape (n_samples, n_channels, n_bands, n_frames)
        ``sum_k k (x[t + k] - x[t - k]) / (2 sum_k k^2)``, k from 1 to `reach`, where a clip's
        first and last frame go on beyond its ends; of any value past its last frame. Equal to
        ``torchaudio.functional.compute_deltas`` of each clip alone, and away from the ends to
        ``librosa.feature.delta``.

    References
    ----------
    Furui, S. (1986). Speaker-independent isolated word recognition using dynamic features of
    speech spectrum. IEEE Transactions on Acoustics, Speech, and Signal Processing 34(1).
    """
    size = frames.shape[-1]
    n_frames = n_frames.to(frames.device)
    last = (n_frames - 1).view(-1, 1, 1, 1).expand(*frames.shape[:3], 1)
    inside = valid_mask(n_frames, size)[:, None, None, :]
    held = torch.where(inside, frames, frames.gather(-1, last))
    held = functional.pad(held, (reach, reach, 0, 0), mode="replicate")
    slope = torch.zeros_like(frames)
    for k in range(1, reach + 1):
        later, earlier = held.narrow(-1, reach + k, size), held.narrow(-1, reach - k, size)
        slope = slope + k * (later - earlier)
    return slope / (2 * sum(k * k for k in range(1, reach + 1)))
