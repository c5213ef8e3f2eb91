"""Noise to cut from: made once, so that a batch costs a copy instead of millions of draws."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws

# Power falls with this power of frequency: 0, 3 and 6 dB an octave.
EXPONENTS = {"white": 0.0, "pink": 1.0, "brown": 2.0}

# 24 s at 22,050 Hz, after which the noise repeats without a seam.
_PERIOD = 2**19
# Below this share of the sampling rate the spectrum is flat: 22 Hz at 22,050 Hz. Otherwise nearly
# all of brown noise would lie where nothing is heard.
_FLAT_BELOW = 1e-3


def draw_noise(part: Batch, width: int, *, colours: Tensor, draws: Draws) -> Tensor:
    """Cut a stretch of noise for each row, from anywhere in the bank and either way up.

    Parameters
    ----------
    part : Batch
        Tells rows and device.
    width : int
        Samples wanted.
    colours : Tensor of shape (n_samples,), int64
        Positions in `EXPONENTS`.
    draws : Draws
        Of each row.

    Returns
    -------
    Tensor of shape (n_samples, width), float32
        With a root mean square near one.
    """
    n_periods = 1 + -(-width // _PERIOD)
    bank = _make_bank(n_periods, str(part.waveforms.device))
    starts = (draws.uniform() * _PERIOD).long() + colours * (n_periods * _PERIOD)
    noise = bank.view(-1).unfold(0, width, 1)[starts.to(bank.device, non_blocking=True)]
    signs = torch.where(draws.uniform() < 0.5, -1.0, 1.0)
    return noise.mul_(part.column(signs))


@lru_cache(maxsize=4)
def _make_bank(n_periods: int, device: str) -> Tensor:
    """Make noise of each colour, (n_colours, n_periods * _PERIOD), alike on any device."""
    generator = torch.Generator().manual_seed(440)
    spectrum = torch.fft.rfft(torch.randn(_PERIOD, generator=generator))
    frequencies = torch.fft.rfftfreq(_PERIOD).clamp_min(_FLAT_BELOW)
    colours = []
    for exponent in EXPONENTS.values():
        noise = torch.fft.irfft(spectrum * frequencies ** (-exponent / 2), n=_PERIOD)
        colours.append((noise / noise.square().mean().sqrt()).repeat(n_periods))
    return torch.stack(colours).to(device)
