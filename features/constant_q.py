"""Constant-Q transform: a spectrum whose bins are equally far apart in pitch.

Conventions: bin k has the frequency ``f = C1 * 2^(k / bins_per_octave)`` and looks at the clip
through a Hann window of ``L = q * sr / f`` samples around each frame's centre, with q such that a
window spans as many periods as neighbouring bins need to be told apart.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy.fft

from features.analysis import MARGIN, ClipAnalysis
from features.compiled import compiled

# C1, three octaves and a sixth below A4 = 440 Hz.
LOWEST_HZ = 440.0 * 2.0 ** (-45 / 12)

# A filter's response is cut at this many times sr / L from its frequency. Faded out towards the
# cut, it departs from that of the Hann window by 9e-4 of its energy's root.
CUT = 10

# What a filter so cut sees farther away than this share of L has 5e-6 of that root.
REACH = 0.75

# Values of the response per sr / L: a line between two of them is within 2e-5.
RESOLUTION = 128


def constant_q(
    analysis: ClipAnalysis, *, bins_per_octave: int = 36, n_octaves: int = 7
) -> np.ndarray:
    """Magnitude of the constant-Q transform.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    bins_per_octave : int
        Bins from one frequency to twice that frequency.
    n_octaves : int
        Octaves from C1 (32.7 Hz) upwards.

    Returns
    -------
    np.ndarray of shape (n_octaves * bins_per_octave, n_frames), float32
        ``sqrt(L) |sum_m x[t + m] w[m] exp(-2 pi i f m / sr)|`` with w the window at unit sum, as in
        ``librosa.cqt``: white noise has an expected square of 1.5 in each bin. 0 in silence.

    Raises
    ------
    ValueError
        If a bin would lie at or above half the sampling rate, or the longest window reaches
        farther than a stream holds samples around a block.

    Notes
    -----
    One long Fourier transform of the stretch that the windows cover is multiplied by each filter's
    response. Folding the product to as many bins as there are hops leaves, after the inverse
    transform, every `hop_length`-th sample of the filter's output: one value per frame.

    References
    ----------
    Brown, J. C. (1991). Calculation of a constant Q spectral transform. Journal of the Acoustical
    Society of America 89(1).
    """
    hop_length = analysis.hop_length
    reach = _reach(analysis.sr, bins_per_octave, n_octaves)
    first = analysis.first_timepoint
    last = first + (analysis.n_frames - 1) * hop_length
    # The stretch begins a whole number of hops before the first frame.
    start = max(first - -(-reach // hop_length) * hop_length, 0)
    stop = min(last + reach, analysis.level.n_timepoints)
    # The transform is circular: a window that passes one end must find zeros, not the other end.
    n_hops = -(-max(stop - first + reach, last + reach - start) // hop_length)
    n_hops = scipy.fft.next_fast_len(n_hops, real=True)
    n_fft = n_hops * hop_length
    spectrum = scipy.fft.rfft(analysis.stretch(start, stop), n=n_fft)
    filters = _filters(analysis.sr, n_fft, hop_length, bins_per_octave, n_octaves)
    coefficients = scipy.fft.ifft(_folded(spectrum, *filters, n_hops), axis=1, overwrite_x=True)
    return _magnitudes(coefficients, (first - start) // hop_length, analysis.n_frames)


def _q(bins_per_octave: int) -> float:
    """Periods in a window: frequency over half the distance between the neighbouring bins."""
    ratio = 4.0 ** (1.0 / bins_per_octave)
    return (ratio + 1.0) / (ratio - 1.0)


def _reach(sr: int, bins_per_octave: int, n_octaves: int) -> int:
    """Give how far the longest window sees in samples, and check that the bins can be computed."""
    highest = LOWEST_HZ * 2.0 ** (n_octaves - 1 / bins_per_octave)
    if highest >= sr / 2:
        raise ValueError(f"bins must lie below sr / 2 = {sr / 2} Hz, got one at {highest:.1f} Hz")
    reach = math.ceil(REACH * _q(bins_per_octave) * sr / LOWEST_HZ)
    if reach > MARGIN:
        raise ValueError(
            f"the longest window must reach no farther than {MARGIN} samples, got {reach} at "
            f"{sr} Hz and {bins_per_octave} bins_per_octave; lower one of the two"
        )
    return reach


@lru_cache(maxsize=1)
def _response() -> np.ndarray:
    """Sample the Hann window's spectrum from its centre to the cut, as a share of its peak."""
    offset = np.arange(CUT * RESOLUTION + 2) / RESOLUTION
    hann = np.sinc(offset) + 0.5 * (np.sinc(offset - 1.0) + np.sinc(offset + 1.0))
    # A sharp cut would ring long after the window.
    fade = (1.0 - np.minimum(offset / CUT, 1.0) ** 4) ** 2
    return (hann * fade).astype(np.float32)


# A few, for clips of few lengths: one takes 1 MB per 100,000 samples.
@lru_cache(maxsize=4)
def _filters(
    sr: int, n_fft: int, hop_length: int, bins_per_octave: int, n_octaves: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give all filters' weights, where each filter's begin, and the bin of its first."""
    q = _q(bins_per_octave)
    frequencies = LOWEST_HZ * 2.0 ** (np.arange(n_octaves * bins_per_octave) / bins_per_octave)
    gains = np.sqrt(q * sr / frequencies) / hop_length
    return _sampled_responses(_response(), frequencies, gains, q, sr / n_fft, 1 + n_fft // 2)


@compiled
def _sampled_responses(
    response: np.ndarray,
    frequencies: np.ndarray,
    gains: np.ndarray,
    q: float,
    spacing: float,
    n_bins: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evaluate each filter's response at the bins, `spacing` Hz apart, up to its cut."""
    n_filters = len(frequencies)
    starts = np.zeros(n_filters + 1, dtype=np.intp)
    first_bins = np.empty(n_filters, dtype=np.intp)
    for k in range(n_filters):
        half = CUT * frequencies[k] / q
        first_bins[k] = max(math.ceil((frequencies[k] - half) / spacing), 0)
        stop = min(math.floor((frequencies[k] + half) / spacing) + 1, n_bins)
        starts[k + 1] = starts[k] + stop - first_bins[k]
    weights = np.empty(starts[n_filters], dtype=np.float32)
    for k in range(n_filters):
        row = weights[starts[k] : starts[k + 1]]
        scale = RESOLUTION * q * spacing / frequencies[k]
        offset = np.float32(scale * (first_bins[k] - frequencies[k] / spacing))
        step, gain = np.float32(scale), np.float32(gains[k])
        for i in range(len(row)):
            place = abs(offset + step * np.float32(i))
            below = np.uint32(place)
            share = place - np.float32(below)
            row[i] = gain * (response[below] + share * (response[below + 1] - response[below]))
    return weights, starts, first_bins


@compiled
def _folded(
    spectrum: np.ndarray,
    weights: np.ndarray,
    starts: np.ndarray,
    first_bins: np.ndarray,
    n_hops: int,
) -> np.ndarray:
    """Multiply a spectrum by each filter's response and add up bins `n_hops` apart."""
    n_filters = len(first_bins)
    folded = np.zeros((n_filters, n_hops), dtype=np.complex64)
    for k in range(n_filters):
        filter_weights = weights[starts[k] : starts[k + 1]]
        done = 0
        while done < len(filter_weights):
            place = (first_bins[k] + done) % n_hops
            n = min(len(filter_weights) - done, n_hops - place)
            row, part = folded[k, place : place + n], filter_weights[done : done + n]
            bins = spectrum[first_bins[k] + done :]
            for i in range(n):
                row[i] += part[i] * bins[i]
            done += n
    return folded


@compiled
def _magnitudes(coefficients: np.ndarray, first: int, n_frames: int) -> np.ndarray:
    """Absolute values of the columns from the first on."""
    n_filters = len(coefficients)
    magnitudes = np.empty((n_filters, n_frames), dtype=np.float32)
    for k in range(n_filters):
        row = coefficients[k, first : first + n_frames]
        for t in range(n_frames):
            value = row[t]
            magnitudes[k, t] = np.sqrt(value.real * value.real + value.imag * value.imag)
    return magnitudes
