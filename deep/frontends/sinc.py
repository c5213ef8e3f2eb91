"""Band-pass filters over the waveform that learn where their bands begin and end.

Each filter is a sinc function times a Hamming window, with two parameters only: its lower edge and
its width. So a network over waveforms learns a filter bank, and one that can be read.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.frontends.level import scale_to_peak
from deep.frontends.magnitude_scale import SCALES, check_scale, scale_magnitudes
from deep.frontends.normalisation import NormalisedFrontend
from deep.frontends.registry import register_frontend

# Edges are learned in kHz: an optimiser's steps, about as large as its learning rate, then move
# them by some Hz, where in Hz they would hardly move at all.
HZ_PER_UNIT = 1000.0

# The scale on which there is a sign.
SAMPLES = "samples"


@register_frontend("sinc")
class SincFrontend(NormalisedFrontend):
    """Waveforms to the outputs of band-pass filters whose edges may be learned.

    A filter's response is ``sinc(b n) cos(2 pi c n)`` times the window, where ``b`` is its width
    and ``c`` its centre in cycles a sample and ``n`` counts from its middle, whose value is one.
    Defaults are those of IRNet (Zhong et al., 2023): 50 ms and 12 ms at 16 kHz, and a frame is a
    single sample of each filter's output. It differs in that zeros stand beyond a clip's ends.

    Parameters
    ----------
    sr : int
        Sampling rate of the waveforms in Hz.
    n_filters : int
        Filters; at the start their bands lie side by side, as wide as each other in mel.
    kernel_ms : float
        Length of the filters in ms, rounded to an odd number of samples.
    hop_ms : float
        Time between frames in ms, rounded down to samples.
    min_low_hz, min_band_hz : float
        Least lower edge and width in Hz.
    learn_edges : bool
        Whether edges are learned; may be set at any time.
    scale : {"samples", "magnitude", "log10", "log"}
        ``"samples"``: as the filters give them, with a sign and size that depend on the phase.
        Others are of the magnitude ``x`` of the filtered sound, for which with each filter goes one
        a quarter of a period apart, as the sine with the cosine: ``x`` itself, ``log10(1 + 10 x)``
        or ``log(x + floor)``.
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
        If there is no such scale or normalisation, or lengths or edges do not fit the sampling
        rate.

    References
    ----------
    M. Ravanelli, Y. Bengio, Speaker recognition from raw waveform with SincNet, SLT 2018,
    https://arxiv.org/abs/1808.00158
    L. Zhong et al., Exploring isolated musical notes as pre-training data for predominant
    instrument recognition in polyphonic music, 2023, https://arxiv.org/abs/2306.08850

    Examples
    --------
    >>> import torch
    >>> frames, n_frames = SincFrontend()(torch.zeros(2, 16000), torch.tensor([16000, 8000]))
    >>> tuple(frames.shape), n_frames.tolist()
    ((2, 1, 128, 84), [84, 42])
    """

    start_low: Tensor
    start_band: Tensor
    window: Tensor
    places: Tensor

    def __init__(
        self,
        *,
        sr: int = 16000,
        n_filters: int = 128,
        kernel_ms: float = 50.0,
        hop_ms: float = 12.0,
        min_low_hz: float = 5.0,
        min_band_hz: float = 5.0,
        learn_edges: bool = True,
        scale: str = SAMPLES,
        floor: float = 1e-3,
        normalisation: str = "dataset",
        scale_level: bool = True,
    ) -> None:
        if scale not in (SAMPLES, *SCALES):
            raise ValueError(f"scale must be one of {[SAMPLES, *SCALES]}, got {scale!r}")
        super().__init__(
            sr=sr,
            n_channels=1,
            n_bands=n_filters,
            hop_length=int(hop_ms * sr / 1000),
            normalisation=normalisation,
            min_std=check_scale("magnitude" if scale == SAMPLES else scale, floor),
        )
        # The middle of a filter of an odd length is a sample.
        self.kernel_size = int(kernel_ms * sr / 1000) // 2 * 2 + 1
        if n_filters < 1 or self.kernel_size < 3:
            raise ValueError(
                "there must be filters, of 3 samples or more, got "
                f"n_filters={n_filters} and kernel_ms={kernel_ms} at {sr} Hz"
            )
        self.scale, self.floor, self.scale_level = scale, floor, scale_level
        self.min_low_hz, self.min_band_hz = min_low_hz, min_band_hz
        low, band = _mel_edges(sr, n_filters, min_low_hz, min_band_hz)
        register = partial(self.register_buffer, persistent=False)
        register("start_low", low / HZ_PER_UNIT)
        register("start_band", band / HZ_PER_UNIT)
        register("window", torch.hamming_window(self.kernel_size, periodic=False))
        reach = self.kernel_size // 2
        register("places", torch.arange(-reach, reach + 1, dtype=torch.float32))
        self.low = nn.Parameter(self.start_low.clone())
        self.band = nn.Parameter(self.start_band.clone())
        self.learn_edges = learn_edges

    @property
    def learn_edges(self) -> bool:
        """Whether edges are learned."""
        return self._learn_edges

    @learn_edges.setter
    def learn_edges(self, learned: bool) -> None:
        self._learn_edges = bool(learned)
        self.low.requires_grad_(self._learn_edges)
        self.band.requires_grad_(self._learn_edges)

    def edges_hz(self, *, start: bool = False) -> Tensor:
        """Give the edges of all bands.

        Parameters
        ----------
        start : bool
            Whether those at the start are meant, before anything was learned.

        Returns
        -------
        Tensor of shape (2, n_filters)
            Lower and upper edges in Hz, from the least one to half the sampling rate.
        """
        low, band = (self.start_low, self.start_band) if start else (self.low, self.band)
        if not self._learn_edges:
            low, band = low.detach(), band.detach()
        top = self.sr / 2
        lower = (self.min_low_hz + HZ_PER_UNIT * low.abs()).clamp(max=top - self.min_band_hz)
        upper = (lower + self.min_band_hz + HZ_PER_UNIT * band.abs()).clamp(max=top)
        return torch.stack([lower, upper])

    def filters(self, *, start: bool = False) -> Tensor:
        """Make the filters from their edges.

        Parameters
        ----------
        start : bool
            See `edges_hz`.

        Returns
        -------
        Tensor of shape (2, n_filters, kernel_size)
            Cosines and sines; the middle of a cosine is one.
        """
        lower, upper = self.edges_hz(start=start) / self.sr
        envelopes = torch.sinc((upper - lower)[:, None] * self.places) * self.window
        angles = math.pi * (lower + upper)[:, None] * self.places
        return torch.stack([angles.cos() * envelopes, angles.sin() * envelopes])

    def n_frames(self, lengths: Tensor) -> Tensor:
        """Count the frames of clips of the given lengths.

        Parameters
        ----------
        lengths : Tensor of shape (n_samples,), int64
            Valid samples of each clip.

        Returns
        -------
        Tensor of shape (n_samples,), int64
            One for each sample of the clip that is a multiple of the hop.
        """
        return 1 + (lengths - 1) // self.hop_length

    def min_timepoints(self, n_frames: int) -> int:  # noqa: D102 - see Frontend
        return (n_frames - 1) * self.hop_length + 1

    def raw_frames(  # noqa: D102 - see NormalisedFrontend
        self, waveforms: Tensor, lengths: Tensor
    ) -> Tensor:
        if self.scale_level:
            scaled, rms = scale_to_peak(waveforms, lengths)
            waveforms = scaled / rms
        reach = self.kernel_size // 2
        padded = functional.pad(waveforms, (reach, reach))
        framed = padded.unfold(1, self.kernel_size, self.hop_length)
        cosines, sines = self.filters()
        outputs = functional.linear(framed, cosines)
        if self.scale != SAMPLES:
            # The magnitude of a complex number has a gradient on silence too: zero.
            magnitudes = torch.complex(outputs, functional.linear(framed, sines)).abs()
            outputs = scale_magnitudes(magnitudes, scale=self.scale, floor=self.floor)
        return outputs.transpose(1, 2)[:, None]


def _mel_edges(
    sr: int, n_filters: int, min_low_hz: float, min_band_hz: float
) -> tuple[Tensor, Tensor]:
    """Give lower edges and widths in Hz, above the least ones, that are equal in mel."""
    highest_hz = sr / 2 - (min_low_hz + min_band_hz)
    if min(min_low_hz, min_band_hz) <= 0 or highest_hz <= min_low_hz:
        raise ValueError(
            f"min_low_hz and min_band_hz must be above 0 and leave room below half of {sr} Hz, got "
            f"{min_low_hz} and {min_band_hz}"
        )
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (min_low_hz, highest_hz))
    mels = torch.linspace(low, high, n_filters + 1, dtype=torch.float64)
    edges = 700 * (10 ** (mels / 2595) - 1)
    return edges[:-1].float(), edges.diff().float()
