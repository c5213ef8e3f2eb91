"""Loops over spectra and other contours.

Conventions: arrays are (n_bins, n_frames) in one piece, so that a loop over frames is the one that
the processor vectorises, and a frame's sums run in the same order whatever their number. Inner
loops index slices from 0, since an index that might be negative, which counts from the end, keeps a
loop from being vectorised.
"""

from __future__ import annotations

import math

import numpy as np

from features.compiled import compiled

# Exponent and fraction bits of a float64.
EXPONENT_SHIFT, EXPONENT_BIAS = 52, 1023
FRACTION_MASK = 2**EXPONENT_SHIFT - 1
EXPONENT_OF_ONE = EXPONENT_BIAS << EXPONENT_SHIFT


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
