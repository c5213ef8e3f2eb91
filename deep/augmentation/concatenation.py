"""Several clips one after another, each labelled in its own right."""

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


@register_augmentation("concat")
@dataclass(frozen=True, slots=True, kw_only=True)
class Concatenation(MixingStep):
    """Play other clips after the clip, at the same level; the whole has the labels of all.

    A clip that would not fit whole into the longest length is left out, with its labels.
    Multi-label only.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    max_clips : int
        Most clips in a row, this one included; evenly drawn from 2.
    max_seconds : float
        Longest length in s that it makes.
    """

    max_clips: int = option(3, least=2, most=16, about="most clips in a row")
    max_seconds: float = option(10.0, least=0.1, most=600, about="longest length in s")

    joins_labels: ClassVar[bool] = True

    def n_partners(self) -> int:  # noqa: D102 - see MixingStep
        return self.max_clips - 1

    def mix(self, part: Batch, partners: list[Batch], draws: Draws) -> Batch:  # noqa: D102
        counts, levels = draws.integers(1, self.max_clips - 1), part.levels()
        for number, other in enumerate(partners):
            ends = part.lengths + other.lengths
            heard = (counts > number) & (ends <= self.max_seconds * part.sr)
            lengths = torch.where(heard, ends, part.lengths)
            width = max(part.waveforms.shape[1], int(lengths.max()))
            added = take_windows(match_levels(other, levels), -part.lengths, width)
            sounds = widen(part.waveforms, width).addcmul_(added, part.column(heard))
            joined = join_targets(part.targets, other.targets)
            targets = torch.where(part.column(heard) > 0, joined, part.targets)
            part = Batch(sounds, lengths, targets, part.sr)
        return part
