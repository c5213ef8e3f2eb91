"""Masked spectrogram: hide patches, and let what is left tell what they held."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.augmentation.draws import Draws
from deep.backbones.backbone import Backbone
from deep.backbones.network import AudioNetwork
from deep.frontends.padding import valid_mask
from deep.pretraining.patch_grid import PatchGrid, draw_each
from deep.pretraining.pretext import Outcome, PretextTask, Views, check_steps, tally

DECODER_SIZE = 256


class MaskedSpectrogram(PretextTask):
    """Predict hidden patches from the others; the loss is of hidden cells only.

    The score is the share of the hidden cells' variance around the training mean that is explained;
    chance is what the mean of the clip's own visible cells of the same band explains.

    Parameters
    ----------
    network : AudioNetwork
        Whose backbone gives embeddings of frames.
    mask_share : float
        Share of the patches that is hidden, each by its own draw.
    n_rows : int
        Ranges of bands; 1 hides whole stretches of time.
    patch_steps : int
        Steps of the backbone that a patch spans.

    Raises
    ------
    ValueError
        If an option is out of range.

    References
    ----------
    D. Niizumi et al., Masked spectrogram modeling using masked autoencoders for learning
    general-purpose audio representation, 2022, https://arxiv.org/abs/2204.12260
    """

    score_name = "variance explained"

    def __init__(
        self,
        network: AudioNetwork,
        *,
        mask_share: float = 0.5,
        n_rows: int = 4,
        patch_steps: int = 1,
    ) -> None:
        super().__init__()
        if not 0 < mask_share < 1 or patch_steps < 1:
            raise ValueError(
                "mask_share must be in (0, 1) and patch_steps at least 1, got "
                f"{mask_share!r} and {patch_steps!r}"
            )
        backbone, self.mask_share = network.backbone, mask_share
        self.n_channels, self.n_bands = network.frontend.n_channels, network.frontend.n_bands
        self.frames_per_step = backbone.frames_per_step
        self.grid = PatchGrid(self.n_bands, n_rows, patch_steps * self.frames_per_step)
        self.decoder = nn.Sequential(
            nn.Linear(backbone.frame_embedding_size, DECODER_SIZE),
            nn.GELU(),
            nn.Linear(DECODER_SIZE, self.n_channels * self.n_bands * self.frames_per_step),
        )

    def forward(self, backbone: Backbone, views: Views, draws: Draws) -> Outcome:  # noqa: D102
        frames, longest = views.frames.float(), views.frames.shape[-1]
        valid = self.grid.valid(views.n_frames, longest)
        marked = valid & (draw_each(draws, valid.shape[1]) < self.mask_share)
        hidden = self.grid.cells(marked.to(frames.device), longest).expand_as(frames)
        steps, _ = backbone.frame_embeddings(frames.masked_fill(hidden, 0.0), views.n_frames)
        check_steps(steps, frames, self.frames_per_step)
        predicted = self.decoder(steps).float()
        shape = (self.frames_per_step, self.n_channels, self.n_bands)
        predicted = predicted.unflatten(2, shape).flatten(1, 2).permute(0, 2, 3, 1)
        # A backbone drops the last frames where they do not fill a step; no patch holds them.
        predicted = functional.pad(predicted, (0, longest - predicted.shape[-1]))
        errors = (predicted - frames).square() * hidden
        n_hidden = hidden.sum()
        return Outcome(
            errors.sum() / n_hidden.clamp_min(1),
            tally(errors.sum(), _errors_of_means(views, hidden), (frames * hidden).square().sum()),
        )

    def judge(self, tallies: Tensor) -> tuple[float, float]:  # noqa: D102 - see PretextTask
        errors, errors_of_means, squares = tallies.tolist()
        if not squares:
            return math.nan, math.nan
        return 1 - errors / squares, 1 - errors_of_means / squares


@torch.no_grad()
def _errors_of_means(views: Views, hidden: Tensor) -> Tensor:
    """Sum the squared errors of one who says the mean of the visible cells of the band."""
    frames = views.frames.float()
    inside = valid_mask(views.n_frames, frames.shape[-1], device=frames.device)[:, None, None, :]
    visible = inside & ~hidden
    count = visible.sum(dim=3, keepdim=True)
    means = (frames * visible).sum(dim=3, keepdim=True) / count.clamp_min(1)
    return ((means - frames) * hidden).square().sum()
