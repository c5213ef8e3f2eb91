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
from features.kernels.spectra import put_power
from features.kernels.waveforms import amplitude_counts, centred, order_counts

# Samples are alike if they differ by no more than this share of their standard deviation.
ALIKE = 0.2


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


def sample_entropy(analysis: ClipAnalysis, *, n_points: int = 512) -> np.ndarray:
    """Surprise at the next sample, where two successive ones are like others of the segment.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_points : int
        Samples looked at, from the middle of each segment: the cost grows with their square.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``log(B / A) / log((N - 2)(N - 3) / 2)``, with B the number of pairs of places where two
        successive samples differ by at most 0.2 standard deviations each, and A that of those
        where the third does as well: ``antropy.sample_entropy`` over its largest value. 1 if A is
        0, 0 for a constant segment.

    Raises
    ------
    ValueError
        If `n_points` is below 4.

    References
    ----------
    Richman, J. S. and Moorman, J. R. (2000). Physiological time-series analysis using approximate
    entropy and sample entropy. American Journal of Physiology: Heart and Circulatory Physiology
    278(6).
    """
    twos, threes = _similar_places(analysis, n_points)
    n = twos.shape[1]
    # Each pair is counted twice, each place once with itself. Places whose third sample is beyond
    # the end have no part.
    pairs = np.array([twos.sum(axis=1) - 2.0 * twos[:, n - 2] + 2.0, threes.sum(axis=1)])
    pairs -= [[n - 1], [n - 2]]
    surprise = np.log(np.maximum(pairs[0], 1.0) / np.maximum(pairs[1], 1.0))
    # Of the only pair among four samples, which can be no surprise, the largest value would be 0.
    largest = math.log(max((n - 2) * (n - 3) / 2, 2))
    return np.where(pairs[1] > 0.0, surprise / largest, 1.0)[np.newaxis]


def approximate_entropy(analysis: ClipAnalysis, *, n_points: int = 512) -> np.ndarray:
    """Surprise at the next sample as `sample_entropy` has it, averaged over places in logarithms.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_points : int
        See `sample_entropy`.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``(mean_i log C_2[i] - mean_i log C_3[i]) / log(N - 2)``, with ``C_m[i]`` the share of
        places, itself among them, where m successive samples differ from those at i by at most
        0.2 standard deviations each: ``antropy.app_entropy`` over its largest value. The ends of a
        very regular segment can bring it just below 0, which counts as 0. 0 for a constant segment.

    Raises
    ------
    ValueError
        If `n_points` is below 4.

    References
    ----------
    Pincus, S. M. (1991). Approximate entropy as a measure of system complexity. Proceedings of the
    National Academy of Sciences 88(6).
    """
    twos, threes = _similar_places(analysis, n_points)
    n = twos.shape[1]
    mean_log_2 = np.log(twos[:, : n - 1] / (n - 1)).mean(axis=1)
    mean_log_3 = np.log(threes[:, : n - 2] / (n - 2)).mean(axis=1)
    return np.maximum(0.0, mean_log_2 - mean_log_3)[np.newaxis] / math.log(n - 2)


def _similar_places(analysis: ClipAnalysis, n_points: int) -> np.ndarray:
    """Count the places where two, and where three successive samples are like those at each place.

    Gives (2, n_segments, n_points), a place with itself included; 0 where samples beyond the last
    would be needed.
    """
    if n_points < 4:
        raise ValueError(f"n_points must be at least 4, got {n_points}")

    def count() -> np.ndarray:
        skipped = max(0, analysis.segment_length - n_points) // 2
        points = np.ascontiguousarray(analysis.segments[:, skipped : skipped + n_points])
        tolerances = ALIKE * points.std(axis=1, dtype=np.float64)
        ranks = points.argsort(axis=1)
        return _match_counts(ranks, _similar_ranks(points, ranks, tolerances))

    return analysis.shared((_similar_places, n_points), count)


@compiled
def _similar_ranks(points: np.ndarray, ranks: np.ndarray, tolerances: np.ndarray) -> np.ndarray:
    """Give the first rank of those within the tolerance of each sample, and the one after the last.

    `ranks` sorts the samples. Samples that are alike are neighbours among the sorted. The loop
    over them has no branch: what it would be depends on the sound, and no processor foresees it.
    """
    n_segments, n = points.shape
    similar = np.empty((2, n_segments, n), dtype=np.int64)
    ascending, limits = np.empty(n + 1), np.empty(n)
    stops, n_leaving = np.empty(n, dtype=np.int64), np.empty(n + 1, dtype=np.int64)
    for s in range(n_segments):
        for k in range(n):
            ascending[k] = points[s, ranks[s, k]]
            limits[k] = ascending[k] + tolerances[s]
        ascending[n] = limits[n - 1] + 1.0
        k, stop = 0, 0
        while k < n:
            stops[k] = stop
            alike = ascending[stop] <= limits[k]
            stop += alike
            k += 1 - alike
        # Being alike is mutual: a rank is the first no more once those that it reaches are passed.
        n_leaving[:] = 0
        for k in range(n):
            n_leaving[stops[k]] += 1
        first = 0
        for k in range(n):
            first += n_leaving[k]
            i = ranks[s, k]
            similar[0, s, i], similar[1, s, i] = first, stops[k]
    return similar


@compiled
def _match_counts(ranks: np.ndarray, similar: np.ndarray) -> np.ndarray:
    """Count the places like each, for two and for three successive samples.

    A set of places is a row of bits, one word for 64 places. Those alike at place i are those of
    ranks below ``similar[1, i]`` without those of ranks below ``similar[0, i]``; two successive
    samples are alike at places that are in the set of i and, moved by one, in that of i + 1.
    """
    n_segments, n = ranks.shape
    counts = np.zeros((2, n_segments, n))
    one, two, four = np.uint64(1), np.uint64(2), np.uint64(4)
    all_but_one, all_but_two, all_but_byte = np.uint64(63), np.uint64(62), np.uint64(56)
    every_2nd, every_4th = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
    every_8th, bytes_of_one = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)
    below = np.zeros(n + 1, dtype=np.uint64)
    alike = np.zeros(n + 2, dtype=np.uint64)
    later = np.zeros(n + 2, dtype=np.uint64)
    for s in range(n_segments):
        twos, threes = counts[0, s], counts[1, s]
        later[:] = 0
        # From the last word: a word moved takes in bits of the one after it.
        for word in range((n - 1) // 64, -1, -1):
            bits, after = np.uint64(0), below[1:]
            for k in range(n):
                place = ranks[s, k]
                bits |= np.uint64(place >> 6 == word) << np.uint64(place & 63)
                after[k] = bits
            for i in range(n):
                alike[i] = below[similar[0, s, i]] ^ below[similar[1, s, i]]
            next_1, next_2, later_1, later_2 = alike[1:], alike[2:], later[1:], later[2:]
            for i in range(n):
                pair = alike[i] & ((next_1[i] >> one) | (later_1[i] << all_but_one))
                triple = pair & ((next_2[i] >> two) | (later_2[i] << all_but_two))
                # Bits are counted in twos, fours and eights; a product sums the eight bytes.
                pair -= (pair >> one) & every_2nd
                pair = (pair & every_4th) + ((pair >> two) & every_4th)
                pair = (pair + (pair >> four)) & every_8th
                twos[i] += (pair * bytes_of_one) >> all_but_byte
                triple -= (triple >> one) & every_2nd
                triple = (triple & every_4th) + ((triple >> two) & every_4th)
                triple = (triple + (triple >> four)) & every_8th
                threes[i] += (triple * bytes_of_one) >> all_but_byte
            alike, later = later, alike
    return counts
