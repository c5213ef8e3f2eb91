"""The sound of a container as one run of samples: coded frames placed by their timestamps.

Conventions: time 0 is the first sound; where pictures begin earlier by more than `GAP_TOLERANCE_S`
it is theirs, and zeros come first. What is missing in between is filled with zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

# Lost packets, a browser's jitter and the drift of two clocks in an hour stay below. What is more
# is filled with zeros, or else all later sound would come too early.
GAP_TOLERANCE_S = 0.1

# In all: a damaged timestamp may claim a gap of years.
MAX_GAP_S = 60.0

# A header's length may pass the last sample by this much, or by two coded frames if these are more.
HEADER_TOLERANCE_S = 0.06

# A broken header may claim any number of channels, or of samples in a coded frame: thus a block of
# 30 s stays below a gigabyte.
MAX_CHANNELS, MAX_FRAME = 64, 2**20

# PyAV looks for an end mark behind a frame's list of planes; FFmpeg's has room for one after seven.
MAX_PLANES = 7

# Divisor and zero of the integer sample formats.
INTEGER_FORMATS = {
    "u8": (2.0**7, 2.0**7),
    "s16": (2.0**15, 0.0),
    "s32": (2.0**31, 0.0),
    "s64": (2.0**63, 0.0),
}


class ContainerError(ValueError):
    """The sound of a container cannot be decoded; the message says why."""


class SoundTrack:
    """One sound stream of an opened container, decoded onwards.

    Parameters
    ----------
    container : av.container.InputContainer
        The container.
    stream : av.audio.stream.AudioStream
        Which of its streams.
    interleave : callable
        Gives a frame with its channels in one plane, as float32, as the only one of a list.
    errors : tuple of exception types
        What PyAV may raise on broken data.

    Attributes
    ----------
    sr, n_channels : int
        Sampling rate in Hz and number of channels.
    format : str
        FFmpeg's first name of the container's format, in capitals.
    start : int
        Which sample is the first that was decoded: 0, or where a jump led.
    position : int
        Which sample comes after those decoded.

    Raises
    ------
    ContainerError
        If the number of channels is absurd.
    """

    def __init__(
        self,
        container: Any,
        stream: Any,
        interleave: Callable[[Any], list[Any]],
        errors: tuple[type[Exception], ...],
    ) -> None:
        self._container, self._stream = container, stream
        self._interleave, self._errors = interleave, errors
        context = stream.codec_context
        context.options = {"max_samples": str(MAX_FRAME)}
        context.thread_count = 1
        self.sr = int(context.sample_rate or 0)
        self.n_channels = int(context.channels or 0)
        if not 1 <= self.n_channels <= MAX_CHANNELS:
            raise ContainerError(
                f"there must be 1 to {MAX_CHANNELS} channels, got {self.n_channels}"
            )
        self.format = container.format.name.split(",")[0].upper()
        self.start = self.position = 0
        self._samples_per_tick = float((stream.time_base or 0) * self.sr)
        # Elsewhere timestamps are rounded to milliseconds: a sample's place is known by counting.
        self._counts_samples = self.format == "MOV" and self._samples_per_tick == 1.0
        self._lead, self._origin = self._find_origin()
        self._jumped = False
        self._n_filled = self._longest = 0
        self._last_s = 0.0  # where the last packet of any stream ends

    def decode(self) -> Iterator[np.ndarray]:
        """Yield the sound frame by frame, cut to the header's length and checked against it.

        Yields
        ------
        np.ndarray of shape (n_timepoints, n_channels), float32
            One frame, never empty; `position` is one ahead.

        Raises
        ------
        ContainerError
            If the data is corrupt, ends before the length in the header, has gaps of more than a
            minute, runs backwards in time, or changes its rate or channels.
        """
        held = None
        for samples in self._place_frames():
            if held is not None:
                yield held
            held = samples
        declared = self._declared_frames()
        if declared is not None:
            self._check_reached(declared)
        if held is None:
            return
        excess = round(self.position - declared) if declared and self._counts_samples else 0
        # The padding of the last coded frame.
        yield held[:-excess] if 0 < excess < len(held) else held

    def count_frames(self) -> float:
        """Tell the length, without decoding.

        Returns
        -------
        float
            Samples, by the header, whose length may be that of the pictures; where it has none, by
            the last packet's time.

        Raises
        ------
        ContainerError
            If the packets cannot be read.
        """
        declared = self._declared_frames()
        if declared is not None:
            return declared
        with self._converted():
            for packet in self._container.demux(self._stream):
                self._note_end(packet)
        return max(self._last_s * self.sr - self._origin, 0.0)

    def jump(self, position: int) -> None:
        """Pass over what comes before a sample, where that can be done without losing count.

        Parameters
        ----------
        position : int
            The sample; decoding goes on at its coded frame, or at the beginning.

        Raises
        ------
        ContainerError
            If the packets cannot be read.
        """
        index = self._stream.index_entries
        if not self._counts_samples or position <= 0 or len(index) < 2:
            return
        target = position + round(self._origin)
        k = index.search_timestamp(min(target, index[-1].timestamp))
        step = index[1].timestamp - index[0].timestamp
        # Some phones write when a packet came, not which samples it holds.
        if k <= 0 or index[k].timestamp - index[0].timestamp != k * step:
            return
        with self._converted():
            self._container.seek(index[k].timestamp, stream=self._stream)
        self._jumped = True

    @contextmanager
    def _converted(self) -> Iterator[None]:
        try:
            yield
        except self._errors as exc:
            if isinstance(exc, ContainerError):
                raise
            cause = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
            raise ContainerError(f"corrupt or truncated at {self._at()} ({cause})") from exc

    def _at(self) -> str:
        return f"{self.position / self.sr:.3f} s"

    def _find_origin(self) -> tuple[int, float]:
        """Give the zeros that come first, and the place of time 0, both in samples."""
        if self._stream.start_time is None:
            return 0, 0.0
        sound = self._stream.start_time * self._samples_per_tick
        pictures = [
            float(stream.start_time * stream.time_base * self.sr)
            for stream in self._container.streams.video
            if None not in (stream.start_time, stream.time_base)
            and not stream.disposition & stream.disposition.attached_pic
        ]
        lead = round(sound - min([sound, *pictures]))
        if lead <= GAP_TOLERANCE_S * self.sr:
            return 0, sound
        return lead, sound - lead

    def _declared_frames(self) -> float | None:
        """Give the header's length in samples; FFmpeg's guesses for raw streams are none."""
        if self.format == "MOV" and self._stream.duration:
            return self._lead + self._stream.duration * self._samples_per_tick
        if self.format in ("MATROSKA", "ASF") and self._container.duration:
            return self._container.duration / 1e6 * self.sr
        return None

    def _note_end(self, packet: Any) -> None:
        if packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            self._last_s = max(self._last_s, float(end))

    def _check_reached(self, declared: float) -> None:
        # A length in other headers is that of the longest stream.
        reached = self.position if self.format == "MOV" else self._last_s * self.sr
        tolerance = max(HEADER_TOLERANCE_S * self.sr, 2 * self._longest)
        if reached < declared - tolerance:
            raise ContainerError(
                f"decoding stops at {reached / self.sr:.3f} s of {declared / self.sr:.3f} s "
                "(truncated?)"
            )

    def _place_frames(self) -> Iterator[np.ndarray]:
        """Yield coded frames' samples, with zeros where the timestamps leave a gap."""
        is_first = True
        for frame in self._frames():
            samples = self._samples_of(frame)
            if frame.pts is not None:
                place = frame.pts * self._samples_per_tick
                if is_first and self._stream.start_time is None:
                    self._origin = place
                n_missing = round(place - self._origin) - self.position
                if is_first and self._jumped:
                    self.start = self.position = n_missing
                else:
                    yield from self._zeros(n_missing)
            is_first = False
            self._longest = max(self._longest, len(samples))
            self.position += len(samples)
            if len(samples):
                yield samples

    def _zeros(self, n_missing: int) -> Iterator[np.ndarray]:
        seconds = n_missing / self.sr
        if seconds < -GAP_TOLERANCE_S:
            raise ContainerError(f"timestamps run backwards by {-seconds:.3f} s at {self._at()}")
        if seconds <= GAP_TOLERANCE_S:
            return
        self._n_filled += n_missing
        if self._n_filled > MAX_GAP_S * self.sr:
            raise ContainerError(
                f"sound is missing for {seconds:.3f} s at {self._at()}; at most {MAX_GAP_S:.0f} s "
                "in all are filled with zeros"
            )
        self.position += n_missing
        while n_missing > 0:
            n = min(n_missing, MAX_FRAME)
            yield np.zeros((n, self.n_channels), dtype=np.float32)
            n_missing -= n

    def _frames(self) -> Iterator[Any]:
        """Yield decoded frames, with whatever FFmpeg finds wrong turned into ContainerError."""
        # What tells a cut file apart may be another stream's last packet.
        streams = (self._stream,) if self.format == "MOV" else ()
        with self._converted():
            for packet in self._container.demux(*streams):
                self._note_end(packet)
                if packet.stream_index == self._stream.index:
                    if packet.is_corrupt:
                        raise ContainerError(f"corrupt or truncated at {self._at()}")
                    yield from packet.decode()

    def _samples_of(self, frame: Any) -> np.ndarray:
        """Give a decoded frame as float32 of shape (n_timepoints, n_channels)."""
        n_channels, sr = frame.layout.nb_channels, frame.sample_rate
        if (n_channels, sr) != (self.n_channels, self.sr):
            raise ContainerError(
                f"{self.n_channels} channels at {self.sr} Hz become {n_channels} at {sr} Hz "
                f"at {self._at()}"
            )
        if frame.format.is_planar and n_channels > MAX_PLANES:
            (frame,) = self._interleave(frame)
        samples = frame.to_ndarray()
        samples = samples.T if frame.format.is_planar else samples.reshape(-1, n_channels)
        scale, zero = INTEGER_FORMATS.get(frame.format.name.removesuffix("p"), (0.0, 0.0))
        if scale:
            return ((samples - zero) / scale).astype(np.float32)
        with np.errstate(over="ignore"):  # doubles beyond float32 become infinite and are told
            return samples.astype(np.float32)
