"""Two clips at once, and their labels in proportion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.special import betaincinv

from deep.augmentation.batch import Batch, match_levels
from deep.augmentation.draws import Draws
from deep.augmentation.label_mixing import weigh_targets
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import MixingStep


@register_augmentation("mixup")
@dataclass(frozen=True, slots=True, kw_only=True)
class Mixup(MixingStep):
    """Mix another clip in, brought to the same level and then more softly; targets alike.

    A mix is as long as the longer of the two.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    alpha : float
        Both shapes of the Beta distribution that the weight is drawn from; the clip gets the
        greater part. Small values mix little, 1 draws evenly.

    References
    ----------
    H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, mixup: beyond empirical risk minimization,
    ICLR 2018.
    """

    alpha: float = option(0.4, least=0.01, most=100, about="shape of the weights' distribution")

    def mix(self, part: Batch, partners: list[Batch], draws: Draws) -> Batch:  # noqa: D102
        shares = torch.from_numpy(betaincinv(self.alpha, self.alpha, draws.uniform().numpy()))
        shares = torch.maximum(shares, 1 - shares).float()
        (other,) = partners
        weights = part.column(shares)
        mixed = part.waveforms * weights + match_levels(other, part.levels()) * (1 - weights)
        # A clip mixed in with no weight at all makes nothing longer.
        others = torch.where(shares < 1, other.lengths, 0)
        targets = weigh_targets(part.targets, other.targets, weights)
        return Batch(mixed, torch.maximum(part.lengths, others), targets, part.sr)
