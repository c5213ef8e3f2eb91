"""Upside down."""

from __future__ import annotations

from dataclasses import dataclass

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep


@register_augmentation("polarity")
@dataclass(frozen=True, slots=True, kw_only=True)
class Polarity(WaveformStep):
    """Turn the waveform upside down, which no ear and no power spectrum notices.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    """

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        return part.replaced(part.waveforms.neg_())
