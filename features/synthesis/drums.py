"""Drums: simple patterns of a bar in 4/4, played on the General MIDI standard kit.

Reference: General MIDI System Level 1 (MIDI Manufacturers Association, 1991), percussion key map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.synthesis.instruments import Instrument, Program
from features.synthesis.score import Note

KICK, SNARE, CLOSED_HAT, OPEN_HAT, CRASH, RIDE = 36, 38, 42, 46, 49, 51
TOMS = (50, 47, 45, 43)

DRUMS = Instrument("", "drums", (Program(0, "standard kit", 35, 81),))

# Keys and the sixteenths of a bar at which they are struck.
PATTERNS: tuple[dict[int, tuple[int, ...]], ...] = (
    {KICK: (0, 8), SNARE: (4, 12), CLOSED_HAT: (0, 2, 4, 6, 8, 10, 12, 14)},
    {KICK: (0, 6, 8), SNARE: (4, 12), CLOSED_HAT: (0, 2, 4, 6, 8, 10, 12), OPEN_HAT: (14,)},
    {KICK: (0, 4, 8, 12), SNARE: (4, 12), OPEN_HAT: (2, 6, 10, 14)},
    {KICK: (0, 10), SNARE: (8,), CLOSED_HAT: tuple(range(16))},
    {KICK: (0, 7, 10), SNARE: (4, 12), RIDE: (0, 4, 6, 8, 12, 14)},
)
SIXTEENTHS = 16
MIN_TEMPO, MAX_TEMPO = 76.0, 144.0  # beats a minute

# Of bars: those that begin with a cymbal, those that end with a fill on the toms.
CRASH_SHARE, FILL_SHARE = 0.25, 0.25
FILL_START = 12

# Percussion samples play to their end; the key is held about as long.
STROKE_S = 0.25

# On the beat louder, and by this much louder or softer at random.
ACCENT, VELOCITY_SPREAD = 12, 6.0


@dataclass(frozen=True, slots=True)
class Groove:
    """How a drummer plays in one song.

    Parameters
    ----------
    pattern : int
        Number of the pattern in `PATTERNS`.
    tempo : float
        Beats a minute.
    loudness : float
        Velocity off the beat.
    """

    pattern: int
    tempo: float
    loudness: float


def draw_groove(rng: np.random.Generator) -> Groove:
    """Draw a pattern, a tempo and a loudness.

    Parameters
    ----------
    rng : np.random.Generator
        Source of randomness.

    Returns
    -------
    Groove
        For one song.
    """
    pattern = int(rng.integers(len(PATTERNS)))
    return Groove(pattern, float(rng.uniform(MIN_TEMPO, MAX_TEMPO)), float(rng.uniform(60, 100)))


def draw_beats(groove: Groove, rng: np.random.Generator, *, seconds: float) -> list[Note]:
    """Play a groove from a random place in a bar on.

    Parameters
    ----------
    groove : Groove
        What is played.
    rng : np.random.Generator
        Source of randomness: where in the bar, cymbals, fills, and how hard each stroke is.
    seconds : float
        For how long.

    Returns
    -------
    list of Note
        By time; all begin within the clip.
    """
    sixteenth_s = 60 / groove.tempo / 4
    first = float(rng.uniform(0, SIXTEENTHS))
    n_bars = int(np.ceil(first / SIXTEENTHS + seconds / (SIXTEENTHS * sixteenth_s)))
    strokes = [
        (SIXTEENTHS * bar + place - first, key)
        for bar in range(n_bars)
        for place, key in _draw_bar(groove, rng)
    ]
    notes = []
    for place, key in sorted(strokes):
        start_s = place * sixteenth_s
        accent = ACCENT if round(place + first) % 4 == 0 else 0
        velocity = round(rng.normal(groove.loudness + accent, VELOCITY_SPREAD))
        if 0 <= start_s < seconds:
            notes.append(Note(start_s, STROKE_S, key, int(np.clip(velocity, 20, 127))))
    return notes


def _draw_bar(groove: Groove, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Give the strokes of a bar: sixteenth and key."""
    has_crash, has_fill = rng.random() < CRASH_SHARE, rng.random() < FILL_SHARE
    strokes = [
        (place, key)
        for key, places in PATTERNS[groove.pattern].items()
        for place in places
        if not (has_fill and place >= FILL_START and key != KICK)
    ]
    if has_crash:
        strokes.append((0, CRASH))
    if has_fill:
        strokes += [(FILL_START + i, tom) for i, tom in enumerate(TOMS)]
    return strokes
