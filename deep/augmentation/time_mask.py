"""Stretches of time that are hidden."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import FrameStep, draw_stretches, hide


@register_augmentation("time_mask")
@dataclass(frozen=True, slots=True, kw_only=True)
class TimeMask(FrameStep):
    """Set random stretches of time to the training mean.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    n_masks : int
        Stretches per clip; they may overlap.
    max_share : float
        Longest stretch as a share of the clip, evenly drawn from 0.

    References
    ----------
    D. S. Park et al., SpecAugment, Interspeech 2019.
    """

    n_masks: int = option(1, least=1, most=20, about="stretches per clip")
    max_share: float = option(0.15, least=0, most=1, about="longest, share of the clip")

    def change(self, frames: Tensor, n_frames: Tensor, draws: Draws) -> Tensor:  # noqa: D102
        hidden = torch.zeros(len(frames), frames.shape[-1], dtype=torch.bool)
        for _ in range(self.n_masks):
            shares = draws.uniform(0.0, self.max_share)
            hidden |= draw_stretches(n_frames, shares, frames.shape[-1], draws)
        return hide(frames, hidden[:, None, :])
