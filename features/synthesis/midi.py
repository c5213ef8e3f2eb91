"""Reading MIDI files: which program plays which notes, in seconds.

Conventions: a part is all that one program plays, on whatever tracks and channels. Notes last until
their key goes up, or the sustain pedal after it. Channel 10 is drums. Reference: Standard MIDI
Files 1.0 (MIDI Manufacturers Association, 1996) and General MIDI System Level 1 (1991).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from features.synthesis.score import Note
from features.synthesis.soundfont import PERCUSSION_BANK

SUFFIXES = (".mid", ".midi", ".kar")

# Counted from 0.
DRUM_CHANNEL = 9

SUSTAIN_PEDAL, ALL_NOTES_OFF, ALL_SOUND_OFF, RESET = 64, 123, 120, 121
PEDAL_DOWN = 64

# What mido's parser raises of damaged files, beside an error of its own.
BROKEN = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)

# A forgotten pedal or key would hold a note to the end of the file.
MAX_NOTE_S = 20.0


class MidiError(ValueError):
    """A file is no MIDI file, a damaged one, or of a kind that is not played.

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

    def __reduce__(self) -> tuple[type[MidiError], tuple[str, str]]:
        # Rebuilt from both when it crosses process borders.
        return type(self), (self.path, self.reason)


@dataclass(frozen=True)
class Score:
    """What a MIDI file says.

    Parameters
    ----------
    path : Path
        The file.
    programs : dict of int to tuple of Note
        The notes of each General MIDI program, by time.
    drums : tuple of Note
        The notes of channel 10, by time.
    """

    path: Path
    programs: dict[int, tuple[Note, ...]]
    drums: tuple[Note, ...]

    @property
    def end_s(self) -> float:
        """When the last key goes up, in seconds."""
        notes = [note for part in (*self.programs.values(), self.drums) for note in part]
        return max((note.start_s + note.duration_s for note in notes), default=0.0)


def list_midi_files(folder: str | PathLike[str]) -> list[Path]:
    """Find all MIDI files below a folder, by their endings.

    Parameters
    ----------
    folder : str or path-like
        The folder, or one file.

    Returns
    -------
    list of Path
        Sorted.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no MIDI file in it.
    """
    root = Path(folder)
    if root.is_file():
        return [root]
    found = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not found:
        what = "has no .mid file in it" if root.is_dir() else "does not exist"
        raise FileNotFoundError(f"folder of MIDI files {root} {what}; give another one")
    return found


def read_midi(path: str | PathLike[str]) -> Score:
    """Read a MIDI file.

    Parameters
    ----------
    path : str or path-like
        A Standard MIDI File of type 0 or 1; its tempo changes hold for all tracks.

    Returns
    -------
    Score
        Velocities and pitches as written; volume, expression and pitch bend are not read.

    Raises
    ------
    MidiError
        If it cannot be read, is of type 2 or counts film frames, or has no notes.
    """
    # Only whoever has MIDI files needs the library.
    import mido
    from mido.midifiles.meta import KeySignatureError

    try:
        file = mido.MidiFile(path, clip=True)
        if file.type not in (0, 1):
            raise MidiError(path, f"must be a MIDI file of type 0 or 1, it is of type {file.type}")
        if file.ticks_per_beat <= 0 or file.ticks_per_beat >= 0x8000:
            raise MidiError(path, "must count ticks per beat, it counts film frames")
        voices = _Voices()
        for time_s, message in _timed(file, mido.tick2second):
            voices.take(time_s, message)
    except MidiError:
        raise
    except (*BROKEN, KeySignatureError) as exc:
        reason = f"cannot be read as a MIDI file ({exc!r})"
        raise MidiError(path, reason) from exc
    parts = voices.finish()
    if not parts:
        raise MidiError(path, "has no notes")
    drums = parts.pop((PERCUSSION_BANK, 0), ())
    return Score(Path(path), {program: notes for (_, program), notes in parts.items()}, drums)


def _timed(file: Any, tick2second: Any) -> Iterator[tuple[float, Any]]:
    """Give the messages of all tracks with their times in seconds; a tempo holds for all."""
    # Without a first tempo, 120 beats a minute; the unit is microseconds a beat.
    tempo, time_s, tick = 500_000, 0.0, 0
    messages = []
    for number, track in enumerate(file.tracks):
        now = 0
        for message in track:
            now += message.time
            messages.append((now, number, message))
    for now, _, message in sorted(messages, key=lambda entry: entry[0]):
        time_s += tick2second(now - tick, file.ticks_per_beat, tempo)
        tick = now
        if message.type == "set_tempo":
            tempo = message.tempo
        yield time_s, message


class _Voices:
    """Keys that are down, pedals, and the notes so far."""

    def __init__(self) -> None:
        self._programs: dict[int, int] = defaultdict(int)
        self._pedals: set[int] = set()
        # Of each channel and key: the part, when it went down and how hard.
        self._down: dict[tuple[int, int], list[tuple[tuple[int, int], float, int]]] = {}
        self._held: dict[tuple[int, int], list[tuple[tuple[int, int], float, int]]] = {}
        self._parts: dict[tuple[int, int], list[Note]] = defaultdict(list)
        self._last_s = 0.0

    def take(self, time_s: float, message: Any) -> None:
        """Take up the next message."""
        self._last_s = time_s
        kind = message.type
        if kind == "program_change":
            self._programs[message.channel] = message.program
        elif kind == "note_on" and message.velocity > 0:
            self._press(time_s, message.channel, message.note, message.velocity)
        elif kind in ("note_on", "note_off"):
            self._release(time_s, (message.channel, message.note))
        elif kind == "control_change" and message.control == SUSTAIN_PEDAL:
            self._move_pedal(time_s, message.channel, down=message.value >= PEDAL_DOWN)
        elif kind == "control_change" and message.control in (ALL_NOTES_OFF, ALL_SOUND_OFF, RESET):
            self._move_pedal(time_s, message.channel, down=False)
            if message.control != RESET:
                self._stop(time_s, message.channel)

    def finish(self) -> dict[tuple[int, int], tuple[Note, ...]]:
        """Let all keys go; give the notes by bank and program."""
        for channel in range(16):
            self._move_pedal(self._last_s, channel, down=False)
            self._stop(self._last_s, channel)
        return {
            part: tuple(sorted(notes, key=lambda note: (note.start_s, note.pitch)))
            for part, notes in sorted(self._parts.items())
        }

    def _press(self, time_s: float, channel: int, key: int, velocity: int) -> None:
        # A string struck again does not go on sounding from the first stroke.
        self._end(time_s, self._held.pop((channel, key), []), key)
        drums = channel == DRUM_CHANNEL
        part = (PERCUSSION_BANK, 0) if drums else (0, self._programs[channel])
        self._down.setdefault((channel, key), []).append((part, time_s, velocity))

    def _release(self, time_s: float, place: tuple[int, int]) -> None:
        pressed = self._down.get(place)
        if not pressed:
            return
        first = pressed.pop(0)
        if place[0] in self._pedals:
            self._held.setdefault(place, []).append(first)
        else:
            self._end(time_s, [first], place[1])

    def _move_pedal(self, time_s: float, channel: int, *, down: bool) -> None:
        if down:
            self._pedals.add(channel)
            return
        self._pedals.discard(channel)
        for place in [place for place in self._held if place[0] == channel]:
            self._end(time_s, self._held.pop(place), place[1])

    def _stop(self, time_s: float, channel: int) -> None:
        for place in [place for place in self._down if place[0] == channel]:
            self._end(time_s, self._down.pop(place), place[1])

    def _end(
        self, time_s: float, pressed: list[tuple[tuple[int, int], float, int]], key: int
    ) -> None:
        for part, start_s, velocity in pressed:
            duration_s = min(time_s - start_s, MAX_NOTE_S)
            if duration_s > 0:
                self._parts[part].append(Note(start_s, duration_s, key, velocity))
