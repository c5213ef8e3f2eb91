"""Waveforms of unlabelled clips, what cannot be read left out, and the windows of an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from deep.batches import length_batches, window_batches
from deep.clips import WaveformStore, find_lengths
from deep.holdout import hold_out
from deep.pretraining.unlabelled import UnlabelledClips
from deep.training_data import MAX_STATISTICS_CLIPS

# Clips that are run through a frontend at once.
STATISTICS_BATCH = 32


@dataclass(frozen=True, slots=True)
class Corpus:
    """What a backbone is pre-trained on.

    Parameters
    ----------
    store : WaveformStore
        Waveforms by row.
    lengths : np.ndarray of shape (n_samples,), int64
        Their lengths in samples; 0 where a clip cannot be read.
    groups : np.ndarray of shape (n_samples,), int64
        Number of each clip's group.
    training_rows, validation_rows : np.ndarray, int64
        Disjoint, in whole groups; clips that cannot be read are in neither.
    failures : dict of int to str
        Why the clip of a row cannot be read.
    """

    store: WaveformStore
    lengths: np.ndarray
    groups: np.ndarray
    training_rows: np.ndarray
    validation_rows: np.ndarray
    failures: dict[int, str]


def read_corpus(
    store: WaveformStore,
    unlabelled: UnlabelledClips,
    *,
    validation_fraction: float,
    seed: int,
    n_jobs: int | None = None,
) -> Corpus:
    """Decode all clips and hold some groups out.

    Parameters
    ----------
    store : WaveformStore
        Of the clips.
    unlabelled : UnlabelledClips
        Their groups.
    validation_fraction : float
        Share of the clips to hold out.
    seed : int
        Chooses the groups.
    n_jobs : int or None
        Threads that decode.

    Returns
    -------
    Corpus
        Ready.

    Raises
    ------
    ValueError
        If fewer than two clips to learn from can be read.
    """
    lengths, failures = find_lengths(store, n_jobs=n_jobs)
    groups = np.unique(unlabelled.groups, return_inverse=True)[1]
    readable = np.flatnonzero(lengths > 0)
    held = hold_out(
        np.zeros((len(readable), 0)),
        groups[readable],
        fraction=validation_fraction,
        rng=np.random.default_rng(seed),
    )
    if (~held).sum() < 2:
        some = "; ".join(list(failures.values())[:3])
        raise ValueError(
            f"pre-training needs at least 2 clips besides those held out, got {(~held).sum()} of "
            f"{len(store)}, {len(failures)} of which cannot be read{some and f' ({some})'}"
        )
    return Corpus(store, lengths, groups, readable[~held], readable[held], failures)


def cut_views(
    corpus: Corpus,
    rows: np.ndarray,
    *,
    max_length: int,
    n_views: int,
    min_share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Cut windows from each clip, each at a random place and of a random length.

    Parameters
    ----------
    corpus : Corpus
        The clips.
    rows : np.ndarray of shape (n_clips,), int64
        Which of them.
    max_length : int
        Longest window in samples.
    n_views : int
        Windows per clip.
    min_share : float
        Shortest window, as a share of what the clip and `max_length` allow.
    rng : np.random.Generator
        Source of all draws.

    Returns
    -------
    np.ndarray of shape (n_views * n_clips, 3), int64
        Windows (row, start, stop): the first of all clips, then the second of all.
    """
    rows = np.tile(rows, n_views)
    lengths = corpus.lengths[rows]
    shares = rng.uniform(min_share, 1.0, len(rows))
    sizes = np.maximum(1, np.round(shares * np.minimum(lengths, max_length))).astype(np.int64)
    starts = rng.integers(0, lengths - sizes + 1)
    return np.column_stack([rows, starts, starts + sizes])


def statistics_batches(
    corpus: Corpus, *, max_length: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Load clips that are learned from, and no others, for a frontend's normalisation.

    Parameters
    ----------
    corpus : Corpus
        The clips.
    max_length : int
        Longest window in samples.
    seed : int
        Chooses clips and windows.

    Yields
    ------
    waveforms, lengths : Tensor
        See `deep.batches.load_batch`.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(corpus.training_rows)[:MAX_STATISTICS_CLIPS]
    windows = cut_views(corpus, rows, max_length=max_length, n_views=1, min_share=1.0, rng=rng)
    batches = length_batches(windows[:, 2] - windows[:, 1], STATISTICS_BATCH)
    for _, waveforms, lengths in window_batches(corpus.store, windows, batches):
        yield waveforms, lengths
