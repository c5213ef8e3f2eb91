"""What a network is trained on: clips, targets, and which rows are drawn and how they are cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from deep.batches import length_batches, window_batches
from deep.clips import Waveforms
from deep.sampling import Sampling, check_sampling, sample_rows
from deep.windows import (
    LOUD_RANGE_DB,
    WINDOW_CHOICES,
    all_windows,
    count_covering,
    loud_starts,
    random_windows,
)

# Clips that normalisation statistics are taken from; more would hardly move a mean per band.
MAX_STATISTICS_CLIPS = 1000


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Clips, targets and rows.

    Parameters
    ----------
    store : WaveformStore or sequence of np.ndarray
        Waveforms by row.
    lengths : np.ndarray of shape (n_samples,), int64
        Their lengths in samples.
    targets : np.ndarray of shape (n_samples, n_classes), float32
        See `deep.losses`.
    training_rows, validation_rows : np.ndarray, int64
        Disjoint rows; without validation rows the last weights are kept.
    multi_label : bool
        Whether labels are decided one by one.
    windows : str
        What training sees of long clips: ``"random"``, ``"loudest"`` or ``"all"``; see
        `deep.windows`.
    loud_range_db : float
        How far below the loudest window ``"loudest"`` goes, in dB.
    sampling : "all", "balanced" or np.ndarray of shape (n_samples,)
        Which rows an epoch takes; see `deep.sampling`.
    soft_targets : np.ndarray of shape (n_samples, n_classes), float32, or None
        What training rows learn in place of their targets, such as a teacher's probabilities.

    Raises
    ------
    ValueError
        If `windows` or `sampling` is none of these.
    """

    store: Waveforms
    lengths: np.ndarray
    targets: np.ndarray
    training_rows: np.ndarray
    validation_rows: np.ndarray
    multi_label: bool
    windows: str = "random"
    loud_range_db: float = LOUD_RANGE_DB
    sampling: Sampling = "all"
    soft_targets: np.ndarray | None = None
    # Where a clip is loud, by row and window length.
    _loud: dict[tuple[int, int], np.ndarray] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if self.windows not in WINDOW_CHOICES:
            raise ValueError(f"windows must be one of {WINDOW_CHOICES}, got {self.windows!r}")
        sampling = check_sampling(self.sampling, n_samples=len(self.targets))
        object.__setattr__(self, "sampling", sampling)

    def training_windows(self, max_length: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the clips of an epoch and cut them.

        Parameters
        ----------
        max_length : int
            Longest window in samples.
        rng : np.random.Generator
            Source of all draws: made from the seed and the epoch, it decides the epoch.

        Returns
        -------
        np.ndarray of shape (n_windows, 3), int64
            Windows (row, start, stop): with ``"all"`` several a draw, else one.
        """
        sampling = self.sampling
        if not isinstance(sampling, str):
            sampling = sampling[self.training_rows]
        drawn = sample_rows(self.targets[self.training_rows], sampling, rng)
        rows = self.training_rows[drawn]
        if self.windows == "all":
            windows = all_windows(self.lengths[rows], max_length)
        else:
            windows = random_windows(self.lengths[rows], max_length, rng)
        windows[:, 0] = rows[windows[:, 0]]
        return self._moved_to_loud(windows, rng) if self.windows == "loudest" else windows

    def window_weights(self, windows: np.ndarray, max_length: int) -> np.ndarray:
        """Weigh windows so that each drawn clip counts alike.

        Parameters
        ----------
        windows : np.ndarray of shape (n_windows, 3), int64
            From `training_windows`.
        max_length : int
            Longest window in samples.

        Returns
        -------
        np.ndarray of shape (n_windows,), float32
            In proportion to 1 / the number of windows of the clip, one on average; all one
            unless `windows` is ``"all"``.
        """
        if self.windows != "all":
            return np.ones(len(windows), dtype=np.float32)
        weights = 1.0 / count_covering(self.lengths[windows[:, 0]], max_length)
        return (weights / weights.mean()).astype(np.float32)

    def _moved_to_loud(self, windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Move the windows of long clips to loud places."""
        sizes = windows[:, 2] - windows[:, 1]
        long = np.flatnonzero(sizes < self.lengths[windows[:, 0]])
        # One draw a window, so that no window's place depends on the others' clips.
        shares = rng.random(len(windows))
        for position in long:
            size = int(sizes[position])
            starts = self._loud_starts(int(windows[position, 0]), size)
            start = starts[int(shares[position] * len(starts))]
            windows[position, 1:] = start, start + size
        return windows

    def _loud_starts(self, row: int, max_length: int) -> np.ndarray:
        """Look at a clip once, and remember where it is loud."""
        key = (row, max_length)
        if key not in self._loud:
            starts = loud_starts(self.store[row], max_length, range_db=self.loud_range_db)
            self._loud[key] = starts.astype(np.int32 if starts[-1] < 2**31 else np.int64)
        return self._loud[key]

    def statistics_batches(
        self, *, max_length: int, batch_size: int, rng: np.random.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Load training clips, and no others, for a frontend's normalisation.

        Parameters
        ----------
        max_length : int
            Longest window in samples.
        batch_size : int
            Clips per batch.
        rng : np.random.Generator
            Chooses clips and windows.

        Yields
        ------
        waveforms, lengths : Tensor
            See `deep.batches.load_batch`.
        """
        # Random windows of each clip once, however training samples and cuts: what the network
        # will meet in whole clips.
        windows = random_windows(self.lengths[self.training_rows], max_length, rng)
        windows[:, 0] = self.training_rows[windows[:, 0]]
        windows = rng.permutation(windows)[:MAX_STATISTICS_CLIPS]
        batches = length_batches(windows[:, 2] - windows[:, 1], batch_size)
        for _, waveforms, lengths in window_batches(self.store, windows, batches):
            yield waveforms, lengths
