"""A grid of patches over frames: stretches of time by ranges of bands."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deep.augmentation.draws import Draws
from deep.frontends.padding import valid_mask


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """Patches of equal size, counted up the bands, then along the time.

    So a patch has one number however long the clips beside it are. Bands and frames that do not
    fill a patch are in none.

    Parameters
    ----------
    n_bands : int
        Of the frames.
    n_rows : int
        Ranges of bands.
    patch_frames : int
        Frames of a patch.

    Raises
    ------
    ValueError
        If there are not 1 to `n_bands` rows.
    """

    n_bands: int
    n_rows: int
    patch_frames: int

    def __post_init__(self) -> None:
        if not 1 <= self.n_rows <= self.n_bands:
            raise ValueError(
                f"rows of patches must be 1 to the number of bands, {self.n_bands}, got "
                f"{self.n_rows}"
            )

    def cut(self, frames: Tensor) -> Tensor:
        """Cut frames into patches.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
            Frames.

        Returns
        -------
        Tensor of shape (n_samples, n_patches, n_channels, patch_bands, patch_frames)
            Copies.
        """
        blocks = self._blocks(frames).permute(0, 4, 2, 1, 3, 5)
        return blocks.reshape(len(frames), -1, *blocks.shape[3:])

    def paste(self, frames: Tensor, patches: Tensor) -> Tensor:
        """Put patches in the place of those that `cut` gave.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
            Frames; left as they are.
        patches : Tensor of shape (n_samples, n_patches, n_channels, patch_bands, patch_frames)
            New patches.

        Returns
        -------
        Tensor of shape (n_samples, n_channels, n_bands, n_frames)
            Frames; what is in no patch is as before.
        """
        frames = frames.clone()
        blocks = self._blocks(frames)
        n_samples, _, n_rows, _, n_columns, _ = blocks.shape
        pasted = patches.view(n_samples, n_columns, n_rows, *patches.shape[2:])
        blocks.copy_(pasted.permute(0, 3, 2, 4, 1, 5))
        return frames

    def _blocks(self, frames: Tensor) -> Tensor:
        """View frames as (n_samples, n_channels, n_rows, patch_bands, n_columns, patch_frames)."""
        height, width = self.n_bands // self.n_rows, self.patch_frames
        n_columns = frames.shape[-1] // width
        inside = frames[:, :, : self.n_rows * height, : n_columns * width]
        return inside.unflatten(3, (n_columns, width)).unflatten(2, (self.n_rows, height))

    def cells(self, marked: Tensor, n_frames: int) -> Tensor:
        """Mark the cells of patches.

        Parameters
        ----------
        marked : Tensor of shape (n_samples, n_patches), bool
            Which patches.
        n_frames : int
            Padded number of frames.

        Returns
        -------
        Tensor of shape (n_samples, 1, n_bands, n_frames), bool
            True inside of marked patches.
        """
        empty = torch.zeros(
            len(marked), 1, self.n_bands, n_frames, dtype=torch.bool, device=marked.device
        )
        height, width = self.n_bands // self.n_rows, self.patch_frames
        return self.paste(empty, marked[:, :, None, None, None].expand(-1, -1, 1, height, width))

    def valid(self, n_frames: Tensor, longest: int) -> Tensor:
        """Mark the patches that lie inside of each clip.

        Parameters
        ----------
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip.
        longest : int
            Padded number of frames.

        Returns
        -------
        Tensor of shape (n_samples, n_patches), bool, on the CPU
            True for whole patches of valid frames.
        """
        columns = n_frames // self.patch_frames
        mask = valid_mask(columns, longest // self.patch_frames)
        return mask.repeat_interleave(self.n_rows, dim=1)


def draw_each(draws: Draws, n_numbers: int) -> Tensor:
    """Draw several numbers for each row.

    Parameters
    ----------
    draws : Draws
        Of each row.
    n_numbers : int
        How many; a row's first ones are the same however many are drawn.

    Returns
    -------
    Tensor of shape (n_samples, n_numbers), float64
        In [0, 1).
    """
    numbers = [draws.uniform() for _ in range(n_numbers)]
    return torch.stack(numbers, dim=1) if numbers else torch.empty(len(draws), 0)
