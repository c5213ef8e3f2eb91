"""Batches of questions: windows of clips, augmented, run through a backbone and asked about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor, nn

from deep.augmentation import Augmentation
from deep.augmentation.draws import Draws, draw_seeds
from deep.backbones.network import AudioNetwork
from deep.batches import length_batches
from deep.loading import load_batches
from deep.pretraining.corpus import Corpus, cut_views
from deep.pretraining.pretext import Outcome, PretextTask, Views
from deep.training.randomness import epoch_rng, seed_part
from deep.training.settings import TrainingSettings
from deep.training.step import uses_bfloat16


class Share(NamedTuple):
    """How much of an epoch is done.

    Parameters
    ----------
    before, after : float
        Before a step and after it, from 0 to 1.
    """

    before: float
    after: float


class Learner(nn.Module):
    """A network and the decoder of a pretext task.

    Parameters
    ----------
    network : AudioNetwork
        Its frontend and backbone learn; its head has no part in it.
    task : PretextTask
        What they learn by.
    """

    def __init__(self, network: AudioNetwork, task: PretextTask) -> None:
        super().__init__()
        self.network, self.task = network, task


@dataclass(frozen=True, slots=True)
class Means:
    """What an epoch is learned with.

    Parameters
    ----------
    learner : Learner
        On the device to train on.
    corpus : Corpus
        The clips.
    settings : TrainingSettings
        How.
    """

    learner: Learner
    corpus: Corpus
    settings: TrainingSettings

    @property
    def device(self) -> torch.device:
        """Where the learner is."""
        return next(self.learner.parameters()).device

    def deal(
        self, rows: np.ndarray, epoch: int, *, shuffle: bool
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Cut the windows of an epoch, and deal clips into batches.

        Parameters
        ----------
        rows : np.ndarray of shape (n_clips,), int64
            Clips.
        epoch : int
            Decides about both.
        shuffle : bool
            Whether batches are random, or in order of length.

        Returns
        -------
        windows : np.ndarray of shape (n_views * n_clips, 3), int64
            See `cut_views`.
        batches : list of np.ndarray, int64
            Positions in `windows`: those of all first views of a batch, then of all second ones.
        """
        rng, task = epoch_rng(self.settings.seed, epoch), self.learner.task
        windows = cut_views(
            self.corpus,
            rows,
            max_length=self.settings.max_length,
            n_views=task.n_views,
            min_share=task.min_share,
            rng=rng,
        )
        lengths = (windows[:, 2] - windows[:, 1]).reshape(task.n_views, -1).max(axis=0)
        dealt = length_batches(lengths, self.settings.batch_size, rng=rng if shuffle else None)
        views = len(rows) * np.arange(task.n_views)[:, None]
        return windows, [(views + batch).ravel() for batch in dealt]

    def outcomes(
        self, rows: np.ndarray, epoch: int, *, shuffle: bool
    ) -> Iterator[tuple[Outcome, int, Share]]:
        """Ask about one batch after the other.

        Parameters
        ----------
        rows : np.ndarray of shape (n_clips,), int64
            Clips.
        epoch : int
            All that is random comes from it and the number of the batch.
        shuffle : bool
            See `deal`.

        Yields
        ------
        outcome : Outcome
            Of a batch.
        n_clips : int
            In it.
        share : Share
            Of the batches, before and after this one.
        """
        windows, batches = self.deal(rows, epoch, shuffle=shuffle)
        task, device = self.learner.task, self.device
        with load_batches(self.corpus.store, windows, batches, device=device) as loader:
            for number, (positions, waveforms, lengths) in enumerate(loader, 1):
                generator = seed_part(self.settings.seed, epoch, number, 0)
                owners = windows[positions[: len(positions) // task.n_views], 0]
                groups = torch.from_numpy(self.corpus.groups[owners])
                outcome = self._ask(waveforms, lengths, groups, generator)
                share = Share((number - 1) / len(batches), number / len(batches))
                yield outcome, len(owners), share

    def _ask(
        self, waveforms: Tensor, lengths: Tensor, groups: Tensor, generator: Generator
    ) -> Outcome:
        learner, settings = self.learner, self.settings
        enabled = uses_bfloat16(settings.precision, waveforms.device)
        with torch.autocast(waveforms.device.type, dtype=torch.bfloat16, enabled=enabled):
            seeds = draw_seeds(len(lengths), generator=generator)
            changes = settings.augmentation or Augmentation(())
            none = waveforms.new_zeros(len(lengths), 1)
            waveforms, lengths, _ = changes.on_waveforms(
                waveforms, lengths, none, generator=generator, seeds=seeds
            )
            frames, n_frames = learner.network.frames(waveforms, lengths)
            frames, _, _ = changes.on_frames(
                frames, n_frames, none, generator=generator, seeds=seeds
            )
            views = Views(frames, n_frames, groups)
            return learner.task(learner.network.backbone, views, Draws(seeds, "pretext"))
