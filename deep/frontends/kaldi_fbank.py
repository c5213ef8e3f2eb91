"""Log-mel energies as Kaldi computes them, which audio spectrogram transformers were trained on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from deep.frontends.frontend import Frontend
from deep.frontends.padding import valid_mask
from deep.frontends.registry import register_frontend

WINDOW_S, HOP_S = 0.025, 0.01
PRE_EMPHASIS = 0.97
# Resolution of float32: Kaldi's least energy.
FLOOR = 2.0**-23
# Lower edge of the lowest band in Hz.
LOWEST_HZ = 20.0

# Over AudioSet, by which the published audio spectrogram transformer standardises.
AUDIOSET_MEAN, AUDIOSET_STD = -4.2677393, 4.5689974


@register_frontend("kaldi-fbank")
class KaldiFbankFrontend(Frontend):
    """Waveforms to what a pretrained audio spectrogram transformer (AST) expects.

    Windows of 25 ms every 10 ms that lie whole within the clip; a clip shorter than one is
    continued by silence. Of each window the mean is removed, then 0.97 of the sample before
    (pre-emphasis); it is weighted by a symmetric Hann window, filled to a power of two and
    transformed, its power pooled by triangles on HTK's mel scale, and the frames are
    ``(log(max(mel, 2^-23)) - mean) / (2 std)``. Equal to
    ``torchaudio.compliance.kaldi.fbank(window_type="hanning")`` of each clip alone, standardised
    by fixed numbers; a clip's level stays in its frames, as it did for the published weights.

    Parameters
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    n_mels : int
        Number of mel bands, from 20 Hz to half the sampling rate.
    mean, std : float
        Of the logarithms in the data set that the network was trained on; of AudioSet by default.

    Attributes
    ----------
    band_hz : np.ndarray of shape (n_mels,)
        Centre of each band in Hz.

    Raises
    ------
    ValueError
        If the standard deviation is not above zero.

    References
    ----------
    Gong, Y., Chung, Y.-A. and Glass, J. (2021). AST: Audio spectrogram transformer. Interspeech.

    Povey, D. et al. (2011). The Kaldi speech recognition toolkit. IEEE Workshop on Automatic Speech
    Recognition and Understanding.

    Examples
    --------
    >>> import torch
    >>> frontend = KaldiFbankFrontend()
    >>> frames, n_frames = frontend(torch.zeros(2, 16000), torch.tensor([16000, 100]))
    >>> tuple(frames.shape), n_frames.tolist()
    ((2, 1, 128, 98), [98, 1])
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self,
        *,
        sr: int = 16000,
        n_mels: int = 128,
        mean: float = AUDIOSET_MEAN,
        std: float = AUDIOSET_STD,
    ) -> None:
        super().__init__()
        if not std > 0:
            raise ValueError(f"std must be above 0, got {std}")
        self.sr, self.n_channels, self.n_bands = sr, 1, n_mels
        self.mean, self.std = mean, std
        self.win_length, self.hop_length = int(sr * WINDOW_S), int(sr * HOP_S)
        self.n_fft = 1 << (self.win_length - 1).bit_length()
        window = torch.hann_window(self.win_length, periodic=False)
        edges = np.linspace(_hz_to_mel(LOWEST_HZ), _hz_to_mel(sr / 2), n_mels + 2)
        self.band_hz = 700.0 * np.expm1(edges[1:-1] / 1127.0)
        filters = torch.from_numpy(_triangles(edges, sr, self.n_fft))
        # Made from the settings above, so kept out of the checkpoint.
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def n_frames(self, lengths: Tensor) -> Tensor:
        """Count the frames of clips of the given lengths.

        Parameters
        ----------
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each clip.

        Returns
        -------
        Tensor of shape (n_samples,), int64
            Whole windows, at least one.
        """
        return 1 + (lengths - self.win_length).clamp_min(0) // self.hop_length

    def min_timepoints(self, n_frames: int) -> int:  # noqa: D102 - see Frontend
        return 1 if n_frames <= 1 else self.win_length + (n_frames - 1) * self.hop_length

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute standardised frames.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64, on the CPU
            Valid samples of each waveform.

        Returns
        -------
        frames : Tensor of shape (n_samples, 1, n_mels, n_frames), float32
            Zero past each clip's last frame.
        n_frames : Tensor of shape (n_samples,), int64
            Valid frames of each clip.
        """
        # bfloat16 has 8 bits of mantissa, far too few for a transform: float32 whatever autocast.
        with torch.autocast(waveforms.device.type, enabled=False):
            energies = self._mel_energies(waveforms.float())
        frames = (torch.log(energies.clamp_min(FLOOR)) - self.mean) / (2 * self.std)
        n_frames = self.n_frames(lengths)
        mask = valid_mask(n_frames, frames.shape[-1], device=frames.device)
        return frames.masked_fill(~mask[:, None, :], 0.0)[:, None], n_frames

    def _mel_energies(self, waveforms: Tensor) -> Tensor:
        """Give mel energies, (n_samples, n_mels, n_frames)."""
        missing = self.win_length - waveforms.shape[1]
        waveforms = functional.pad(waveforms, (0, max(0, missing)))
        windows = waveforms.unfold(1, self.win_length, self.hop_length)
        windows = windows - windows.mean(dim=-1, keepdim=True)
        # A window's first sample has none before it; Kaldi takes itself for it.
        before = torch.cat([windows[..., :1], windows[..., :-1]], dim=-1)
        windows = (windows - PRE_EMPHASIS * before) * self.window
        spectrum = torch.fft.rfft(windows, n=self.n_fft)
        power = spectrum.real.square() + spectrum.imag.square()
        return self.filters @ power.transpose(1, 2)


def _triangles(edges: np.ndarray, sr: int, n_fft: int) -> np.ndarray:
    """Give filters of height 1 with straight sides over the mel scale, (n_mels, n_bins)."""
    mel = _hz_to_mel(np.arange(n_fft // 2 + 1) * sr / n_fft)
    edges = edges[:, np.newaxis]
    rising = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def _hz_to_mel(hz: np.ndarray | float) -> np.ndarray:
    """Give HTK's mel, with the natural logarithm as Kaldi has it."""
    return 1127.0 * np.log1p(np.asarray(hz) / 700.0)
