"""Mel-frequency cepstral coefficients of a batch of waveforms of different lengths."""

from __future__ import annotations

import torch
from torch import Tensor

from deep.frontends.delta import deltas as compute_deltas
from deep.frontends.log_mel import LogMelFrontend
from deep.frontends.normalisation import NormalisedFrontend
from deep.frontends.registry import register_frontend


@register_frontend("mfcc")
class MfccFrontend(NormalisedFrontend):
    """Waveforms to cepstra: the cosine transform of each log-mel frame, in decibels.

    With ``scale_level=False`` and ``floor=1e-10``, equal before the normalisation to
    ``librosa.feature.mfcc`` (with its ``pad_mode="constant"``, and no more than its 80 dB below the
    loudest) and to ``torchaudio.transforms.MFCC`` of each clip alone.

    Parameters
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    n_mfcc : int
        Coefficients, the first included, which is the level; at most `n_mels`.
    deltas : int
        Further channels: 1 for how fast the coefficients change, 2 for how fast that does, too.
    n_fft, hop_length, n_mels, fmin, fmax, floor, scale_level, pad_mode
        Of the mel spectrogram, see `LogMelFrontend`.
    normalisation : {"dataset", "sample", "channel", "none"}
        See `NormalisedFrontend`. Coefficients shrink as their number grows, which only
        ``"dataset"`` evens out.

    Raises
    ------
    ValueError
        If the coefficients are not 1 to `n_mels`, or the deltas not 0 to 2.

    References
    ----------
    Davis, S. and Mermelstein, P. (1980). Comparison of parametric representations for monosyllabic
    word recognition in continuously spoken sentences. IEEE Transactions on Acoustics, Speech, and
    Signal Processing 28(4).

    Examples
    --------
    >>> import torch
    >>> frontend = MfccFrontend(sr=22050, n_mfcc=13, deltas=2)
    >>> frames, n_frames = frontend(torch.zeros(1, 22050), torch.tensor([22050]))
    >>> tuple(frames.shape)
    (1, 3, 13, 44)
    """

    cosines: Tensor

    def __init__(
        self,
        *,
        sr: int = 22050,
        n_mfcc: int = 20,
        deltas: int = 0,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 64,
        fmin: float = 30.0,
        fmax: float | None = None,
        floor: float = 1e-3,
        normalisation: str = "dataset",
        scale_level: bool = True,
        pad_mode: str = "constant",
    ) -> None:
        if not 1 <= n_mfcc <= n_mels:
            raise ValueError(f"n_mfcc must be 1 to n_mels = {n_mels}, got {n_mfcc}")
        if deltas not in (0, 1, 2):
            raise ValueError(f"deltas must be 0, 1 or 2, got {deltas}")
        super().__init__(
            sr=sr,
            n_channels=1 + deltas,
            n_bands=n_mfcc,
            hop_length=hop_length,
            normalisation=normalisation,
        )
        from torchaudio.functional import create_dct

        self.mel = LogMelFrontend(
            sr=sr,
            n_fft=n_fft,
            hop_length=hop_length,
            n_mels=n_mels,
            fmin=fmin,
            fmax=fmax,
            floor=floor,
            scale="db",
            normalisation="none",
            scale_level=scale_level,
            pad_mode=pad_mode,
        )
        cosines = create_dct(n_mfcc, n_mels, norm="ortho").T.contiguous()
        self.register_buffer("cosines", cosines, persistent=False)

    def raw_frames(self, waveforms: Tensor, lengths: Tensor) -> Tensor:  # noqa: D102 - see base
        channels = [self.cosines @ self.mel.raw_frames(waveforms, lengths)]
        n_frames = self.n_frames(lengths)
        for _ in range(1, self.n_channels):
            channels.append(compute_deltas(channels[-1], n_frames))
        return torch.cat(channels, dim=1)
