"""Shuffled patches: tell which patches of a spectrogram were moved, or are of another clip."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.augmentation.draws import Draws
from deep.backbones.backbone import Backbone
from deep.backbones.network import AudioNetwork
from deep.pretraining.patch_grid import PatchGrid, draw_each
from deep.pretraining.pretext import Outcome, PretextTask, Views, check_steps, tally

DECODER_SIZE = 128

IN_PLACE, MOVED, FOREIGN, OUTSIDE = 0, 1, 2, -1
"""What a patch is; OUTSIDE patches are past a clip's end and not asked for."""


class ShuffledPatches(PretextTask):
    """Tell of each patch whether it is in its place, was moved within the clip, or is foreign.

    Some patches change places among themselves, some are taken from the same place of another clip
    of the batch. The score is the share of right answers, chance that of the most frequent answer.

    Parameters
    ----------
    network : AudioNetwork
        Whose backbone gives embeddings of frames.
    moved_share, foreign_share : float
        Share of the patches that change places, and that come from another clip.
    n_rows : int
        Ranges of bands.
    patch_steps : int
        Steps of the backbone that a patch spans.

    Raises
    ------
    ValueError
        If an option is out of range.

    References
    ----------
    K. Clark et al., ELECTRA: pre-training text encoders as discriminators rather than generators,
    2020, https://arxiv.org/abs/2003.10555 (the question, asked of words)
    """

    score_name = "accuracy"

    def __init__(
        self,
        network: AudioNetwork,
        *,
        moved_share: float = 0.2,
        foreign_share: float = 0.2,
        n_rows: int = 4,
        patch_steps: int = 1,
    ) -> None:
        super().__init__()
        shares = (moved_share, foreign_share)
        if min(shares) < 0 or not 0 < sum(shares) < 1 or patch_steps < 1:
            raise ValueError(
                "moved_share and foreign_share must be at least 0 and together in (0, 1), and "
                f"patch_steps at least 1, got {moved_share!r}, {foreign_share!r} and "
                f"{patch_steps!r}"
            )
        self.moved_share, self.foreign_share = shares
        self.n_rows, self.patch_steps = n_rows, patch_steps
        backbone = network.backbone
        self.grid = PatchGrid(
            network.frontend.n_bands, n_rows, patch_steps * backbone.frames_per_step
        )
        self.decoder = nn.Sequential(
            nn.Linear(patch_steps * backbone.frame_embedding_size, DECODER_SIZE),
            nn.GELU(),
            nn.Linear(DECODER_SIZE, n_rows * 3),
        )

    def forward(self, backbone: Backbone, views: Views, draws: Draws) -> Outcome:  # noqa: D102
        frames, answers = self.shuffle(views, draws)
        steps, _ = backbone.frame_embeddings(frames, views.n_frames)
        check_steps(steps, frames, backbone.frames_per_step)
        n_columns = answers.shape[1] // self.n_rows
        columns = steps[:, : n_columns * self.patch_steps].unflatten(
            1, (n_columns, self.patch_steps)
        )
        logits = self.decoder(columns.flatten(2)).float().reshape(-1, 3)
        answers = answers.flatten().to(logits.device)
        asked = answers != OUTSIDE
        loss = functional.cross_entropy(logits, answers, ignore_index=OUTSIDE, reduction="sum")
        counts = [(answers == answer).sum() for answer in (IN_PLACE, MOVED, FOREIGN)]
        correct = (logits.argmax(dim=1) == answers)[asked].sum()
        return Outcome(loss / asked.sum().clamp_min(1), tally(correct, *counts))

    def shuffle(self, views: Views, draws: Draws) -> tuple[Tensor, Tensor]:
        """Move patches, and replace some by those of the next clip.

        Parameters
        ----------
        views : Views
            A batch.
        draws : Draws
            Of each view.

        Returns
        -------
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
            With patches shuffled.
        answers : Tensor of shape (n_samples, n_patches), int64, on the CPU
            ``IN_PLACE``, ``MOVED``, ``FOREIGN`` or ``OUTSIDE``.
        """
        frames = views.frames
        valid = self.grid.valid(views.n_frames, frames.shape[-1])
        kinds, ranks = draw_each(draws, 2 * valid.shape[1]).unflatten(1, (-1, 2)).unbind(dim=2)
        # The next clip has to reach as far, and alone in its batch a clip has no other.
        can_take = valid.roll(-1, dims=0) & (len(valid) > 1)
        foreign = valid & (kinds >= 1 - self.foreign_share) & can_take
        moved = valid & (kinds < self.moved_share)
        # One patch alone has nowhere to go.
        moved &= moved.sum(dim=1, keepdim=True) > 1
        patches = self.grid.cut(frames)
        sources = _change_places(moved, ranks).to(patches.device)
        shuffled = patches.gather(1, sources[:, :, None, None, None].expand_as(patches))
        others = foreign.to(patches.device)[:, :, None, None, None]
        shuffled = torch.where(others, patches.roll(-1, dims=0), shuffled)
        answers = torch.full(valid.shape, IN_PLACE)
        answers[moved], answers[foreign], answers[~valid] = MOVED, FOREIGN, OUTSIDE
        return self.grid.paste(frames, shuffled), answers

    def judge(self, tallies: Tensor) -> tuple[float, float]:  # noqa: D102 - see PretextTask
        correct, *counts = tallies.tolist()
        if not sum(counts):
            return math.nan, math.nan
        return correct / sum(counts), max(counts) / sum(counts)


def _change_places(moved: Tensor, ranks: Tensor) -> Tensor:
    """Tell which patch comes to each place; (n_samples, n_patches), int64.

    The moved patches of a row go round in a random ring, so that none stays where it was.
    """
    n_moved = moved.sum(dim=1, keepdim=True)
    ring = ranks.masked_fill(~moved, 2.0).argsort(dim=1, stable=True)
    places = torch.arange(moved.shape[1]).expand_as(ring)
    following = torch.where(places < n_moved, (places + 1) % n_moved.clamp_min(1), places)
    return torch.empty_like(ring).scatter_(1, ring, ring.gather(1, following))
