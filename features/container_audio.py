"""Sound inside containers, by the optional package `av` (PyAV, which brings FFmpeg along).

Phones, browsers and cameras write these: m4a, mp4, mov, 3gp, webm, mkv, wma, aac, amr.

Conventions: of several sound streams the one marked as default is read, else the first. Encoder
delay is taken away where the container tells it: by an edit list, by a codec delay. Raw aac and amr
tell none, so their sound begins late by one or two coded frames. Matroska rounds times to
milliseconds and WMA loses its first block, so a decoded length may be two coded frames off the
header's; that of MP4 and its kin is exact.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from features.container_track import ContainerError, SoundTrack

CONTAINER_SUFFIXES = (
    ".m4a", ".aac", ".mp4", ".webm", ".mkv", ".mov", ".wma", ".amr", ".3gp",
)  # fmt: skip
"""File name endings that are read here."""

# FFmpeg goes by content: without this list a playlist named .m4a would open the files it names.
FORMATS = "mov,matroska,asf,aac,amr"

# Before a segment that lies late. The decoders' memory is some frames; what is not, see `seek`.
PREROLL_S = 30.0


class _QuietFile(io.FileIO):
    """A file whose seeks raise nothing: PyAV would print it."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return super().seek(offset, whence)
        except OSError:
            return -1


def _import_av(path: str | PathLike[str]) -> Any:
    try:
        import av
    except ImportError as exc:
        raise ContainerError(
            f"{Path(path).suffix} needs the package av, which is not installed: "
            'pip install "timbrestack[av]"'
        ) from exc
    return av


@contextmanager
def open_container(path: str | PathLike[str]) -> Iterator[ContainerFile]:
    """Open the sound of a container.

    Parameters
    ----------
    path : str or path-like
        The file.

    Yields
    ------
    ContainerFile
        At its beginning.

    Raises
    ------
    ContainerError
        If the file is empty, no container, without sound, or the package is not installed.
    OSError
        If the file cannot be opened.
    """
    # A stream rather than its name: a name may be a web address to FFmpeg.
    with _QuietFile(path) as stream:
        start = stream.read(12)
        if not start:
            raise ContainerError("the file is empty (zero bytes)")
        stream.seek(0)
        av = _import_av(path)
        errors = (av.error.FFmpegError, ValueError, EOFError, MemoryError, OverflowError)
        try:
            container = _open_stream(av, stream)
        except errors as exc:
            cause = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
            # The table of contents of MP4 and its kin is written last.
            hint = "; no table of contents, truncated?" if start[4:8] == b"ftyp" else ""
            raise ContainerError(f"cannot be decoded ({cause}{hint})") from exc
        with container:
            yield ContainerFile(container, av.AudioResampler(format="flt").resample, errors)


def _open_stream(av: Any, stream: IO[bytes]) -> Any:
    # Tags in an old code page are no reason to fail.
    return av.open(stream, options={"format_whitelist": FORMATS}, metadata_errors="replace")


class ContainerFile:
    """The sound of an opened container, read onwards: what decoding needs of a `SoundFile`.

    Parameters
    ----------
    container : av.container.InputContainer
        The container.
    interleave : callable
    errors : tuple of exception types
        See `SoundTrack`.

    Attributes
    ----------
    samplerate, channels : int
        Sampling rate in Hz and number of channels.
    format, subtype : str
        Container and coding.
    frames : float
        Samples a channel; infinite until the end was decoded.
    extra_info : str
        Empty: there is no log.

    Raises
    ------
    ContainerError
        If there is no sound stream, or none that can be decoded.
    """

    def __init__(
        self,
        container: Any,
        interleave: Callable[[Any], list[Any]],
        errors: tuple[type[Exception], ...],
    ) -> None:
        stream = _choose_stream(container)
        if stream.codec_context is None:
            raise ContainerError("no decoder for its sound stream")
        self._track = SoundTrack(container, stream, interleave, errors)
        self.samplerate, self.channels = self._track.sr, self._track.n_channels
        self.format, self.subtype = self._track.format, stream.codec_context.codec.name.upper()
        self.frames = math.inf
        self.extra_info = ""
        self._blocks = self._track.decode()
        self._rest = self._no_samples()
        self._position = 0  # of the next sample that is read

    def seek(self, position: int) -> int:
        """Go forward to a sample; `frames` tells afterwards if there is none.

        Parameters
        ----------
        position : int
            Which sample, from 0.

        Returns
        -------
        int
            Where reading goes on.

        Raises
        ------
        ContainerError
            See `SoundTrack.decode`; or if a segment cannot be found.

        Notes
        -----
        The samples are those of decoding from the beginning, and most containers are decoded from
        there. Only in MP4 and its kin, whose index counts in samples, all but the last 30 s before
        is passed over: there the noise that some AAC and AMR streams have their decoder make up is
        another, of the same power.
        """
        self._track.jump(position - round(PREROLL_S * self.samplerate))
        self._fill()
        self._position = self._track.start
        if self._position > position:
            raise ContainerError(f"cannot go to {position / self.samplerate:.3f} s (corrupt?)")
        while self._position < position and self._fill():
            self._take(position - self._position)
        self._fill()
        return self._position

    def read(
        self, n_timepoints: float, dtype: str = "float32", always_2d: bool = True
    ) -> np.ndarray:
        """Decode on.

        Parameters
        ----------
        n_timepoints : float
            How many samples, at most.
        dtype : str
            Always float32, which is what `SoundFile.read` is asked for.
        always_2d : bool
            Always true.

        Returns
        -------
        np.ndarray of shape (n_timepoints, n_channels), float32
            Fewer samples than asked for at the end only.

        Raises
        ------
        ContainerError
            See `SoundTrack.decode`.
        """
        parts = [self._no_samples()]
        n_wanted = n_timepoints
        while n_wanted > 0 and self._fill():
            parts.append(self._take(n_wanted))
            n_wanted -= len(parts[-1])
        return np.concatenate(parts)

    def count_frames(self) -> float:
        """Tell the length, without decoding.

        Returns
        -------
        float
            Samples a channel: see `SoundTrack.count_frames`.
        """
        return self._track.count_frames()

    def _no_samples(self) -> np.ndarray:
        return np.zeros((0, self.channels), dtype=np.float32)

    def _fill(self) -> bool:
        """Have at least one sample at hand, or know where the end is."""
        while not len(self._rest):
            block = next(self._blocks, None)
            if block is None:
                self.frames = self._position
                return False
            self._rest = block
        return True

    def _take(self, n_timepoints: float) -> np.ndarray:
        n = int(min(n_timepoints, len(self._rest)))
        taken, self._rest = self._rest[:n], self._rest[n:]
        self._position += n
        return taken


def _choose_stream(container: Any) -> Any:
    sounds = container.streams.audio
    if not sounds:
        has_pictures = len(container.streams.video) > 0
        raise ContainerError("no sound stream" if has_pictures else "no stream at all (truncated?)")
    return next(
        (stream for stream in sounds if stream.disposition & stream.disposition.default), sounds[0]
    )
