"""Rectangles of a spectrogram that are hidden."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import FrameStep, draw_stretches, hide


@register_augmentation("random_erasing")
@dataclass(frozen=True, slots=True, kw_only=True)
class RandomErasing(FrameStep):
    """Set one rectangle of bands and frames to the training mean.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    min_share, max_share : float
        Range of the rectangle's share of the clip's spectrogram, evenly drawn.
    max_elongation : float
        How much longer than high, or higher than long, as shares of the clip and of the bands;
        evenly drawn in octaves.

    References
    ----------
    Z. Zhong, L. Zheng, G. Kang, S. Li and Y. Yang, Random erasing data augmentation, AAAI 2020.
    """

    min_share: float = option(0.02, least=0, most=1, about="least share of the spectrogram")
    max_share: float = option(0.2, least=0, most=1, about="greatest share of the spectrogram")
    max_elongation: float = option(3.0, least=1, most=20, about="longer than high, or higher")

    def change(self, frames: Tensor, n_frames: Tensor, draws: Draws) -> Tensor:  # noqa: D102
        shares = draws.uniform(self.min_share, self.max_share)
        elongations = draws.log_uniform(1 / self.max_elongation, self.max_elongation)
        # Where one side would pass the spectrogram's, the other makes up for it.
        times = (shares * elongations).sqrt().clamp(shares, torch.ones_like(shares))
        n_bands, longest = frames.shape[-2:]
        in_time = draw_stretches(n_frames, times, longest, draws)
        heights = shares / times.clamp_min(1e-9)
        in_bands = draw_stretches(torch.full_like(n_frames, n_bands), heights, n_bands, draws)
        return hide(frames, in_bands[:, :, None] & in_time[:, None, :])
