"""Louder or softer."""

from __future__ import annotations

from dataclasses import dataclass

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep


@register_augmentation("gain")
@dataclass(frozen=True, slots=True, kw_only=True)
class Gain(WaveformStep):
    """Make the clip louder or softer.

    Without effect on frontends that normalise the level, unless before other clips are mixed in.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    min_db, max_db : float
        Range of the gain in dB, evenly drawn.
    """

    min_db: float = option(-12.0, least=-60, most=60, about="least gain in dB")
    max_db: float = option(6.0, least=-60, most=60, about="greatest gain in dB")

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        gains = 10 ** (draws.uniform(self.min_db, self.max_db) / 20)
        return part.replaced(part.waveforms.mul_(part.column(gains)))
