"""Arrangement: when each voice of a mix sounds, and what sounds then.

Voices are dealt into lines. The voices of a line follow each other, the lines sound together: a sum
has a line for each voice, a concatenation has one line, and both together have two lines.

Conventions: a voice is a waveform at its level; places and lengths are in samples, `sounding`
times in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MODES = ("sum", "concat", "both")

# Where a sound is cut off, it is faded for so long: a click would give the mix away.
CUT_FADE_S = 0.01

# A voice sounds in the frames that are within this reach of its loudest one; what is silent for no
# longer than a short rest goes on.
AUDIBLE_DB, FRAME_S, REST_S = -40.0, 0.02, 0.2


@dataclass(frozen=True, slots=True)
class Place:
    """When a voice begins, and over how many samples it fades in and out."""

    start: int
    fade_in: int = 0
    fade_out: int = 0


def make_lines(n_voices: int, *, mode: str) -> list[list[int]]:
    """Deal voices into lines.

    Parameters
    ----------
    n_voices : int
        How many.
    mode : str
        One of `MODES`.

    Returns
    -------
    list of list of int
        The voices of each line, in order.

    Examples
    --------
    >>> [make_lines(3, mode=mode) for mode in MODES]
    [[[0], [1], [2]], [[0, 1, 2]], [[0, 1], [2]]]
    """
    n_lines = {"sum": n_voices, "concat": 1, "both": min(2, n_voices)}[mode]
    return [line.tolist() for line in np.array_split(np.arange(n_voices), n_lines)]


def limit_lengths(lengths: Sequence[int], lines: list[list[int]], *, limit: int) -> list[int]:
    """Shorten the voices of lines that are too long.

    Parameters
    ----------
    lengths : sequence of int
        Of the voices.
    lines : list of list of int
        See `make_lines`.
    limit : int
        Longest line.

    Returns
    -------
    list of int
        No voice of a line is cut to less than an equal share of the limit.
    """
    limited = list(lengths)
    for line in lines:
        left, voices_left = limit, len(line)
        # Short voices first: what they leave, the long ones share.
        for voice in sorted(line, key=lambda voice: lengths[voice]):
            limited[voice] = min(lengths[voice], left // voices_left)
            left -= limited[voice]
            voices_left -= 1
    return limited


def cut_excerpt(
    waveform: np.ndarray, length: int, rng: np.random.Generator, *, sr: int
) -> np.ndarray:
    """Cut a part out of a sound, one in which something sounds.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        The sound.
    length : int
        Of the part, at most that of the sound.
    rng : np.random.Generator
        Draws a frame by its energy, then a part that has it.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    np.ndarray of shape (length,), float32
        Faded where it was cut.
    """
    n = len(waveform)
    if length >= n:
        return waveform
    energies = _frame_energies(waveform, sr)
    total = energies.sum()
    shares = energies / total if total > 0.0 else None
    frame = int(rng.choice(len(energies), p=shares)) * _frame_length(sr)
    start = int(np.clip(frame - rng.integers(length), 0, n - length))
    excerpt = waveform[start : start + length].copy()
    fade = min(round(CUT_FADE_S * sr), length // 2)
    if start > 0:
        excerpt[:fade] *= _rise(fade)
    if start + length < n:
        excerpt[length - fade :] *= _rise(fade)[::-1]
    return excerpt


def place_voices(
    lengths: Sequence[int],
    lines: list[list[int]],
    rng: np.random.Generator,
    *,
    overlap: float | None = None,
    limit: int | None = None,
) -> list[Place]:
    """Decide when each voice begins.

    Parameters
    ----------
    lengths : sequence of int
        Of the voices.
    lines : list of list of int
        See `make_lines`.
    rng : np.random.Generator
        Draws the beginnings of lines.
    overlap : float or None
        Within a line, the share of the shorter of two neighbours over which they are cross-faded.
        Between lines, the least share of each line during which the longest sounds too: each begins
        at random within that bound. None: 0 within lines, 1 between them.
    limit : int or None
        Longest mix; no line is longer.

    Returns
    -------
    list of Place
        One a voice; the first begins at 0.
    """
    places: dict[int, Place] = {}
    line_lengths = []
    for line in lines:
        line_lengths.append(_join(line, lengths, overlap or 0.0, places))
    together = 1.0 if overlap is None else overlap
    for line, start in zip(lines, _line_starts(line_lengths, rng, together, limit), strict=True):
        for voice in line:
            place = places[voice]
            places[voice] = Place(start + place.start, place.fade_in, place.fade_out)
    return [places[voice] for voice in range(len(lengths))]


def _join(line: list[int], lengths: Sequence[int], overlap: float, places: dict[int, Place]) -> int:
    """Place the voices of a line one after another; give its length."""
    end, fade_in = 0, 0
    for position, voice in enumerate(line):
        is_last = position == len(line) - 1
        following = 0 if is_last else lengths[line[position + 1]]
        fade_out = round(overlap * min(lengths[voice], following))
        places[voice] = Place(end - fade_in, fade_in, fade_out)
        end += lengths[voice] - fade_in
        fade_in = fade_out
    return end


def _line_starts(
    lengths: list[int], rng: np.random.Generator, together: float, limit: int | None
) -> list[int]:
    """Draw when lines begin, the first of them at 0."""
    longest = max(lengths)
    # The window that all lines lie in begins so much before the longest one.
    room = 0 if limit is None else int(rng.integers(limit - longest + 1))
    starts = []
    for length in lengths:
        first, last = -int((1.0 - together) * length), longest - int(together * length)
        if limit is not None:
            first, last = max(first, -room), min(last, limit - room - length)
        starts.append(int(rng.integers(first, last + 1)))
    starts[lengths.index(longest)] = 0
    earliest = min(starts)
    return [start - earliest for start in starts]


def fade(waveform: np.ndarray, place: Place) -> np.ndarray:
    """Fade a voice in and out, as its place asks.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The voice.
    place : Place
        With the lengths of its fades.

    Returns
    -------
    np.ndarray of shape (n_timepoints,), float32
        Two voices that fade at once keep their power: a sine and a cosine.
    """
    if not place.fade_in and not place.fade_out:
        return waveform
    faded = waveform.copy()
    faded[: place.fade_in] *= _rise(place.fade_in)
    faded[len(faded) - place.fade_out :] *= _rise(place.fade_out)[::-1]
    return faded


def _rise(length: int) -> np.ndarray:
    """Quarter of a sine wave, from 0 to 1."""
    return np.sin(0.5 * np.pi * (np.arange(length) + 0.5) / max(length, 1)).astype(np.float32)


def add_up(waveforms: Sequence[np.ndarray], places: Sequence[Place]) -> np.ndarray:
    """Add voices up, each at its place.

    Parameters
    ----------
    waveforms : sequence of np.ndarray of shape (n_timepoints,), float32
        The voices, faded.
    places : sequence of Place
        Where they begin.

    Returns
    -------
    np.ndarray of shape (n_timepoints,), float32
        As long as needed.
    """
    ends = [place.start + len(voice) for voice, place in zip(waveforms, places, strict=True)]
    mix = np.zeros(max(ends), dtype=np.float32)
    for voice, place, end in zip(waveforms, places, ends, strict=True):
        mix[place.start : end] += voice
    return mix


def find_sounding(waveform: np.ndarray, *, sr: int) -> list[tuple[float, float]]:
    """Find when a voice sounds.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        The voice.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    list of (float, float)
        Beginning and end in seconds of each stretch within 40 dB of the loudest 20 ms, rests of up
        to 0.2 s bridged; none for silence.
    """
    energies = _frame_energies(waveform, sr)
    heard = np.flatnonzero(
        (energies > 0.0) & (energies >= energies.max() * 10 ** (AUDIBLE_DB / 10))
    )
    if len(heard) == 0:
        return []
    breaks = np.flatnonzero(np.diff(heard) - 1 > round(REST_S / FRAME_S))
    first, last = heard[np.append(0, breaks + 1)], heard[np.append(breaks, len(heard) - 1)]
    length_s, frame_s = len(waveform) / sr, _frame_length(sr) / sr
    return [
        (float(begin * frame_s), float(min((end + 1) * frame_s, length_s)))
        for begin, end in zip(first, last, strict=True)
    ]


def _frame_length(sr: int) -> int:
    return round(FRAME_S * sr)


def _frame_energies(waveform: np.ndarray, sr: int) -> np.ndarray:
    """Energy of each 20 ms, in float64; the last frame may be shorter."""
    squares = np.square(waveform, dtype=np.float64)
    return np.add.reduceat(squares, np.arange(0, len(squares), _frame_length(sr)))
