"""What the clips play: phrases, training takes, and songs cut into excerpts.

A training take is one instrument in one program and pitch band. A song is one to four
instruments in one room at fixed levels; its excerpts let all of them or some of them play, as the
testing songs of IRMAS do. All is drawn from seeds keyed by split and number, so that any one clip
can be made alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from features.synthesis.instruments import INSTRUMENTS, SPLITS, Instrument, Program
from features.synthesis.room import Room, draw_room

CLIPS_PER_SONG = 6
# How many instruments play, in twenty songs; dealt like cards, so that both splits are alike.
SONG_SIZES = (1,) * 6 + (2,) * 8 + (3,) * 4 + (4,) * 2

# Of a song's pitches; four pitches of one split span an octave and a fourth.
REGISTER_SIZE = 4


@dataclass(frozen=True, slots=True)
class Note:
    """One note: when (seconds), for how long, which MIDI key, how hard (1 to 127)."""

    start_s: float
    duration_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one player may play in a clip: an instrument, its program, its pitches, its level."""

    instrument: Instrument
    program: Program
    pitches: tuple[int, ...]
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Take:
    """The plan of one clip.

    Parameters
    ----------
    split, group, name : str
        Where it belongs, what it must not be separated from, and its file name without suffix.
    parts : tuple of Part
        Who plays.
    room : Room
        Where.
    key : tuple of int
        Keys its random draws: see `make_rng`.
    """

    split: str
    group: str
    name: str
    parts: tuple[Part, ...]
    room: Room
    key: tuple[int, ...]


def make_rng(seed: int, key: tuple[int, ...]) -> np.random.Generator:
    """Make the generator of one clip or song, independent of all others.

    Parameters
    ----------
    seed : int
        Of the corpus.
    key : tuple of int
        Split number, then song or clip numbers.

    Returns
    -------
    np.random.Generator
        The same for the same arguments, whatever was drawn elsewhere.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def plan_training(n_clips: int, seed: int) -> Iterator[Take]:
    """Plan clips of one instrument each, dealt evenly over instruments, programs and bands.

    Parameters
    ----------
    n_clips : int
        How many in all.
    seed : int
        Of the corpus.

    Yields
    ------
    Take
        One part each; group is instrument, program and lowest pitch of the band.
    """
    groups = {each.code: _training_groups(each) for each in INSTRUMENTS}
    for number in range(n_clips):
        turn, instrument_number = divmod(number, len(INSTRUMENTS))
        instrument = INSTRUMENTS[instrument_number]
        of_instrument = groups[instrument.code]
        group, part = of_instrument[turn % len(of_instrument)]
        key = (SPLITS.index("train"), number)
        room = draw_room(make_rng(seed, (*key, 0)))
        yield Take("train", group, f"{group}_{turn:03d}", (part,), room, (*key, 1))


def _training_groups(instrument: Instrument) -> list[tuple[str, Part]]:
    return [
        (
            f"{instrument.code}-{program.number}-p{low}",
            Part(
                instrument,
                program,
                tuple(pitch for pitch in program.pitches("train") if low <= pitch <= high),
            ),
        )
        for program in instrument.programs_of("train")
        for low, high in program.bands()
    ]


def plan_songs(split: str, n_clips: int, seed: int) -> Iterator[Take]:
    """Plan excerpts of songs.

    Parameters
    ----------
    split : str
        ``"validation"`` or ``"test"``.
    n_clips : int
        How many in all, six to a song.
    seed : int
        Of the corpus.

    Yields
    ------
    Take
        One to four parts each; group is the song.
    """
    split_number = SPLITS.index(split)
    casting = make_rng(seed, (split_number,))
    appearances = np.zeros(len(INSTRUMENTS))
    sizes: list[int] = []
    for song in range(-(-n_clips // CLIPS_PER_SONG)):
        sizes = sizes or casting.permutation(SONG_SIZES).tolist()
        size = sizes.pop()
        # Those that have played least come first, loosely: all eleven turn up about equally often.
        eagerness = appearances + 2 * casting.random(len(INSTRUMENTS))
        players = np.sort(np.argsort(eagerness)[:size])
        appearances[players] += 1
        key = (split_number, song)
        rng = make_rng(seed, (*key, 0))
        parts = [_draw_part(INSTRUMENTS[player], split, rng) for player in players]
        room = draw_room(rng)
        group = f"{split}-song-{song:03d}"
        for excerpt in range(min(CLIPS_PER_SONG, n_clips - CLIPS_PER_SONG * song)):
            playing = _draw_playing(parts, rng)
            yield Take(split, group, f"{group}_{excerpt}", playing, room, (*key, 1 + excerpt))


def _draw_part(instrument: Instrument, split: str, rng: np.random.Generator) -> Part:
    choices = instrument.programs_of(split)
    program = choices[rng.integers(len(choices))]
    pitches = program.pitches(split)
    lowest = int(rng.integers(max(1, len(pitches) - REGISTER_SIZE + 1)))
    register = pitches[lowest : lowest + REGISTER_SIZE]
    return Part(instrument, program, register, round(float(rng.uniform(-6, 0)), 2))


def _draw_playing(parts: list[Part], rng: np.random.Generator) -> tuple[Part, ...]:
    """Half the time everyone, else a part of them."""
    if rng.random() < 0.5:
        return tuple(parts)
    n_playing = int(rng.integers(1, len(parts) + 1))
    return tuple(parts[i] for i in np.sort(rng.permutation(len(parts))[:n_playing]))


def draw_phrase(part: Part, rng: np.random.Generator, *, seconds: float) -> list[Note]:
    """Draw one to six notes, or as many chords, that begin at a random time.

    Parameters
    ----------
    part : Part
        Who plays, and the pitches to choose from.
    rng : np.random.Generator
        Source of randomness.
    seconds : float
        Length of the clip.

    Returns
    -------
    list of Note
        In the order of time; the last ends before the clip does.
    """
    start_s = rng.uniform(0, 0.15) * seconds
    n_events = int(rng.integers(1, 7))
    shares = rng.dirichlet(np.full(n_events, 4.0))
    lengths = shares * (rng.uniform(0.85, 1.0) * seconds - start_s)
    legato = rng.uniform(0.6, 1.0)
    loudness = rng.uniform(55, 115)
    chords = part.instrument.plays_chords and rng.random() < 0.5
    notes = []
    for begin_s, length_s in zip(start_s + np.cumsum(lengths) - lengths, lengths, strict=True):
        n_pitches = min(int(rng.integers(2, 5)), len(part.pitches)) if chords else 1
        for pitch in rng.choice(part.pitches, size=n_pitches, replace=False):
            velocity = int(np.clip(rng.normal(loudness, 8), 20, 127))
            notes.append(Note(begin_s, length_s * legato, int(pitch), velocity))
    return notes
