"""Bands that are hidden."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import FrameStep, draw_stretches, hide


@register_augmentation("band_mask")
@dataclass(frozen=True, slots=True, kw_only=True)
class BandMask(FrameStep):
    """Set random ranges of bands to the training mean, over the whole clip.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    n_masks : int
        Ranges per clip; they may overlap.
    max_share : float
        Widest range as a share of the bands, evenly drawn from 0.

    References
    ----------
    D. S. Park et al., SpecAugment, Interspeech 2019.
    """

    n_masks: int = option(1, least=1, most=20, about="ranges per clip")
    max_share: float = option(0.1, least=0, most=1, about="widest, share of the bands")

    def change(self, frames: Tensor, n_frames: Tensor, draws: Draws) -> Tensor:  # noqa: D102
        n_bands = frames.shape[-2]
        sizes = torch.full((len(frames),), n_bands)
        hidden = torch.zeros(len(frames), n_bands, dtype=torch.bool)
        for _ in range(self.n_masks):
            hidden |= draw_stretches(sizes, draws.uniform(0.0, self.max_share), n_bands, draws)
        return hide(frames, hidden[:, :, None])
