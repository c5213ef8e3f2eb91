"""Harmonic and percussive energy: what is smooth along time against what is smooth along frequency.

Conventions: a running median is taken over 15 neighbours on both sides, with the spectrum mirrored
beyond its ends. A steady tone outlasts the median over time, a click the median over frequency.

The medians come from a network of comparators, each of which puts two values in order; every
comparator works on a row of positions at once, so that nothing branches and all of it is
vectorised. Sixteen neighbouring windows share their sorting (about 20 comparators a window, where
one alone needs 152): all contain the middle 16 of their 46 values; each half of the windows
contains 8 values more, its first half another 4, and so on. At every step only those of the values
in order are kept that may still be a median.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import count

import numpy as np

from features.analysis import LOG_FLOOR, ClipAnalysis
from features.compiled import compiled

# Neighbours on each side of a running median: a window of 31, as in librosa. One less than a power
# of two, so that windows can be halved.
REACH = 15

# Windows that share their sorting: they have as many values in common, each perhaps a median.
GROUP = REACH + 1

# Positions side by side in a comparator: the network's rows of them (some 39 kB) stay in the
# processor's nearest cache, and the 130 frames of a clip of three seconds fit in one go.
MAX_LANES = 144

# 200 dB below white noise of the clip's level: smaller medians count as nothing.
NO_POWER = 1e-20


class _Network:
    """Comparators of numbered values: the inputs first, then each comparator's two."""

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self.comparators: dict[tuple[int, int], int] = {}

    def results(self, comparator: int) -> tuple[int, int]:
        """Give the smaller and the larger value."""
        smaller = self.n_inputs + 2 * comparator
        return smaller, smaller + 1

    def compare(self, first: int, second: int) -> tuple[int, int]:
        """Put two values in order; the same two are compared only once."""
        return self.results(self.comparators.setdefault((first, second), len(self.comparators)))

    def merge(self, first: list[int], second: list[int]) -> list[int]:
        """Merge two ordered lists: Batcher's odd-even merge, of any two lengths."""
        if not first or not second:
            return first + second
        if len(first) == len(second) == 1:
            return list(self.compare(first[0], second[0]))
        even = self.merge(first[::2], second[::2])
        odd = self.merge(first[1::2], second[1::2])
        n_pairs = min(len(even) - 1, len(odd))
        merged = even[:1]
        for k in range(n_pairs):
            merged += self.compare(odd[k], even[k + 1])
        return merged + odd[n_pairs:] + even[n_pairs + 1 :]

    def sort(self, values: list[int]) -> list[int]:
        """Put a list in order."""
        if len(values) == 1:
            return values
        half = len(values) // 2
        return self.merge(self.sort(values[:half]), self.sort(values[half:]))

    def medians(self, middle: list[int], start: int, stop: int) -> list[int]:
        """Find the medians of the windows that have the inputs from start to stop in common.

        There are as many windows as values in the middle: those, in order, of the common inputs
        that may be a median.
        """
        if len(middle) == 1:
            return middle
        half = len(middle) // 2
        medians = []
        for new in (range(start - half, start), range(stop, stop + half)):
            merged = self.merge(middle, self.sort(list(new)))
            common = min(start, new.start), max(stop, new.stop)
            medians += self.medians(merged[half : 2 * half], *common)
        return medians


@cache
def _median_program() -> tuple[np.ndarray, np.ndarray]:
    """Give the network for the medians of a group, with a row of memory for each value.

    Returns
    -------
    comparators : np.ndarray of shape (n_comparators, 4), uintp
        Rows of the two values, and rows that receive the smaller and the larger, which are never
        among the first two. The inputs are in the first rows.
    medians : np.ndarray of shape (GROUP,), uintp
        The rows in which the medians end.
    """
    network = _Network(REACH + GROUP + REACH)
    common = range(REACH, REACH + GROUP)
    medians = network.medians(network.sort(list(common)), common.start, common.stop)

    # From the last comparator back: only those that a median depends on are needed.
    last_use = dict.fromkeys(medians, len(network.comparators))
    needed = []
    for comparator, pair in reversed(list(enumerate(network.comparators))):
        if any(value in last_use for value in network.results(comparator)):
            needed.append((comparator, pair))
            for value in pair:
                last_use.setdefault(value, comparator)

    # A value's row is free after its last use, and the next value takes it: few rows stay in cache.
    rows = {value: value for value in range(network.n_inputs)}
    unused_row = network.n_inputs
    new_rows = count(unused_row + 1)
    free: list[int] = []
    program = []
    for comparator, pair in reversed(needed):
        results = network.results(comparator)
        for value in results:
            if value in last_use:
                rows[value] = free.pop() if free else next(new_rows)
        program.append([rows.get(value, unused_row) for value in (*pair, *results)])
        free += [rows[value] for value in pair if last_use[value] == comparator]
    return np.array(program, dtype=np.uintp), np.array([rows[v] for v in medians], dtype=np.uintp)


@lru_cache(maxsize=16)
def _mirrored(n: int) -> np.ndarray:
    """Say which of n rows stands at each place from `REACH` before the first, in whole groups."""
    n_places = -(-n // GROUP) * GROUP + 2 * REACH
    place = np.arange(-REACH, n_places - REACH) % (2 * n)
    return np.minimum(place, 2 * n - 1 - place).astype(np.uintp)


@compiled
def _put_medians(
    values: np.ndarray,
    medians: np.ndarray,
    mirrored: np.ndarray,
    comparators: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Take the running median along the first axis; columns are the lanes of the network."""
    n_rows, n_columns = values.shape
    n_tiles = -(-n_columns // MAX_LANES)
    # A multiple of the eight numbers of a vector register.
    lanes = 8 * -(-n_columns // (8 * n_tiles))
    memory = np.zeros((comparators.max() + 1, lanes), dtype=np.float32)
    for column in range(0, n_columns, lanes):
        width = min(lanes, n_columns - column)
        for row in range(0, n_rows, len(ends)):
            places = mirrored[row:]
            for k in range(len(ends) + 2 * REACH):
                source, target = values[places[k], column:], memory[k]
                for i in range(width):
                    target[i] = source[i]
            for k in range(len(comparators)):
                first, second = memory[comparators[k, 0]], memory[comparators[k, 1]]
                smaller, larger = memory[comparators[k, 2]], memory[comparators[k, 3]]
                for i in range(lanes):
                    a, b = first[i], second[i]
                    smaller[i] = min(a, b)
                    larger[i] = max(a, b)
            for k in range(min(len(ends), n_rows - row)):
                source, target = memory[ends[k]], medians[row + k, column:]
                for i in range(width):
                    target[i] = source[i]


def running_median(spectrum: np.ndarray, *, axis: int) -> np.ndarray:
    """Median of each value and its 15 neighbours on both sides, along one axis.

    Parameters
    ----------
    spectrum : np.ndarray of shape (n_bins, n_frames), float32
        Finite values.
    axis : int
        0 for neighbours in frequency, 1 for neighbours in time.

    Returns
    -------
    np.ndarray of shape (n_bins, n_frames), float32
        The medians: to the bit ``scipy.ndimage.median_filter(mode="reflect")`` with a window of
        31 (which, in scipy 1.17, errs for an axis of two values), that is, mirrored beyond the
        ends with the outermost value repeated.

    References
    ----------
    Batcher, K. E. (1968). Sorting networks and their applications. AFIPS Spring Joint Computer
    Conference.

    Adams, A. (2021). Fast median filters using separable sorting networks. ACM Transactions on
    Graphics 40(4).
    """
    spectrum = np.ascontiguousarray(spectrum, dtype=np.float32)
    medians = np.empty_like(spectrum)
    along, into = (spectrum, medians) if axis == 0 else (spectrum.T, medians.T)
    _put_medians(along, into, _mirrored(len(along)), *_median_program())
    return medians


@compiled
def _separated_energies(
    magnitude: np.ndarray, over_time: np.ndarray, over_frequency: np.ndarray
) -> np.ndarray:
    """Energy of each frame's harmonic part, of its percussive part, and of all."""
    n_bins, n_frames = magnitude.shape
    energies = np.zeros((3, n_frames), dtype=np.float32)
    harmonic, percussive, total = energies[0], energies[1], energies[2]
    nothing = np.float32(NO_POWER)
    for f in range(n_bins):
        for t in range(n_frames):
            value = magnitude[f, t]
            steady = over_time[f, t] * over_time[f, t] + nothing
            sudden = over_frequency[f, t] * over_frequency[f, t] + nothing
            per_power = value / (steady + sudden)
            harmonic[t] += (steady * per_power) * (steady * per_power)
            percussive[t] += (sudden * per_power) * (sudden * per_power)
            total[t] += value * value
    return energies


def harmonic_percussive(analysis: ClipAnalysis) -> np.ndarray:
    """Shares of harmonic and of percussive energy, and how far one is above the other.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (3, n_frames), float64
        Harmonic and percussive share of the frame's energy, between 0 and 1 (0 below 1e-10);
        harmonic over percussive energy in decibels, each taken as at least `LOG_FLOOR` in the
        mean of the bins. All are 0 in silence.

    Notes
    -----
    With H the running median of the magnitude S over time and P that over frequency, 31 values
    each, the harmonic part is ``S * H^2 / (H^2 + P^2)`` and the percussive one
    ``S * P^2 / (H^2 + P^2)``: ``librosa.decompose.hpss``. The shares sum to 1 where each bin is
    either one or the other, to 1/2 where all are undecided; where both medians vanish, a bin goes
    in halves to both.

    References
    ----------
    Fitzgerald, D. (2010). Harmonic/percussive separation using median filtering. International
    Conference on Digital Audio Effects.
    """
    wider, inner = analysis.widened(REACH)
    magnitude = wider.magnitude
    over_time, over_frequency = (running_median(magnitude, axis=axis) for axis in (1, 0))
    energies = _separated_energies(magnitude, over_time, over_frequency)[:, inner]
    energies = energies.astype(np.float64)
    parts, total = energies[:2], energies[2]
    shares = np.minimum(1.0, parts / np.where(total > 0, total, 1.0))
    shares[shares < LOG_FLOOR] = 0.0
    harmonic, percussive = 10.0 * np.log10(np.maximum(parts / len(magnitude), LOG_FLOOR))
    return np.concatenate([shares, (harmonic - percussive)[np.newaxis]])
