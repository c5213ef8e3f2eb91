"""A room around the clip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.fft import next_fast_len

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws
from deep.augmentation.noise_bank import draw_noise
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep


@register_augmentation("reverb")
@dataclass(frozen=True, slots=True, kw_only=True)
class Reverb(WaveformStep):
    """Add the sound of a room: white noise that dies away, as the tail of an impulse response.

    The direct sound stays where and as loud as it is; what would ring on past the clip's end is
    cut, so the clip stays as long as it is.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    min_rt60_s, max_rt60_s : float
        Range of the time in s in which the tail falls by 60 dB, evenly drawn.
    min_direct_db, max_direct_db : float
        Range of the ratio of the impulse response's direct to its reverberant energy, evenly drawn
        in dB.

    References
    ----------
    J. A. Moorer, About this reverberation business, Computer Music Journal 3(2), 1979: rooms'
    impulse responses sound much like exponentially decaying white noise.
    """

    probability: float = option(0.25, least=0, most=1, about="share of clips that are changed")
    min_rt60_s: float = option(0.2, least=0.01, most=10, about="shortest time to -60 dB in s")
    max_rt60_s: float = option(0.8, least=0.01, most=10, about="longest time to -60 dB in s")
    min_direct_db: float = option(0.0, least=-30, most=60, about="least direct to tail ratio, dB")
    max_direct_db: float = option(12.0, least=-30, most=60, about="greatest ratio in dB")

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        rt60 = part.column(draws.uniform(self.min_rt60_s, self.max_rt60_s) * part.sr)
        direct_db = draws.uniform(self.min_direct_db, self.max_direct_db)
        width, longest = part.waveforms.shape[1], math.ceil(self.max_rt60_s * part.sr)
        white = torch.zeros(len(part), dtype=torch.int64)
        tails = draw_noise(part, longest, colours=white, draws=draws)
        times = torch.arange(longest, device=tails.device)
        tails *= torch.exp(times * (-3 * math.log(10) / rt60)) * (times < rt60)
        # The first sample is the direct sound's own.
        tails[:, 0] = 0.0
        energies = tails.square().sum(dim=1, keepdim=True)
        tails *= part.column(10 ** (-direct_db / 20)) / energies.sqrt().clamp_min(1e-9)
        tails[:, 0] = 1.0
        tails = tails[:, :width]
        # Long enough that nothing comes round from the end to the start.
        size = next_fast_len(width + tails.shape[1], real=True)
        spectra = torch.fft.rfft(part.waveforms, n=size).mul_(torch.fft.rfft(tails, n=size))
        return part.replaced(torch.fft.irfft(spectra, n=size)[:, :width])
