"""Decoding, mixing down, resampling: the only place where sound files are read.

Conventions: a waveform is one-dimensional float32 in [-1, 1]; `sr` is its sampling rate in Hz;
all channels are averaged. Both the classical and the deep branch read through here, so both see
the same numbers. A file that cannot be decoded to its end raises `AudioDecodeError`, never
returns a shorter sound in silence.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import soundfile
import soxr

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".opus")
"""File name endings that libsndfile decodes."""

# Sound that is listed all the same, so that it fails by name instead of vanishing.
UNDECODED_SUFFIXES = (".m4a", ".aac", ".mp4", ".webm", ".wma", ".amr")

# A broken header may claim any rate; resampling from 1 Hz would multiply the memory by 22,050.
MIN_SR, MAX_SR = 1_000, 768_000

# -80 dBFS: below the noise floor of any 16-bit recording of a sounding thing.
SILENCE_PEAK = 1e-4

# Their encoders pad the end, so that the header's length is not exact.
LOSSY_FORMATS = {"MP3", "OGG"}

# Encoders pad: a segment's end or an MP3's declared length may pass the last sample by this much.
LENGTH_TOLERANCE_S = 0.06


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
        Length in seconds; an estimate for an MP3 that does not carry its length.
    codec : str
        Container and coding, such as ``"WAV PCM_16"``.
    """

    sr: int
    n_channels: int
    duration_s: float
    codec: str


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[soundfile.SoundFile]:
    """Open a file, with every way to fail turned into AudioDecodeError."""
    try:
        with soundfile.SoundFile(path) as file:
            if not MIN_SR <= file.samplerate <= MAX_SR:
                raise AudioDecodeError(
                    path, f"sampling rate must be {MIN_SR} to {MAX_SR} Hz, got {file.samplerate}"
                )
            yield file
    except FileNotFoundError as exc:
        raise AudioDecodeError(path, "no such file") from exc
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
    if path.suffix.lower() in UNDECODED_SUFFIXES:
        return f"{path.suffix} is not supported; convert it to wav, flac, ogg or mp3"
    return f"cannot be decoded ({exc.error_string})"


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
    endings = {*SUFFIXES, *UNDECODED_SUFFIXES}
    found = (path for path in root.rglob("*") if path.suffix.lower() in endings)
    visible = [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(root).parts) and path.is_file()
    ]
    return sorted(visible, key=lambda path: path.relative_to(root).as_posix())


def _declared_frames(file: soundfile.SoundFile, path: str | PathLike[str]) -> int | None:
    """Sample count that the header promises, or None where the format does not promise one."""
    if file.format == "MP3":
        return _mp3_declared_frames(path)
    # libsndfile clamps the length of a cut RIFF or AIFF file to what is there and says so in its
    # log alone: "data : 88200 (should be 44078)".
    cut = re.search(r"(?:data|SSND)\s*: (\d+) \(should be (\d+)\)", file.extra_info)
    if cut and int(cut[2]) < int(cut[1]) < 2**31 - 1:  # larger: a pipe's "length unknown"
        return round(file.frames * int(cut[1]) / max(int(cut[2]), 1)) or 1
    return file.frames


def _mp3_declared_frames(path: str | PathLike[str]) -> int | None:
    """Sample count in the Xing/Info header of an MP3's first frame; None if there is none.

    Without that header libsndfile estimates the length from the file's size, tags included, so
    the estimate promises nothing.
    """
    with open(path, "rb") as stream:
        start = stream.read(10)
        if start[:3] == b"ID3" and len(start) == 10:
            size = (start[6] << 21) | (start[7] << 14) | (start[8] << 7) | start[9]
            stream.seek(10 + size)
        else:
            stream.seek(0)
        head = stream.read(256)
    tag = re.search(rb"Xing|Info", head)
    if tag is None or len(head) < tag.start() + 12 or len(head) < 4:
        return None
    flags, n_mp3_frames = struct.unpack_from(">II", head, tag.start() + 4)
    is_mpeg1 = head[1] & 0x18 == 0x18
    return n_mp3_frames * (1152 if is_mpeg1 else 576) if flags & 1 else None


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
        return AudioInfo(file.samplerate, file.channels, file.frames / file.samplerate, codec)


def stream_audio(
    path: str | PathLike[str],
    *,
    sr: int | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    block_s: float = 30.0,
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

    Yields
    ------
    np.ndarray of shape (n_timepoints,), float32
        The next block; joined, the blocks are what `load_audio` returns.

    Raises
    ------
    AudioDecodeError
        If the file cannot be decoded to the end, has no samples, holds NaN or infinite values,
        or is shorter than the segment asked for.
    """
    with _opened(path) as file:
        native_sr = file.samplerate
        first, last = _segment_bounds(path, native_sr, start_s, end_s)
        if first:
            _seek(file, first, path)
        target_sr = sr if sr is not None else native_sr
        resampler: soxr.ResampleStream | None = None
        position = first
        block_length = max(1, round(block_s * native_sr))
        while last is None or position < last:
            wanted = block_length if last is None else min(block_length, last - position)
            samples = file.read(wanted, dtype="float32", always_2d=True)
            position += len(samples)
            ended = len(samples) < wanted or position == last
            if ended:
                _check_reached_end(file, path, position, first, last)
            block = _mix_down(samples, path)
            if ended and resampler is None:
                # One block is the whole clip: the same bits as a stream of one, at half the cost.
                yield resample(block, from_sr=native_sr, to_sr=target_sr)
                return
            if target_sr != native_sr:
                resampler = resampler or soxr.ResampleStream(
                    native_sr, target_sr, 1, dtype="float32", quality="HQ"
                )
                block = resampler.resample_chunk(block, last=ended)
            if len(block):
                yield block
            if ended:
                return


def _segment_bounds(
    path: str | PathLike[str], sr: int, start_s: float | None, end_s: float | None
) -> tuple[int, int | None]:
    first = round((start_s or 0.0) * sr)
    last = None if end_s is None else round(end_s * sr)
    if first < 0 or (last is not None and last <= first):
        raise AudioDecodeError(
            path, f"a segment must have 0 <= start_s < end_s, got {start_s} to {end_s}"
        )
    return first, last


def _seek(file: soundfile.SoundFile, first: int, path: str | PathLike[str]) -> None:
    if file.format != "MP3" and first >= file.frames:
        length_s = file.frames / file.samplerate
        raise AudioDecodeError(
            path,
            f"segment starts at {first / file.samplerate:.3f} s, file ends at {length_s:.3f} s",
        )
    file.seek(first)


def _check_reached_end(
    file: soundfile.SoundFile,
    path: str | PathLike[str],
    position: int,
    first: int,
    last: int | None,
) -> None:
    """Raise if decoding gave nothing, or less than the header or the segment promises."""
    if position == first:
        raise AudioDecodeError(path, "no samples")
    promised = _declared_frames(file, path) if last is None else last
    exact = last is None and file.format not in LOSSY_FORMATS
    tolerance = 0 if exact else round(LENGTH_TOLERANCE_S * file.samplerate)
    if promised is not None and position < promised - tolerance:
        sr = file.samplerate
        raise AudioDecodeError(
            path, f"decoding stops at {position / sr:.3f} s of {promised / sr:.3f} s (truncated?)"
        )


def _mix_down(samples: np.ndarray, path: str | PathLike[str]) -> np.ndarray:
    """Average the channels of float32 (n_timepoints, n_channels), checking that all is finite."""
    waveform = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(waveform).all():
        n_bad = int((~np.isfinite(samples)).any(axis=1).sum())
        raise AudioDecodeError(path, f"{n_bad} samples are NaN or infinite")
    return np.ascontiguousarray(waveform, dtype=np.float32)


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
        A file in any format that libsndfile reads: wav, flac, ogg, mp3 and others.
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
    waveform : np.ndarray of shape (n_timepoints,)
        Any float dtype.
    from_sr, to_sr : int
        Sampling rates in Hz.

    Returns
    -------
    np.ndarray of shape (about n_timepoints * to_sr / from_sr,), float32
        At least one sample long.
    """
    waveform = np.ascontiguousarray(waveform, dtype=np.float32)
    if from_sr == to_sr:
        return waveform
    resampled = soxr.resample(waveform, from_sr, to_sr, quality="HQ")
    return resampled if len(resampled) else np.zeros(1, dtype=np.float32)


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
        If an array is not one-dimensional, is empty, or is not finite.
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
    if not np.isfinite(clip).all():
        raise ValueError(f"a waveform must be finite, got {(~np.isfinite(clip)).sum()} NaN or inf")
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
