"""What is heard under the labelled parts without being labelled: accompaniment and drums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from features.synthesis.drums import DRUMS, draw_beats, draw_groove
from features.synthesis.instruments import Instrument, Program
from features.synthesis.orchestra import Orchestra, Player
from features.synthesis.score import Part, Take, make_rng
from features.synthesis.soundfont import PERCUSSION_BANK

# None of them is, or sounds like, one of the eleven instruments; ranges as there, of pads freely.
ACCOMPANISTS = (
    Instrument("", "bass", (Program(32, "acoustic bass", 28, 55),)),
    Instrument("", "bass", (Program(33, "fingered bass", 28, 55),)),
    Instrument("", "bass", (Program(35, "fretless bass", 28, 55),)),
    Instrument("", "pad", (Program(50, "synthetic strings", 48, 79),), plays_chords=True),
    Instrument("", "pad", (Program(89, "warm pad", 48, 79),), plays_chords=True),
    Instrument("", "mallets", (Program(11, "vibraphone", 53, 89),), plays_chords=True),
    Instrument("", "mallets", (Program(12, "marimba", 45, 84),), plays_chords=True),
    Instrument("", "harp", (Program(46, "harp", 36, 91),), plays_chords=True),
)


@dataclass(frozen=True)
class Backing:
    """How often unlabelled parts are heard, and how loud.

    Parameters
    ----------
    drums, accompaniment : float
        Share of clips, on average.
    levels_db : tuple of float
        Softest and loudest, against all labelled parts together.
    """

    drums: float = 0.0
    accompaniment: float = 0.0
    levels_db: tuple[float, float] = (-18.0, -6.0)

    def draw_level(self, rng: np.random.Generator) -> float:
        """Draw the level of one part.

        Parameters
        ----------
        rng : np.random.Generator
            Source of randomness.

        Returns
        -------
        float
            In dB.
        """
        return round(float(rng.uniform(*self.levels_db)), 2)


def add_backing(
    takes: Sequence[Take], orchestra: Orchestra, backing: Backing, *, seconds: float, seed: int
) -> list[Take]:
    """Let someone accompany or drum in some of the clips; in a song, always alike.

    Parameters
    ----------
    takes : sequence of Take
        What was planned.
    orchestra : Orchestra
        Who can play.
    backing : Backing
        How often, how loud.
    seconds : float
        Length of a clip.
    seed : int
        Of the corpus.

    Returns
    -------
    list of Take
        In the same order.

    Raises
    ------
    ValueError
        If no soundfont of a split has a drum kit, or a program for accompaniment that is no label,
        and it is asked for.
    """
    splits = list(dict.fromkeys(take.split for take in takes))
    if backing.drums:
        kits = {split: find_kits(orchestra, split) for split in splits}
        takes = [_add_drums(take, kits[take.split], backing, seconds, seed) for take in takes]
    if backing.accompaniment:
        able = {split: _find_accompanists(orchestra, split) for split in splits}
        takes = [_add_accompanist(take, able[take.split], backing, seed) for take in takes]
    return list(takes)


def find_kits(orchestra: Orchestra, split: str) -> tuple[Path, ...]:
    """Give the soundfonts of a split that have the standard drum kit.

    Parameters
    ----------
    orchestra : Orchestra
        Who can play.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.

    Returns
    -------
    tuple of Path
        At least one.

    Raises
    ------
    ValueError
        If there is none.
    """
    kits = orchestra.having(split, DRUMS.programs[0].number, bank=PERCUSSION_BANK)
    if not kits:
        names = ", ".join(font.name for font in orchestra.soundfonts[split])
        raise ValueError(
            f"drums must have a soundfont for {split} with program 0 in bank {PERCUSSION_BANK}, "
            f"the standard kit; {names} has none: set drums=0"
        )
    return kits


def _add_drums(
    take: Take, kits: Sequence[Path], backing: Backing, seconds: float, seed: int
) -> Take:
    rng = make_rng(seed, (*take.key[:-1], 0, 1))
    groove, font = draw_groove(rng), kits[int(rng.integers(len(kits)))]
    gain_db = backing.draw_level(rng)
    rng = make_rng(seed, (*take.key, 1))
    if rng.random() >= backing.drums:
        return take
    notes = tuple(draw_beats(groove, rng, seconds=seconds))
    part = Part(DRUMS, DRUMS.programs[0], (), font, gain_db, notes, PERCUSSION_BANK)
    return replace(take, backing=(*take.backing, part))


def _find_accompanists(orchestra: Orchestra, split: str) -> list[tuple[Instrument, Player]]:
    labelled = {program.number for each in orchestra.instruments for program in each.programs}
    able = [
        (each, player)
        for each in ACCOMPANISTS
        for player in orchestra.players(each, split)
        if player.program.number not in labelled
    ]
    if not able:
        numbers = ", ".join(str(each.programs[0].number) for each in ACCOMPANISTS)
        raise ValueError(
            f"accompaniment must have one of the programs {numbers} in a soundfont for {split}, "
            "and not as a label; there is none: set accompaniment=0"
        )
    return able


def _add_accompanist(
    take: Take, able: Sequence[tuple[Instrument, Player]], backing: Backing, seed: int
) -> Take:
    rng = make_rng(seed, (*take.key[:-1], 0, 0))
    instrument, player = able[int(rng.integers(len(able)))]
    font = player.soundfonts[rng.integers(len(player.soundfonts))]
    pitches, gain_db = player.program.pitches(take.split), backing.draw_level(rng)
    if make_rng(seed, (*take.key, 0)).random() >= backing.accompaniment:
        return take
    part = Part(instrument, player.program, pitches, font, gain_db)
    return replace(take, backing=(*take.backing, part))
