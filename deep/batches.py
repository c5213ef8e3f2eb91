"""Batches of windows of similar length, and their waveforms side by side.

Everything random comes from a generator made from the seed and the epoch, so an epoch can be
repeated alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from deep.clips import Waveforms, WaveformStore

# Batches sorted together: large enough for little padding, small enough to stay random.
BATCHES_PER_BUCKET = 8

# Share of the samples in batches that may be padding before larger buckets are sorted together.
MAX_PADDING = 0.1


def length_batches(
    lengths: np.ndarray,
    batch_size: int,
    *,
    rng: np.random.Generator | None = None,
) -> list[np.ndarray]:
    """Deal positions into batches of similar length.

    Parameters
    ----------
    lengths : np.ndarray of shape (n_windows,)
        Lengths to deal by.
    batch_size : int
        Largest batch; batches are of nearly equal size. Where a window would be left alone, a
        batch has one more: normalisation over a batch needs two.
    rng : np.random.Generator or None
        Shuffles first and deals within buckets of some batches, which are larger where that is
        needed to keep padding low; None sorts everything.

    Returns
    -------
    list of np.ndarray, int64
        Positions of each batch; every position once.
    """

    def cut(bucket: np.ndarray) -> list[np.ndarray]:
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        return _cut_evenly(bucket, batch_size)

    n_windows = len(lengths)
    if rng is None:
        return cut(np.arange(n_windows))
    order = rng.permutation(n_windows)
    batches_per_bucket = BATCHES_PER_BUCKET
    while True:
        n_buckets = max(1, -(-n_windows // (batch_size * batches_per_bucket)))
        batches = [batch for bucket in np.array_split(order, n_buckets) for batch in cut(bucket)]
        if n_buckets == 1 or padding_share(lengths, batches) <= MAX_PADDING:
            return [batches[i] for i in rng.permutation(len(batches))]
        batches_per_bucket *= 2


def _cut_evenly(bucket: np.ndarray, batch_size: int) -> list[np.ndarray]:
    n_batches = min(-(-len(bucket) // batch_size), len(bucket) // 2)
    return np.array_split(bucket, max(1, n_batches))


def padding_share(lengths: np.ndarray, batches: Sequence[np.ndarray]) -> float:
    """Give the share of all samples in batches that are padding.

    Parameters
    ----------
    lengths : np.ndarray of shape (n_windows,)
        Lengths of the windows.
    batches : sequence of np.ndarray
        Positions of each batch.

    Returns
    -------
    float
        From 0 to below 1.

    Examples
    --------
    >>> padding_share(np.array([1, 3, 4]), [np.array([0, 1]), np.array([2])])
    0.2
    """
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return (padded - sum(int(lengths[batch].sum()) for batch in batches)) / padded


def load_batch(
    store: Waveforms, windows: np.ndarray, *, pin: bool = False
) -> tuple[Tensor, Tensor]:
    """Load the waveforms of some windows, zero-padded to a common length.

    Parameters
    ----------
    store : WaveformStore or sequence of np.ndarray
        Waveforms by row.
    windows : np.ndarray of shape (n_samples, 3), int64
        Windows (row, start, stop).
    pin : bool
        Whether to put them where a GPU can copy from while the processor goes on.

    Returns
    -------
    waveforms : Tensor of shape (n_samples, longest), float32
        Zero past each end.
    lengths : Tensor of shape (n_samples,), int64
        Valid samples of each.
    """
    lengths = windows[:, 2] - windows[:, 1]
    waveforms = torch.empty(len(windows), int(lengths.max()), pin_memory=pin)
    for line, length, (row, start, stop) in zip(waveforms.numpy(), lengths, windows, strict=True):
        if isinstance(store, WaveformStore):
            store.read_window(row, start, line[:length])
        else:
            line[:length] = store[row][start:stop]
        line[length:] = 0.0
    return waveforms, torch.from_numpy(lengths)


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
    windows = [(row, 0, len(waveform)) for row, waveform in enumerate(waveforms)]
    return load_batch(waveforms, np.array(windows))


def window_batches(
    store: Waveforms, windows: np.ndarray, batches: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """Load the waveforms of each batch, one after the other.

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
        See `load_batch`.
    lengths : Tensor of shape (batch_size,), int64
        See `load_batch`.
    """
    for positions in batches:
        yield positions, *load_batch(store, windows[positions])
