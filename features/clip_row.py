"""One clip to one row, or to the reason why there is none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from features.audio import SILENCE_PEAK, AudioDecodeError, Clip, is_silent, stream_audio
from features.level import measure_level
from features.named_sets import AnyFeatureSet
from features.remote import local_copy, local_path

# Pieces of 30 s; a clip of more is read twice rather than held in memory.
MAX_PIECES = 10

# A day's contours take gigabytes; what claims to be longer may as well never end.
MAX_CLIP_S = 24 * 3600

# What one bad clip may raise: undecodable, not finite, vanished, too long for the memory.
CLIP_ERRORS = (AudioDecodeError, ValueError, OSError, MemoryError)


@dataclass(frozen=True)
class Row:
    """What became of one clip.

    Parameters
    ----------
    values : np.ndarray of shape (n_features,), float32, or None
        The features; None if the clip failed.
    silent : bool
        Whether it never passes -80 dBFS.
    reason : str
        Why it failed; empty if it didn't.
    """

    values: np.ndarray | None
    silent: bool = False
    reason: str = ""


def compute_row(clip: Clip, features: AnyFeatureSet) -> Row:
    """Read a clip and compute its features; what is wrong with it becomes the reason.

    A file that changes meanwhile is read once more: what came of it may be half of each.

    Parameters
    ----------
    clip : Clip
        The excerpt.
    features : FeatureSet or OpenSmileSet
        Which features.

    Returns
    -------
    Row
        With the values, or with why there are none.
    """
    for _ in range(2):
        before = _identity(clip.path)
        row = _compute(clip, features)
        if _identity(clip.path) == before:
            return row
    return Row(None, reason="changed while it was read")


def _status(path: str) -> os.stat_result | None:
    """Ask for a file's state; None if there is none here, which decoding says better."""
    place = local_path(path)
    try:
        return None if place is None else os.stat(place)
    except (OSError, ValueError):
        return None


def _identity(path: str) -> tuple[int, int, int] | None:
    """Give what changes with a file."""
    status = _status(path)
    return status and (status.st_ino, status.st_size, status.st_mtime_ns)


def _compute(clip: Clip, features: AnyFeatureSet) -> Row:
    try:
        with local_copy(clip.path) as path:
            clip = replace(clip, path=path)
            pieces = _decode(clip, features.sr)
            first = list(islice(pieces, MAX_PIECES + 1))
            if len(first) <= MAX_PIECES:
                waveform = first[0] if len(first) == 1 else np.concatenate(first)
                return Row(features.compute(waveform), is_silent(waveform))
            # Too long to hold: it is read twice, first for its level.
            level = measure_level(chain(first, pieces))
            del first
            row = features.compute_stream(_decode(clip, features.sr), level)
            return Row(row, level.peak < SILENCE_PEAK)
    except CLIP_ERRORS as exc:
        reason = exc.reason if isinstance(exc, AudioDecodeError) else str(exc)
        return Row(None, reason=reason or type(exc).__name__)


def _decode(clip: Clip, sr: int) -> Iterator[np.ndarray]:
    """Give the clip's pieces, of which there must be an end."""
    _check_file(clip.path)
    n_left = MAX_CLIP_S * sr
    for piece in stream_audio(clip.path, sr=sr, start_s=clip.start_s, end_s=clip.end_s):
        n_left -= len(piece)
        if n_left < 0:
            raise AudioDecodeError(
                clip.path,
                f"longer than {MAX_CLIP_S // 3600} h; list it in parts, by start_s and end_s",
            )
        yield piece


def _check_file(path: str) -> None:
    """Raise for what can be opened but may never end."""
    status = _status(path)
    if status and (stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode)):
        raise AudioDecodeError(path, "a pipe or a device, not a file")
