"""The waveform itself as frames, for networks that listen to the samples."""

from __future__ import annotations

import torch
from torch import Tensor

from deep.frontends.frontend import Frontend
from deep.frontends.level import scale_to_peak
from deep.frontends.padding import valid_mask
from deep.frontends.registry import register_frontend


@register_frontend("waveform")
class WaveformFrontend(Frontend):
    """Waveforms to frames of one sample each: one channel, one band.

    Parameters
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    scale_level : bool
        Scale each clip to unit root mean square; otherwise it stays as it is.
    remove_mean : bool
        Subtract each clip's mean first. Both together are what wav2vec 2.0's feature extractor
        does, but for the 1e-7 that it adds to the variance.

    Examples
    --------
    >>> import torch
    >>> frontend = WaveformFrontend(sr=16000)
    >>> frames, n_frames = frontend(torch.tensor([[0.5, -0.5, 0.5, 0.0]]), torch.tensor([3]))
    >>> frames.flatten().tolist(), n_frames.tolist()
    ([1.0, -1.0, 1.0, 0.0], [3])
    """

    def __init__(
        self, *, sr: int = 16000, scale_level: bool = True, remove_mean: bool = False
    ) -> None:
        super().__init__()
        self.sr, self.n_channels, self.n_bands = sr, 1, 1
        self.scale_level, self.remove_mean = scale_level, remove_mean

    def min_timepoints(self, n_frames: int) -> int:  # noqa: D102 - see Frontend
        return max(1, n_frames)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Give the samples.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.

        Returns
        -------
        frames : Tensor of shape (n_samples, 1, 1, n_timepoints), float32
            Zero past each clip's end.
        n_frames : Tensor of shape (n_samples,), int64
            The lengths.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            samples = waveforms.float()
            if self.remove_mean:
                samples = self._without_mean(samples, lengths)
            if self.scale_level:
                samples, rms = scale_to_peak(samples, lengths)
                samples = samples / rms
        return samples[:, None, None, :], lengths

    def _without_mean(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        valid = valid_mask(lengths, waveforms.shape[1], device=waveforms.device)
        # Counted from the first sample: a constant clip comes out as exactly zero.
        offsets = (waveforms - waveforms[:, :1]).masked_fill(~valid, 0.0)
        mean = offsets.sum(dim=1, keepdim=True) / lengths.to(waveforms.device)[:, None]
        return (offsets - mean).masked_fill(~valid, 0.0)
