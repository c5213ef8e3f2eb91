"""Scalogram: strength at each scale of a continuous wavelet transform, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from deep.frontends.level import scale_to_peak
from deep.frontends.normalisation import NormalisedFrontend
from deep.frontends.power_scale import check_scale, scale_power
from deep.frontends.registry import register_frontend

# Radians that the Morlet wavelet turns within the standard deviation of its envelope.
MORLET_OMEGA = 6.0

# Scales to either side where a wavelet is cut off: its envelope is below 4e-6 of its peak there.
HALF_WIDTH = 5.0


@dataclass(frozen=True, slots=True)
class Wavelet:
    """A mother wavelet's place among the frequencies.

    Parameters
    ----------
    cycles : float
        A scale of 1 s is centred at this frequency in Hz: a tone there is strongest at this scale.
    highest : float
        Highest centre as a share of the sampling rate, above which samples are too coarse for the
        wavelet's shape.
    """

    cycles: float
    highest: float


WAVELETS = {
    "morlet": Wavelet(
        cycles=(MORLET_OMEGA + np.sqrt(2.0 + MORLET_OMEGA**2)) / (4.0 * np.pi), highest=0.4
    ),
    "ricker": Wavelet(cycles=np.sqrt(2.5) / (2.0 * np.pi), highest=0.25),
}


@register_frontend("scalogram")
class ScalogramFrontend(NormalisedFrontend):
    """Waveforms to the strength of wavelets from the bass to the treble, independent of padding.

    Each waveform is scaled to unit root mean square and correlated with wavelets of unit energy at
    log-spaced scales, long in the bass, short in the treble, with zeros beyond the clip's ends.
    A frame holds the mean squared magnitude over its `hop_length` samples: the shorter a wavelet,
    the more points are averaged, so that no frame falls between two events. White noise has a
    power of 1 in every band.

    Parameters
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    wavelet : {"morlet", "ricker"}
        A complex tone under a Gaussian, ``exp(6j t - t^2 / 2)``, that tells close frequencies
        apart; or a Gaussian's second derivative, ``(1 - t^2) exp(-t^2 / 2)``, that tells close
        moments apart.
    n_scales : int
        Number of bands, from the lowest frequency upwards.
    fmin : float
        Centre of the lowest band in Hz.
    fmax : float or None
        Centre of the highest band in Hz; None means the highest that the wavelet allows, 0.4 of
        the sampling rate for Morlet's and 0.25 for Ricker's.
    hop_length : int
        Samples between frames. A power of two lets the averaged points fall closest.
    floor : float
        Power of silence, see `LogMelFrontend`; 40 dB below white noise by default.
    scale : {"log", "db", "power"}
        See `LogMelFrontend`.
    normalisation : {"dataset", "sample", "channel", "none"}
        See `NormalisedFrontend`.
    scale_level : bool
        Scale to unit root mean square first; otherwise the level stays in the frames.

    Attributes
    ----------
    band_hz : np.ndarray of shape (n_scales,)
        Centre of each band in Hz.
    scales : np.ndarray of shape (n_scales,)
        Standard deviation of each wavelet's envelope in samples.

    Raises
    ------
    ValueError
        If there is no such wavelet, or the frequencies do not rise up to the highest it allows.

    References
    ----------
    Torrence, C. and Compo, G. P. (1998). A practical guide to wavelet analysis. Bulletin of the
    American Meteorological Society 79(1).

    Examples
    --------
    >>> import torch
    >>> frontend = ScalogramFrontend(sr=8000, n_scales=32, hop_length=256)
    >>> frames, n_frames = frontend(torch.zeros(1, 8000), torch.tensor([8000]))
    >>> tuple(frames.shape)
    (1, 1, 32, 32)
    """

    def __init__(
        self,
        *,
        sr: int = 22050,
        wavelet: str = "morlet",
        n_scales: int = 64,
        fmin: float = 50.0,
        fmax: float | None = None,
        hop_length: int = 512,
        floor: float = 1e-4,
        scale: str = "log",
        normalisation: str = "dataset",
        scale_level: bool = True,
    ) -> None:
        super().__init__(
            sr=sr,
            n_channels=1,
            n_bands=n_scales,
            hop_length=hop_length,
            normalisation=normalisation,
            min_std=check_scale(scale, floor),
        )
        self.floor, self.scale, self.scale_level = floor, scale, scale_level
        self.band_hz = _centres(sr, wavelet, n_scales, fmin, fmax)
        # In samples, the longest first.
        self.scales = WAVELETS[wavelet].cycles * sr / self.band_hz
        octaves = np.floor(np.log2(self.scales[0] / self.scales) + 1e-9).astype(int)
        self.points: list[int] = []
        for octave in np.unique(octaves):
            scales = self.scales[octaves == octave]
            self.points.append(_points_per_frame(hop_length, scales[-1]))
            kernels = torch.from_numpy(_kernels(wavelet, scales))
            # Made from the settings above, so kept out of the checkpoint.
            self.register_buffer(f"kernels_{len(self.points) - 1}", kernels, persistent=False)

    def raw_frames(self, waveforms: Tensor, lengths: Tensor) -> Tensor:  # noqa: D102 - see base
        level = torch.ones_like(waveforms[:, :1])
        if self.scale_level:
            waveforms, rms = scale_to_peak(waveforms, lengths)
            level = rms.square()
        # TF32 has 11 bits of mantissa: a loud bass note would rise above the floor in the treble.
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ):
            powers = [
                self._octave_power(waveforms, self.get_buffer(f"kernels_{i}"), points)
                for i, points in enumerate(self.points)
            ]
        power = torch.cat(powers, dim=1) / level[:, :, None]
        return scale_power(power, scale=self.scale, floor=self.floor)[:, None]

    def _octave_power(self, waveforms: Tensor, kernels: Tensor, points: int) -> Tensor:
        """Give the mean power of each frame in an octave's bands, (n_samples, bands, n_frames)."""
        n_parts, n_scales, width = kernels.shape
        n_frames = 1 + waveforms.shape[1] // self.hop_length
        step = self.hop_length // points
        # A frame's points lie around its centre.
        left = width // 2 + (points - 1) * step // 2
        right = (n_frames * points - 1) * step + width - left - waveforms.shape[1]
        padded = functional.pad(waveforms, (left, right))
        parts = functional.conv1d(padded[:, None], kernels.flatten(0, 1)[:, None], stride=step)
        power = parts.unflatten(1, (n_parts, n_scales)).square().sum(dim=1)
        return power.unflatten(-1, (n_frames, points)).mean(dim=-1)


def _centres(sr: int, wavelet: str, n_scales: int, fmin: float, fmax: float | None) -> np.ndarray:
    """Give the bands' centres in Hz, equally spaced in octaves."""
    if wavelet not in WAVELETS:
        raise ValueError(f"wavelet must be one of {list(WAVELETS)}, got {wavelet!r}")
    highest = WAVELETS[wavelet].highest * sr
    fmax = highest if fmax is None else fmax
    if not 0 < fmin < fmax <= highest:
        raise ValueError(
            f"fmin and fmax must rise from above 0 Hz to at most {highest:g} Hz, "
            f"{WAVELETS[wavelet].highest:g} of the sampling rate, got {fmin:g} and {fmax:g}"
        )
    return np.geomspace(fmin, fmax, n_scales)


def _points_per_frame(hop_length: int, scale: float) -> int:
    """Give the fewest equal parts of a hop that are no longer than the scale, both in samples."""
    divisors = [n for n in range(1, hop_length + 1) if hop_length % n == 0]
    return next((n for n in divisors if hop_length / n <= scale), hop_length)


def _kernels(wavelet: str, scales: np.ndarray) -> np.ndarray:
    """Give sampled wavelets of unit energy: (2 or 1, n_scales, width), real and imaginary part."""
    half = int(np.ceil(HALF_WIDTH * scales[0]))
    t = np.arange(-half, half + 1) / scales[:, np.newaxis]
    envelope = np.exp(-0.5 * t**2)
    if wavelet == "morlet":
        parts = np.stack([np.cos(MORLET_OMEGA * t), np.sin(MORLET_OMEGA * t)]) * envelope
    else:
        parts = ((1.0 - t**2) * envelope)[np.newaxis]
    parts[:, np.abs(t) > HALF_WIDTH] = 0.0
    return (parts / np.sqrt((parts**2).sum(axis=(0, 2), keepdims=True))).astype(np.float32)
