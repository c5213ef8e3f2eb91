"""Contrastive pre-training: two crops of one clip, differently augmented, know each other."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.augmentation.draws import Draws
from deep.backbones.backbone import Backbone
from deep.backbones.network import AudioNetwork
from deep.heads.cosine import unit_length
from deep.pretraining.pretext import Outcome, PretextTask, Views, tally

PROJECTION_SIZE = 128


class CropContrast(PretextTask):
    """Find a clip's other crop among those of all clips of the batch.

    Clips of the same group are no wrong answers: they may well sound the same. The score is the
    share of crops whose most similar candidate is the right one; chance draws one of them.

    Parameters
    ----------
    network : AudioNetwork
        Its embeddings are projected, normalised and compared.
    temperature : float
        What cosines are divided by; the lower, the more the most similar wrong answers count.
    min_crop : float
        Shortest crop, as a share of what the clip and the longest window allow.

    Raises
    ------
    ValueError
        If an option is out of range.

    References
    ----------
    T. Chen et al., A simple framework for contrastive learning of visual representations, 2020,
    https://arxiv.org/abs/2002.05709; A. Saeed, D. Grangier, N. Zeghidour, Contrastive learning of
    general-purpose audio representations, 2021, https://arxiv.org/abs/2010.10915 (crops of clips)
    """

    n_views = 2
    score_name = "accuracy"
    # Without changes of the spectrum pitch and band limits alone would give a clip away.
    augment = {
        "filters": {"probability": 0.5},
        "noise": {"probability": 0.3, "colour": "any"},
        "random_resized_crop": {
            "probability": 1.0,
            "min_time_share": 0.6,
            "min_band_share": 0.7,
        },
        "time_mask": {"probability": 0.5},
        "band_mask": {"probability": 0.5},
    }

    def __init__(
        self, network: AudioNetwork, *, temperature: float = 0.2, min_crop: float = 0.5
    ) -> None:
        super().__init__()
        if temperature <= 0 or not 0 < min_crop <= 1:
            raise ValueError(
                "temperature must be above 0 and min_crop in (0, 1], got "
                f"{temperature!r} and {min_crop!r}"
            )
        self.temperature, self.min_share = temperature, min_crop
        size = network.embedding_size
        self.projection = nn.Sequential(
            nn.Linear(size, size), nn.ReLU(), nn.Linear(size, PROJECTION_SIZE)
        )

    def forward(self, backbone: Backbone, views: Views, draws: Draws) -> Outcome:  # noqa: D102
        projected = self.projection(backbone(views.frames, views.n_frames)).float()
        similarities = compare(projected, views.groups)
        partners = _partners(len(projected)).to(projected.device)
        loss = functional.cross_entropy(similarities / self.temperature, partners)
        n_candidates = similarities.isfinite().sum(dim=1)
        found = (similarities.argmax(dim=1) == partners).sum()
        return Outcome(loss, tally(found, (1 / n_candidates).sum(), len(projected)))

    def judge(self, tallies: Tensor) -> tuple[float, float]:  # noqa: D102 - see PretextTask
        found, by_chance, asked = tallies.tolist()
        return (found / asked, by_chance / asked) if asked else (math.nan, math.nan)


def compare(projected: Tensor, groups: Tensor) -> Tensor:
    """Compare each view with all that it may be told from, and with its partner.

    Parameters
    ----------
    projected : Tensor of shape (2 * n_clips, size)
        The first view of all clips, then the second of all.
    groups : Tensor of shape (n_clips,), int64
        Number of each clip's group.

    Returns
    -------
    Tensor of shape (2 * n_clips, 2 * n_clips)
        Cosines; minus infinity for the view itself and for other clips of its group.
    """
    directions = unit_length(projected)
    owners = torch.cat([groups, groups]).to(projected.device)
    excluded = owners[:, None] == owners
    rows = torch.arange(len(owners), device=projected.device)
    excluded[rows, _partners(len(owners)).to(projected.device)] = False
    return (directions @ directions.T).masked_fill(excluded, -math.inf)


def _partners(n_views: int) -> Tensor:
    """Tell where each view's partner stands."""
    return torch.arange(n_views).roll(n_views // 2)
