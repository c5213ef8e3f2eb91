"""One clip to one row, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from features.audio import SILENCE_PEAK, AudioDecodeError, Clip, is_silent, stream_audio
from features.level import measure_level
from features.named_sets import AnyFeatureSet

# Pieces of 30 s; a clip of more is read twice rather than held in memory.
MAX_PIECES = 10

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
    try:
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
    return stream_audio(clip.path, sr=sr, start_s=clip.start_s, end_s=clip.end_s)
