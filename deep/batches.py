"""Windows of clips, and batches of windows of similar length.

Conventions: a window is a row of an int64 array (clip row, start, stop), in samples. Everything
random comes from a generator made from the seed and the epoch, so an epoch can be repeated alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from deep.clips import Waveforms

# Batches sorted together: large enough for little padding, small enough to stay random.
BATCHES_PER_BUCKET = 8


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
    hop = max(1, max_length // 2)
    n_windows = 1 + -(-(length - max_length) // hop)
    starts = np.linspace(0, length - max_length, n_windows).round().astype(np.int64)
    return np.column_stack([starts, starts + max_length])


def length_batches(
    lengths: np.ndarray, batch_size: int, *, rng: np.random.Generator | None = None
) -> list[np.ndarray]:
    """Deal positions into batches of similar length.

    Parameters
    ----------
    lengths : np.ndarray of shape (n_windows,)
        Lengths to deal by.
    batch_size : int
        Largest batch; batches are of nearly equal size.
    rng : np.random.Generator or None
        Shuffles first and deals within buckets of some batches; None sorts everything.

    Returns
    -------
    list of np.ndarray, int64
        Positions of each batch; every position once.
    """
    n_windows = len(lengths)
    if rng is None:
        order = np.argsort(lengths, kind="stable")
        return np.array_split(order, max(1, -(-n_windows // batch_size)))
    order = rng.permutation(n_windows)
    n_buckets = max(1, -(-n_windows // (batch_size * BATCHES_PER_BUCKET)))
    batches: list[np.ndarray] = []
    for bucket in np.array_split(order, n_buckets):
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += np.array_split(bucket, max(1, -(-len(bucket) // batch_size)))
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Zero-pad waveforms to a common length.

    Parameters
    ----------
    waveforms : sequence of np.ndarray of shape (n_timepoints,)
        One per window.

    Returns
    -------
    waveforms : Tensor of shape (n_samples, longest), float32
        Zero past each end.
    lengths : Tensor of shape (n_samples,), int64
        Valid samples of each.
    """
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(np.array(waveform, dtype=np.float32))
    return batch, lengths


def window_batches(
    store: Waveforms, windows: np.ndarray, batches: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Load the waveforms of each batch.

    Parameters
    ----------
    store : WaveformStore or sequence of np.ndarray
        Waveforms by row.
    windows : np.ndarray of shape (n_windows, 3), int64
        Windows (row, start, stop).
    batches : sequence of np.ndarray
        Positions in `windows`.

    Yields
    ------
    positions : np.ndarray of shape (batch_size,), int64
        The batch's positions in `windows`.
    waveforms : Tensor of shape (batch_size, longest), float32
        See `collate`.
    lengths : Tensor of shape (batch_size,), int64
        See `collate`.
    """
    for positions in batches:
        cuts = [store[row][start:stop] for row, start, stop in windows[positions]]
        yield positions, *collate(cuts)
