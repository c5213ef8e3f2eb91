"""A part of the clip."""

from __future__ import annotations

from dataclasses import dataclass

from deep.augmentation.batch import Batch, take_windows
from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import WaveformStep


@register_augmentation("crop")
@dataclass(frozen=True, slots=True, kw_only=True)
class Crop(WaveformStep):
    """Keep a part of the clip, which becomes shorter.

    Labels stay: where a clip's label may sound in a part of it only, keep most of it.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    min_share, max_share : float
        Range of the share that is kept, evenly drawn; at least one sample is.
    """

    min_share: float = option(0.5, least=0.01, most=1, about="least share that is kept")
    max_share: float = option(1.0, least=0.01, most=1, about="greatest share that is kept")

    def change(self, part: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        shares = draws.uniform(self.min_share, self.max_share)
        lengths = (shares * part.lengths).round().long().clamp_min(1)
        starts = (draws.uniform() * (part.lengths - lengths + 1)).long()
        return part.replaced(take_windows(part.waveforms, starts, int(lengths.max())), lengths)
