"""One clip: its parts played, judged by ear's standards, mixed, and recorded in a room.

A label stands for a part that sounds for at least half a second and is not buried; a part that
fails this in every phrase drawn for it is left out of the mix, so that no clip sounds what its
labels do not say. Every note that is heard is an event with its times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from features.audio import resample
from features.synthesis.codec import recode
from features.synthesis.room import make_noise, record
from features.synthesis.sampler import render_note
from features.synthesis.score import Note, Part, Take, draw_phrase, make_rng
from features.synthesis.soundfont import open_soundfont

# Notes are played at this rate, whatever the clip's, so that high notes do not alias.
PLAYING_SR = 44_100

# A part sounds in the frames that are within this reach of the loudest frame of any part, a note
# until the last frame that is within this reach of its own loudest.
AUDIBLE_DB, FRAME_S = -40.0, 0.02

# Root mean square of a part at 0 dB, over the frames in which it sounds.
PART_LEVEL = 0.1

MIN_SOUNDING_S = 0.5
MIN_RELATIVE_DB = -20.0

# Phrases are drawn until all parts sound; with every program of the table few take two.
ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Event:
    """A note as it sounds: from key down to the last frame within 40 dB of its loudest."""

    note: Note
    onset_s: float
    offset_s: float


@dataclass(frozen=True, slots=True)
class Voice:
    """A part as it sounds in one clip."""

    part: Part
    events: list[Event]
    waveform: np.ndarray
    level_db: float = 0.0
    sounding_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rendering:
    """A clip and what the tables say of it.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The mix in its room, with its noise, at its level; below full scale.
    row : dict
        Its row of the manifest, less path, clip_id and duration_s.
    events : list of dict
        Its rows of the table of events, less clip_id, by onset.
    """

    waveform: np.ndarray
    row: dict[str, object]
    events: list[dict[str, object]]


def render_clip(take: Take, *, seconds: float, sr: int, seed: int) -> Rendering:
    """Render one planned clip.

    Parameters
    ----------
    take : Take
        Who plays where.
    seconds : float
        Length.
    sr : int
        Sampling rate in Hz.
    seed : int
        Of the corpus.

    Returns
    -------
    Rendering
        Its waveform is round(seconds * sr) time points long.

    Raises
    ------
    ValueError
        If a soundfont lacks a program or is damaged, or nothing sounds for half a second.
    """
    rng = make_rng(seed, take.key)
    voices = _draw_voices(take, rng, seconds)
    mix = np.sum([voice.waveform for voice in voices], axis=0)
    backing = [_play_backing(part, rng, seconds, mix) for part in take.backing]
    heard = [voice for voice in backing if voice.events]
    mix = np.sum([mix, *(voice.waveform for voice in heard)], axis=0)
    n_timepoints = round(seconds * sr)
    mix = resample(mix, from_sr=PLAYING_SR, to_sr=sr)[:n_timepoints]
    # Resampling may end a time point early.
    recorded = record(np.pad(mix, (0, n_timepoints - len(mix))), take.room, sr=sr)
    snr_db, peak_db = float(rng.uniform(30, 60)), float(rng.uniform(-18, -1))
    noise = make_noise(n_timepoints, rng, cutoff_hz=float(rng.uniform(300, 5000)), sr=sr)
    recorded += noise * (np.sqrt((recorded**2).mean()) * np.float32(10 ** (-snr_db / 20)))
    recorded = _at_peak(recorded, peak_db)
    if take.codec:
        recorded = _at_peak(recode(recorded, sr, codec=take.codec, quality=take.quality), peak_db)
    row = _describe(take, voices, heard) | {
        "snr_db": round(snr_db, 1),
        "peak_db": round(peak_db, 1),
    }
    return Rendering(recorded, row, list(_list_events([*voices, *heard])))


def _at_peak(waveform: np.ndarray, peak_db: float) -> np.ndarray:
    return waveform * np.float32(10 ** (peak_db / 20) / np.abs(waveform).max())


def _describe(take: Take, voices: Sequence[Voice], backing: Sequence[Voice]) -> dict[str, object]:
    pitches = sorted({event.note.pitch for voice in voices for event in voice.events})
    accompaniment = [v.part for v in backing if v.part.role == "accompaniment"]
    return {
        "labels": ";".join(voice.part.instrument.code for voice in voices),
        "group": take.group,
        "split": take.split,
        "programs": ";".join(str(voice.part.program.number) for voice in voices),
        "soundfonts": ";".join(voice.part.soundfont.name for voice in voices),
        "pitches": ";".join(map(str, pitches)),
        "levels_db": ";".join(f"{voice.level_db:.1f}" for voice in voices),
        "sounding_s": ";".join(f"{voice.sounding_s:.2f}" for voice in voices),
        "accompaniment": ";".join(str(part.program.number) for part in accompaniment),
        "drums": int(any(voice.part.role == "drums" for voice in backing)),
        "score": take.score,
        "codec": f"{take.codec} {take.quality:.2f}" if take.codec else "",
        "rt60_s": take.room.rt60_s,
    }


def _list_events(voices: Sequence[Voice]) -> Iterator[dict[str, object]]:
    sounding = [(event, voice.part) for voice in voices for event in voice.events]
    for event, part in sorted(sounding, key=lambda pair: pair[0].onset_s):
        yield {
            "label": part.instrument.code,
            "onset_s": f"{event.onset_s:.3f}",
            "offset_s": f"{event.offset_s:.3f}",
            "pitch": event.note.pitch,
            "velocity": event.note.velocity,
            "program": part.program.number,
            "soundfont": part.soundfont.name,
            "role": part.role,
        }


def _draw_voices(take: Take, rng: np.random.Generator, seconds: float) -> list[Voice]:
    """Play the labelled parts, those that do not sound again, until all do."""
    voices = [_play_part(part, rng, seconds) for part in take.parts]
    for _ in range(ATTEMPTS - 1):
        heard = _judge(voices)
        again = [i for i, voice in enumerate(heard) if voice is None and not take.parts[i].notes]
        if not again:
            break
        for i in again:
            voices[i] = _play_part(take.parts[i], rng, seconds)
    kept = [voice for voice in _judge(voices) if voice is not None]
    if kept:
        return kept
    played = [f"{part.program.number} of {part.soundfont.name}" for part in take.parts]
    raise ValueError(
        f"a clip must sound for {MIN_SOUNDING_S} s; programs {', '.join(played)} did not; use "
        "another General MIDI soundfont"
    )


def _play_part(part: Part, rng: np.random.Generator, seconds: float) -> Voice:
    """Play one part at its level."""
    notes = part.notes or draw_phrase(part, rng, seconds=seconds)
    waveform = np.zeros(round(seconds * PLAYING_SR), dtype=np.float32)
    events = []
    for note in notes:
        sound = render_note(
            open_soundfont(part.soundfont),
            program=part.program.number,
            pitch=note.pitch,
            duration_s=note.duration_s,
            velocity=note.velocity,
            bank=part.bank,
            sr=PLAYING_SR,
        )
        offset_s = min(note.start_s + _sounding_end(sound), seconds)
        if offset_s > 0 and note.start_s < seconds:
            _mix_in(waveform, sound, round(note.start_s * PLAYING_SR))
            events.append(Event(note, max(note.start_s, 0.0), offset_s))
    energies = _frame_energies(waveform)
    gain = PART_LEVEL * 10 ** (part.gain_db / 20) / _level(energies)
    return Voice(part, events, waveform * np.float32(gain))


def _mix_in(waveform: np.ndarray, sound: np.ndarray, start: int) -> None:
    """Add a sound that may begin before the waveform does, or end after it."""
    sound = sound[max(-start, 0) :]
    start = max(start, 0)
    end = min(start + len(sound), len(waveform))
    waveform[start:end] += sound[: end - start]


def _play_backing(part: Part, rng: np.random.Generator, seconds: float, mix: np.ndarray) -> Voice:
    """Play an unlabelled part at its level against the labelled ones."""
    voice = _play_part(part, rng, seconds)
    gain = np.float32(_level(_frame_energies(mix)) / PART_LEVEL)
    return Voice(part, voice.events, voice.waveform * gain)


def _frame_energies(waveform: np.ndarray) -> np.ndarray:
    """Mean square of each frame; the last one may be short."""
    length = round(FRAME_S * PLAYING_SR)
    padded = np.pad(waveform, (0, -len(waveform) % length)).reshape(-1, length)
    return np.einsum("ij,ij->i", padded, padded) / length


def _level(energies: np.ndarray) -> float:
    """Root mean square of the frames that are heard; 1 for silence."""
    heard = energies[energies > energies.max() * 10 ** (AUDIBLE_DB / 10)]
    return float(np.sqrt(heard.mean())) if len(heard) else 1.0


def _sounding_end(sound: np.ndarray) -> float:
    """Time in seconds after which a note is more than 40 dB below its loudest frame."""
    energies = _frame_energies(sound)
    heard = np.flatnonzero(energies > energies.max() * 10 ** (AUDIBLE_DB / 10))
    return min((heard[-1] + 1) * FRAME_S, len(sound) / PLAYING_SR) if len(heard) else 0.0


def _judge(voices: Sequence[Voice]) -> list[Voice | None]:
    """Measure the parts; None stands for one of which a label would not be true."""
    energies = np.stack([_frame_energies(voice.waveform) for voice in voices])
    audible = energies > energies.max() * 10 ** (AUDIBLE_DB / 10)
    sounding_s = audible.sum(axis=1) * FRAME_S
    sums = energies.sum(axis=1, dtype=float)
    levels_db = 10 * np.log10(np.maximum(sums, 1e-12) / max(sums.max(), 1e-12))
    return [
        Voice(voice.part, voice.events, voice.waveform, float(level_db), float(sounds_s))
        if sounds_s >= MIN_SOUNDING_S and level_db >= MIN_RELATIVE_DB
        else None
        for voice, level_db, sounds_s in zip(voices, levels_db, sounding_s, strict=True)
    ]
