"""Windows of clips: what training sees of a clip that is longer than its longest window.

Conventions: a window is a row of an int64 array (clip row, start, stop), in samples.

A clip's label was given to the whole clip, and a window of it may not hold what the label says: a
rest, a decay, another instrument's solo. Nothing here can know; it is a choice, by name:

``"random"``
    One window a clip and epoch, at a random place. All of the clip is seen over the epochs, and
    the wrong windows with it. For clips that sound throughout, and where epochs are many.
``"loudest"``
    One window a clip and epoch, at a random place among those whose energy is within
    `LOUD_RANGE_DB` of the clip's loudest window. For clips with rests, long decays or silent
    ends. It errs where the label is the softer sound.
``"all"``
    All covering windows in every epoch, each with the weight of 1 / n of its clip, so that a long
    clip weighs as much as a short one. For few, long clips; an epoch costs as much as their sound
    is long.

Clips are scored by the mean over all covering windows, whatever they were trained by.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

WINDOW_CHOICES = ("random", "loudest", "all")

# A decay or a rest falls further than this below the passage before it, the soft notes of one
# phrase hardly do. Chosen by hand, not tuned.
LOUD_RANGE_DB = 12.0

# Places tried for the loudest window: an onset is placed to an eighth of the window.
STARTS_PER_WINDOW = 8


def random_windows(lengths: np.ndarray, max_length: int, rng: np.random.Generator) -> np.ndarray:
    """Cut one window from each clip, at a random place where the clip is longer.

    Parameters
    ----------
    lengths : np.ndarray of shape (n_samples,), int64
        Clip lengths in samples.
    max_length : int
        Longest window in samples.
    rng : np.random.Generator
        Source of the starts.

    Returns
    -------
    np.ndarray of shape (n_samples, 3), int64
        Windows (row, start, stop), in the order of the rows.
    """
    sizes = np.minimum(lengths, max_length)
    starts = rng.integers(0, lengths - sizes + 1)
    return np.column_stack([np.arange(len(lengths)), starts, starts + sizes])


def covering_windows(length: int, max_length: int) -> np.ndarray:
    """Cover one clip by windows that overlap by at least one half.

    Parameters
    ----------
    length : int
        Clip length in samples.
    max_length : int
        Longest window in samples.

    Returns
    -------
    np.ndarray of shape (n_windows, 2), int64
        Windows (start, stop), evenly spaced, the last one ending where the clip ends; one window
        if the clip is short enough.

    Examples
    --------
    >>> covering_windows(10, 4).tolist()
    [[0, 4], [2, 6], [4, 8], [6, 10]]
    """
    if length <= max_length:
        return np.array([[0, length]])
    n_windows = int(count_covering(np.array(length), max_length))
    starts = np.linspace(0, length - max_length, n_windows).round().astype(np.int64)
    return np.column_stack([starts, starts + max_length])


def all_windows(lengths: np.ndarray, max_length: int) -> np.ndarray:
    """Cover every clip; see `covering_windows`.

    Parameters
    ----------
    lengths : np.ndarray of shape (n_samples,), int64
        Clip lengths in samples.
    max_length : int
        Longest window in samples.

    Returns
    -------
    np.ndarray of shape (n_windows, 3), int64
        Windows (row, start, stop), in the order of the rows.
    """
    covers = [covering_windows(int(length), max_length) for length in lengths]
    rows = np.repeat(np.arange(len(covers)), [len(cover) for cover in covers])
    return np.column_stack([rows, np.concatenate(covers)])


def count_covering(lengths: np.ndarray, max_length: int) -> np.ndarray:
    """Count the windows that cover clips; see `covering_windows`.

    Parameters
    ----------
    lengths : np.ndarray of shape (n_samples,), int64
        Clip lengths in samples.
    max_length : int
        Longest window in samples.

    Returns
    -------
    np.ndarray of shape (n_samples,), int64
        At least 1 each.

    Examples
    --------
    >>> count_covering(np.array([3, 10]), 4).tolist()
    [1, 4]
    """
    hop = max(1, max_length // 2)
    return 1 + -(-np.maximum(lengths - max_length, 0) // hop)


def loud_starts(
    waveform: np.ndarray, max_length: int, *, range_db: float = LOUD_RANGE_DB
) -> np.ndarray:
    """Find where a clip's loud windows begin.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        The clip, at least one window long.
    max_length : int
        Length of a window in samples.
    range_db : float
        How far below the loudest window's energy a window may lie, in dB.

    Returns
    -------
    np.ndarray, int64
        Starts, of those an eighth of a window apart; of silence all.

    Examples
    --------
    >>> loud_starts(np.r_[np.zeros(16), np.ones(8), np.zeros(16)], 8, range_db=4).tolist()
    [12, 13, 14, 15, 16, 17, 18, 19, 20]
    """
    span = len(waveform) - max_length
    n_starts = 1 + -(-span * STARTS_PER_WINDOW // max_length)
    starts = np.unique(np.linspace(0, span, n_starts).round().astype(np.int64))
    # Windows overlap: each stretch between two bounds is squared once. Stretch by stretch, since
    # the waveform may be mapped from a file and longer than memory.
    bounds = np.union1d(starts, starts + max_length)
    stretches = (waveform[start:stop] for start, stop in pairwise(bounds))
    energies = np.array([np.dot(stretch, stretch) for stretch in stretches], dtype=np.float64)
    before = np.concatenate([[0.0], np.cumsum(energies)])
    first, last = np.searchsorted(bounds, starts), np.searchsorted(bounds, starts + max_length)
    loudness = before[last] - before[first]
    return starts[loudness >= loudness.max() * 10 ** (-range_db / 10)]
