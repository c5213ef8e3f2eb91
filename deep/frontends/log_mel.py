"""Log-mel spectrogram of a batch of waveforms of different lengths.

Conventions: waveforms are zero-padded at the end to a common length; `lengths` counts the valid
samples of each and lives on the CPU. Nothing is computed across the batch, so a clip's frames are
the same alone and beside longer ones; frames past a clip's end are exactly zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deep.frontends.level import scale_to_peak
from deep.frontends.normalisation import NormalisedFrontend
from deep.frontends.padding import reflect_ends
from deep.frontends.power_scale import check_scale, scale_power
from deep.frontends.registry import register_frontend

PAD_MODES = ("constant", "reflect")


@register_frontend("log-mel")
class LogMelFrontend(NormalisedFrontend):
    """Waveforms to standardised log-mel frames, independent of level and of padding.

    Each waveform is scaled to unit root mean square, so that a clip and the same clip times 0.1
    give the same frames. The power spectrogram (Hann window, frames centred, zeros beyond the
    ends) is pooled by mel filters (Slaney's scale and norm, as in librosa), then
    ``log(mel + floor)`` is standardised per band with the buffers ``mean`` and ``std``.

    Parameters
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    n_fft : int
        Window and transform length in samples.
    hop_length : int
        Samples between frames.
    n_mels : int
        Number of mel bands.
    fmin : float
        Lower edge of the lowest band in Hz.
    fmax : float or None
        Upper edge of the highest band in Hz; None means ``sr / 2``.
    floor : float
        Power of silence, see `scale`. At unit root mean square white noise has a mel power of
        about 10, so the default keeps some 40 dB below it and is exact on silence.
    scale : {"log", "db", "power"}
        ``log(mel + floor)``, ``10 log10(max(mel, floor))``, or the mel power itself.
    normalisation : {"dataset", "sample", "channel", "none"}
        See `NormalisedFrontend`.
    scale_level : bool
        Scale to unit root mean square first; otherwise the level stays in the frames.
    pad_mode : {"constant", "reflect"}
        Zeros beyond each clip's ends, or its mirror image.

    Raises
    ------
    ValueError
        If there is no such scale, normalisation or pad mode.

    Examples
    --------
    >>> import torch
    >>> frontend = LogMelFrontend(sr=22050, n_mels=64, hop_length=512)
    >>> waveforms = torch.zeros(2, 22050)
    >>> frames, n_frames = frontend(waveforms, torch.tensor([22050, 11025]))
    >>> tuple(frames.shape), n_frames.tolist()
    ((2, 1, 64, 44), [44, 22])
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self,
        *,
        sr: int = 22050,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 64,
        fmin: float = 30.0,
        fmax: float | None = None,
        floor: float = 1e-3,
        scale: str = "log",
        normalisation: str = "dataset",
        scale_level: bool = True,
        pad_mode: str = "constant",
    ) -> None:
        super().__init__(
            sr=sr,
            n_channels=1,
            n_bands=n_mels,
            hop_length=hop_length,
            normalisation=normalisation,
            min_std=check_scale(scale, floor),
        )
        from torchaudio.functional import melscale_fbanks

        if pad_mode not in PAD_MODES:
            raise ValueError(f"pad_mode must be one of {list(PAD_MODES)}, got {pad_mode!r}")
        if n_fft % 2:
            raise ValueError(f"n_fft must be even, so that frames have a middle, got {n_fft}")
        self.n_fft, self.n_mels = n_fft, n_mels
        self.floor, self.scale = floor, scale
        self.scale_level, self.pad_mode = scale_level, pad_mode
        filters = melscale_fbanks(
            n_fft // 2 + 1, fmin, fmax or sr / 2, n_mels, sr, norm="slaney", mel_scale="slaney"
        )
        # Made from the settings above, so kept out of the checkpoint.
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("filters", filters.T.contiguous(), persistent=False)

    def power(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the power spectrogram, and the level that is still in it.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints), float32
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each waveform.

        Returns
        -------
        power : Tensor of shape (n_samples, n_fft // 2 + 1, n_frames), float32
            Squared magnitudes.
        level : Tensor of shape (n_samples, 1, 1), float32
            What to divide powers by: their waveforms' mean square, or one if the level stays.
        """
        if self.scale_level:
            waveforms, rms = scale_to_peak(waveforms, lengths)
        else:
            rms = torch.ones_like(waveforms[:, :1])
        reflected = self.pad_mode == "reflect"
        if reflected:
            waveforms = reflect_ends(waveforms, lengths, self.n_fft // 2)
        spectrum = torch.stft(
            waveforms,
            self.n_fft,
            self.hop_length,
            window=self.window,
            center=not reflected,
            pad_mode="constant",
            return_complex=True,
        )
        return spectrum.real.square() + spectrum.imag.square(), rms.square()[:, :, None]

    def pool_to_mel(self, power: Tensor, level: Tensor) -> Tensor:
        """Pool what `power` gives by the mel filters.

        Parameters
        ----------
        power : Tensor of shape (n_samples, n_fft // 2 + 1, n_frames), float32
            Squared magnitudes.
        level : Tensor of shape (n_samples, 1, 1), float32
            What to divide by.

        Returns
        -------
        Tensor of shape (n_samples, n_mels, n_frames), float32
            Mel powers. The level goes into these few rather than into all samples.
        """
        return self.filters @ power / level

    def mel_power(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Compute the mel power spectrogram.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints), float32
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each waveform.

        Returns
        -------
        Tensor of shape (n_samples, n_mels, n_frames), float32
            Equal to librosa's ``melspectrogram(pad_mode=...)`` of each scaled waveform.
        """
        return self.pool_to_mel(*self.power(waveforms, lengths))

    def raw_frames(self, waveforms: Tensor, lengths: Tensor) -> Tensor:  # noqa: D102 - see base
        mel = self.mel_power(waveforms, lengths)
        return scale_power(mel, scale=self.scale, floor=self.floor)[:, None]
