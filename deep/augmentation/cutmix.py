"""A stretch of one clip in place of another's, and their labels in proportion."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from deep.augmentation.batch import Batch, match_levels, take_windows
from deep.augmentation.draws import Draws
from deep.augmentation.label_mixing import weigh_targets
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import MixingStep


@register_augmentation("cutmix")
@dataclass(frozen=True, slots=True, kw_only=True)
class Cutmix(MixingStep):
    """Replace a stretch of the clip by one of another clip, brought to the same level.

    The clip stays as long as it is; targets are weighted by the time that each is heard.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    max_share : float
        Longest stretch as a share of the clip, evenly drawn from 0; never longer than the other.

    References
    ----------
    S. Yun et al., CutMix: regularization strategy to train strong classifiers with localizable
    features, ICCV 2019; here along time.
    """

    max_share: float = option(0.5, least=0, most=0.95, about="longest stretch, share of the clip")

    def mix(self, part: Batch, partners: list[Batch], draws: Draws) -> Batch:  # noqa: D102
        (other,) = partners
        sizes = (draws.uniform(0.0, self.max_share) * part.lengths).round().long()
        sizes = torch.minimum(sizes, other.lengths)
        starts = (draws.uniform() * (part.lengths - sizes + 1)).long()
        sources = (draws.uniform() * (other.lengths - sizes + 1)).long()
        width = part.waveforms.shape[1]
        moved = take_windows(match_levels(other, part.levels()), sources - starts, width)
        times = torch.arange(width, device=moved.device)
        first, last = part.column(starts), part.column(starts + sizes)
        mixed = torch.where((times >= first) & (times < last), moved, part.waveforms)
        shares = part.column(1 - sizes / part.lengths)
        targets = weigh_targets(part.targets, other.targets, shares)
        return Batch(mixed, part.lengths, targets, part.sr)
