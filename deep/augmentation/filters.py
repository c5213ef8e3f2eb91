"""Brighter, duller, thinner, fuller: what devices and positions do to a spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.fft import next_fast_len
from torch import Tensor

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep

SHAPES = ("low_pass", "high_pass", "peak", "low_shelf", "high_shelf")

# In which the slowest filters of the default ranges have died away; what rings on comes round.
_RINGING_S = 0.1
# Nothing is tuned closer to half the sampling rate than this share of the rate.
_HIGHEST = 0.45
# Peaks of an octave or so, passes without a bump, shelves without one.
_PEAK_Q, _PASS_Q = 1.0, math.sqrt(0.5)


@register_augmentation("filters")
@dataclass(frozen=True, slots=True, kw_only=True)
class Filters(WaveformStep):
    """Pass the clip through one filter of second order, of a random shape.

    A low pass or high pass (12 dB an octave), a peak or dip, or a low or high shelf, tuned to a
    frequency that is evenly drawn in octaves; frequencies near or above half the sampling rate
    count as 45 % of the rate. Computed in the frequency domain.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    shape : str
        ``"low_pass"``, ``"high_pass"``, ``"peak"``, ``"low_shelf"``, ``"high_shelf"``, or
        ``"any"`` of them.
    min_low_pass_hz, max_low_pass_hz : float
        Range of a low pass's edge in Hz.
    min_high_pass_hz, max_high_pass_hz : float
        Range of a high pass's edge in Hz.
    min_hz, max_hz : float
        Range of the middle of peaks and shelves in Hz.
    max_db : float
        Greatest gain of peaks and shelves, up or down, evenly drawn in dB.

    References
    ----------
    R. Bristow-Johnson, Cookbook formulae for audio equalizer biquad filter coefficients, W3C
    working group note, 2021.
    """

    probability: float = option(0.25, least=0, most=1, about="share of clips that are changed")
    shape: str = option("any", choices=(*SHAPES, "any"), about="which filter")
    min_low_pass_hz: float = option(2000.0, least=20, most=100_000, about="low pass's edge in Hz")
    max_low_pass_hz: float = option(8000.0, least=20, most=100_000, about="low pass's edge in Hz")
    min_high_pass_hz: float = option(40.0, least=10, most=100_000, about="high pass's edge in Hz")
    max_high_pass_hz: float = option(400.0, least=10, most=100_000, about="high pass's edge in Hz")
    min_hz: float = option(100.0, least=10, most=100_000, about="peak or shelf in Hz")
    max_hz: float = option(6000.0, least=10, most=100_000, about="peak or shelf in Hz")
    max_db: float = option(9.0, least=0, most=40, about="greatest gain of peak or shelf in dB")

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        width = part.waveforms.shape[1]
        size = next_fast_len(width + round(_RINGING_S * part.sr), real=True)
        coefficients, tuned_hz = (
            numbers.to(part.waveforms, non_blocking=True) for numbers in self._draw(draws)
        )
        response = frequency_response(coefficients, tuned_hz, size=size, sr=part.sr)
        spectra = torch.fft.rfft(part.waveforms, n=size).mul_(response)
        return part.replaced(torch.fft.irfft(spectra, n=size)[:, :width])

    def _draw(self, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw shapes and where they are tuned to; each row draws for all shapes and uses one."""
        shapes = draws.integers(0, len(SHAPES) - 1)
        if self.shape != "any":
            shapes = torch.full_like(shapes, SHAPES.index(self.shape))
        middle = draws.log_uniform(self.min_hz, self.max_hz)
        edges = (
            draws.log_uniform(self.min_low_pass_hz, self.max_low_pass_hz),
            draws.log_uniform(self.min_high_pass_hz, self.max_high_pass_hz),
        )
        tuned_hz = torch.stack([*edges, middle, middle, middle], dim=1)
        amplitudes = 10 ** (draws.uniform(-self.max_db, self.max_db) / 40)
        rows = torch.arange(len(shapes))
        return _coefficients(amplitudes)[rows, shapes], tuned_hz[rows, shapes]


def _coefficients(amplitudes: Tensor) -> Tensor:
    """Give analogue prototypes tuned to 1; (n_samples, n_shapes, 6).

    Numerator and denominator, each of the square, the line and the constant of ``s``; `amplitudes`
    are the square roots of the gains.
    """
    a, one = amplitudes, torch.ones_like(amplitudes)
    zero, root = torch.zeros_like(a), a.sqrt() / _PASS_Q
    shapes = (
        (zero, zero, one, one, one / _PASS_Q, one),
        (one, zero, zero, one, one / _PASS_Q, one),
        (one, a / _PEAK_Q, one, one, 1 / (a * _PEAK_Q), one),
        (a, a * root, a * a, a, root, one),
        (a * a, a * root, a, one, root, a),
    )
    return torch.stack([torch.stack(shape, dim=1) for shape in shapes], dim=1)


def frequency_response(coefficients: Tensor, tuned_hz: Tensor, *, size: int, sr: int) -> Tensor:
    """Compute the response of filters of second order, by the bilinear transform.

    Parameters
    ----------
    coefficients : Tensor of shape (n_samples, 6)
        Of ``s``: square, line and constant of the numerator, then of the denominator, for a filter
        that is tuned to 1.
    tuned_hz : Tensor of shape (n_samples,)
        Frequency in Hz that it is tuned to.
    size : int
        Length of the transform in samples.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    Tensor of shape (n_samples, size // 2 + 1), complex
        Factors for ``rfft``.
    """
    # Frequencies are warped so that half the sampling rate is infinity: just short of it is enough.
    angles = torch.fft.rfftfreq(size, device=tuned_hz.device).clamp_max(0.4999) * torch.pi
    tuned = torch.tan(torch.pi * (tuned_hz / sr).clamp_max(_HIGHEST))[:, None]
    s = torch.tan(angles)
    square = s.square()
    b2, b1, b0, a2, a1, a0 = coefficients.T[:, :, None]
    above = torch.complex(b0 - (b2 / tuned.square()) * square, (b1 / tuned) * s)
    return above.div_(torch.complex(a0 - (a2 / tuned.square()) * square, (a1 / tuned) * s))
