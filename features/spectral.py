"""Descriptors of the short-time spectrum: where its energy lies and how it is spread.

Conventions: one row per value, one column per frame. Moments and roll-off weigh by magnitude, as
librosa does. A frame without energy has 0 everywhere, except a flatness of 1.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from features.analysis import LOG_FLOOR, ClipAnalysis
from features.filterbanks import mel_edges
from features.kernels.spectra import (
    bin_products,
    bins_below,
    extreme_means,
    mean_log2,
    mean_rises,
    neighbour_products,
)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide in float64, 0 where the denominator is."""
    numerator = np.asarray(numerator, dtype=np.float64)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def spectral_moments(analysis: ClipAnalysis) -> np.ndarray:
    """Centroid, bandwidth, skewness and kurtosis of the spectrum.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (4, n_frames), float32
        Centroid and bandwidth in Hz; skewness and kurtosis (3 for a Gaussian) without unit.

    Notes
    -----
    With p the magnitude's share, c the centroid and ``m_k = sum_f (f - c)^k * p[f]``: bandwidth
    ``sqrt(m_2)``, skewness ``m_3 / m_2^1.5``, kurtosis ``m_4 / m_2^2``. The first two are librosa's
    ``spectral_centroid`` and ``spectral_bandwidth``.

    References
    ----------
    Peeters, G. et al. (2011). The Timbre Toolbox. Journal of the Acoustical Society of America
    130(5).
    """
    return analysis.magnitude_shape[1:]


def spectral_rolloff(
    analysis: ClipAnalysis, *, fractions: tuple[float, ...] = (0.5, 0.85, 0.95)
) -> np.ndarray:
    """Frequency below which a fraction of the magnitude lies.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    fractions : tuple of float
        Between 0 and 1, each.

    Returns
    -------
    np.ndarray of shape (len(fractions), n_frames), float32
        Hz: the first bin at which the running sum reaches the fraction, as in
        ``librosa.feature.spectral_rolloff``.
    """
    shares = np.array(fractions, dtype=np.float32)
    below = bins_below(analysis.magnitude, analysis.magnitude_shape[0], shares)
    return analysis.frequencies[np.minimum(below, len(analysis.frequencies) - 1)]


def spectral_flatness(analysis: ClipAnalysis) -> np.ndarray:
    """Geometric over arithmetic mean of the power: 1 for white noise's envelope, 0 for a tone.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        Between 0 and 1; 1 in silence, which is as flat as the floor.

    Notes
    -----
    ``librosa.feature.spectral_flatness``, up to the floor's share in the arithmetic mean. A frame
    of white noise has exp(-0.577) = 0.56, since its power scatters from bin to bin.

    References
    ----------
    Dubnov, S. (2004). Generalization of spectral flatness measure for non-Gaussian linear
    processes. IEEE Signal Processing Letters 11(8).
    """
    geometric = np.exp2(mean_log2(analysis.power, LOG_FLOOR))
    return (geometric / np.maximum(_mean_power(analysis), geometric))[np.newaxis]


def _mean_power(analysis: ClipAnalysis) -> np.ndarray:
    return np.maximum(analysis.energy.astype(np.float64) / len(analysis.frequencies), LOG_FLOOR)


def spectral_crest(analysis: ClipAnalysis) -> np.ndarray:
    """Peak over mean of the power.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        Decibels; 0 in silence.
    """
    peak = np.maximum(analysis.peak_power.astype(np.float64), LOG_FLOOR)
    return 10.0 * np.log10(peak / _mean_power(analysis))[np.newaxis]


def spectral_slope(analysis: ClipAnalysis) -> np.ndarray:
    """Tilt of the spectrum: how its level changes from octave to octave.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        Decibels per octave: the least-squares line through the mel bands' levels over the
        logarithm of their centre frequencies. 0 for white noise and for silence.
    """
    weights = _slope_weights(analysis.sr, analysis.n_mels)
    return (weights[:, np.newaxis] * analysis.log_mel).sum(axis=0)[np.newaxis]


@lru_cache(maxsize=16)
def _slope_weights(sr: int, n_mels: int) -> np.ndarray:
    octaves = np.log2(mel_edges(sr, n_mels=n_mels)[1:-1])
    octaves -= octaves.mean()
    return octaves / np.sum(octaves**2)


def spectral_irregularity(analysis: ClipAnalysis) -> np.ndarray:
    """Jaggedness of the spectrum: how much neighbouring bins differ.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        ``sum_f (a[f] - a[f + 1])^2 / sum_f a[f]^2`` of the magnitude a: 0 for a flat spectrum, 2
        if no two neighbours sound together; 0 in silence.

    References
    ----------
    Jensen, K. (1999). Timbre models of musical sounds. PhD thesis, University of Copenhagen.
    """
    power = analysis.power
    squares = 2.0 * analysis.energy - power[0] - power[-1]
    jaggedness = squares - 2.0 * bin_products(analysis.magnitude)
    return np.maximum(0.0, _ratio(jaggedness, analysis.energy))[np.newaxis]


def spectral_polynomial(analysis: ClipAnalysis, *, order: int = 1) -> np.ndarray:
    """Coefficients of the polynomial that fits the spectrum best.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    order : int
        Its degree.

    Returns
    -------
    np.ndarray of shape (order + 1, n_frames), float64
        Of the magnitude's share over the frequency in kHz, the highest power first, as in
        ``librosa.feature.poly_features``; 0 in silence.

    Raises
    ------
    ValueError
        If `order` is negative or leaves the polynomial no bin to fit.

    Notes
    -----
    Coefficients of a share are linear in its moments: those of first order say no more than the
    centroid. So no feature set has them.
    """
    n_bins = len(analysis.frequencies)
    if not 0 <= order < n_bins:
        raise ValueError(f"order must be from 0 to {n_bins - 1}, got {order}")
    powers = np.vander(analysis.frequencies.astype(np.float64) / 1000.0, order + 1)
    fit = np.linalg.pinv(powers)
    total = analysis.magnitude_shape[0].astype(np.float64)
    # A sum along frequency for each coefficient: a matrix product would round as BLAS likes.
    sums = np.array([(row[:, np.newaxis] * analysis.magnitude).sum(axis=0) for row in fit])
    return _ratio(sums, np.broadcast_to(total, sums.shape))


def spectral_flux(analysis: ClipAnalysis) -> np.ndarray:
    """Change of the spectrum's shape from frame to frame.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        Between 0 (same shape) and 2 (nothing in common); 1 from or to silence, 0 within silence
        and for the first frame.

    Notes
    -----
    ``sum_f (N_t[f] - N_{t-1}[f])^2``, with N the magnitude at unit Euclidean norm.

    References
    ----------
    Tzanetakis, G. and Cook, P. (2002). Musical genre classification of audio signals. IEEE
    Transactions on Speech and Audio Processing 10(5).
    """
    energy, products = analysis.energy, neighbour_products(analysis.magnitude)
    before = analysis.before
    if before is None:  # the clip begins: nothing has changed yet
        energy, products = np.append(energy[0], energy), np.append(energy[0], products)
    else:
        energy = np.append(before.energy, energy)
        product = (before.magnitude[:, 0] * analysis.magnitude[:, 0]).sum()
        products = np.append(product, products)
    energy = energy.astype(np.float64)
    common = _ratio(products, np.sqrt(energy[:-1] * energy[1:]))
    sounds = energy > 0
    return np.maximum(0.0, sounds[:-1] + 1.0 * sounds[1:] - 2.0 * common)[np.newaxis]


def onset_strength(analysis: ClipAnalysis) -> np.ndarray:
    """Mean rise of the mel bands' levels from frame to frame.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float32
        Decibels; 0 for the first frame.

    Notes
    -----
    ``mean_m max(0, L_t[m] - L_{t-1}[m])``, with L the log-mel spectrum.

    References
    ----------
    Boeck, S. and Widmer, G. (2013). Maximum filter vibrato suppression for onset detection.
    International Conference on Digital Audio Effects.
    """
    before = analysis.before
    if before is None:  # the clip begins: nothing has risen yet
        return np.append(np.float32(0.0), mean_rises(analysis.log_mel))[np.newaxis]
    return mean_rises(np.append(before.log_mel, analysis.log_mel, axis=1))[np.newaxis]


@lru_cache(maxsize=16)
def _contrast_bands(sr: int, n_fft: int, n_bands: int, lowest_hz: float) -> np.ndarray:
    """Give each band's first and last bin (exclusive) and how many of its bins are extreme."""
    edges = [0.0, *(lowest_hz * 2.0**k for k in range(n_bands + 1))]
    if edges[-2] >= sr / 2:
        raise ValueError(f"bands must start below sr / 2 = {sr / 2} Hz, got one at {edges[-2]} Hz")
    frequencies = np.arange(1 + n_fft // 2) * sr / n_fft
    bands = []
    for k, (low, high) in enumerate(pairwise(edges)):
        is_last = k == n_bands
        start = int(np.searchsorted(frequencies, low)) - (k > 0)
        stop = int(np.searchsorted(frequencies, high, side="right"))
        stop = len(frequencies) if is_last else stop
        n_extreme = max(1, round(0.02 * (stop - start)))
        bands.append((start, stop if is_last else stop - 1, n_extreme))
    return np.array(bands, dtype=np.intp)


def spectral_contrast(
    analysis: ClipAnalysis, *, n_bands: int = 6, lowest_hz: float = 200.0
) -> np.ndarray:
    """Height of the peaks over the valleys, in octave bands.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_bands : int
        Number of octaves; a band below them makes one more row.
    lowest_hz : float
        Lower edge of the first octave in Hz.

    Returns
    -------
    np.ndarray of shape (n_bands + 1, n_frames), float32
        ``10 log10`` of the mean of the largest 2 % of magnitudes over that of the smallest 2 %
        (at least one bin), both at least ``sqrt(LOG_FLOOR)``; as in
        ``librosa.feature.spectral_contrast``. 0 in silence.

    Raises
    ------
    ValueError
        If a band would start at or above half the sampling rate.

    References
    ----------
    Jiang, D.-N. et al. (2002). Music type classification by spectral contrast feature. IEEE
    International Conference on Multimedia and Expo.
    """
    bands = _contrast_bands(analysis.sr, analysis.n_fft, n_bands, lowest_hz)
    means = extreme_means(analysis.magnitude, bands)
    peaks, valleys = 10.0 * np.log10(np.maximum(means, np.float32(np.sqrt(LOG_FLOOR))))
    return peaks - valleys
