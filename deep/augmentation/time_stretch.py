"""Faster or slower."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep
from deep.augmentation.vocoder import vocode


@register_augmentation("time_stretch")
@dataclass(frozen=True, slots=True, kw_only=True)
class TimeStretch(WaveformStep):
    """Play the clip faster or slower at the same pitch, so that it becomes shorter or longer.

    Parameters
    ----------
    probability : float
        Share of clips that it changes; with `pitch_shift` among the dearest kinds.
    min_rate, max_rate : float
        Range of the tempo, where 1 is as it was and 2 twice as fast; evenly drawn in octaves.
    """

    probability: float = option(0.15, least=0, most=1, about="share of clips that are changed")
    min_rate: float = option(0.8, least=0.25, most=4, about="least tempo, 1 is as it was")
    max_rate: float = option(1.25, least=0.25, most=4, about="greatest tempo")

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        rates = draws.log_uniform(self.min_rate, self.max_rate)
        return vocode(part, rates=rates, ratios=torch.ones_like(rates))
