"""Decoding, mixing down, resampling: the only place where sound files are read.

Conventions: a waveform is one-dimensional float32 in [-1, 1]; `sr` is its sampling rate in Hz;
all channels are averaged. Both the classical and the deep branch read through here, so both see
the same numbers. A file that cannot be decoded to its end raises `AudioDecodeError`, never
returns a shorter sound in silence.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import soundfile
import soxr

from features.container_audio import (
    CONTAINER_SUFFIXES,
    ContainerError,
    ContainerFile,
    open_container,
)
from features.declared_length import (
    declared_frames,
    is_mp4_ended,
    is_ogg_ended,
    is_webm_ended,
    mp3_declared_frames,
)

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".opus")
"""File name endings that libsndfile decodes."""

# A broken header may claim any rate; resampling from 1 Hz would multiply the memory by 22,050.
MIN_SR, MAX_SR = 1_000, 768_000

# -80 dBFS: below the noise floor of any 16-bit recording of a sounding thing.
SILENCE_PEAK = 1e-4

# Encoders pad: a segment's end or an Ogg file's length may pass the last sample by this much.
LENGTH_TOLERANCE_S = 0.06

# Formats, as their readers call them, that may be cut where no length is contradicted.
END_CHECKS = {"OGG": is_ogg_ended, "MOV": is_mp4_ended, "MATROSKA": is_webm_ended}

# Float files may pass 1.0, but near the end of float32 mixing and resampling overflow.
MAX_AMPLITUDE = 1e30


class AudioDecodeError(ValueError):
    """A sound file could not be decoded whole.

    Parameters
    ----------
    path : str or path-like
        The file.
    reason : str
        What is wrong with it.
    """

    def __init__(self, path: str | PathLike[str], reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[AudioDecodeError], tuple[str, str]]:
        # Exceptions are rebuilt from `args` by default, which hold the joined message only;
        # this one must cross process borders.
        return type(self), (self.path, self.reason)


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled excerpt: a file, or a part of it.

    Parameters
    ----------
    path : str
        The file.
    start_s, end_s : float or None
        The part in seconds; None means from the beginning, to the end.
    """

    path: str
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a file's header says.

    Parameters
    ----------
    sr : int
        Sampling rate in Hz.
    n_channels : int
        Number of channels.
    duration_s : float
        Length in seconds; an estimate for an MP3 that does not carry its length, up to two coded
        frames off for a container.
    codec : str
        Container and coding, such as ``"WAV PCM_16"``.
    """

    sr: int
    n_channels: int
    duration_s: float
    codec: str


class _SoundFile(soundfile.SoundFile):
    """A sound file that is read onwards.

    soundfile seeks after every block of a seekable file. An MP3's decoder starts anew then, with
    other last bits, and a FLAC stream of unknown length cannot seek to its end.
    """

    def seekable(self) -> bool:
        return False


class _EndlessFile(io.FileIO):
    """A file that claims to be a terabyte longer than it is.

    libsndfile stops at the length that it estimates from an MP3's size and first frame, in the
    middle of the sound where later frames are smaller. The longer file it reads to its real end.
    """

    _at_end = False

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at_end = whence == os.SEEK_END and offset == 0
        return super().seek(offset, whence)

    def tell(self) -> int:
        return super().tell() + (2**40 if self._at_end else 0)


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[soundfile.SoundFile | ContainerFile]:
    """Open a file, with every way to fail turned into AudioDecodeError."""
    # soundfile raises TypeError, since such a file tells neither rate nor format.
    if os.fspath(path).lower().endswith(".raw"):
        raise AudioDecodeError(path, ".raw has no header; convert it to wav, flac, ogg or mp3")
    is_container = Path(path).suffix.lower() in CONTAINER_SUFFIXES
    try:
        with open_container(path) if is_container else _SoundFile(path) as file:
            if not MIN_SR <= file.samplerate <= MAX_SR:
                raise AudioDecodeError(
                    path, f"sampling rate must be {MIN_SR} to {MAX_SR} Hz, got {file.samplerate}"
                )
            yield file
    except FileNotFoundError as exc:
        raise AudioDecodeError(path, "no such file") from exc
    except ContainerError as exc:
        raise AudioDecodeError(path, str(exc)) from exc
    except soundfile.LibsndfileError as exc:
        raise AudioDecodeError(path, _reason_not_opened(Path(path), exc)) from exc
    except OSError as exc:
        raise AudioDecodeError(path, exc.strerror or str(exc)) from exc


def _reason_not_opened(path: Path, exc: soundfile.LibsndfileError) -> str:
    """Say more than libsndfile's "System error" where the file system knows more."""
    try:
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except FileNotFoundError:
        return "no such file"
    except OSError as os_error:
        return os_error.strerror or str(os_error)
    if empty:
        return "the file is empty (zero bytes)"
    # libsndfile says of a broken MP3 that it does not exist; it was read a moment ago.
    known = "not exist" not in exc.error_string
    return f"cannot be decoded ({exc.error_string if known else 'Format not recognised.'})"


@contextmanager
def _opened_to_decode(path: str | PathLike[str]) -> Iterator[soundfile.SoundFile | ContainerFile]:
    """Open a file so that reading goes on to its last sample."""
    with _opened(path) as file:
        if file.format != "MP3" or mp3_declared_frames(path) is not None:
            yield file
            return
        with _EndlessFile(path) as stream, _SoundFile(stream) as whole_file:
            yield whole_file


def list_audio_files(root: str | PathLike[str]) -> list[Path]:
    """Find all sound files below a folder, by their endings.

    Parameters
    ----------
    root : str or path-like
        The folder; hidden files and folders in it are passed over.

    Returns
    -------
    list of Path
        Sorted by their path below the folder.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"no such folder: {root}")
    # Without PyAV too, so that its files fail by name instead of vanishing.
    endings = {*SUFFIXES, *CONTAINER_SUFFIXES}
    found = (path for path in root.rglob("*") if path.suffix.lower() in endings)
    visible = [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(root).parts) and path.is_file()
    ]
    return sorted(visible, key=lambda path: path.relative_to(root).as_posix())


def read_info(path: str | PathLike[str]) -> AudioInfo:
    """Read a file's header, without decoding.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    AudioInfo
        Rate, channels, duration and codec.

    Raises
    ------
    AudioDecodeError
        If the file is missing, unreadable or of an unknown format.
    """
    with _opened(path) as file:
        codec = f"{file.format} {file.subtype}"
        frames = file.count_frames() if isinstance(file, ContainerFile) else file.frames
        return AudioInfo(file.samplerate, file.channels, frames / file.samplerate, codec)


def stream_audio(
    path: str | PathLike[str],
    *,
    sr: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    block_s: float = 30.0,
    mono: bool = True,
) -> Iterator[np.ndarray]:
    """Decode a file block by block: mixed down, resampled, in bounded memory.

    Parameters
    ----------
    path : str or path-like
        The file.
    sr : int or None
        Rate in Hz to resample to; None keeps the file's own.
    start_s, end_s : float or None
        The part to decode, in seconds; None means from the beginning, to the end.
    block_s : float
        Length of a block in seconds of the file.
    mono : bool
        Whether to average the channels. Only a copy of a file has use for them apart.

    Yields
    ------
    np.ndarray of shape (n_timepoints,), or (n_timepoints, n_channels) unless `mono`, float32
        The next block; joined, the blocks are what `load_audio` returns.

    Raises
    ------
    AudioDecodeError
        If the file cannot be decoded to the end, has no samples, holds NaN, infinite or absurdly
        large values, or is shorter than the segment asked for.
    """
    with _opened_to_decode(path) as file:
        native_sr = file.samplerate
        first, last = _segment_bounds(path, native_sr, start_s, end_s)
        if first:
            _seek(file, first, path)
        target_sr = sr if sr is not None else native_sr
        resampler: soxr.ResampleStream | None = None
        position = first
        stop = file.frames if last is None else min(last, file.frames)
        block_length = max(1, round(block_s * native_sr))
        ended = False
        while not ended:
            wanted = min(block_length, stop - position)
            samples = file.read(wanted, dtype="float32", always_2d=True)
            position += len(samples)
            ended = len(samples) < wanted or position == stop
            if ended:
                _check_reached_end(file, path, position, first, last)
            block = _mix_down(samples, path) if mono else _check_finite(samples, path)
            if ended and position - first == len(samples):
                # One block is the whole clip: the same bits as a stream of one, at half the cost.
                yield resample(block, from_sr=native_sr, to_sr=target_sr)
                return
            if target_sr != native_sr:
                resampler = resampler or soxr.ResampleStream(
                    native_sr,
                    target_sr,
                    1 if mono else file.channels,
                    dtype="float32",
                    quality="HQ",
                )
                block = resampler.resample_chunk(block, last=ended)
            if len(block):
                yield block


def _segment_bounds(
    path: str | PathLike[str], sr: int, start_s: float | None, end_s: float | None
) -> tuple[int, int | None]:
    if all(math.isfinite((bound or 0.0) * sr) for bound in (start_s, end_s)):
        first = round((start_s or 0.0) * sr)
        last = None if end_s is None else round(end_s * sr)
        if 0 <= first < (math.inf if last is None else last):
            return first, last
    raise AudioDecodeError(
        path, f"a segment must have 0 <= start_s < end_s, got {start_s} to {end_s}"
    )


def _seek(file: soundfile.SoundFile | ContainerFile, first: int, path: str | PathLike[str]) -> None:
    if first < file.frames:
        file.seek(first)
    # A container's length is known once its end was met.
    if first >= file.frames:
        length_s = file.frames / file.samplerate
        raise AudioDecodeError(
            path,
            f"segment starts at {first / file.samplerate:.3f} s, file ends at {length_s:.3f} s",
        )


def _check_reached_end(
    file: soundfile.SoundFile | ContainerFile,
    path: str | PathLike[str],
    position: int,
    first: int,
    last: int | None,
) -> None:
    """Raise if decoding gave nothing, or less than the header or the segment promises."""
    if position == first:
        raise AudioDecodeError(path, "no samples")
    is_ended = END_CHECKS.get(file.format)
    if last is None and is_ended is not None and not is_ended(path):
        reached_s = position / file.samplerate
        raise AudioDecodeError(
            path, f"decoding stops at {reached_s:.3f} s, not at an end (truncated?)"
        )
    promised = declared_frames(file, path) if last is None else last
    exact = last is None and file.format != "OGG"
    tolerance = 0 if exact else round(LENGTH_TOLERANCE_S * file.samplerate)
    if promised is not None and position < promised - tolerance:
        sr = file.samplerate
        raise AudioDecodeError(
            path, f"decoding stops at {position / sr:.3f} s of {promised / sr:.3f} s (truncated?)"
        )


def _mix_down(samples: np.ndarray, path: str | PathLike[str]) -> np.ndarray:
    """Average the channels of float32 (n_timepoints, n_channels), checking that all is finite."""
    samples = _check_finite(samples, path)
    waveform = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    return np.ascontiguousarray(waveform, dtype=np.float32)


def _check_finite(samples: np.ndarray, path: str | PathLike[str]) -> np.ndarray:
    # NaN passes through maximum and minimum, and no comparison with it is true.
    if not (samples.max(initial=0.0) < MAX_AMPLITUDE and samples.min(initial=0.0) > -MAX_AMPLITUDE):
        n_bad = np.count_nonzero(~(np.abs(samples) < MAX_AMPLITUDE).all(axis=1))
        raise AudioDecodeError(path, f"{n_bad} samples are NaN, infinite or above {MAX_AMPLITUDE}")
    return samples


def load_audio(
    path: str | PathLike[str],
    *,
    sr: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
) -> tuple[np.ndarray, int]:
    """Decode a file, or a part of it, to one channel.

    Parameters
    ----------
    path : str or path-like
        A file in any format that libsndfile reads: wav, flac, ogg, mp3 and others. With the extra
        `av` also m4a, webm and other containers: see `features.container_audio`.
    sr : int or None
        Rate in Hz to resample to (soxr, high quality); None keeps the file's own.
    start_s, end_s : float or None
        The part to decode, in seconds; None means from the beginning, to the end.

    Returns
    -------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The mean of all channels.
    sr : int
        Its sampling rate in Hz.

    Raises
    ------
    AudioDecodeError
        See `stream_audio`.
    """
    blocks = list(stream_audio(path, sr=sr, start_s=start_s, end_s=end_s))
    waveform = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return waveform, sr if sr is not None else read_info(path).sr


def resample(waveform: np.ndarray, *, from_sr: int, to_sr: int) -> np.ndarray:
    """Change the sampling rate, with soxr's high-quality band-limited interpolation.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,) or (n_timepoints, n_channels)
        Any float dtype.
    from_sr, to_sr : int
        Sampling rates in Hz.

    Returns
    -------
    np.ndarray of shape (about n_timepoints * to_sr / from_sr,) or with n_channels, float32
        At least one sample long.
    """
    waveform = np.ascontiguousarray(waveform, dtype=np.float32)
    if from_sr == to_sr:
        return waveform
    resampled = soxr.resample(waveform, from_sr, to_sr, quality="HQ")
    return resampled if len(resampled) else np.zeros((1, *waveform.shape[1:]), dtype=np.float32)


def load_clip(
    clip: Clip | str | PathLike[str] | np.ndarray, *, sr: int, source_sr: int | None = None
) -> np.ndarray:
    """Give the waveform of anything that stands for a clip.

    Parameters
    ----------
    clip : Clip, str, path-like or np.ndarray of shape (n_timepoints,)
        An excerpt, a whole file, or a waveform.
    sr : int
        Rate in Hz of the result.
    source_sr : int or None
        Rate in Hz of a waveform given as an array; None means it is already at `sr`.

    Returns
    -------
    np.ndarray of shape (n_timepoints,), float32
        One channel at `sr`.

    Raises
    ------
    AudioDecodeError
        If a file cannot be decoded; see `stream_audio`.
    TypeError
        If `clip` is none of the above.
    ValueError
        If an array is not one-dimensional, is empty, is not finite or holds absurdly large values.
    """
    if isinstance(clip, Clip):
        return load_audio(clip.path, sr=sr, start_s=clip.start_s, end_s=clip.end_s)[0]
    if isinstance(clip, str | PathLike):
        return load_audio(clip, sr=sr)[0]
    if not isinstance(clip, np.ndarray):
        raise TypeError(
            f"a clip must be a Clip, a path or a 1-D waveform array, got {type(clip).__name__}"
        )
    if clip.ndim != 1 or clip.size == 0 or clip.dtype.kind not in "fiu":
        raise ValueError(
            "a waveform must be a non-empty one-dimensional array of numbers, got shape "
            f"{clip.shape} and dtype {clip.dtype}"
        )
    good = np.abs(clip) < MAX_AMPLITUDE  # False for NaN
    if not good.all():
        raise ValueError(
            f"a waveform must be finite and below {MAX_AMPLITUDE}, got {(~good).sum()} samples "
            "that are not"
        )
    return resample(clip, from_sr=source_sr or sr, to_sr=sr)


def is_silent(waveform: np.ndarray) -> bool:
    """Whether a waveform never passes -80 dBFS.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        One channel.

    Returns
    -------
    bool
        True if every sample's absolute value is below 1e-4.
    """
    return bool(np.abs(waveform).max(initial=0.0) < SILENCE_PEAK)
