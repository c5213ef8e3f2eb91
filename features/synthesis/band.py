"""Who plays a MIDI file: programs of the table as instruments, the others and the drums apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from features.synthesis.backing import Backing, find_kits
from features.synthesis.clip import MIN_SOUNDING_S
from features.synthesis.drums import DRUMS
from features.synthesis.instruments import Instrument, Program
from features.synthesis.midi import Score
from features.synthesis.orchestra import Orchestra
from features.synthesis.room import draw_room
from features.synthesis.score import Note, Part
from features.synthesis.songs import MIN_GAIN_DB
from features.synthesis.soundfont import PERCUSSION_BANK


class Band:
    """Who plays a score in a split: for each instrument one program, soundfont and level.

    Parameters
    ----------
    score : Score
        What is played.
    orchestra : Orchestra
        Who can play.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    rng : np.random.Generator
        Source of randomness.
    """

    def __init__(
        self, score: Score, orchestra: Orchestra, split: str, rng: np.random.Generator
    ) -> None:
        self._orchestra, self._split, self._rng = orchestra, split, rng
        self.room = draw_room(rng)
        self.parts: dict[str, Part] = {}
        self._others: list[Part] = []
        of_program = {p.number: each for each in orchestra.instruments for p in each.programs}
        for program, notes in score.programs.items():
            instrument = of_program.get(program)
            if instrument is None:
                self._others += self._accompanists(program, notes)
            elif instrument.code in self.parts:
                # Two programs of one instrument are one player.
                part = self.parts[instrument.code]
                notes = tuple(sorted((*part.notes, *notes), key=lambda note: note.start_s))
                self.parts[instrument.code] = replace(part, notes=notes)
            else:
                self.parts[instrument.code] = self._player(instrument, program, notes)
        self._drums = score.drums

    def _player(self, instrument: Instrument, program: int, notes: tuple[Note, ...]) -> Part:
        players = self._orchestra.players(instrument, self._split)
        drawn = players[self._rng.integers(len(players))]
        player = next((each for each in players if each.program.number == program), drawn)
        font = player.soundfonts[self._rng.integers(len(player.soundfonts))]
        gain_db = round(float(self._rng.uniform(MIN_GAIN_DB, 0)), 2)
        return Part(instrument, player.program, (), font, gain_db, notes)

    def _accompanists(self, number: int, notes: tuple[Note, ...]) -> list[Part]:
        """Give the part of an unlabelled program; none where no soundfont has it."""
        fonts = self._orchestra.having(self._split, number)
        program = Program(number, f"program {number}", 0, 127)
        font = int(self._rng.integers(max(1, len(fonts))))
        nobody = Instrument("", program.name, (program,))
        return [Part(nobody, program, (), each, notes=notes) for each in fonts[font : font + 1]]

    def windows(self, seconds: float) -> dict[int, list[str]]:
        """Find who is heard when.

        Parameters
        ----------
        seconds : float
            Length of a window; they lie end to end.

        Returns
        -------
        dict of int to list of str
            For each window with any, the codes that sound in it for at least half a second.
        """
        sounding: dict[tuple[int, str], float] = defaultdict(float)
        for code, part in self.parts.items():
            for start_s, end_s in _merge(part.notes):
                for window in range(int(start_s // seconds), int(end_s // seconds) + 1):
                    overlap_s = min(end_s, (window + 1) * seconds) - max(start_s, window * seconds)
                    sounding[window, code] += max(overlap_s, 0.0)
        codes: dict[int, list[str]] = defaultdict(list)
        for (window, code), sounding_s in sorted(sounding.items()):
            if sounding_s >= MIN_SOUNDING_S:
                codes[window].append(code)
        return codes

    def cut(self, code: str, start_s: float, seconds: float) -> Part:
        """Give what an instrument plays in a stretch of the score.

        Parameters
        ----------
        code : str
            The instrument's.
        start_s, seconds : float
            The stretch.

        Returns
        -------
        Part
            With times from the start of the stretch on.
        """
        part = self.parts[code]
        return replace(part, notes=_cut(part.notes, start_s, seconds))

    def cut_backing(
        self, start_s: float, seconds: float, backing: Backing, rng: np.random.Generator
    ) -> tuple[Part, ...]:
        """Give what else is heard in a stretch of the score.

        Parameters
        ----------
        start_s, seconds : float
            The stretch.
        backing : Backing
            How often, how loud.
        rng : np.random.Generator
            Source of randomness.

        Returns
        -------
        tuple of Part
            With times from the start of the stretch on.
        """
        has_drums, has_accompaniment = rng.random(2) < (backing.drums, backing.accompaniment)
        parts = list(self._others) if has_accompaniment else []
        if has_drums:
            kit, bank = find_kits(self._orchestra, self._split)[0], PERCUSSION_BANK
            parts.append(Part(DRUMS, DRUMS.programs[0], (), kit, notes=self._drums, bank=bank))
        cut = [replace(part, notes=_cut(part.notes, start_s, seconds)) for part in parts]
        return tuple(replace(part, gain_db=backing.draw_level(rng)) for part in cut if part.notes)


def _merge(notes: Sequence[Note]) -> list[tuple[float, float]]:
    """Join notes that overlap; notes are by time."""
    merged: list[tuple[float, float]] = []
    for note in notes:
        end_s = note.start_s + note.duration_s
        if merged and note.start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((note.start_s, end_s))
    return merged


def _cut(notes: Sequence[Note], start_s: float, seconds: float) -> tuple[Note, ...]:
    return tuple(
        replace(note, start_s=note.start_s - start_s)
        for note in notes
        if note.start_s < start_s + seconds and note.start_s + note.duration_s > start_s
    )
