"""One clip, looked at from all sides: what the descriptors share, computed once and only if asked.

Conventions: arrays are (frequency, time); a column is one frame. The level is normalised to an RMS
of 1 before anything else, and the window has unit energy, so that white noise has an expected power
of 1 in every bin and a clip times 0.1 gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property, lru_cache

import numpy as np
import scipy.fft
import scipy.sparse

from features.filterbanks import sparse_mel_filterbank

# -100 dB against white noise of the clip's level: the quantisation noise of a loud 16-bit
# recording, and well above the rounding of a float32 FFT.
LOG_FLOOR = 1e-10


def normalise_level(waveform: np.ndarray) -> np.ndarray:
    """Scale a waveform to an RMS of 1.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        Finite, not empty; any float dtype.

    Returns
    -------
    np.ndarray of shape (n_timepoints,), float32
        A scaled copy; zeros if no sample passes the smallest normal float32 number (1.2e-38),
        below which a waveform has lost its shape.
    """
    peak = max(waveform.max(), -waveform.min())
    if peak <= np.finfo(np.float32).tiny:
        return np.zeros(len(waveform), dtype=np.float32)
    # The peak goes first: squares of the largest float32 numbers would overflow.
    scaled = np.asarray(waveform / peak, dtype=np.float32)
    mean_square = np.einsum("i,i->", scaled, scaled, dtype=np.float64) / len(scaled)
    scaled /= np.float32(np.sqrt(mean_square))
    return scaled


@lru_cache(maxsize=16)
def _unit_energy_hann(n_fft: int) -> np.ndarray:
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)
    return (window / np.sqrt(np.sum(window**2))).astype(np.float32)


@cache
def _keep_freed_memory() -> None:
    """Let the C library keep what one clip frees for the next, once per process.

    glibc gives large blocks back to the system, and new ones are slow to touch for the first time
    (a third of the time of a clip); it stops doing so below the largest size it has seen freed.
    """
    np.empty(2**24, dtype=np.uint8)


class ClipAnalysis:
    """A level-normalised clip with its frames, segments and spectra.

    Frames overlap and are centred at multiples of `hop_length`, with zeros beyond the clip's ends.
    Segments lie end to end; the last is moved back so that it ends with the clip, and a clip
    shorter than one segment is filled with zeros.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        One channel; finite, at least one sample.
    sr : int
        Sampling rate in Hz.
    n_fft : int
        Frame length in samples.
    hop_length : int
        Samples from frame to frame; must divide `n_fft`.
    n_mels : int
        Number of mel bands.
    segment_s : float
        Length of a segment in seconds; at least 4 samples are taken.

    Attributes
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The waveform at an RMS of 1; zeros for digital silence.
    segment_length : int
        Length of a segment in samples.

    Raises
    ------
    ValueError
        If `n_fft` is not an even multiple of `hop_length`.

    Examples
    --------
    >>> import numpy as np
    >>> clip = ClipAnalysis(np.sin(np.arange(22050) / 10), 22050)
    >>> clip.power.shape, clip.n_segments
    ((1025, 44), 10)
    """

    def __init__(
        self,
        waveform: np.ndarray,
        sr: int,
        *,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 40,
        segment_s: float = 0.1,
    ) -> None:
        if n_fft % hop_length or n_fft % 2:
            raise ValueError(
                f"n_fft must be even and a multiple of hop_length, got {n_fft} and {hop_length}"
            )
        _keep_freed_memory()
        self.waveform = normalise_level(waveform)
        self.sr = sr
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.segment_length = max(4, round(segment_s * sr))
        self._frame_range = range(1 + len(waveform) // hop_length)
        self._segment_range = range(-(-len(waveform) // self.segment_length))

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self._frame_range)

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return len(self._segment_range)

    def blocks(self, max_frames: int) -> Iterator[ClipAnalysis]:
        """Cut the clip into analyses of fewer frames, so that a long clip needs little memory.

        Parameters
        ----------
        max_frames : int
            Most frames in a block.

        Yields
        ------
        ClipAnalysis
            The next block: it shares the waveform, and its level is the whole clip's. Every frame
            and every segment is in exactly one block; a block may be without segments.
        """
        n_blocks = -(-self.n_frames // max_frames)
        if n_blocks == 1:
            yield self
            return
        for k in range(n_blocks):
            yield self._restricted(
                _kth_part(self._frame_range, k, n_blocks),
                _kth_part(self._segment_range, k, n_blocks),
            )

    def _restricted(self, frames: range, segments: range) -> ClipAnalysis:
        block = object.__new__(ClipAnalysis)
        for name in ("waveform", "sr", "n_fft", "hop_length", "n_mels", "segment_length"):
            setattr(block, name, getattr(self, name))
        block._frame_range, block._segment_range = frames, segments
        return block

    @cached_property
    def before(self) -> ClipAnalysis | None:
        """The frame before the first, for descriptors of change; None where the clip begins."""
        first = self._frame_range.start
        return self._restricted(range(first - 1, first), range(0)) if first else None

    @cached_property
    def samples(self) -> np.ndarray:
        """The stretch that the frames cover, (hop_length * (n_frames - 1) + n_fft,), float32."""
        start = self._frame_range.start * self.hop_length - self.n_fft // 2
        stop = start + (self.n_frames - 1) * self.hop_length + self.n_fft
        samples = np.zeros(stop - start, dtype=np.float32)
        inside = self.waveform[max(start, 0) : stop]
        samples[max(-start, 0) :][: len(inside)] = inside
        return samples

    @property
    def frames(self) -> np.ndarray:
        """Frames before windowing, (n_fft, n_frames), float32; a read-only view."""
        return np.lib.stride_tricks.sliding_window_view(self.samples, self.n_fft)[
            :: self.hop_length
        ].T

    def sum_over_frames(self, per_sample: np.ndarray) -> np.ndarray:
        """Sum one value per sample over each frame.

        Parameters
        ----------
        per_sample : np.ndarray of the shape of `samples`
            The values.

        Returns
        -------
        np.ndarray of shape (n_frames,), float64
            The sums.
        """
        # Frames overlap: each hop is summed once, and a frame is a few hops.
        hop_sums = per_sample.reshape(-1, self.hop_length).sum(axis=1, dtype=np.float64)
        hops_per_frame = self.n_fft // self.hop_length
        return np.lib.stride_tricks.sliding_window_view(hop_sums, hops_per_frame).sum(axis=1)

    @cached_property
    def segments(self) -> np.ndarray:
        """Stretches end to end, (segment_length, n_segments), float32."""
        length = self.segment_length
        whole = self.waveform
        if len(whole) < length:
            whole = np.pad(whole, (0, length - len(whole)))
        starts = np.array(self._segment_range, dtype=np.intp) * length
        starts = np.minimum(starts, len(whole) - length)
        return np.lib.stride_tricks.sliding_window_view(whole, length)[starts].T

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Frequency of each bin in Hz, (1 + n_fft // 2,), float32."""
        return scipy.fft.rfftfreq(self.n_fft, 1.0 / self.sr).astype(np.float32)

    @cached_property
    def power(self) -> np.ndarray:
        """Power spectrum, (1 + n_fft // 2, n_frames), float32; white noise has 1 in each bin.

        In memory a frame lies in one piece, so that sums over frequency run along it, and no
        frame's number depends on how many frames there are.
        """
        spectrum = scipy.fft.rfft(self.frames.T * _unit_energy_hann(self.n_fft), axis=1)
        return (spectrum.real**2 + spectrum.imag**2).T

    @cached_property
    def magnitude(self) -> np.ndarray:
        """Square root of `power`."""
        return np.sqrt(self.power)

    @cached_property
    def energy(self) -> np.ndarray:
        """Sum of `power` over frequency, (n_frames,), float32."""
        return self.power.sum(axis=0)

    @cached_property
    def distribution(self) -> np.ndarray:
        """Share of each bin in its frame's magnitude: sums to 1 over frequency, 0 in silence."""
        total = self.magnitude.sum(axis=0)
        return self.magnitude * (1.0 / np.where(total > 0, total, np.inf)).astype(np.float32)

    @cached_property
    def log_power(self) -> np.ndarray:
        """Natural logarithm of `power`, with `LOG_FLOOR` as its least."""
        floored = np.maximum(self.power, np.float32(LOG_FLOOR))
        return np.log(floored, out=floored)

    @cached_property
    def _power_by_bin(self) -> np.ndarray:
        # Sparse products run along time, and would each make this copy.
        return np.ascontiguousarray(self.power)

    def project(self, filterbank: scipy.sparse.csr_array) -> np.ndarray:
        """Sum the power under each filter.

        A sparse product adds in one order, whatever the number of frames or threads; a dense
        one (BLAS) does not.

        Parameters
        ----------
        filterbank : scipy.sparse.csr_array of shape (n_filters, 1 + n_fft // 2)
            Weights, float32.

        Returns
        -------
        np.ndarray of shape (n_filters, n_frames), float32
            The sums.
        """
        return filterbank @ self._power_by_bin

    @cached_property
    def mel(self) -> np.ndarray:
        """Power under the mel filters, (n_mels, n_frames), float32."""
        return self.project(sparse_mel_filterbank(self.sr, self.n_fft, self.n_mels))

    @cached_property
    def log_mel(self) -> np.ndarray:
        """`mel` in decibels, (n_mels, n_frames), float64, at least `LOG_FLOOR` (-100 dB)."""
        return 10.0 * np.log10(np.maximum(self.mel.astype(np.float64), LOG_FLOOR))


def _kth_part(whole: range, k: int, n_parts: int) -> range:
    return whole[len(whole) * k // n_parts : len(whole) * (k + 1) // n_parts]
