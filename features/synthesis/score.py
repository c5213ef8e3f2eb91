"""What the clips play: notes, the parts of players, and the plan of one clip.

All is drawn from seeds keyed by split and number, so that any one clip can be made alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.synthesis.instruments import Instrument, Program
from features.synthesis.room import Room
from features.synthesis.soundfont import PERCUSSION_BANK


@dataclass(frozen=True, slots=True)
class Note:
    """One note: when (seconds), for how long, which MIDI key, how hard (1 to 127)."""

    start_s: float
    duration_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one player may play in a clip, on what, and how loud.

    Parameters
    ----------
    instrument : Instrument
        Its code is the label; one without a code is heard but not labelled.
    program : Program
        Which of its programs.
    pitches : tuple of int
        What phrases are drawn from.
    soundfont : Path
        Where the program's samples are.
    gain_db : float
        Of a labelled part: against the others. Of an unlabelled one: against all labelled ones.
    notes : tuple of Note
        What is played; nothing means a phrase drawn from `pitches`. A note may begin before the
        clip does.
    bank : int
        0, or 128 for drums.
    """

    instrument: Instrument
    program: Program
    pitches: tuple[int, ...]
    soundfont: Path
    gain_db: float = 0.0
    notes: tuple[Note, ...] = ()
    bank: int = 0

    @property
    def role(self) -> str:
        """``"label"``, ``"accompaniment"`` or ``"drums"``."""
        if self.bank == PERCUSSION_BANK:
            return "drums"
        return "label" if self.instrument.code else "accompaniment"


@dataclass(frozen=True, slots=True)
class Take:
    """The plan of one clip.

    Parameters
    ----------
    split, group, name : str
        Where it belongs, what it must not be separated from, and its file name without suffix.
    parts : tuple of Part
        Who plays, labelled.
    room : Room
        Where.
    key : tuple of int
        Keys its random draws: see `make_rng`. Without its last number, it is the song's.
    backing : tuple of Part
        Who plays unlabelled.
    score : str
        The MIDI file that is played, if one is.
    codec, quality : str, float
        What the recording went through before it was stored, if anything.
    """

    split: str
    group: str
    name: str
    parts: tuple[Part, ...]
    room: Room
    key: tuple[int, ...]
    backing: tuple[Part, ...] = ()
    score: str = ""
    codec: str = ""
    quality: float = 0.0

    @property
    def clip_id(self) -> str:
        """Path of the clip below its corpus."""
        return Path(self.split, self.group, f"{self.name}.flac").as_posix()


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
            notes.append(Note(float(begin_s), float(length_s * legato), int(pitch), velocity))
    return notes
