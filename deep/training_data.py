"""What a network is trained on: clips, targets, and which rows are for training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from deep.batches import length_batches, random_windows, window_batches
from deep.clips import Waveforms

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
    """

    store: Waveforms
    lengths: np.ndarray
    targets: np.ndarray
    training_rows: np.ndarray
    validation_rows: np.ndarray
    multi_label: bool

    def training_windows(self, max_length: int, rng: np.random.Generator) -> np.ndarray:
        """Cut one random window from every training clip.

        Parameters
        ----------
        max_length : int
            Longest window in samples.
        rng : np.random.Generator
            Source of the starts.

        Returns
        -------
        np.ndarray of shape (n_training, 3), int64
            Windows (row, start, stop).
        """
        windows = random_windows(self.lengths[self.training_rows], max_length, rng)
        windows[:, 0] = self.training_rows[windows[:, 0]]
        return windows

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
            See `deep.batches.collate`.
        """
        windows = rng.permutation(self.training_windows(max_length, rng))[:MAX_STATISTICS_CLIPS]
        batches = length_batches(windows[:, 2] - windows[:, 1], batch_size)
        for _, waveforms, lengths in window_batches(self.store, windows, batches):
            yield waveforms, lengths
