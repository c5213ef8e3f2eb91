"""What every frontend is: waveforms to frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from torch import Tensor, nn


class Frontend(nn.Module):
    """Waveforms to frames, where a clip's frames do not depend on padding.

    Called as ``frontend(waveforms, lengths) -> (frames, n_frames)`` with waveforms of shape
    (n_samples, n_timepoints), zero past each clip's end, and lengths on the CPU; frames have the
    shape (n_samples, n_channels, n_bands, n_frames) and are zero past each clip's last one.

    Attributes
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    n_channels : int
        Pictures of the same sound, such as three different features.
    n_bands : int
        Values per frame and channel.
    """

    sr: int
    n_channels: int
    n_bands: int

    def min_timepoints(self, n_frames: int) -> int:
        """Give the shortest clip, in samples, that has a number of frames.

        Parameters
        ----------
        n_frames : int
            Frames wanted.

        Returns
        -------
        int
            Samples needed.

        Raises
        ------
        NotImplementedError
            If a frontend does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define min_timepoints")

    def fit_statistics(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Self:
        """Fit the normalisation, if there is any, on training clips.

        Parameters
        ----------
        batches : iterable of (waveforms, lengths)
            Training clips only.

        Returns
        -------
        Frontend
            Itself.
        """
        return self
