"""The contours of a clip, gathered from its blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from features.analysis import ClipAnalysis

# A descriptor and its settings.
Recipe = tuple[Callable[..., np.ndarray], tuple[tuple[str, Any], ...]]


def compute_contours(blocks: Iterable[ClipAnalysis], recipes: Sequence[Recipe]) -> list[np.ndarray]:
    """Compute descriptors block by block, and join what they give.

    Parameters
    ----------
    blocks : iterable of ClipAnalysis
        All blocks of a clip, in order: see `ClipAnalysis.blocks`.
    recipes : sequence of (callable, tuple of (str, object))
        Descriptors with their settings.

    Returns
    -------
    list of np.ndarray of shape (n_contours, n_frames or n_segments), float32
        The contours of each recipe. A long clip's are never in memory twice.
    """
    contours: list[np.ndarray] = []
    n_done = np.zeros(len(recipes), dtype=int)
    for block in blocks:
        if block.n_frames == block.n_clip_frames:
            return [_compute(recipe, block) for recipe in recipes]
        for k, recipe in enumerate(recipes):
            values = _compute(recipe, block)
            if len(contours) == k:
                n_values = _n_values_in_all(values, block)
                contours.append(np.empty((len(values), n_values), dtype=np.float32))
            stop = n_done[k] + values.shape[1]
            contours[k][:, n_done[k] : stop] = values
            n_done[k] = stop
    return [whole[:, :n] for whole, n in zip(contours, n_done, strict=True)]


def _compute(recipe: Recipe, block: ClipAnalysis) -> np.ndarray:
    descriptor, settings = recipe
    return descriptor(block, **dict(settings)).astype(np.float32, copy=False)


def _n_values_in_all(values: np.ndarray, block: ClipAnalysis) -> int:
    """Tell from a block how many values the whole clip has at most: by frame or by segment."""
    if values.shape[1] == block.n_segments != block.n_frames:
        return block.n_clip_segments
    return max(block.n_clip_frames, block.n_clip_segments)
