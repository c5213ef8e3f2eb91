"""What every augmentation promises: rows of its own choice, changed each by its own draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from deep.augmentation.batch import Batch
from deep.augmentation.draws import Draws
from deep.augmentation.options import option
from deep.frontends.padding import valid_mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One augmentation of a recipe, with its options.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.

    Attributes
    ----------
    name : str
        Its name in a recipe.
    joins_labels : bool
        Whether a clip gets the labels of others on top of its own, which only multi-label
        targets can say.
    """

    probability: float = option(0.5, least=0, most=1, about="share of clips that are changed")

    name: ClassVar[str] = ""
    joins_labels: ClassVar[bool] = False

    def problems(self) -> list[str]:
        """Find what is wrong with options that are fine each by itself.

        Returns
        -------
        list of str
            What must hold and what was given; empty if all is well.
        """
        return []

    def choose(self, draws: Draws) -> tuple[Tensor, Draws]:
        """Choose the rows that are changed.

        Parameters
        ----------
        draws : Draws
            Of all rows.

        Returns
        -------
        rows : Tensor of shape (n_rows,), int64
            Those chosen.
        draws : Draws
            Of those.
        """
        rows = (draws.uniform() < self.probability).nonzero()[:, 0]
        return rows, draws.narrow(rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformStep(Step):
    """An augmentation of sounds.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    """

    def on_waveforms(self, batch: Batch, draws: Draws) -> Batch:
        """Change some of the clips.

        Parameters
        ----------
        batch : Batch
            Clips; they may be changed in place.
        draws : Draws
            Of each row.

        Returns
        -------
        Batch
            Clips in the same order.
        """
        rows, draws = self.choose(draws)
        if not len(rows):
            return batch
        return batch.put(rows, self.change(batch.take(rows), draws))

    def change(self, part: Batch, draws: Draws) -> Batch:
        """Change all of some clips.

        Parameters
        ----------
        part : Batch
            Clips; they may be changed in place.
        draws : Draws
            Of each row.

        Returns
        -------
        Batch
            Clips in the same order; what lies past their ends does not matter.

        Raises
        ------
        NotImplementedError
            If an augmentation does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define change")


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingStep(WaveformStep):
    """An augmentation of clips by other clips of the batch.

    A row draws how it is mixed for itself; with whom depends on who is there. Partners are taken
    before any row is changed.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    """

    def n_partners(self) -> int:
        """Count the other clips that a clip may be mixed with.

        Returns
        -------
        int
            At least one.
        """
        return 1

    def on_waveforms(self, batch: Batch, draws: Draws) -> Batch:  # noqa: D102 - see WaveformStep
        rows, draws = self.choose(draws)
        n_others = len(batch) - 1
        if not len(rows) or not n_others:
            return batch
        first = (draws.uniform() * n_others).long()
        partners = [
            batch.take((rows + 1 + (first + further) % n_others) % len(batch))
            for further in range(min(self.n_partners(), n_others))
        ]
        return batch.put(rows, self.mix(batch.take(rows), partners, draws))

    def mix(self, part: Batch, partners: list[Batch], draws: Draws) -> Batch:
        """Mix each clip with its partners.

        Parameters
        ----------
        part : Batch
            Clips; they may be changed in place.
        partners : list of Batch
            As many different other clips for each, at most ``n_partners()``.
        draws : Draws
            Of each row.

        Returns
        -------
        Batch
            Mixed clips; what lies past their ends does not matter.

        Raises
        ------
        NotImplementedError
            If an augmentation does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define mix")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameStep(Step):
    """An augmentation of frames, whose zeros are the training mean.

    Parameters
    ----------
    probability : float
        Share of clips that it changes.
    """

    def on_frames(self, frames: Tensor, n_frames: Tensor, draws: Draws) -> Tensor:
        """Change some of the clips.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, ..., n_bands, n_frames)
            Standardised frames, zero past each clip's last one.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip.
        draws : Draws
            Of each row.

        Returns
        -------
        Tensor of shape (n_samples, ..., n_bands, n_frames)
            Changed frames, as many as before.
        """
        rows, draws = self.choose(draws)
        if not len(rows):
            return frames
        if len(rows) == len(frames):
            return self.change(frames, n_frames, draws)
        where = rows.to(frames.device, non_blocking=True)
        return frames.index_copy(0, where, self.change(frames[where], n_frames[rows], draws))

    def change(self, frames: Tensor, n_frames: Tensor, draws: Draws) -> Tensor:
        """Change all of some clips; see `on_frames`.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, ..., n_bands, n_frames)
            Standardised frames.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip.
        draws : Draws
            Of each row.

        Returns
        -------
        Tensor of shape (n_samples, ..., n_bands, n_frames)
            Changed frames.

        Raises
        ------
        NotImplementedError
            If an augmentation does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define change")


def hide(frames: Tensor, hidden: Tensor) -> Tensor:
    """Set parts of frames to zero.

    Parameters
    ----------
    frames : Tensor of shape (n_samples, ..., n_bands, n_frames)
        Some frames.
    hidden : Tensor of shape (n_samples, n_bands or 1, n_frames or 1), bool
        Which, in all channels alike.

    Returns
    -------
    Tensor of shape (n_samples, ..., n_bands, n_frames)
        Changed frames.
    """
    hidden = hidden.to(frames.device, non_blocking=True)
    between = (1,) * (frames.ndim - 3)
    return frames.masked_fill(hidden.view(len(frames), *between, *hidden.shape[1:]), 0.0)


def draw_stretches(sizes: Tensor, shares: Tensor, longest: int, draws: Draws) -> Tensor:
    """Mark one stretch in each of several ranges, anywhere in it.

    Parameters
    ----------
    sizes : Tensor of shape (n_samples,), int64
        Length of each range.
    shares : Tensor of shape (n_samples,)
        Share of the range that its stretch takes, at most 1.
    longest : int
        Length of the longest range.
    draws : Draws
        Of each row.

    Returns
    -------
    Tensor of shape (n_samples, longest), bool
        True within the stretch.
    """
    widths = (shares * sizes).round()
    starts = (draws.uniform() * (sizes - widths + 1)).floor()
    stops = (starts + widths).long()
    return valid_mask(stops, longest) & (torch.arange(longest) >= starts[:, None])
