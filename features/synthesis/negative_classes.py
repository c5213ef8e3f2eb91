"""Negative-class sampling: who sounds together, so that every label comes up equally often.

A mix is drawn class by class: the next clip is one of a class that does not sound yet. Classes and
clips are dealt like cards, the least used first and by chance among equals, rather than drawn
blindly: a small block gives even counts too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


class ClassDeck:
    """The clips of a block, from which the sounds of each mix are drawn.

    Parameters
    ----------
    labels : np.ndarray of shape (n_clips, n_labels), bool
        Which classes a clip has; one without any is never drawn.
    rng : np.random.Generator
        Decides between equals.
    """

    def __init__(self, labels: np.ndarray, rng: np.random.Generator) -> None:
        self._labels = labels
        self._rng = rng
        self._left = np.asarray(labels.any(axis=1))
        self._uses_of_label = np.zeros(labels.shape[1], dtype=int)
        self._uses_of_clip = np.zeros(len(labels), dtype=int)

    def draw(self, n_voices: int, *, fits: Callable[[int], np.ndarray]) -> list[int]:
        """Draw clips of different classes.

        Parameters
        ----------
        n_voices : int
            How many.
        fits : callable
            From a clip to those that may sound together with it, (n_clips,), bool.

        Returns
        -------
        list of int
            Positions of the clips; fewer where no other class is left, or fits.
        """
        drawn: list[int] = []
        able = self._left.copy()
        while len(drawn) < n_voices:
            sounding = self._labels[drawn].any(axis=0)
            absent = np.asarray(self._labels[able].any(axis=0) & ~sounding)
            if not absent.any():
                break
            label = self._least_used(self._uses_of_label, absent)
            clip = self._least_used(self._uses_of_clip, able & self._labels[:, label])
            drawn.append(clip)
            # What came to nothing counts as well, or it would be drawn again and again.
            self._uses_of_label += self._labels[clip] & ~sounding
            self._uses_of_clip[clip] += 1
            able &= fits(clip)
        return drawn

    def discard(self, clip: int) -> None:
        """Never draw a clip again.

        Parameters
        ----------
        clip : int
            Its position.
        """
        self._left[clip] = False

    def _least_used(self, uses: np.ndarray, among: np.ndarray) -> int:
        candidates = np.flatnonzero(among)
        least = candidates[uses[candidates] == uses[candidates].min()]
        return int(self._rng.choice(least))
