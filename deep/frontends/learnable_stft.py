"""Short-time Fourier transform whose window and kernels may be learned.

The kernels are those of a discrete Fourier transform, as cosines and sines; frame, window and
kernel together are a convolution, so their values have gradients like any other weights'. After the
Ada-STFT (github.com/Rotem-and-Noam/Ada-STFT), but for the magnitude: there it is that of the real
part alone, which flickers with the phase of what sounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.frontends.level import scale_to_peak
from deep.frontends.magnitude_scale import check_scale, scale_magnitudes
from deep.frontends.normalisation import NormalisedFrontend
from deep.frontends.registry import register_frontend


@register_frontend("learnable-stft")
class LearnableStftFrontend(NormalisedFrontend):
    """Waveforms to normalised magnitudes of one or more transforms, each a channel.

    What is learned are the changes of window and kernels since the start: what decays thus decays
    towards the transform that it began as, and how far it has moved can be read off (see
    `deep.frontends.movement`). While no kernel has moved nor is learned, it is computed by the FFT.

    Parameters
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    n_fft : int
        Window and transform length in samples.
    hop_length : int
        Samples between frames.
    window : str, float or sequence
        Window at the start, as `scipy.signal.get_window` knows it: a name, a name with its
        parameters such as ``["kaiser", 8.0]``, or the beta of a Kaiser window.
    n_stfts : int
        Transforms, which start alike and learn apart; three may be the red, green and blue of a
        picture.
    repeat : int
        How often each transform is given, one channel each: three for a network of pictures in
        colour over a single transform.
    learn_window, learn_kernels : bool
        What is learned; may be set at any time.
    n_mels : int or None
        Mel bands that magnitudes are pooled to by Slaney's filters; None means all frequencies.
    fmin : float
        Lower edge of the lowest band in Hz.
    fmax : float or None
        Upper edge of the highest band in Hz; None means ``sr / 2``.
    scale : {"log10", "log", "magnitude"}
        ``log10(1 + 10 x)``, ``log(x + floor)``, or the magnitude ``x`` itself.
    floor : float
        Magnitude added before the logarithm of ``"log"``.
    normalisation : {"dataset", "sample", "channel", "none"}
        See `NormalisedFrontend`. Statistics of the training clips are those before anything has
        been learned.
    scale_level : bool
        Scale to unit root mean square first; otherwise the level stays in the frames.

    Raises
    ------
    ValueError
        If there is no such window, scale or normalisation, or a number is too small.

    Examples
    --------
    >>> import torch
    >>> frontend = LearnableStftFrontend(n_stfts=3, learn_window=True)
    >>> frames, n_frames = frontend(torch.zeros(2, 22050), torch.tensor([22050, 11025]))
    >>> tuple(frames.shape), n_frames.tolist()
    ((2, 3, 128, 44), [44, 22])
    """

    window_change: Tensor
    kernel_change: Tensor
    start_windows: Tensor
    start_kernels: Tensor
    filters: Tensor | None

    def __init__(
        self,
        *,
        sr: int = 22050,
        n_fft: int = 1024,
        hop_length: int = 512,
        window: str | float | Sequence[str | float] = "hann",
        n_stfts: int = 1,
        repeat: int = 1,
        learn_window: bool = True,
        learn_kernels: bool = False,
        n_mels: int | None = 128,
        fmin: float = 0.0,
        fmax: float | None = None,
        scale: str = "log10",
        floor: float = 1e-3,
        normalisation: str = "dataset",
        scale_level: bool = True,
    ) -> None:
        n_bins = n_fft // 2 + 1
        super().__init__(
            sr=sr,
            n_channels=n_stfts * repeat,
            n_bands=n_mels or n_bins,
            hop_length=hop_length,
            normalisation=normalisation,
            min_std=check_scale(scale, floor),
        )
        if n_fft < 2 or n_fft % 2 or n_stfts < 1 or repeat < 1:
            raise ValueError(
                "n_fft must be even and at least 2, n_stfts and repeat at least 1, got "
                f"{n_fft}, {n_stfts} and {repeat}"
            )
        self.n_fft, self.n_stfts, self.repeat = n_fft, n_stfts, repeat
        self.scale, self.floor, self.scale_level = scale, floor, scale_level
        # All made from the settings above, so kept out of the checkpoint.
        register = partial(self.register_buffer, persistent=False)
        register("start_windows", _make_window(window, n_fft).repeat(n_stfts, 1))
        register("start_kernels", _make_kernels(n_fft))
        register("filters", _make_mel_filters(n_bins, n_mels, sr, fmin, fmax or sr / 2))
        self.register_buffer("window_change", torch.zeros(n_stfts, n_fft))
        self.register_buffer("kernel_change", torch.zeros(n_stfts, 2, n_bins, n_fft))
        self.learn_window, self.learn_kernels = learn_window, learn_kernels

    @property
    def learn_window(self) -> bool:
        """Whether windows are learned."""
        return isinstance(self.window_change, nn.Parameter)

    @learn_window.setter
    def learn_window(self, learned: bool) -> None:
        self._set_learned("window_change", learned)

    @property
    def learn_kernels(self) -> bool:
        """Whether kernels are learned."""
        return isinstance(self.kernel_change, nn.Parameter)

    @learn_kernels.setter
    def learn_kernels(self, learned: bool) -> None:
        self._set_learned("kernel_change", learned)

    def _set_learned(self, name: str, learned: bool) -> None:
        """Make a change a parameter, or a buffer, which no training moves."""
        value = getattr(self, name).detach()
        delattr(self, name)
        if learned:
            self.register_parameter(name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)

    @property
    def windows(self) -> Tensor:
        """Windows as they are, of shape (n_stfts, n_fft)."""
        return self.start_windows + self.window_change

    @property
    def kernels(self) -> Tensor:
        """Cosines and sines as they are, of shape (n_stfts, 2, n_fft // 2 + 1, n_fft)."""
        return self.start_kernels + self.kernel_change

    def magnitudes(self, waveforms: Tensor) -> Tensor:
        """Compute magnitude spectrograms, frames centred and zeros beyond the ends.

        Parameters
        ----------
        waveforms : Tensor of shape (n_samples, n_timepoints), float32
            Zero past each clip's end.

        Returns
        -------
        Tensor of shape (n_samples, n_stfts, n_fft // 2 + 1, n_frames), float32
            Before it has learned anything, equal to the magnitude of `torch.stft`; its gradient is
            zero where it is zero itself.
        """
        return self._by_kernels(waveforms) if self._kernels_count() else self._by_fft(waveforms)

    def raw_frames(  # noqa: D102 - see NormalisedFrontend
        self, waveforms: Tensor, lengths: Tensor
    ) -> Tensor:
        rms = None
        if self.scale_level:
            waveforms, rms = scale_to_peak(waveforms, lengths)
        magnitudes = self.magnitudes(waveforms)
        if self.filters is not None:
            magnitudes = self.filters @ magnitudes
        if rms is not None:
            # The level goes into the few bands rather than into all samples.
            magnitudes = magnitudes / rms[:, :, None, None]
        frames = scale_magnitudes(magnitudes, scale=self.scale, floor=self.floor)
        return frames.repeat(1, self.repeat, 1, 1)

    def _kernels_count(self) -> bool:
        """Tell whether the kernels may be others than those of a Fourier transform."""
        return self.learn_kernels or bool(self.kernel_change.any())

    def _by_fft(self, waveforms: Tensor) -> Tensor:
        magnitudes = [
            torch.stft(
                waveforms,
                self.n_fft,
                self.hop_length,
                window=window,
                pad_mode="constant",
                return_complex=True,
            ).abs()
            for window in self.windows
        ]
        # Nothing to copy for one, which is the common case.
        return magnitudes[0][:, None] if len(magnitudes) == 1 else torch.stack(magnitudes, dim=1)

    def _by_kernels(self, waveforms: Tensor) -> Tensor:
        padded = functional.pad(waveforms, (self.n_fft // 2, self.n_fft // 2))
        framed = padded.unfold(1, self.n_fft, self.hop_length)
        filters = self.kernels * self.windows[:, None, None, :]
        values = functional.linear(framed, filters.flatten(end_dim=2))
        real, imaginary = values.unflatten(2, filters.shape[:3]).permute(3, 0, 2, 4, 1)
        return torch.complex(real, imaginary).abs()


def _make_window(window: str | float | Sequence[str | float], n_fft: int) -> Tensor:
    from scipy.signal import get_window

    known = window if isinstance(window, str | float) else tuple(window)
    try:
        values = get_window(known, n_fft)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"window must be one that scipy.signal.get_window knows, a name or a list of a name "
            f"and its parameters, got {window!r}: {error}"
        ) from error
    return torch.tensor(values, dtype=torch.float32)


def _make_kernels(n_fft: int) -> Tensor:
    """Give ``cos`` and ``-sin`` of ``2 pi k n / n_fft``, of shape (2, n_fft // 2 + 1, n_fft)."""
    # Turns are counted in whole samples, which are exact, before there is any rounding.
    samples = torch.outer(torch.arange(n_fft // 2 + 1), torch.arange(n_fft)) % n_fft
    angles = samples.double() * (2 * math.pi / n_fft)
    return torch.stack([angles.cos(), -angles.sin()]).float()


def _make_mel_filters(
    n_bins: int, n_mels: int | None, sr: int, fmin: float, fmax: float
) -> Tensor | None:
    if n_mels is None:
        return None
    from torchaudio.functional import melscale_fbanks

    filters = melscale_fbanks(n_bins, fmin, fmax, n_mels, sr, norm="slaney", mel_scale="slaney")
    return filters.T.contiguous()
