"""One clip, looked at from all sides: what the descriptors share, computed once and only if asked.

Conventions: arrays are (frequency, time) in one piece, so that loops over frames are vectorised; a
column is one frame. The level is normalised to an RMS of 1 before anything else, and the window has
unit energy, so that white noise has an expected power of 1 in every bin and a clip times 0.1 gives
the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cached_property, lru_cache

import numpy as np
import scipy.fft
import scipy.sparse

from features.filterbanks import sparse_mel_filterbank
from features.freed_memory import keep_freed_memory
from features.kernels.spectra import (
    filter_sums,
    put_power,
    spectral_shape,
    sums_and_peaks,
    windowed_frames,
)
from features.kernels.waveforms import frame_sums, scaled
from features.level import Level, measure_level

# -100 dB against white noise of the clip's level: the quantisation noise of a loud 16-bit
# recording, and well above the rounding of a float32 FFT.
LOG_FLOOR = 1e-10

# Frames analysed at once (12 s): a 2 MB array per spectrum, near the cache, however long the clip.
BLOCK_FRAMES = 512

# Frames transformed at once: half a megabyte, which stays in a core's own cache.
FFT_FRAMES = 32

# Sound kept on both sides of a block of a stream: more than any descriptor looks beyond its frames.
MARGIN = 2**16


@lru_cache(maxsize=16)
def _unit_energy_hann(n_fft: int) -> np.ndarray:
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)
    return (window / np.sqrt(np.sum(window**2))).astype(np.float32)


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
    level : Level
        Length and loudness of the clip before it was normalised.
    segment_length : int
        Length of a segment in samples.
    segment_range : range
        Which of the clip's segments these are.

    Raises
    ------
    ValueError
        If `n_fft` is not an even multiple of `hop_length`, or the waveform is empty or not finite.

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
        waveform = np.asarray(waveform, dtype=np.float32)
        self._set_up(measure_level([waveform]), sr, n_fft, hop_length, n_mels, segment_s)
        self._set_stretch(waveform, 0)

    def _set_up(
        self, level: Level, sr: int, n_fft: int, hop_length: int, n_mels: int, segment_s: float
    ) -> None:
        if n_fft % hop_length or n_fft % 2:
            raise ValueError(
                f"n_fft must be even and a multiple of hop_length, got {n_fft} and {hop_length}"
            )
        keep_freed_memory()
        self.level = level
        self.sr = sr
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.segment_length = max(4, round(segment_s * sr))
        self._frame_range = range(self.n_clip_frames)
        self.segment_range = range(self.n_clip_segments)

    def _set_stretch(self, waveform: np.ndarray, offset: int) -> None:
        """Hold the samples from `offset` on, at an RMS of 1 over the whole clip.

        The zeros that frames see beyond the ends are held as well: frames are views then.
        """
        padding = self.n_fft // 2
        self._held = scaled(waveform, self.level.gain, padding)
        self._offset = offset - padding

    @classmethod
    def stream(
        cls,
        pieces: Iterable[np.ndarray],
        level: Level,
        sr: int,
        *,
        n_fft: int = 2048,
        hop_length: int = 512,
        n_mels: int = 40,
        segment_s: float = 0.1,
        max_frames: int = BLOCK_FRAMES,
    ) -> Iterator[ClipAnalysis]:
        """Analyse a clip block by block as it is read, in memory that does not grow with it.

        Parameters
        ----------
        pieces : iterable of np.ndarray of shape (n,), float32
            The clip, from the beginning; how it is cut does not matter.
        level : Level
            Of the whole clip: see `measure_level`.
        sr, n_fft, hop_length, n_mels, segment_s
            See `ClipAnalysis`.
        max_frames : int
            Most frames in a block.

        Yields
        ------
        ClipAnalysis
            The next block: those that `blocks` would give of the whole clip.
        """
        whole = cls.__new__(cls)
        whole._set_up(level, sr, n_fft, hop_length, n_mels, segment_s)
        pieces = iter(pieces)
        held, offset = np.zeros(0, dtype=np.float32), 0
        for block in whole.blocks(max_frames):
            first = max(0, block._frame_range.start * hop_length - MARGIN)
            stop = block._frame_range.stop * hop_length + MARGIN
            parts, end = [held[max(0, first - offset) :]], offset + len(held)
            while end < stop and (piece := next(pieces, None)) is not None:
                parts.append(piece)
                end += len(piece)
            held, offset = np.concatenate(parts), max(first, offset)
            block._set_stretch(held[: stop - offset], offset)
            yield block

    @property
    def waveform(self) -> np.ndarray:
        """The clip at an RMS of 1, (n_timepoints,), float32; zeros for digital silence.

        Not for blocks of a stream, which hold no more than a stretch of it.
        """
        return self.stretch(0, self.level.n_timepoints)

    @property
    def n_clip_frames(self) -> int:
        """Number of frames of the whole clip, of which a block has some."""
        return 1 + self.level.n_timepoints // self.hop_length

    @property
    def n_clip_segments(self) -> int:
        """Number of segments of the whole clip, of which a block has some."""
        return -(-self.level.n_timepoints // self.segment_length)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self._frame_range)

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return len(self.segment_range)

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
                _kth_part(self.segment_range, k, n_blocks),
            )

    def _restricted(self, frames: range, segments: range) -> ClipAnalysis:
        block = object.__new__(ClipAnalysis)
        shared = ("level", "sr", "n_fft", "hop_length", "n_mels", "segment_length")
        for name in (*shared, "_held", "_offset"):
            if hasattr(self, name):
                setattr(block, name, getattr(self, name))
        block._frame_range, block.segment_range = frames, segments
        return block

    @cached_property
    def before(self) -> ClipAnalysis | None:
        """The frame before the first, for descriptors of change; None where the clip begins."""
        first = self._frame_range.start
        return self._restricted(range(first - 1, first), range(0)) if first else None

    def widened(self, n: int) -> tuple[ClipAnalysis, slice]:
        """Take some frames more on both sides, for descriptors that look around.

        Parameters
        ----------
        n : int
            Frames on each side; fewer where the clip ends.

        Returns
        -------
        wider : ClipAnalysis
            The analysis itself if there are no other frames.
        inner : slice
            Where this analysis's frames are among the wider one's.
        """
        frames = self._frame_range
        wider = range(max(0, frames.start - n), min(self.n_clip_frames, frames.stop + n))
        inner = slice(frames.start - wider.start, frames.stop - wider.start)
        return (self if wider == frames else self._restricted(wider, range(0))), inner

    def stretch(self, start: int, stop: int) -> np.ndarray:
        """Give a part of the clip at an RMS of 1.

        Parameters
        ----------
        start, stop : int
            Positions in samples from the clip's beginning; may lie beyond its ends.

        Returns
        -------
        np.ndarray of shape (stop - start,), float32
            The samples, 0 beyond the clip's ends; not to be written to.
        """
        if start >= self._offset and stop <= self._offset + len(self._held):
            return self._held[start - self._offset : stop - self._offset]
        samples = np.zeros(stop - start, dtype=np.float32)
        inside = self._held[max(start - self._offset, 0) : max(stop - self._offset, 0)]
        samples[max(self._offset - start, 0) :][: len(inside)] = inside
        return samples

    @property
    def first_timepoint(self) -> int:
        """Position of the centre of the first frame, in samples from the clip's beginning."""
        return self._frame_range.start * self.hop_length

    @cached_property
    def samples(self) -> np.ndarray:
        """The stretch that the frames cover, (hop_length * (n_frames - 1) + n_fft,), float32."""
        start = self.first_timepoint - self.n_fft // 2
        return self.stretch(start, start + (self.n_frames - 1) * self.hop_length + self.n_fft)

    @property
    def frames(self) -> np.ndarray:
        """Frames before windowing, (n_fft, n_frames), float32; a read-only view."""
        return np.lib.stride_tricks.sliding_window_view(self.samples, self.n_fft)[
            :: self.hop_length
        ].T

    @cached_property
    def frame_sums(self) -> np.ndarray:
        """Sum of squares and number of sign changes in each frame, (2, n_frames), float64."""
        return frame_sums(self.samples, self.n_fft, self.hop_length)

    @cached_property
    def segments(self) -> np.ndarray:
        """Stretches end to end, (n_segments, segment_length), float32."""
        length, n = self.segment_length, self.n_segments
        start = self.segment_range.start * length
        stop = start + n * length
        if stop <= self.level.n_timepoints:
            return self.stretch(start, stop).reshape(n, length)
        segments = np.empty((n, length), dtype=np.float32)
        segments[:-1] = self.stretch(start, stop - length).reshape(n - 1, length)
        last = max(self.level.n_timepoints - length, 0)
        segments[-1] = self.stretch(last, last + length)
        return segments

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Frequency of each bin in Hz, (1 + n_fft // 2,), float32."""
        return _bin_frequencies(self.sr, self.n_fft)

    @cached_property
    def power(self) -> np.ndarray:
        """Power spectrum, (1 + n_fft // 2, n_frames), float32; white noise has 1 in each bin."""
        window = _unit_energy_hann(self.n_fft)
        power = np.empty((1 + self.n_fft // 2, self.n_frames), dtype=np.float32)
        for first in range(0, self.n_frames, FFT_FRAMES):
            n = min(FFT_FRAMES, self.n_frames - first)
            start = first * self.hop_length
            covered = self.samples[start : start + (n - 1) * self.hop_length + self.n_fft]
            frames = windowed_frames(covered, window, self.hop_length)
            put_power(scipy.fft.rfft(frames, axis=1, overwrite_x=True), power, first)
        return power

    @cached_property
    def magnitude(self) -> np.ndarray:
        """Square root of `power`."""
        return np.sqrt(self.power)

    @property
    def energy(self) -> np.ndarray:
        """Sum of `power` over frequency, (n_frames,), float32."""
        return self._energy_and_peak[0]

    @property
    def peak_power(self) -> np.ndarray:
        """Largest of `power` over frequency, (n_frames,), float32."""
        return self._energy_and_peak[1]

    @cached_property
    def _energy_and_peak(self) -> np.ndarray:
        return sums_and_peaks(self.power)

    @cached_property
    def magnitude_shape(self) -> np.ndarray:
        """Total and moments of `magnitude` over frequency: see `spectral_shape`."""
        return spectral_shape(self.magnitude, self.frequencies)

    def project(self, filterbank: scipy.sparse.csr_array) -> np.ndarray:
        """Sum the power under each filter.

        Parameters
        ----------
        filterbank : scipy.sparse.csr_array of shape (n_filters, 1 + n_fft // 2)
            Weights, float32.

        Returns
        -------
        np.ndarray of shape (n_filters, n_frames), float32
            The sums.
        """
        return filter_sums(self.power, filterbank.data, filterbank.indices, filterbank.indptr)

    def shared(self, key: Hashable, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Give what several descriptors need, computed for the first that asks.

        Parameters
        ----------
        key : hashable
            What it is, with all the settings that it depends on.
        compute : callable
            Computes it.

        Returns
        -------
        np.ndarray
            The array; not to be written to.
        """
        known = self.__dict__.setdefault("_shared", {})
        if key not in known:
            known[key] = compute()
        return known[key]

    def levels(self, filterbank: scipy.sparse.csr_array) -> np.ndarray:
        """Give what `project` does in decibels.

        Parameters
        ----------
        filterbank : scipy.sparse.csr_array of shape (n_filters, 1 + n_fft // 2)
            Weights, float32.

        Returns
        -------
        np.ndarray of shape (n_filters, n_frames), float32
            At least `LOG_FLOOR` (-100 dB).
        """
        levels = np.log10(np.maximum(self.project(filterbank), np.float32(LOG_FLOOR)))
        levels *= 10.0
        return levels

    @cached_property
    def log_mel(self) -> np.ndarray:
        """Power under the mel filters in decibels, (n_mels, n_frames), float32: see `levels`."""
        return self.levels(sparse_mel_filterbank(self.sr, self.n_fft, self.n_mels))


@lru_cache(maxsize=16)
def _bin_frequencies(sr: int, n_fft: int) -> np.ndarray:
    return scipy.fft.rfftfreq(n_fft, 1.0 / sr).astype(np.float32)


def _kth_part(whole: range, k: int, n_parts: int) -> range:
    return whole[len(whole) * k // n_parts : len(whole) * (k + 1) // n_parts]
