"""Log-mel spectrogram of a batch of waveforms of different lengths.

Conventions: waveforms are zero-padded at the end to a common length; `lengths` counts the valid
samples of each and lives on the CPU. Nothing is computed across the batch, so a clip's frames are
the same alone and beside longer ones; frames past a clip's end are exactly zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import torch
from torch import Tensor

from deep.frontends.frontend import Frontend


def valid_mask(lengths: Tensor, size: int, *, device: torch.device | None = None) -> Tensor:
    """Mark the valid positions of padded sequences.

    Parameters
    ----------
    lengths : Tensor of shape (n_samples,), int64
        Valid positions of each sequence.
    size : int
        Padded length.
    device : torch.device or None
        Where the mask is needed; None means where `lengths` lives.

    Returns
    -------
    Tensor of shape (n_samples, size), bool
        True before each sequence's end.
    """
    lengths = lengths.to(device) if device is not None else lengths
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def scale_to_peak(waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Scale each waveform to a peak of one, and tell its level over its valid samples then.

    Parameters
    ----------
    waveforms : Tensor of shape (n_samples, n_timepoints), float32
        Zero past each clip's end.
    lengths : Tensor of shape (n_samples,), int64
        Valid samples of each waveform.

    Returns
    -------
    scaled : Tensor of shape (n_samples, n_timepoints), float32
        Scaled waveforms; silence stays silence.
    rms : Tensor of shape (n_samples, 1), float32
        Root mean square of each; one for silence.
    """
    # Not the level at once: the squares of a very quiet clip would underflow.
    peak = waveforms.abs().amax(dim=1, keepdim=True)
    scaled = waveforms / torch.where(peak > 0, peak, torch.ones_like(peak))
    norm = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    rms = norm / lengths.to(waveforms.device).sqrt()[:, None]
    return scaled, torch.where(rms > 0, rms, torch.ones_like(rms))


class LogMelFrontend(Frontend):
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
        Power added before the logarithm. At unit root mean square white noise has a mel power of
        about 10, so the default keeps some 40 dB below it and is exact on silence.

    Examples
    --------
    >>> import torch
    >>> frontend = LogMelFrontend(sr=22050, n_mels=64, hop_length=512)
    >>> waveforms = torch.zeros(2, 22050)
    >>> frames, n_frames = frontend(waveforms, torch.tensor([22050, 11025]))
    >>> tuple(frames.shape), n_frames.tolist()
    ((2, 64, 44), [44, 22])
    """

    window: Tensor
    filters: Tensor
    mean: Tensor
    std: Tensor

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
    ) -> None:
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        self.sr, self.n_fft, self.hop_length, self.n_mels = sr, n_fft, hop_length, n_mels
        self.floor = floor
        filters = melscale_fbanks(
            n_fft // 2 + 1, fmin, fmax or sr / 2, n_mels, sr, norm="slaney", mel_scale="slaney"
        )
        # Made from the settings above, so kept out of the checkpoint.
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.register_buffer("filters", filters.T.contiguous(), persistent=False)
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("std", torch.ones(n_mels))

    def n_frames(self, lengths: Tensor) -> Tensor:
        """Count the frames of clips of the given lengths.

        Parameters
        ----------
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each clip.

        Returns
        -------
        Tensor of shape (n_samples,), int64
            ``1 + lengths // hop_length``.
        """
        return 1 + lengths // self.hop_length

    def min_timepoints(self, n_frames: int) -> int:  # noqa: D102 - see Frontend
        return max(1, (n_frames - 1) * self.hop_length)

    def mel_power(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Compute the mel power spectrogram of level-normalised waveforms.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each waveform.

        Returns
        -------
        Tensor of shape (n_samples, n_mels, n_frames), float32
            Equal to librosa's ``melspectrogram(pad_mode="constant")`` of each scaled waveform.
        """
        # bfloat16 has 8 bits of mantissa, far too few for a transform: float32 whatever autocast.
        with torch.autocast(waveforms.device.type, enabled=False):
            scaled, rms = scale_to_peak(waveforms.float(), lengths)
            spectrum = torch.stft(
                scaled,
                self.n_fft,
                self.hop_length,
                window=self.window,
                pad_mode="constant",
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            # The level goes into the few mel powers rather than into all samples.
            return self.filters @ power / rms.square()[:, :, None]

    def log_mel(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Compute the log-mel spectrogram before standardising; see `mel_power`.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each waveform.

        Returns
        -------
        Tensor of shape (n_samples, n_mels, n_frames), float32
            ``log(mel + floor)``.
        """
        return torch.log(self.mel_power(waveforms, lengths) + self.floor)

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute standardised log-mel frames.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints)
            Zero past each clip's end.
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each waveform.

        Returns
        -------
        frames : Tensor of shape (n_samples, n_mels, n_frames), float32
            Zero past each clip's last frame.
        n_frames : Tensor of shape (n_samples,), int64
            Valid frames of each clip.
        """
        frames = self.log_mel(waveforms, lengths)
        frames = (frames - self.mean[:, None]) / self.std[:, None]
        n_frames = self.n_frames(lengths)
        mask = valid_mask(n_frames, frames.shape[-1], device=frames.device)
        return frames.masked_fill(~mask[:, None, :], 0.0), n_frames

    @torch.no_grad()
    def fit_statistics(self, batches: Iterable[tuple[Tensor, Tensor]]) -> Self:
        """Set ``mean`` and ``std`` per mel band from training clips.

        Parameters
        ----------
        batches : iterable of (waveforms, lengths)
            Training clips only, as `forward` takes them.

        Returns
        -------
        LogMelFrontend
            Itself.
        """
        total = torch.zeros(self.n_mels, dtype=torch.float64)
        total_squares = torch.zeros_like(total)
        count = 0
        for waveforms, lengths in batches:
            frames = self.log_mel(waveforms, lengths)
            n_frames = self.n_frames(lengths)
            mask = valid_mask(n_frames, frames.shape[-1], device=frames.device)
            valid = frames.double() * mask[:, None, :]
            total += valid.sum(dim=(0, 2)).cpu()
            total_squares += valid.square().sum(dim=(0, 2)).cpu()
            count += int(n_frames.sum())
        if count:
            mean = total / count
            variance = (total_squares / count - mean.square()).clamp_min(0)
            self.mean.copy_(mean)
            # A band that never moves (all-silent training clips) must not divide by zero.
            self.std.copy_(variance.sqrt().clamp_min(1e-3))
        return self
