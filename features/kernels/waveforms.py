"""Loops over the waveform, its frames and its segments.

Conventions: segments are (n_segments, length). Inner loops index slices from 0: see `spectra`.
"""

from __future__ import annotations

import numpy as np

from features.compiled import compiled

# Of a waveform with an RMS of 1: samples that differ by less are the same, and bins could not be
# told apart.
NO_SPREAD = 1e-30


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
