"""Descriptors of pitch: how high a frame sounds, how periodic it is, how harmonic its partials.

Conventions: one row per value, one column per frame. Pitch is in semitones from A4 (440 Hz): on
that scale the same interval is the same distance everywhere, so that a spread is one of vibrato or
melody, whatever the register, and a transposed clip is the same contour moved.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft

from features.analysis import LOG_FLOOR, ClipAnalysis
from features.compiled import compiled

A4_HZ = 440.0

# Share of aperiodic power up to which the shortest period is taken (de Cheveigne and Kawahara).
TROUGH_THRESHOLD = 0.1

# A frame has partials to compare if at least half of its power is periodic.
LEAST_VOICING = 0.5


def yin(analysis: ClipAnalysis, *, fmin: float = 65.4, fmax: float = 2093.0) -> np.ndarray:
    """Fundamental frequency and voicing.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    fmin, fmax : float
        Range of the frequency in Hz; C2 to C7.

    Returns
    -------
    np.ndarray of shape (2, n_frames), float64
        Fundamental frequency in semitones from A4, that of ``librosa.yin``; voicing between 0
        (noise) and 1 (periodic). Where voicing is low, the frequency is a guess. Both are 0 in
        silence. Not to be written to: `inharmonicity` shares it.

    Raises
    ------
    ValueError
        If `fmin` has less than two periods in a frame, is not below `fmax`, or `fmax` is above half
        the sampling rate.

    Notes
    -----
    ``d[k] = sum_j (x[j] - x[j + k])^2``, over a frame with zeros beyond its end, divided by its
    mean over all lags up to k, has a trough near each multiple of the period. The first below 0.1
    is chosen, else the lowest point; voicing is 1 minus the value there, at least 0. A parabola
    through the neighbours refines the lag. A frame's last period finds no counterpart: that costs a
    steady tone half a period's share of the frame in voicing, 0.08 at 65 Hz.

    References
    ----------
    de Cheveigne, A. and Kawahara, H. (2002). YIN, a fundamental frequency estimator for speech and
    music. Journal of the Acoustical Society of America 111(4).
    """
    sr, n_fft = analysis.sr, analysis.n_fft
    if not 2 * sr / n_fft <= fmin < fmax <= sr / 2:
        raise ValueError(
            f"fmin must be at least two periods in a frame, {2 * sr / n_fft:.1f} Hz, and below "
            f"fmax, which must be at most sr / 2 = {sr / 2} Hz, got {fmin} and {fmax}"
        )

    def compute() -> np.ndarray:
        shortest, longest = math.floor(sr / fmax), math.ceil(sr / fmin)
        periods, aperiodicity = _periods(
            _autocorrelations(analysis, longest),
            analysis.samples,
            analysis.hop_length,
            np.array([shortest, longest]),
            LOG_FLOOR * n_fft,
        )
        sounds = periods > 0
        semitones = 12.0 * np.log2(sr / A4_HZ / np.where(sounds, periods, sr / A4_HZ))
        return np.stack([semitones, np.clip(1.0 - aperiodicity, 0.0, 1.0)])

    return analysis.shared((yin, fmin, fmax), compute)


def _autocorrelations(analysis: ClipAnalysis, longest: int) -> np.ndarray:
    """Correlate each frame with itself, up to the longest lag, by one short transform a hop.

    A lag no longer than a segment of the frame takes a sample to its own segment or to the next:
    the spectra of segments, which frames share, are all that it takes.
    """
    n_fft, hop_length = analysis.n_fft, analysis.hop_length
    length = min(
        length
        for length in range(hop_length, n_fft + 1, hop_length)
        if length >= longest and n_fft % length == 0
    )
    windows = np.lib.stride_tricks.sliding_window_view(analysis.samples, length)[::hop_length]
    spectra = scipy.fft.rfft(windows, n=2 * length, axis=1)
    products = _neighbour_spectra(spectra, n_fft // length, length // hop_length)
    return scipy.fft.irfft(products, n=2 * length, axis=1, overwrite_x=True)


@compiled
def _neighbour_spectra(spectra: np.ndarray, n_segments: int, stride: int) -> np.ndarray:
    """Sum each frame's products of segments with themselves and with the next.

    Segments `stride` rows apart follow one another; their transforms are twice as long as they, so
    that the next one's place in the frame turns every other bin by half a circle.
    """
    n_rows, n_bins = spectra.shape
    n_frames = n_rows - (n_segments - 1) * stride
    products = np.empty((n_rows, n_bins), dtype=np.complex64)
    for s in range(n_rows - stride):
        here, after, row = spectra[s], spectra[s + stride], products[s]
        for f in range(0, n_bins - 1, 2):
            row[f] = np.conj(here[f]) * (here[f] + after[f])
            row[f + 1] = np.conj(here[f + 1]) * (here[f + 1] - after[f + 1])
        row[n_bins - 1] = np.conj(here[n_bins - 1]) * (here[n_bins - 1] + after[n_bins - 1])
    sums = np.empty((n_frames, n_bins), dtype=np.complex64)
    for t in range(n_frames):
        row, last = sums[t], spectra[t + (n_segments - 1) * stride]
        for f in range(n_bins):
            row[f] = last[f].real * last[f].real + last[f].imag * last[f].imag
        for k in range(n_segments - 1):
            product = products[t + k * stride]
            for f in range(n_bins):
                row[f] += product[f]
    return sums


@compiled
def _periods(
    autocorrelations: np.ndarray,
    samples: np.ndarray,
    hop_length: int,
    lags: np.ndarray,
    silence: float,
) -> np.ndarray:
    """Period of each frame in samples, and its aperiodicity; 0 and 1 where energy is no more."""
    n_frames = len(autocorrelations)
    shortest, longest = lags[0], lags[1]
    n = longest - shortest + 1
    found = np.zeros((2, n_frames))
    found[1] = 1.0
    normalised = np.ones(n)
    for t in range(n_frames):
        products, frame = autocorrelations[t], samples[t * hop_length :]
        energy = np.float64(products[0])
        if energy <= silence:
            continue
        # Of the shifted frame, the first samples have no counterpart.
        lost, total = 0.0, 0.0
        for lag in range(1, longest + 1):
            lost += np.float64(frame[lag - 1]) * np.float64(frame[lag - 1])
            difference = 2.0 * (energy - np.float64(products[lag])) - lost
            total += difference
            if lag >= shortest:
                normalised[lag - shortest] = difference * lag / total if total > 0.0 else 1.0
        chosen = int(np.argmin(normalised))
        for i in range(n):
            value = normalised[i]
            falls = value < normalised[i - 1] if i > 0 else value < normalised[1]
            if value < TROUGH_THRESHOLD and falls and (i == n - 1 or value <= normalised[i + 1]):
                chosen = i
                break
        shift = 0.0
        if 0 < chosen < n - 1:
            before, after = normalised[chosen - 1], normalised[chosen + 1]
            curvature, slope = before + after - 2.0 * normalised[chosen], (after - before) / 2.0
            if abs(slope) < abs(curvature):
                shift = -slope / curvature
        found[0, t], found[1, t] = shortest + chosen + shift, normalised[chosen]
    return found


def inharmonicity(analysis: ClipAnalysis, *, n_partials: int = 10) -> np.ndarray:
    """How far the partials lie from multiples of the fundamental frequency.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_partials : int
        Partials looked for, from the fundamental upwards.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        Between 0 (all multiples) and 1 (all midway between two); 0 where the voicing of `yin` is
        below 0.5, and in silence.

    Notes
    -----
    ``2 / f_0 * sum_h |f_h - h f_0| a_h^2 / sum_h a_h^2``, with f_0 from `yin` and partial h the
    highest peak of the power spectrum less than ``f_0 / 2`` from ``h f_0``. A peak's frequency is
    refined by the ratio of two bins' magnitudes, which is exact for a steady sinusoid under a Hann
    window (Grandke, 1983).

    References
    ----------
    Peeters, G. et al. (2011). The Timbre Toolbox. Journal of the Acoustical Society of America
    130(5).

    Grandke, T. (1983). Interpolation algorithms for discrete Fourier transforms of weighted
    signals. IEEE Transactions on Instrumentation and Measurement 32(2).
    """
    semitones, voicing = yin(analysis)
    fundamental = A4_HZ * analysis.n_fft / analysis.sr * 2.0 ** (semitones / 12.0)
    fundamental[voicing < LEAST_VOICING] = 0.0
    return _deviations(analysis.power, fundamental, n_partials)[np.newaxis]


@compiled
def _deviations(power: np.ndarray, fundamental: np.ndarray, n_partials: int) -> np.ndarray:
    """Mean distance of peaks from multiples of the fundamental, given in bins; 0 without one."""
    n_bins, n_frames = power.shape
    deviations = np.zeros(n_frames)
    for t in range(n_frames):
        spacing = fundamental[t]
        if spacing <= 0.0:
            continue
        total, weighted = 0.0, 0.0
        for h in range(1, n_partials + 1):
            start = max(math.ceil((h - 0.5) * spacing), 1)
            stop = min(math.ceil((h + 0.5) * spacing), n_bins - 1)
            peak, highest = 0, 0.0
            for f in range(start, stop):
                value = np.float64(power[f, t])
                if value > highest and value >= power[f - 1, t] and value > power[f + 1, t]:
                    peak, highest = f, value
            if peak > 0:
                left, right = math.sqrt(power[peak - 1, t]), math.sqrt(power[peak + 1, t])
                middle = math.sqrt(highest)
                shift = max(2.0 * max(left, right) - middle, 0.0) / (max(left, right) + middle)
                place = peak + (shift if right > left else -shift)
                total += highest
                weighted += highest * abs(place - h * spacing)
        if total > 0.0:
            deviations[t] = min(1.0, 2.0 * weighted / (total * spacing))
    return deviations
