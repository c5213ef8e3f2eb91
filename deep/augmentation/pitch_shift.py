"""Higher or lower."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep
from deep.augmentation.vocoder import vocode


@register_augmentation("pitch_shift")
@dataclass(frozen=True, slots=True, kw_only=True)
class PitchShift(WaveformStep):
    """Move all pitches alike; the clip stays as long as it is.

    Formants move along, so far moves turn an instrument into another.

    Parameters
    ----------
    probability : float
        Share of clips that it changes; with `time_stretch` among the dearest kinds.
    min_semitones, max_semitones : float
        Range of the move in equal-tempered semitones, evenly drawn; below 0 is down.
    """

    probability: float = option(0.15, least=0, most=1, about="share of clips that are changed")
    min_semitones: float = option(-2.0, least=-12, most=12, about="least move in semitones")
    max_semitones: float = option(2.0, least=-12, most=12, about="greatest move in semitones")

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        ratios = 2 ** (draws.uniform(self.min_semitones, self.max_semitones) / 12)
        return vocode(part, rates=torch.ones_like(ratios), ratios=ratios)
