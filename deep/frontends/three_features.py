"""Three different features of a sound as the three channels of one picture."""

from __future__ import annotations

import torch
from torch import Tensor

from deep.frontends.delta import deltas
from deep.frontends.log_mel import LogMelFrontend
from deep.frontends.normalisation import NormalisedFrontend
from deep.frontends.power_scale import scale_power
from deep.frontends.registry import register_frontend
from features.filterbanks import chroma_filterbank

THIRDS = ("centroid", "delta")


@register_frontend("three-features")
class ThreeFeaturesFrontend(NormalisedFrontend):
    """Waveforms to three channels of one height: mel, chroma, and centroid or change.

    1. The mel spectrogram.
    2. The strength of the twelve pitch classes, from C upwards, relative to the strongest of the
       frame, as ``librosa.feature.chroma_stft(tuning=0)``; each class fills a range of bands.
    3. The spectral centroid as a share of half the sampling rate, as
       ``librosa.feature.spectral_centroid``, the same in all bands; or how fast each mel band
       changes, see `deltas`.

    A network for pictures sees all three at a place at once, so pitch class and centroid are shown
    to it at every frequency. Frames without sound have no pitch class and a centroid of zero.

    Parameters
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    third : {"centroid", "delta"}
        The third channel.
    n_fft, hop_length, n_mels, fmin, fmax, floor, scale, scale_level, pad_mode
        Of the mel spectrogram, see `LogMelFrontend`; its transform is that of the others, too.
        At least 12 mel bands, so that each pitch class has one.
    normalisation : {"dataset", "sample", "channel", "none"}
        See `NormalisedFrontend`; ``"sample"`` leaves the three channels their different ranges.

    Raises
    ------
    ValueError
        If there is no such third channel, or there are fewer than 12 bands.

    Examples
    --------
    >>> import torch
    >>> frontend = ThreeFeaturesFrontend(sr=22050, n_mels=96)
    >>> frames, n_frames = frontend(torch.zeros(1, 22050), torch.tensor([22050]))
    >>> tuple(frames.shape)
    (1, 3, 96, 44)
    """

    chroma_filters: Tensor
    frequencies: Tensor
    pitch_classes: Tensor

    def __init__(
        self,
        *,
        sr: int = 22050,
        third: str = "centroid",
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 96,
        fmin: float = 30.0,
        fmax: float | None = None,
        floor: float = 1e-3,
        scale: str = "log",
        normalisation: str = "dataset",
        scale_level: bool = True,
        pad_mode: str = "constant",
    ) -> None:
        if third not in THIRDS:
            raise ValueError(f"third must be one of {list(THIRDS)}, got {third!r}")
        if n_mels < 12:
            raise ValueError(f"n_mels must be at least 12, one per pitch class, got {n_mels}")
        mel = LogMelFrontend(
            sr=sr,
            n_fft=n_fft,
            hop_length=hop_length,
            n_mels=n_mels,
            fmin=fmin,
            fmax=fmax,
            floor=floor,
            scale=scale,
            normalisation="none",
            scale_level=scale_level,
            pad_mode=pad_mode,
        )
        super().__init__(
            sr=sr,
            n_channels=3,
            n_bands=n_mels,
            hop_length=hop_length,
            normalisation=normalisation,
            min_std=mel.min_std,
        )
        self.mel, self.third = mel, third
        chroma_filters = torch.from_numpy(chroma_filterbank(sr, n_fft=n_fft)).float()
        self.register_buffer("chroma_filters", chroma_filters, persistent=False)
        # Shares of half the sampling rate.
        frequencies = torch.linspace(0.0, 1.0, n_fft // 2 + 1)
        self.register_buffer("frequencies", frequencies, persistent=False)
        pitch_classes = torch.arange(n_mels) * 12 // n_mels
        self.register_buffer("pitch_classes", pitch_classes, persistent=False)

    def raw_frames(self, waveforms: Tensor, lengths: Tensor) -> Tensor:  # noqa: D102 - see base
        power, level = self.mel.power(waveforms, lengths)
        mel = self.mel.pool_to_mel(power, level)
        mel = scale_power(mel, scale=self.mel.scale, floor=self.mel.floor)
        chroma = self.chroma(power)[:, self.pitch_classes]
        if self.third == "delta":
            last = deltas(mel[:, None], self.n_frames(lengths))[:, 0]
        else:
            last = self.centroid(power)[:, None].expand_as(mel)
        return torch.stack([mel, chroma, last], dim=1)

    def chroma(self, power: Tensor) -> Tensor:
        """Compute the strength of the pitch classes.

        Parameters
        ----------
        power : Tensor of shape (n_samples, n_fft // 2 + 1, n_frames), float32
            Squared magnitudes.

        Returns
        -------
        Tensor of shape (n_samples, 12, n_frames), float32
            Relative to the strongest, 0 to 1.
        """
        strengths = self.chroma_filters @ power
        strongest = strengths.amax(dim=1, keepdim=True)
        return strengths / torch.where(strongest > 0, strongest, torch.ones_like(strongest))

    def centroid(self, power: Tensor) -> Tensor:
        """Compute the spectral centroid, ``sum_f f |S| / sum_f |S|``.

        Parameters
        ----------
        power : Tensor of shape (n_samples, n_fft // 2 + 1, n_frames), float32
            Squared magnitudes.

        Returns
        -------
        Tensor of shape (n_samples, n_frames), float32
            Shares of half the sampling rate.
        """
        magnitude = power.sqrt()
        total = magnitude.sum(dim=1)
        moment = self.frequencies @ magnitude
        return moment / torch.where(total > 0, total, torch.ones_like(total))
