"""Frontends that end in a normalisation: over the training clips, over each clip, or none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import torch
from torch import Tensor

from deep.frontends.frontend import Frontend
from deep.frontends.padding import valid_mask
from deep.frontends.power_scale import MIN_STD

NORMALISATIONS = ("dataset", "sample", "channel", "none")


class NormalisedFrontend(Frontend):
    """Frames every `hop_length` samples, centred, and normalised at the end.

    What comes before, subclasses define in `raw_frames`.

    Parameters
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    n_channels : int
        Pictures of the same sound.
    n_bands : int
        Values per frame and channel.
    hop_length : int
        Samples between frames.
    normalisation : {"dataset", "sample", "channel", "none"}
        ``"dataset"``: each band to zero mean and unit standard deviation over the training clips,
        which `fit_statistics` is given. ``"sample"``: each clip to those over its own channels,
        bands and valid frames; ``"channel"``: each channel of a clip to those over its own bands
        and valid frames. ``"none"``: left as it is.
    min_std : float
        Smallest standard deviation to divide by, so that what never moves stays near zero.

    Attributes
    ----------
    mean, std : Tensor of shape (n_channels * n_bands,)
        Fitted statistics of each band, channel after channel, if the normalisation is
        ``"dataset"``; zero and one until fitted.

    Raises
    ------
    ValueError
        If there is no such normalisation, or the hop is not at least one sample.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        sr: int,
        n_channels: int,
        n_bands: int,
        hop_length: int,
        normalisation: str = "dataset",
        min_std: float = MIN_STD,
    ) -> None:
        super().__init__()
        if normalisation not in NORMALISATIONS:
            raise ValueError(
                f"normalisation must be one of {list(NORMALISATIONS)}, got {normalisation!r}"
            )
        if hop_length < 1:
            raise ValueError(f"hop_length must be at least 1 sample, got {hop_length}")
        self.sr, self.n_channels, self.n_bands = sr, n_channels, n_bands
        self.hop_length, self.normalisation, self.min_std = hop_length, normalisation, min_std
        if normalisation == "dataset":
            self.register_buffer("mean", torch.zeros(n_channels * n_bands))
            self.register_buffer("std", torch.ones(n_channels * n_bands))

    def raw_frames(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Compute frames before the normalisation, in float32.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints), float32
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.

        Returns
        -------
        Tensor of shape (n_samples, n_channels, n_bands, n_frames), float32
            Of any value past each clip's last frame.

        Raises
        ------
        NotImplementedError
            If a frontend does not define them.
        """
        raise NotImplementedError(f"{type(self).__name__} must define raw_frames")

    def n_frames(self, lengths: Tensor) -> Tensor:
        """Count the frames of clips of the given lengths.

        Parameters
        ----------
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each clip.

        Returns
        -------
        Tensor of shape (n_samples,), int64
            ``1 + lengths // hop_length``.
        """
        return 1 + lengths // self.hop_length

    def min_timepoints(self, n_frames: int) -> int:  # noqa: D102 - see Frontend
        return max(1, (n_frames - 1) * self.hop_length)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute normalised frames.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.

        Returns
        -------
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames), float32
            Zero past each clip's last frame.
        n_frames : Tensor of shape (n_samples,), int64
            Valid frames of each clip.
        """
        frames, n_frames, mask = self._masked(waveforms, lengths)
        if self.normalisation == "dataset":
            shape = (self.n_channels, self.n_bands, 1)
            frames = (frames - self.mean.view(shape)) / self.std.view(shape)
        elif self.normalisation != "none":
            frames = self._standardise_clips(frames, n_frames, mask)
        return frames.masked_fill(~mask, 0.0), n_frames

    def _masked(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give raw frames, their numbers, and which are valid, (n_samples, 1, 1, n_frames)."""
        # bfloat16 has 8 bits of mantissa, far too few for a transform: float32 whatever autocast.
        with torch.autocast(waveforms.device.type, enabled=False):
            frames = self.raw_frames(waveforms.float(), lengths)
        n_frames = self.n_frames(lengths)
        mask = valid_mask(n_frames, frames.shape[-1], device=frames.device)
        return frames, n_frames, mask[:, None, None, :]

    def _standardise_clips(self, frames: Tensor, n_frames: Tensor, mask: Tensor) -> Tensor:
        """Standardise each clip, or each channel of it, over its own valid frames."""
        by_channel = self.normalisation == "channel"
        axes = (2, 3) if by_channel else (1, 2, 3)
        count = n_frames.to(frames.device) * self.n_bands * (1 if by_channel else self.n_channels)
        count = count.view(-1, 1, 1, 1)
        # Counted from a value of the clip's own: what is constant comes out as exactly zero.
        start = frames[:, :, :1, :1] if by_channel else frames[:, :1, :1, :1]
        offsets = (frames - start).masked_fill(~mask, 0.0)
        mean = offsets.sum(axes, keepdim=True) / count
        offsets = (offsets - mean).masked_fill(~mask, 0.0)
        std = (offsets.square().sum(axes, keepdim=True) / count).sqrt()
        return offsets / std.clamp_min(self.min_std)

    @torch.no_grad()
    def fit_statistics(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Self:
        """Set ``mean`` and ``std`` of each band from training clips, if they are used at all.

        Parameters
        ----------
        batches : iterable of (waveforms, lengths)
            Training clips only, as `forward` takes them.

        Returns
        -------
        NormalisedFrontend
            Itself.
        """
        if self.normalisation != "dataset":
            return self
        total = torch.zeros(self.n_channels, self.n_bands, dtype=torch.float64)
        total_squares = torch.zeros_like(total)
        count = 0
        for waveforms, lengths in batches:
            frames, n_frames, mask = self._masked(waveforms, lengths)
            valid = frames.double().masked_fill(~mask, 0.0)
            total += valid.sum(dim=(0, 3)).cpu()
            total_squares += valid.square().sum(dim=(0, 3)).cpu()
            count += int(n_frames.sum())
        if count:
            mean = total / count
            variance = (total_squares / count - mean.square()).clamp_min(0)
            self.mean.copy_(mean.flatten())
            # A band that never moves (all-silent training clips) must not divide by zero.
            self.std.copy_(variance.sqrt().clamp_min(self.min_std).flatten())
        return self
