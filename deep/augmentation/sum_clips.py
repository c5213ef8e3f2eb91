"""Several clips at once, each labelled in its own right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from deep.augmentation.batch import Batch, match_levels, take_windows, widen
from deep.augmentation.draws import Draws
from deep.augmentation.label_mixing import join_targets
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import MixingStep


@register_augmentation("sum")
@dataclass(frozen=True, slots=True, kw_only=True)
class SumClips(MixingStep):
    """Play other clips together with the clip; the sum has the labels of all.

    Each of the others is heard whole: the sum lasts as long as the last of them. Multi-label only.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    max_clips : int
        Most clips in a sum, this one included; evenly drawn from 2.
    min_db, max_db : float
        Range of another clip's level relative to this one's, evenly drawn in dB.
    max_offset_s : float
        Latest start of another clip in s, evenly drawn from 0.
    """

    max_clips: int = option(3, least=2, most=16, about="most clips in a sum")
    min_db: float = option(-9.0, least=-60, most=60, about="least level of another clip in dB")
    max_db: float = option(3.0, least=-60, most=60, about="greatest level of another clip in dB")
    max_offset_s: float = option(0.5, least=0, most=60, about="latest start of another in s")

    joins_labels: ClassVar[bool] = True

    def n_partners(self) -> int:  # noqa: D102 - see MixingStep
        return self.max_clips - 1

    def mix(self, part: Batch, partners: list[Batch], draws: Draws) -> Batch:  # noqa: D102
        counts, levels = draws.integers(1, self.max_clips - 1), part.levels()
        for number, other in enumerate(partners):
            gains = 10 ** (draws.uniform(self.min_db, self.max_db) / 20)
            offsets = (draws.uniform(0.0, self.max_offset_s) * part.sr).long()
            heard = counts > number
            ends = torch.where(heard, offsets + other.lengths, 0)
            lengths = torch.maximum(part.lengths, ends)
            width = max(part.waveforms.shape[1], int(lengths.max()))
            added = take_windows(match_levels(other, levels), -offsets, width)
            sounds = widen(part.waveforms, width).addcmul_(added, part.column(gains * heard))
            joined = join_targets(part.targets, other.targets)
            targets = torch.where(part.column(heard) > 0, joined, part.targets)
            part = Batch(sounds, lengths, targets, part.sr)
        return part
