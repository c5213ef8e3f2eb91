"""Inner loops that several descriptors share, as machine code.

Conventions: spectra are (n_bins, n_frames) in one piece, so that a loop over frames is the one that
the processor vectorises, and a frame's sums run in the same order whatever their number. Segments
are (n_segments, length). Inner loops index slices from 0: an index that might be negative, which
counts from the end, keeps a loop from being vectorised. Each kernel has a test against the plain
numpy expression.
"""

from __future__ import annotations

import math

import numpy as np

from features.compiled import compiled

# Of a waveform with an RMS of 1: samples that differ by less are the same, and bins could not be
# told apart.
NO_SPREAD = 1e-30

# Exponent and fraction bits of a float64.
EXPONENT_SHIFT, EXPONENT_BIAS = 52, 1023
FRACTION_MASK = 2**EXPONENT_SHIFT - 1
EXPONENT_OF_ONE = EXPONENT_BIAS << EXPONENT_SHIFT


@compiled
def scaled(waveform: np.ndarray, gain: float, padding: int) -> np.ndarray:
    """Multiply a waveform in float64, where no gain is too large or too small.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The waveform.
    gain : float
        The factor.
    padding : int
        Zeros to put before and after.

    Returns
    -------
    np.ndarray of shape (n_timepoints + 2 * padding,), float32
        The product.
    """
    n = len(waveform)
    product = np.empty(n + 2 * padding, dtype=np.float32)
    product[:padding] = 0.0
    inner = product[padding : padding + n]
    for i in range(n):
        inner[i] = np.float64(waveform[i]) * gain
    product[padding + n :] = 0.0
    return product


@compiled
def sum_of_squares(waveform: np.ndarray) -> float:
    """Sum the squares of a waveform in float64, which the largest float32 does not overflow.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The waveform.

    Returns
    -------
    float
        The sum.
    """
    total = 0.0
    for i in range(len(waveform)):
        total += np.float64(waveform[i]) * np.float64(waveform[i])
    return total


@compiled
def windowed_frames(samples: np.ndarray, window: np.ndarray, hop_length: int) -> np.ndarray:
    """Multiply each frame by the window.

    Parameters
    ----------
    samples : np.ndarray of shape (hop_length * (n_frames - 1) + n_fft,), float32
        What the frames cover.
    window : np.ndarray of shape (n_fft,), float32
        The window.
    hop_length : int
        Samples from frame to frame.

    Returns
    -------
    np.ndarray of shape (n_frames, n_fft), float32
        One frame a row.
    """
    n_fft = len(window)
    n_frames = 1 + (len(samples) - n_fft) // hop_length
    frames = np.empty((n_frames, n_fft), dtype=np.float32)
    for t in range(n_frames):
        frame = samples[t * hop_length :]
        for i in range(n_fft):
            frames[t, i] = frame[i] * window[i]
    return frames


@compiled
def put_power(spectrum: np.ndarray, power: np.ndarray, first: int) -> None:
    """Square complex spectra and lay them out by frequency.

    Parameters
    ----------
    spectrum : np.ndarray of shape (n, n_bins), complex64
        One frame a row.
    power : np.ndarray of shape (n_bins, n_frames), float32
        Receives the squared magnitudes.
    first : int
        The column of the first.
    """
    n, n_bins = spectrum.shape
    squared = np.empty((n, n_bins), dtype=np.float32)
    for t in range(n):
        for f in range(n_bins):
            value = spectrum[t, f]
            squared[t, f] = value.real * value.real + value.imag * value.imag
    columns = power[:, first:]
    for f in range(n_bins):
        for t in range(n):
            columns[f, t] = squared[t, f]


@compiled
def filter_sums(
    power: np.ndarray, weights: np.ndarray, bins: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """Sum a spectrum under sparse filters.

    Parameters
    ----------
    power : np.ndarray of shape (n_bins, n_frames), float32
        The spectrum.
    weights : np.ndarray of shape (n_weights,), float32
        Weights that are not zero, filter by filter (``data`` of a CSR matrix).
    bins : np.ndarray of shape (n_weights,), int32
        The bin of each (``indices``).
    starts : np.ndarray of shape (n_filters + 1,), int32
        Where each filter's weights begin (``indptr``).

    Returns
    -------
    np.ndarray of shape (n_filters, n_frames), float32
        The sums.
    """
    n_filters, n_frames = len(starts) - 1, power.shape[1]
    sums = np.zeros((n_filters, n_frames), dtype=np.float32)
    for m in range(n_filters):
        k, stop = starts[m], starts[m + 1]
        row = sums[m]
        # Four bins at a time: the sums are loaded and stored once for all of them.
        while k + 4 <= stop:
            a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            row_a, row_b = power[bins[k]], power[bins[k + 1]]
            row_c, row_d = power[bins[k + 2]], power[bins[k + 3]]
            for t in range(n_frames):
                row[t] += (a * row_a[t] + b * row_b[t]) + (c * row_c[t] + d * row_d[t])
            k += 4
        while k < stop:
            a, row_a = weights[k], power[bins[k]]
            for t in range(n_frames):
                row[t] += a * row_a[t]
            k += 1
    return sums


@compiled
def spectral_shape(spectrum: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Total and moments of each frame as a distribution over frequency.

    Parameters
    ----------
    spectrum : np.ndarray of shape (n_bins, n_frames), float32
        Weights; not negative.
    frequencies : np.ndarray of shape (n_bins,), float32
        Of each bin.

    Returns
    -------
    np.ndarray of shape (5, n_frames), float32
        Total weight; mean, standard deviation, skewness and kurtosis (3 for a Gaussian). All 0
        where the total is; the last two 0 where the deviation is.
    """
    n_bins, n_frames = spectrum.shape
    shape = np.zeros((5, n_frames), dtype=np.float32)
    total, mean, second, third, fourth = shape[0], shape[1], shape[2], shape[3], shape[4]
    for f in range(n_bins):
        for t in range(n_frames):
            total[t] += spectrum[f, t]
            mean[t] += spectrum[f, t] * frequencies[f]
    inverse = np.zeros(n_frames, dtype=np.float32)
    for t in range(n_frames):
        if total[t] > 0.0:
            inverse[t] = np.float32(1.0) / total[t]
        mean[t] *= inverse[t]
    for f in range(n_bins):
        for t in range(n_frames):
            deviation = frequencies[f] - mean[t]
            weighted = spectrum[f, t] * inverse[t] * deviation * deviation
            second[t] += weighted
            third[t] += weighted * deviation
            fourth[t] += weighted * deviation * deviation
    for t in range(n_frames):
        variance = np.float64(second[t])
        if variance > 0.0:
            third[t] = third[t] / variance**1.5
            fourth[t] = fourth[t] / variance**2
        second[t] = math.sqrt(variance)
    return shape


@compiled
def mean_log2(spectrum: np.ndarray, floor: float) -> np.ndarray:
    """Mean of the binary logarithm of each frame, with one logarithm a frame.

    The logarithm of a product is the sum of logarithms: eight bins are multiplied at a time, and
    the product's exponent is taken off and counted, so that it neither overflows nor vanishes.

    Parameters
    ----------
    spectrum : np.ndarray of shape (n_bins, n_frames), float32
        Not negative.
    floor : float
        Least value; eight of it must not vanish in float64, nor eight of the spectrum overflow.

    Returns
    -------
    np.ndarray of shape (n_frames,), float64
        The means.
    """
    n_bins, n_frames = spectrum.shape
    product = np.ones(n_frames)
    bits = product.view(np.int64)
    exponent = np.zeros(n_frames, dtype=np.int64)
    for f in range(n_bins):
        for t in range(n_frames):
            product[t] *= max(np.float64(spectrum[f, t]), floor)
        if f % 8 == 7:
            for t in range(n_frames):
                exponent[t] += (bits[t] >> EXPONENT_SHIFT) - EXPONENT_BIAS
                bits[t] = (bits[t] & FRACTION_MASK) | EXPONENT_OF_ONE
    for t in range(n_frames):
        product[t] = (exponent[t] + math.log2(product[t])) / n_bins
    return product


@compiled
def bins_below(spectrum: np.ndarray, total: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Count the bins before the running sum reaches a share of the total.

    Parameters
    ----------
    spectrum : np.ndarray of shape (n_bins, n_frames), float32
        Weights; not negative.
    total : np.ndarray of shape (n_frames,), float32
        Sum of each frame, from the lowest bin to the highest as in `spectral_shape`.
    shares : np.ndarray of shape (n_shares,), float32
        Between 0 and 1.

    Returns
    -------
    np.ndarray of shape (n_shares, n_frames), int32
        Bins at which the running sum, in float32, is below the share.
    """
    n_bins, n_frames = spectrum.shape
    running = np.zeros(n_frames, dtype=np.float32)
    below = np.zeros((len(shares), n_frames), dtype=np.int32)
    for f in range(n_bins):
        for t in range(n_frames):
            running[t] += spectrum[f, t]
        for k in range(len(shares)):
            for t in range(n_frames):
                below[k, t] += running[t] < shares[k] * total[t]
    return below


@compiled
def extreme_means(spectrum: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Means of the largest and of the smallest values of each frame, band by band.

    Parameters
    ----------
    spectrum : np.ndarray of shape (n_bins, n_frames), float32
        Not negative.
    bands : np.ndarray of shape (n_bands, 3), intp
        First bin, last bin (exclusive) and how many values are extreme: at least one, and no more
        than the band has bins.

    Returns
    -------
    np.ndarray of shape (2, n_bands, n_frames), float32
        Means of the largest; of the smallest.
    """
    n_frames = spectrum.shape[1]
    means = np.zeros((2, len(bands), n_frames), dtype=np.float32)
    best = np.empty((bands[:, 2].max(), n_frames), dtype=np.float32)
    up = np.empty((4, n_frames), dtype=np.float32)
    least = -np.finfo(np.float32).max
    for k in range(2 * len(bands)):
        # The smallest are the largest of the values with their signs changed.
        sign = np.float32(1 - 2 * (k % 2))
        mean = means[k % 2, k // 2]
        start, stop, n = bands[k // 2]
        for place in range(n):
            for t in range(n_frames):
                best[place, t] = least
        for first in range(start, stop, 4):
            # Four bins at a time: each place of the list is loaded and stored once for all.
            for i in range(4):
                for t in range(n_frames):
                    up[i, t] = sign * spectrum[first + i, t] if first + i < stop else least
            # Each place keeps the best of five values and hands the others on.
            for place in range(n):
                for t in range(n_frames):
                    kept = best[place, t]
                    kept, up[0, t] = max(kept, up[0, t]), min(kept, up[0, t])
                    kept, up[1, t] = max(kept, up[1, t]), min(kept, up[1, t])
                    kept, up[2, t] = max(kept, up[2, t]), min(kept, up[2, t])
                    kept, up[3, t] = max(kept, up[3, t]), min(kept, up[3, t])
                    best[place, t] = kept
        for place in range(n):
            for t in range(n_frames):
                mean[t] += sign * best[place, t] / n
    return means


@compiled
def sums_and_peaks(spectrum: np.ndarray) -> np.ndarray:
    """Sum and largest value of each frame.

    Parameters
    ----------
    spectrum : np.ndarray of shape (n_bins, n_frames), float32
        Not negative.

    Returns
    -------
    np.ndarray of shape (2, n_frames), float32
        Sums; largest values.
    """
    n_bins, n_frames = spectrum.shape
    found = np.zeros((2, n_frames), dtype=np.float32)
    for f in range(n_bins):
        for t in range(n_frames):
            found[0, t] += spectrum[f, t]
            found[1, t] = max(found[1, t], spectrum[f, t])
    return found


@compiled
def neighbour_products(spectrum: np.ndarray) -> np.ndarray:
    """Sum the products of each frame with the next.

    Parameters
    ----------
    spectrum : np.ndarray of shape (n_bins, n_frames), float32
        The frames.

    Returns
    -------
    np.ndarray of shape (n_frames - 1,), float32
        The sums over frequency.
    """
    n_bins, n_frames = spectrum.shape
    products = np.zeros(n_frames - 1, dtype=np.float32)
    for f in range(n_bins):
        for t in range(n_frames - 1):
            products[t] += spectrum[f, t] * spectrum[f, t + 1]
    return products


@compiled
def mean_rises(levels: np.ndarray) -> np.ndarray:
    """Average how much each row rises from frame to frame, falls counting as 0.

    Parameters
    ----------
    levels : np.ndarray of shape (n_rows, n_frames), float32
        The rows.

    Returns
    -------
    np.ndarray of shape (n_frames - 1,), float32
        The means over rows.
    """
    n_rows, n_frames = levels.shape
    rises = np.zeros(n_frames - 1, dtype=np.float32)
    for m in range(n_rows):
        for t in range(n_frames - 1):
            rises[t] += max(np.float32(0.0), levels[m, t + 1] - levels[m, t])
    return rises / np.float32(n_rows)


@compiled
def bin_products(spectrum: np.ndarray) -> np.ndarray:
    """Sum the products of each bin with the next.

    Parameters
    ----------
    spectrum : np.ndarray of shape (n_bins, n_frames), float32
        The frames.

    Returns
    -------
    np.ndarray of shape (n_frames,), float32
        The sums over frequency.
    """
    n_bins, n_frames = spectrum.shape
    products = np.zeros(n_frames, dtype=np.float32)
    for f in range(n_bins - 1):
        for t in range(n_frames):
            products[t] += spectrum[f, t] * spectrum[f + 1, t]
    return products


@compiled
def amplitude_counts(
    segments: np.ndarray, lowest: np.ndarray, highest: np.ndarray, n_bins: int
) -> np.ndarray:
    """Histogram of each segment.

    Parameters
    ----------
    segments : np.ndarray of shape (n_segments, length), float32
        One segment a row.
    lowest, highest : np.ndarray of shape (n_segments,), float32
        Smallest and largest sample of each, where the first bin begins and the last ends.
    n_bins : int
        Number of equal bins.

    Returns
    -------
    np.ndarray of shape (n_bins, n_segments), float64
        Counts; all in the first bin for a constant segment.
    """
    n_segments, length = segments.shape
    counts = np.zeros((n_bins, n_segments))
    # Four tables in turn: neighbours often share a bin, and would wait for one another.
    table = np.empty(4 * n_bins, dtype=np.int32)
    places = np.empty(length, dtype=np.uint32)
    last = np.float32(n_bins - 1)
    for s in range(n_segments):
        low, spread = lowest[s], highest[s] - lowest[s]
        scale = np.float32(n_bins) / spread if spread > NO_SPREAD else np.float32(0.0)
        for i in range(length):
            places[i] = 4 * np.uint32(min((segments[s, i] - low) * scale, last)) + np.uint32(i & 3)
        for place in range(4 * n_bins):
            table[place] = 0
        for i in range(length):
            table[places[i]] += 1
        for b in range(n_bins):
            for place in range(4 * b, 4 * b + 4):
                counts[b, s] += table[place]
    return counts


@compiled
def centred(segments: np.ndarray) -> np.ndarray:
    """Take each segment's mean away, in float64.

    Parameters
    ----------
    segments : np.ndarray of shape (n_segments, length), float32
        One segment a row.

    Returns
    -------
    np.ndarray of shape (n_segments, length), float32
        Zeros for a constant segment.
    """
    n_segments, length = segments.shape
    without = np.empty((n_segments, length), dtype=np.float32)
    for s in range(n_segments):
        mean = 0.0
        for i in range(length):
            mean += np.float64(segments[s, i])
        mean /= length
        for i in range(length):
            without[s, i] = np.float64(segments[s, i]) - mean
    return without


@compiled
def order_counts(segments: np.ndarray) -> np.ndarray:
    """Count the orders in which three successive samples stand.

    Parameters
    ----------
    segments : np.ndarray of shape (n_segments, length), float32
        One segment a row.

    Returns
    -------
    np.ndarray of shape (6, n_segments), float64
        Counts of the six orders; equal samples count as rising.
    """
    n_segments, length = segments.shape
    counts = np.zeros((6, n_segments))
    for s in range(n_segments):
        x = segments[s]
        # With first <= second: second <= third, else first <= third, else the fall to the lowest.
        n_up, n_up_up, n_up_mid, n_down_up, n_down_mid = 0, 0, 0, 0, 0
        for i in range(length - 2):
            first = x[i] <= x[i + 1]
            second = x[i + 1] <= x[i + 2]
            over = x[i] <= x[i + 2]
            n_up += first
            n_up_up += first & second
            n_up_mid += first & (not second) & over
            n_down_up += (not first) & second & over
            n_down_mid += (not first) & second & (not over)
        n_down = length - 2 - n_up
        counts[0, s] = n_up_up
        counts[1, s] = n_up_mid
        counts[2, s] = n_up - n_up_up - n_up_mid
        counts[3, s] = n_down_up
        counts[4, s] = n_down_mid
        counts[5, s] = n_down - n_down_up - n_down_mid
    return counts


@compiled
def difference_variances(segments: np.ndarray) -> np.ndarray:
    """Variances of each segment and of its first and second differences.

    Parameters
    ----------
    segments : np.ndarray of shape (n_segments, length), float32
        One segment a row; at least three samples.

    Returns
    -------
    np.ndarray of shape (3, n_segments), float64
        Population variances.
    """
    n_segments, length = segments.shape
    variances = np.zeros((3, n_segments))
    for s in range(n_segments):
        x = segments[s]
        # The mean goes first: it may be large beside the deviations.
        mean = 0.0
        for i in range(length):
            mean += np.float64(x[i])
        mean /= length
        squares, first_squares, second_squares = 0.0, 0.0, 0.0
        for i in range(length - 2):
            here, there = np.float64(x[i]) - mean, np.float64(x[i + 1]) - mean
            beyond = np.float64(x[i + 2]) - mean
            first = there - here
            second = (beyond - there) - first
            squares += here * here
            first_squares += first * first
            second_squares += second * second
        last, last_but_one = np.float64(x[length - 1]), np.float64(x[length - 2])
        squares += (last - mean) ** 2 + (last_but_one - mean) ** 2
        first_squares += (last - last_but_one) ** 2
        # Differences telescope: their means follow from the ends.
        first_mean = (last - np.float64(x[0])) / (length - 1)
        second_mean = ((last - last_but_one) - (np.float64(x[1]) - np.float64(x[0]))) / (length - 2)
        variances[0, s] = squares / length
        variances[1, s] = max(0.0, first_squares / (length - 1) - first_mean**2)
        variances[2, s] = max(0.0, second_squares / (length - 2) - second_mean**2)
    return variances


@compiled
def frame_sums(samples: np.ndarray, n_fft: int, hop_length: int) -> np.ndarray:
    """Sum squares and count sign changes in each frame; frames overlap, each hop is read once.

    Parameters
    ----------
    samples : np.ndarray of shape (hop_length * (n_frames - 1) + n_fft,), float32
        What the frames cover.
    n_fft, hop_length : int
        Length of a frame, a multiple of the samples from frame to frame.

    Returns
    -------
    np.ndarray of shape (2, n_frames), float64
        Sums of squares; changes of sign from one sample of the frame to the next.
    """
    n_hops = len(samples) // hop_length
    n_frames = n_hops - n_fft // hop_length + 1
    squares, changes, into = np.zeros(n_hops), np.zeros(n_hops), np.zeros(n_hops)
    for h in range(n_hops):
        x = samples[h * hop_length : (h + 1) * hop_length]
        hop_squares, hop_changes = np.float32(0.0), 0
        for i in range(hop_length):
            hop_squares += x[i] * x[i]
        for i in range(hop_length - 1):
            hop_changes += (x[i] < 0.0) != (x[i + 1] < 0.0)
        squares[h], changes[h] = hop_squares, hop_changes
        if h > 0:
            into[h] = (samples[h * hop_length - 1] < 0.0) != (x[0] < 0.0)
    sums = np.zeros((2, n_frames))
    for t in range(n_frames):
        for h in range(t, t + n_fft // hop_length):
            sums[0, t] += squares[h]
            sums[1, t] += changes[h] + into[h]
        # A change into a frame's first sample happens outside the frame.
        sums[1, t] -= into[t]
    return sums


@compiled
def weighted_neighbours(contours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum each contour over a sliding stretch of frames; the ends repeat the outermost sums.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames), float32
        At least as many frames as weights.
    weights : np.ndarray of shape (width,), float32
        One for each frame of the stretch; an odd number.

    Returns
    -------
    np.ndarray of shape (n_contours, n_frames), float32
        The sums, each at the middle of its stretch.
    """
    n_contours, n_frames = contours.shape
    width, half = len(weights), len(weights) // 2
    n_sums = n_frames - width + 1
    sums = np.zeros((n_contours, n_frames), dtype=np.float32)
    for c in range(n_contours):
        for k in range(width):
            for t in range(n_sums):
                sums[c, half + t] += weights[k] * contours[c, t + k]
        sums[c, :half] = sums[c, half]
        sums[c, half + n_sums :] = sums[c, half + n_sums - 1]
    return sums
