"""Descriptors by wavelets: octave bands, seen with short filters in the treble, long in the bass.

Conventions: one row per band, from the lowest to the highest; one column per segment (0.1 s) for
the discrete transform, per frame for the scalogram. Levels are in decibels: white noise of the
clip's level has 0 in every band, silence has -100.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.sparse

from features.analysis import LOG_FLOOR, MARGIN, ClipAnalysis
from features.compiled import compiled

# Gaussian weights 60 dB below their filter's largest cannot change a level that is heard.
NEGLIGIBLE_WEIGHT = 1e-6


def wavelet_energies(analysis: ClipAnalysis, *, wavelet: str = "db4", level: int = 8) -> np.ndarray:
    """Level of each band of the discrete wavelet transform.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    wavelet : str
        Name of an orthogonal wavelet, as PyWavelets knows it.
    level : int
        Number of octaves.

    Returns
    -------
    np.ndarray of shape (level + 1, n_segments), float64
        Decibels, at least -100 (`LOG_FLOOR`): the band from 0 to ``sr / 2^(level + 1)``, then
        octaves upwards.

    Raises
    ------
    ValueError
        If `level` is below 1, or the longest filter is longer than half a block's margin.

    Notes
    -----
    ``10 log10 mean_k d_j[k]^2``, over the coefficients of ``pywt.wavedec(clip, mode="zero")`` whose
    filter is centred in the segment: at least one. Filters see the sound beyond the segment's ends.

    References
    ----------
    Mallat, S. G. (1989). A theory for multiresolution signal decomposition: the wavelet
    representation. IEEE Transactions on Pattern Analysis and Machine Intelligence 11(7).
    Tzanetakis, G., Essl, G. and Cook, P. (2001). Audio analysis using the discrete wavelet
    transform. WSES International Conference on Acoustics and Music: Theory and Applications.
    """
    energies, bounds = _coefficient_energies(analysis, wavelet, level)
    means = _range_sums(energies, bounds) / (bounds[1] - bounds[0])
    return 10.0 * np.log10(np.maximum(means, LOG_FLOOR))


def wavelet_entropies(
    analysis: ClipAnalysis, *, wavelet: str = "db4", level: int = 8
) -> np.ndarray:
    """Entropy of the energy's spread over time, in each band of the discrete wavelet transform.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    wavelet, level
        See `wavelet_energies`.

    Returns
    -------
    np.ndarray of shape (level + 1, n_segments), float64
        ``-sum_k p[k] log p[k] / log n``, with p the share of each of the segment's n coefficients
        in the energy of the band: 0 if one holds all, or there is none, 1 if all hold the same.

    Raises
    ------
    ValueError
        See `wavelet_energies`.

    References
    ----------
    Coifman, R. R. and Wickerhauser, M. V. (1992). Entropy-based algorithms for best basis
    selection. IEEE Transactions on Information Theory 38(2).
    """
    energies, bounds = _coefficient_energies(analysis, wavelet, level)
    logs = np.log(np.maximum(energies, np.finfo(np.float32).tiny))
    total = _range_sums(energies, bounds)
    # With p = e / E: -sum p log p = log E - sum(e log e) / E. No energy: a log of 1 and no sum.
    total = np.where(total > 0.0, total, 1.0)
    weighted = np.multiply(energies, logs, dtype=np.float64)
    entropies = np.log(total) - _range_sums(weighted, bounds) / total
    return np.clip(entropies / np.log(np.maximum(bounds[1] - bounds[0], 2)), 0.0, 1.0)


def _coefficient_energies(
    analysis: ClipAnalysis, wavelet: str, level: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give the squared coefficients, see `_squared_coefficients`, and where each segment's lie.

    The second, (2, level + 1, n_segments), holds the first and the one after the last.
    """
    low, high = _taps(wavelet)
    step = 2**level
    longest = (len(low) - 1) * (step - 1) + 1
    if level < 1 or longest > MARGIN // 2:
        raise ValueError(
            f"level must be at least 1 and the longest filter at most {MARGIN // 2} samples, got "
            f"level {level} and {longest} samples of {wavelet!r}"
        )
    starts = _segment_starts(analysis)
    if len(starts) == 0:
        return np.empty(0, dtype=np.float32), np.ones((2, level + 1, 0), dtype=np.intp)
    stops = starts + analysis.segment_length
    reach = longest // 2 + step
    # The stretch begins at a multiple of all steps, so that blocks have the whole's coefficients.
    origin = int(starts[0] - reach) // step * step
    n = -(-(int(stops[-1]) + reach - origin) // step) * step
    energies = analysis.shared(
        (_squared_coefficients, wavelet, level),
        lambda: _squared_coefficients(analysis.stretch(origin, origin + n), low, high, level),
    )
    octaves = np.array([level, *range(level, 0, -1)])[:, np.newaxis]
    # A coefficient's filter ends at 2^j (k + 1) - 1, and is centred half its length before.
    half_lengths = (len(low) - 1) * (2**octaves - 1)
    edges = np.stack([starts, stops])[:, np.newaxis] - origin
    bounds = -(-(2 * edges + 2 + half_lengths) // 2 ** (octaves + 1)) - 1
    bounds[1] = np.maximum(bounds[1], bounds[0] + 1)
    bounds[:, 1:] += n >> octaves[1:]
    return energies, bounds


def _segment_starts(analysis: ClipAnalysis) -> np.ndarray:
    segments, length = analysis.segment_range, analysis.segment_length
    last = max(analysis.level.n_timepoints - length, 0)
    return np.minimum(np.arange(segments.start, segments.stop) * length, last)


@lru_cache(maxsize=16)
def _taps(wavelet: str) -> np.ndarray:
    """Low-pass and high-pass taps of one stage, (2, an even number), float32."""
    # Its import takes as long as twenty clips.
    import pywt

    return np.array(pywt.Wavelet(wavelet).filter_bank[:2], dtype=np.float32)


@compiled
def _squared_coefficients(
    samples: np.ndarray, low: np.ndarray, high: np.ndarray, level: int
) -> np.ndarray:
    """Square the wavelet coefficients of samples with zeros before them.

    The number of samples is a multiple of ``2^level``, and that of the coefficients: those of the
    last low-pass first, then the high-passes' from the longest to the shortest, end to end.
    """
    n = len(samples)
    reach = len(low) // 2
    coefficients = np.empty(n, dtype=np.float32)
    coarse = samples.copy()
    even = np.zeros(reach + n // 2, dtype=np.float32)
    odd = np.zeros(reach + n // 2, dtype=np.float32)
    for j in range(1, level + 1):
        half = n >> j
        even_part, odd_part = even[reach:], odd[reach:]
        for k in range(half):
            even_part[k], odd_part[k] = coarse[2 * k], coarse[2 * k + 1]
        smooth, detail = coefficients[:half], coefficients[half : 2 * half]
        smooth[:], detail[:] = 0.0, 0.0
        for i in range(reach):
            a, b, c, d = low[2 * i], low[2 * i + 1], high[2 * i], high[2 * i + 1]
            odd_row, even_row = odd[reach - i :], even[reach - i :]
            for k in range(half):
                smooth[k] += a * odd_row[k] + b * even_row[k]
                detail[k] += c * odd_row[k] + d * even_row[k]
        coarse[:half] = smooth
    for k in range(n):
        coefficients[k] *= coefficients[k]
    return coefficients


@compiled
def _range_sums(values: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Sum values from each of ``bounds[0]`` to before ``bounds[1]``, in float64."""
    n_bands, n_segments = bounds.shape[1:]
    sums = np.zeros((n_bands, n_segments))
    for b in range(n_bands):
        for s in range(n_segments):
            part = values[bounds[0, b, s] : bounds[1, b, s]]
            for k in range(len(part)):
                sums[b, s] += np.float64(part[k])
    return sums


def scalogram(
    analysis: ClipAnalysis,
    *,
    lowest_hz: float = 62.5,
    n_octaves: int = 7,
    bands_per_octave: int = 2,
    omega: float = 6.0,
) -> np.ndarray:
    """Level at each scale of a Morlet wavelet transform.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    lowest_hz : float
        Centre frequency of the longest wavelet in Hz.
    n_octaves : int
        Octaves above it.
    bands_per_octave : int
        Wavelets per octave.
    omega : float
        Radians that the wavelet turns within the standard deviation of its Gaussian envelope.

    Returns
    -------
    np.ndarray of shape (n_octaves * bands_per_octave + 1, n_frames), float32
        Decibels, at least -100 (`LOG_FLOOR`).

    Raises
    ------
    ValueError
        If a wavelet's frequency is at or above half the sampling rate.

    Notes
    -----
    The mean square of the frame's transform over time, by Parseval's theorem from its spectrum:
    ``10 log10 sum_f w_c[f]^2 P[f]``, with ``w_c[f] ~ exp(-omega^2 (f / c - 1)^2 / 2)`` the Fourier
    transform of a wavelet of centre frequency c, and ``sum_f w_c[f]^2 = 1``. As the frame's Hann
    window has its own bandwidth, a tone below 100 Hz spreads to the neighbours more than far above.

    References
    ----------
    Torrence, C. and Compo, G. P. (1998). A practical guide to wavelet analysis. Bulletin of the
    American Meteorological Society 79(1).
    """
    filters = _morlet_filterbank(
        analysis.sr, analysis.n_fft, lowest_hz, n_octaves, bands_per_octave, omega
    )
    return analysis.levels(filters)


@lru_cache(maxsize=16)
def _morlet_filterbank(
    sr: int, n_fft: int, lowest_hz: float, n_octaves: int, bands_per_octave: int, omega: float
) -> scipy.sparse.csr_array:
    """Give each wavelet's squared Fourier transform, one a row, with a sum of 1."""
    scales = np.arange(n_octaves * bands_per_octave + 1) / bands_per_octave
    centres = lowest_hz * 2.0 ** scales[:, np.newaxis]
    if centres[-1, 0] >= sr / 2:
        raise ValueError(
            f"wavelets must be below sr / 2 = {sr / 2} Hz, got one at {centres[-1, 0]} Hz"
        )
    exponents = -((omega * (scipy.fft.rfftfreq(n_fft, 1.0 / sr) / centres - 1.0)) ** 2)
    # Relative to the nearest bin, which a narrow wavelet may miss by far.
    weights = np.exp(np.maximum(exponents - exponents.max(axis=1, keepdims=True), -700.0))
    weights[weights < NEGLIGIBLE_WEIGHT] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    return scipy.sparse.csr_array(weights.astype(np.float32))
