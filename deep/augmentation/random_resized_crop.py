"""A part of a spectrogram, drawn out to the size of the whole."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.augmentation.registry import register_augmentation
from deep.augmentation.step import FrameStep
from deep.frontends.padding import valid_mask


@register_augmentation("random_resized_crop")
@dataclass(frozen=True, slots=True, kw_only=True)
class RandomResizedCrop(FrameStep):
    """Cut a part out of the frames and draw it out to as many bands and frames as there were.

    So sounds become longer, and pitches farther apart; between values there is a straight line.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    min_time_share : float
        Least share of the clip's frames that is kept, evenly drawn up to all.
    min_band_share : float
        Least share of the bands that is kept, evenly drawn up to all.
    """

    min_time_share: float = option(0.8, least=0.05, most=1, about="least share of time kept")
    min_band_share: float = option(0.9, least=0.05, most=1, about="least share of bands kept")

    def change(self, frames: Tensor, n_frames: Tensor, draws: Draws) -> Tensor:  # noqa: D102
        n_bands, longest = frames.shape[-2:]
        across = _draw_places(n_frames, longest, self.min_time_share, draws)
        bands = torch.full_like(n_frames, n_bands)
        upward = _draw_places(bands, n_bands, self.min_band_share, draws)
        grid = torch.stack(
            [
                across[:, None, :].expand(-1, n_bands, -1),
                upward[:, :, None].expand(-1, -1, longest),
            ],
            dim=-1,
        ).to(frames, non_blocking=True)
        maps = frames.reshape(len(frames), -1, n_bands, longest)
        resized = functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)
        valid = valid_mask(n_frames, longest, device=frames.device)[:, None, None, :]
        return resized.masked_fill(~valid, 0.0).view_as(frames)


def _draw_places(sizes: Tensor, longest: int, min_share: float, draws: Draws) -> Tensor:
    """Tell where each value is read, (n_samples, longest), from -1 to 1 over `longest` values."""
    shares = draws.uniform(min_share, 1.0)[:, None]
    starts = draws.uniform()[:, None] * (1 - shares) * sizes[:, None]
    middles = starts + (torch.arange(longest) + 0.5) * shares
    # Never between a clip's last value and the padding after it.
    middles = middles.clamp(torch.tensor(0.5), sizes[:, None] - 0.5)
    return 2 * middles / longest - 1
