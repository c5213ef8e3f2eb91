"""Randomness as a function of seed, epoch, step and part: any step can be repeated alone."""

from __future__ import annotations

import numpy as np
import torch


def epoch_rng(seed: int, epoch: int) -> np.random.Generator:
    """Give the generator of an epoch's windows and batches.

    Parameters
    ----------
    seed : int
        Of the training.
    epoch : int
        Counted from one.

    Returns
    -------
    np.random.Generator
        The same for the same arguments.
    """
    return np.random.default_rng([seed, epoch])


def seed_part(seed: int, epoch: int, step: int, part: int) -> torch.Generator:
    """Seed torch's own generators, which dropout draws from, and give one for augmentation.

    Parameters
    ----------
    seed : int
        Of the training.
    epoch, step : int
        Counted from one.
    part : int
        Of the step's batch, counted from zero.

    Returns
    -------
    torch.Generator
        On the CPU, the same for the same arguments.
    """
    for_torch, for_augmentation = np.random.SeedSequence([seed, epoch, step, part]).generate_state(
        2, np.uint64
    )
    torch.manual_seed(int(for_torch >> np.uint64(1)))
    return torch.Generator().manual_seed(int(for_augmentation >> np.uint64(1)))
