"""Random numbers that a row draws for itself, whatever rows stand beside it.

A counter-based generator: each number is a hash of the row's seed, the name of what draws, and how
many numbers it drew before. So a row's numbers depend neither on the other rows of a batch nor on
which other augmentations a recipe holds, and a whole batch is drawn in a few array operations.

References
----------
G. L. Steele, D. Lea and C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Generator, Tensor

# Odd, near 2^64 divided by the golden ratio; with the two factors below, those of SplitMix64.
_GOLDEN = 0x9E3779B97F4A7C15


def draw_seeds(n_samples: int, *, generator: Generator) -> np.ndarray:
    """Draw one seed for each row of a batch.

    Parameters
    ----------
    n_samples : int
        Rows.
    generator : Generator
        On the CPU, so that the seeds are the same on any device.

    Returns
    -------
    np.ndarray of shape (n_samples,), uint64
        A row's seed depends on the generator's state and the row's number alone.
    """
    seeds = torch.randint(2**63 - 1, (n_samples,), generator=generator)
    return seeds.numpy().astype(np.uint64)


class Draws:
    """What one augmentation draws, a number for each row at a time.

    Parameters
    ----------
    seeds : np.ndarray of shape (n_samples,), uint64
        One per row.
    name : str
        Of what draws: others with the same seeds draw other numbers.
    """

    def __init__(self, seeds: np.ndarray, name: str) -> None:
        self._state = _scramble(seeds ^ np.uint64(zlib.crc32(name.encode()) * _GOLDEN % 2**64))
        self._drawn = 0

    def __len__(self) -> int:
        return len(self._state)

    def narrow(self, rows: Tensor) -> Draws:
        """Go on with some of the rows.

        Parameters
        ----------
        rows : Tensor of shape (n_rows,), int64
            Which; each goes on drawing what it would have drawn beside the others.

        Returns
        -------
        Draws
            Of those rows.
        """
        narrowed = object.__new__(Draws)
        narrowed._state, narrowed._drawn = self._state[rows.numpy()], self._drawn
        return narrowed

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw from an interval, evenly.

        Parameters
        ----------
        low, high : float
            Its ends.

        Returns
        -------
        Tensor of shape (n_samples,), float64
            In [low, high).
        """
        self._drawn += 1
        step = np.uint64(self._drawn * _GOLDEN % 2**64)
        # 53 bits are what a float64 holds.
        shares = (_scramble(self._state + step) >> np.uint64(11)) * 2.0**-53
        return torch.from_numpy(low + (high - low) * shares)

    def log_uniform(self, low: float, high: float) -> Tensor:
        """Draw from an interval, each octave as likely as the next.

        Parameters
        ----------
        low, high : float
            Its ends, above 0.

        Returns
        -------
        Tensor of shape (n_samples,), float64
            Between `low` and `high`.
        """
        return self.uniform(float(np.log(low)), float(np.log(high))).exp()

    def integers(self, low: int, high: int) -> Tensor:
        """Draw whole numbers.

        Parameters
        ----------
        low, high : int
            The least and the greatest.

        Returns
        -------
        Tensor of shape (n_samples,), int64
            From `low` to `high`, both included.
        """
        return self.uniform(low, high + 1).floor().long()


def _scramble(bits: np.ndarray) -> np.ndarray:
    """Hash 64 bits to 64 bits, one to one (the finaliser of SplitMix64)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
