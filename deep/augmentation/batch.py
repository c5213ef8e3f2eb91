"""A batch of clips on its way through augmentations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from deep.frontends.padding import valid_mask


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips with their lengths and targets.

    Parameters
    ----------
    waveforms : Tensor of shape (n_samples, n_timepoints), float32
        On any device, zero past each clip's end.
    lengths : Tensor of shape (n_samples,), int64, on the CPU
        Valid samples of each waveform.
    targets : Tensor of shape (n_samples, n_classes)
        See `deep.losses`.
    sr : int
        Sampling rate in Hz.
    """

    waveforms: Tensor
    lengths: Tensor
    targets: Tensor
    sr: int

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: Tensor) -> Batch:
        """Copy some rows.

        Parameters
        ----------
        rows : Tensor of shape (n_rows,), int64, on the CPU
            Which, in any order.

        Returns
        -------
        Batch
            Of those rows.
        """
        where = rows.to(self.waveforms.device, non_blocking=True)
        return Batch(
            self.waveforms.index_select(0, where),
            self.lengths[rows],
            self.targets.index_select(0, where),
            self.sr,
        )

    def put(self, rows: Tensor, part: Batch) -> Batch:
        """Give some rows anew, as wide as the wider of the two.

        Parameters
        ----------
        rows : Tensor of shape (n_rows,), int64, on the CPU
            Which, each once.
        part : Batch
            What they become; whatever it holds past a clip's end is silenced.

        Returns
        -------
        Batch
            Which may share memory with this one, to be used in its stead.
        """
        part = part.silenced()
        if torch.equal(rows, torch.arange(len(self))):
            return part
        width = max(self.waveforms.shape[1], part.waveforms.shape[1])
        where = rows.to(self.waveforms.device, non_blocking=True)
        return Batch(
            widen(self.waveforms, width).index_copy_(0, where, widen(part.waveforms, width)),
            self.lengths.index_copy(0, rows, part.lengths),
            self.targets.index_copy(0, where, part.targets),
            self.sr,
        )

    def replaced(self, waveforms: Tensor, lengths: Tensor | None = None) -> Batch:
        """Give the same targets to other sounds.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            The new waveforms.
        lengths : Tensor of shape (n_samples,), int64, or None
            Their lengths; None means as before.

        Returns
        -------
        Batch
            With the targets of this one.
        """
        return Batch(waveforms, self.lengths if lengths is None else lengths, self.targets, self.sr)

    def silenced(self) -> Batch:
        """Set whatever lies past a clip's end to zero.

        Returns
        -------
        Batch
            Which may share memory with this one.
        """
        width = self.waveforms.shape[1]
        if int(self.lengths.min()) >= width:
            return self
        valid = valid_mask(self.lengths, width, device=self.waveforms.device)
        return self.replaced(self.waveforms.masked_fill_(~valid, 0.0))

    def column(self, values: Tensor) -> Tensor:
        """Bring a number per row to where the waveforms are.

        Parameters
        ----------
        values : Tensor of shape (n_samples,), on the CPU
            The numbers.

        Returns
        -------
        Tensor of shape (n_samples, 1)
            Of the waveforms' dtype, on their device.
        """
        values = values.to(self.waveforms.dtype)[:, None]
        return values.to(self.waveforms.device, non_blocking=True)

    def levels(self) -> Tensor:
        """Measure the root mean square of each clip.

        Returns
        -------
        Tensor of shape (n_samples, 1)
            Over the valid samples; 0 for silence, and for what is so soft or loud that squares do
            not fit (below 1e-20, above 1e17).
        """
        norms = torch.linalg.vector_norm(self.waveforms, dim=1, keepdim=True)
        norms = norms.nan_to_num_(posinf=0.0)
        return norms / self.column(self.lengths).sqrt()


def match_levels(batch: Batch, levels: Tensor) -> Tensor:
    """Bring clips to given levels.

    Parameters
    ----------
    batch : Batch
        Clips.
    levels : Tensor of shape (n_samples, 1)
        The root mean square wanted of each, see `Batch.levels`.

    Returns
    -------
    Tensor of shape (n_samples, n_timepoints)
        Waveforms; silent ones, and those wanted silent, are as they were.
    """
    now = batch.levels()
    gains = torch.where((now > 0) & (levels > 0), levels / torch.where(now > 0, now, 1.0), 1.0)
    return batch.waveforms * gains


def widen(waveforms: Tensor, width: int) -> Tensor:
    """Continue waveforms by silence.

    Parameters
    ----------
    waveforms : Tensor of shape (n_samples, n_timepoints)
        Some sounds.
    width : int
        Samples wanted, at least as many as there are.

    Returns
    -------
    Tensor of shape (n_samples, width)
        The waveforms themselves where they are as wide already.
    """
    missing = width - waveforms.shape[1]
    return functional.pad(waveforms, (0, missing)) if missing else waveforms


def take_windows(waveforms: Tensor, starts: Tensor, width: int) -> Tensor:
    """Read windows out of each waveform, with silence before and after it.

    Parameters
    ----------
    waveforms : Tensor of shape (n_samples, n_timepoints)
        Some sounds.
    starts : Tensor of shape (n_samples,) or (n_samples, n_windows), int64, on the CPU
        Where each window begins, in samples; it may lie before or past the waveform.
    width : int
        Samples of a window.

    Returns
    -------
    Tensor of shape (n_samples, width) or (n_samples, n_windows, width)
        Copies.
    """
    before = max(0, -int(starts.min()))
    after = max(0, int(starts.max()) + width - waveforms.shape[1])
    padded = functional.pad(waveforms, (before, after))
    rows = torch.arange(len(waveforms)) * padded.shape[1] + before
    places = starts + (rows if starts.ndim == 1 else rows[:, None])
    # Overlapping views of one row of memory: nothing but the windows themselves is copied.
    windows = padded.view(-1).unfold(0, width, 1)
    return windows[places.to(waveforms.device, non_blocking=True)]
