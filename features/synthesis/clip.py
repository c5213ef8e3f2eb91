"""One clip: its parts played, judged by ear's standards, mixed, and recorded in a room.

A label stands for a part that sounds for at least half a second and is not buried; a part that
fails this is left out of the mix, so that no clip sounds what its labels do not say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.audio import resample
from features.synthesis.room import make_noise, record
from features.synthesis.sampler import render_note
from features.synthesis.score import Note, Part, Take, draw_phrase, make_rng
from features.synthesis.soundfont import Soundfont

# Notes are played at this rate, whatever the clip's, so that high notes do not alias.
PLAYING_SR = 44_100

# A part sounds in the frames that are within this reach of the loudest frame of any part.
AUDIBLE_DB, FRAME_S = -40.0, 0.02

MIN_SOUNDING_S = 0.5
MIN_RELATIVE_DB = -20.0

# Phrases are drawn until one sounds; with every program of the table the first does.
ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Voice:
    """A part as it sounds in one clip."""

    part: Part
    notes: list[Note]
    waveform: np.ndarray
    level_db: float
    sounding_s: float


def render_clip(
    take: Take, soundfont: Soundfont, *, seconds: float, sr: int, seed: int
) -> tuple[np.ndarray, dict[str, object]]:
    """Render one planned clip.

    Parameters
    ----------
    take : Take
        Who plays where.
    soundfont : Soundfont
        The instruments.
    seconds : float
        Length.
    sr : int
        Sampling rate in Hz.
    seed : int
        Of the corpus.

    Returns
    -------
    waveform : np.ndarray of shape (round(seconds * sr),), float32
        The mix in its room, with its noise, at its level; below full scale.
    row : dict
        Its row of the manifest, less path, clip_id and duration_s.

    Raises
    ------
    ValueError
        If the soundfont lacks a program, or nothing of it sounds for half a second.
    """
    rng = make_rng(seed, take.key)
    voices = _draw_voices(take, soundfont, rng, seconds)
    n_timepoints = round(seconds * sr)
    mix = np.sum([voice.waveform for voice in voices], axis=0)
    mix = resample(mix, from_sr=PLAYING_SR, to_sr=sr)[:n_timepoints]
    # Resampling may end a time point early.
    recorded = record(np.pad(mix, (0, n_timepoints - len(mix))), take.room, sr=sr)
    snr_db, peak_db = float(rng.uniform(30, 60)), float(rng.uniform(-18, -1))
    noise = make_noise(n_timepoints, rng, cutoff_hz=float(rng.uniform(300, 5000)), sr=sr)
    recorded += noise * np.sqrt((recorded**2).mean()) * 10 ** (-snr_db / 20)
    recorded *= 10 ** (peak_db / 20) / np.abs(recorded).max()
    pitches = sorted({note.pitch for voice in voices for note in voice.notes})
    return recorded.astype(np.float32), {
        "labels": ";".join(voice.part.instrument.code for voice in voices),
        "group": take.group,
        "split": take.split,
        "programs": ";".join(str(voice.part.program.number) for voice in voices),
        "pitches": ";".join(map(str, pitches)),
        "levels_db": ";".join(f"{voice.level_db:.1f}" for voice in voices),
        "sounding_s": ";".join(f"{voice.sounding_s:.2f}" for voice in voices),
        "rt60_s": take.room.rt60_s,
        "snr_db": round(snr_db, 1),
        "peak_db": round(peak_db, 1),
    }


def _draw_voices(
    take: Take, soundfont: Soundfont, rng: np.random.Generator, seconds: float
) -> list[Voice]:
    for _ in range(ATTEMPTS):
        phrases = [draw_phrase(part, rng, seconds=seconds) for part in take.parts]
        waveforms = [
            _play_phrase(part, notes, soundfont, seconds)
            for part, notes in zip(take.parts, phrases, strict=True)
        ]
        voices = _keep_audible(take.parts, phrases, waveforms)
        if voices:
            return voices
    programs = [part.program.number for part in take.parts]
    raise ValueError(
        f"programs {programs} of soundfont {soundfont.path} must sound for {MIN_SOUNDING_S} s, "
        f"in {ATTEMPTS} phrases they did not; use another General MIDI soundfont"
    )


def _play_phrase(part: Part, notes: list[Note], soundfont: Soundfont, seconds: float) -> np.ndarray:
    """Play one part at its level: its gain is against a root mean square of 0.1."""
    waveform = np.zeros(round(seconds * PLAYING_SR))
    for note in notes:
        sound = render_note(
            soundfont,
            program=part.program.number,
            pitch=note.pitch,
            duration_s=note.duration_s,
            velocity=note.velocity,
            sr=PLAYING_SR,
        )
        start = round(note.start_s * PLAYING_SR)
        end = min(start + len(sound), len(waveform))
        waveform[start:end] += sound[: end - start]
    energies = _frame_energies(waveform)
    heard = energies[energies > energies.max() * 10 ** (AUDIBLE_DB / 10)]
    level = np.sqrt(heard.mean()) if len(heard) else 1.0
    return waveform * (0.1 * 10 ** (part.gain_db / 20) / level)


def _frame_energies(waveform: np.ndarray) -> np.ndarray:
    length = round(FRAME_S * PLAYING_SR)
    return (waveform[: len(waveform) // length * length].reshape(-1, length) ** 2).mean(axis=1)


def _keep_audible(
    parts: tuple[Part, ...], phrases: list[list[Note]], waveforms: list[np.ndarray]
) -> list[Voice]:
    """Keep those parts that a label would be true of."""
    energies = np.stack([_frame_energies(waveform) for waveform in waveforms])
    audible = energies > energies.max() * 10 ** (AUDIBLE_DB / 10)
    sounding_s = audible.sum(axis=1) * FRAME_S
    sums = energies.sum(axis=1)
    levels_db = 10 * np.log10(np.maximum(sums, 1e-12) / max(sums.max(), 1e-12))
    return [
        Voice(part, notes, waveform, float(level_db), float(sounds_s))
        for part, notes, waveform, level_db, sounds_s in zip(
            parts, phrases, waveforms, levels_db, sounding_s, strict=True
        )
        if sounds_s >= MIN_SOUNDING_S and level_db >= MIN_RELATIVE_DB
    ]
