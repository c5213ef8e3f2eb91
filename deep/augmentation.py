"""Augmentation of training batches: noise, mixing, and masks over time and bands.

Gain is not among them: the frontend normalises level. Random crops are cut in `deep.batches`.
Every draw comes from a CPU generator, so a batch is augmented alike on any device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from deep.frontends.log_mel import normalize_level, valid_mask


def _uniform(n: int, low: float, high: float, generator: Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is done to training batches, each clip on its own draw.

    By default one short stretch of time is masked, which is what helped on orchestral notes, where
    noise, band masks and mixing cost accuracy in trainings of a few minutes: they are for longer
    trainings and rougher recordings.

    Parameters
    ----------
    noise_probability : float
        Share of clips that white noise is added to.
    min_snr_db, max_snr_db : float
        Range of the signal-to-noise ratio, uniform in dB.
    mix_probability : float
        Share of clips that another clip of the batch is mixed into, more softly.
    n_time_masks, n_band_masks : int
        Masks per clip.
    max_time_mask : float
        Longest time mask as a share of the clip's frames.
    max_band_mask : float
        Widest band mask as a share of the bands.
    """

    noise_probability: float = 0.0
    min_snr_db: float = 20.0
    max_snr_db: float = 60.0
    mix_probability: float = 0.0
    n_time_masks: int = 1
    max_time_mask: float = 0.15
    n_band_masks: int = 0
    max_band_mask: float = 0.05

    def add_noise(self, waveforms: Tensor, lengths: Tensor, *, generator: Generator) -> Tensor:
        """Add white noise to some of the clips.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.
        generator : Generator
            CPU generator of the draws.

        Returns
        -------
        Tensor of shape (n_samples, n_timepoints)
            Level-normalised clips, some with noise; zero past each clip's end.
        """
        waveforms = normalize_level(waveforms, lengths)
        n_samples, n_timepoints = waveforms.shape
        snr_db = _uniform(n_samples, self.min_snr_db, self.max_snr_db, generator)
        chosen = torch.rand(n_samples, generator=generator) < self.noise_probability
        rows = chosen.nonzero()[:, 0]
        if not len(rows):
            return waveforms
        noise = torch.randn(len(rows), n_timepoints, generator=generator)
        noise *= 10 ** (-snr_db[rows, None] / 20) * valid_mask(lengths[rows], n_timepoints)
        waveforms[rows.to(waveforms.device)] += noise.to(waveforms.device)
        return waveforms

    def mix(
        self, waveforms: Tensor, lengths: Tensor, targets: Tensor, *, generator: Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mix some clips with another one of the batch, and their targets alike (mixup).

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Level-normalised clips, zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.
        targets : Tensor of shape (n_samples, n_classes)
            See `deep.losses`; unknown in either clip is unknown in the mix.
        generator : Generator
            CPU generator of the draws.

        Returns
        -------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Weighted sums of two clips, the first weighing 0.5 to 1.
        lengths : Tensor of shape (n_samples,), int64
            Those of the longer clips.
        targets : Tensor of shape (n_samples, n_classes)
            Weighted like the clips.
        """
        n_samples = len(waveforms)
        partner = torch.randperm(n_samples, generator=generator)
        share = _uniform(n_samples, 0.5, 1.0, generator)
        chosen = torch.rand(n_samples, generator=generator) < self.mix_probability
        if not chosen.any():
            return waveforms, lengths, targets
        share = torch.where(chosen, share, 1.0)[:, None].to(waveforms.device)
        mixed = share * waveforms + (1 - share) * waveforms[partner]
        soft = share * targets + (1 - share) * targets[partner]
        unknown = (targets < 0) | ((targets[partner] < 0) & (share < 1))
        lengths = torch.where(chosen, torch.maximum(lengths, lengths[partner]), lengths)
        return mixed, lengths, soft.masked_fill(unknown, -1.0)

    def mask(self, frames: Tensor, n_frames: Tensor, *, generator: Generator) -> Tensor:
        """Set random stretches of time and of bands to zero, the training mean.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, n_bands, n_frames)
            Standardised frames.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip.
        generator : Generator
            CPU generator of the draws.

        Returns
        -------
        Tensor of shape (n_samples, n_bands, n_frames)
            Masked frames.
        """
        n_samples, n_bands, longest = frames.shape
        hidden = torch.zeros(n_samples, n_bands, longest, dtype=torch.bool)
        for _ in range(self.n_time_masks):
            hidden |= _stretches(n_frames, longest, self.max_time_mask, generator)[:, None, :]
        bands = torch.full((n_samples,), n_bands)
        for _ in range(self.n_band_masks):
            hidden |= _stretches(bands, n_bands, self.max_band_mask, generator)[:, :, None]
        return frames.masked_fill(hidden.to(frames.device), 0.0)


def _stretches(sizes: Tensor, longest: int, max_share: float, generator: Generator) -> Tensor:
    """Mark one random stretch in each of several ranges; (n_samples, longest), bool."""
    widths = (_uniform(len(sizes), 0, max_share, generator) * sizes).round()
    starts = (torch.rand(len(sizes), generator=generator) * (sizes - widths + 1)).floor()
    positions = torch.arange(longest)
    return (positions >= starts[:, None]) & (positions < (starts + widths)[:, None])
