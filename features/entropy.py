"""Descriptors of disorder, one value per segment (0.1 s), all between 0 and 1.

Conventions: one row per value, one column per segment. Each entropy is divided by its largest
possible value. A segment without variation has an entropy of 0.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft

from features.analysis import ClipAnalysis
from features.compiled import compiled
from features.kernels import amplitude_counts, centred, order_counts, put_power


@compiled
def _column_entropies(weights: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Shannon entropy of each column of weights, given their logarithms; 0 without weight."""
    n_states, n_columns = weights.shape
    total, mean_log = np.zeros(n_columns), np.zeros(n_columns)
    for k in range(n_states):
        for s in range(n_columns):
            total[s] += weights[k, s]
            mean_log[s] += weights[k, s] * logs[k, s]
    for s in range(n_columns):
        if total[s] > 0.0:
            # With p = w / W: -sum p log p = log W - sum(w log w) / W
            mean_log[s] = max(0.0, np.log(total[s]) - mean_log[s] / total[s])
    return mean_log


def _shannon_entropy(weights: np.ndarray) -> np.ndarray:
    """Entropy over the first axis of non-negative weights, 1 if all weigh the same."""
    logs = np.log(np.maximum(weights, np.finfo(weights.dtype).tiny))
    return _column_entropies(weights, logs)[np.newaxis] / math.log(len(weights))


def waveform_entropy(analysis: ClipAnalysis, *, n_bins: int = 32) -> np.ndarray:
    """Entropy of the waveform's amplitude histogram.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_bins : int
        Number of equal bins from the segment's smallest to its largest sample.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``-sum_b p[b] log p[b] / log n_bins`` (Shannon, 1948); 0 for a constant segment.
    """
    segments = analysis.segments
    lowest, highest = segments.min(axis=1), segments.max(axis=1)
    return _shannon_entropy(amplitude_counts(segments, lowest, highest, n_bins))


def spectral_entropy(analysis: ClipAnalysis) -> np.ndarray:
    """Entropy of the power spectrum of a segment.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``-sum_f p[f] log p[f] / log n_bins``, with p the share of each bin in the power of the
        whole segment without its mean (no window); 0 for a constant segment. It is
        ``antropy.spectral_entropy(method="fft", normalize=True)``.

    References
    ----------
    Inouye, T. et al. (1991). Quantification of EEG irregularity by use of the entropy of the power
    spectrum. Electroencephalography and Clinical Neurophysiology 79(3).
    """
    segments = analysis.segments
    power = np.empty((1 + analysis.segment_length // 2, len(segments)), dtype=np.float32)
    put_power(scipy.fft.rfft(centred(segments), axis=1), power, 0)
    if analysis.segment_length % 2 == 0:
        power[-1] *= 0.5  # the highest bin of an even length has no mirror image
    return _shannon_entropy(power)


def permutation_entropy(analysis: ClipAnalysis) -> np.ndarray:
    """Entropy of the orders in which three successive samples can stand.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``-sum_k p[k] log p[k] / log 6`` over the six orders: ``antropy.perm_entropy`` of order 3
        and delay 1, normalised. Equal samples count as rising. 0 for a constant segment.

    References
    ----------
    Bandt, C. and Pompe, B. (2002). Permutation entropy: a natural complexity measure for time
    series. Physical Review Letters 88(17).
    """
    return _shannon_entropy(order_counts(analysis.segments))


def svd_entropy(analysis: ClipAnalysis) -> np.ndarray:
    """Entropy of the singular values of a segment embedded in three dimensions.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``-sum_k s[k] log s[k] / log 3``, with s the shares of the singular values of the matrix
        of rows ``(x[i], x[i + 1], x[i + 2])``: ``antropy.svd_entropy`` of order 3 and delay 1,
        normalised. 0 for a silent segment.

    References
    ----------
    Roberts, S. J. et al. (1999). Temporal and spatial complexity measures for electroencephalogram
    based brain-computer interfacing. Medical and Biological Engineering and Computing 37(1).
    """
    return _shannon_entropy(_singular_values(analysis.segments))


@compiled
def _singular_values(segments: np.ndarray) -> np.ndarray:
    """Singular values of each segment's matrix of rows ``(x[i], x[i + 1], x[i + 2])``.

    They are the square roots of the eigenvalues of the 3 x 3 matrix of the columns' products, here
    by Smith's formula (1961), to about 1e-8 of the largest.
    """
    n_segments, length = segments.shape
    values = np.zeros((3, n_segments))
    for s in range(n_segments):
        x = segments[s]
        lag_0, lag_1, lag_2 = 0.0, 0.0, 0.0
        for i in range(length - 2):
            here = np.float64(x[i])
            lag_0 += here * here
            lag_1 += here * np.float64(x[i + 1])
            lag_2 += here * np.float64(x[i + 2])
        first, second = np.float64(x[0]), np.float64(x[1])
        last_but_one, last = np.float64(x[length - 2]), np.float64(x[length - 1])
        # The columns are the segment, each one sample on: products differ by samples at the ends.
        a = lag_0
        b = a - first * first + last_but_one * last_but_one
        c = b - second * second + last * last
        ab, ac = lag_1, lag_2
        bc = lag_1 - first * second + last_but_one * last
        mean = (a + b + c) / 3.0
        a, b, c = a - mean, b - mean, c - mean
        radius = math.sqrt((a * a + b * b + c * c + 2.0 * (ab * ab + ac * ac + bc * bc)) / 6.0)
        if radius > 0.0:
            a, b, c, ab, ac, bc = (
                a / radius,
                b / radius,
                c / radius,
                ab / radius,
                ac / radius,
                bc / radius,
            )
            determinant = a * (b * c - bc * bc) - ab * (ab * c - bc * ac) + ac * (ab * bc - b * ac)
            angle = math.acos(min(1.0, max(-1.0, determinant / 2.0))) / 3.0
            for k in range(3):
                eigenvalue = mean + 2.0 * radius * math.cos(angle + k * 2.0 * math.pi / 3.0)
                values[k, s] = math.sqrt(max(0.0, eigenvalue))
        else:
            values[:, s] = math.sqrt(max(0.0, mean))
    return values
