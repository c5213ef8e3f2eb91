"""The mixes of one block: sources drawn, levelled, arranged, added up, written.

A block is mixed by one process from a seed of its own, so that neither other blocks nor the number
of workers change a byte of it. What its process has decoded it keeps, as far as there is room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile

from features.audio import resample
from features.clip_row import CLIP_ERRORS
from features.manifest import SEPARATOR
from features.synthesis.arrangement import (
    Place,
    add_up,
    cut_excerpt,
    fade,
    find_sounding,
    limit_lengths,
    make_lines,
    place_voices,
)
from features.synthesis.blocks import Block
from features.synthesis.levelling import check_loudness, measure_loudness, safe_gain
from features.synthesis.matching import MATCHING_SR, Match
from features.synthesis.negative_classes import ClassDeck
from features.synthesis.sources import Sound, Source, SourceReader

# Draws for one mix after which a block is given up: what is left of it does not go together.
ATTEMPTS = 100

Row = dict[str, object]


@dataclass(frozen=True)
class Mixing:
    """How mixes are made; see `features.synthesis.mix.mix_corpus`.

    Parameters
    ----------
    voices, mode, overlap, seconds, loudness_lufs, gain_db, sr, seed
        See there.
    match : Match
        Which sources go together.
    """

    voices: tuple[int, int]
    mode: str
    overlap: float | None
    seconds: float | None
    match: Match
    loudness_lufs: float
    gain_db: tuple[float, float]
    sr: int
    seed: int


@dataclass(frozen=True)
class Mixed:
    """What came of a block.

    Parameters
    ----------
    rows, events, failures : list of dict
        Rows of the manifest, of the table of events, and of that of sources that failed.
    """

    rows: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Voice:
    """A source as it sounds in one mix, at its level, and what gain brought it there."""

    source: Source
    waveform: np.ndarray
    gain_db: float


def mix_block(block: Block, mixing: Mixing, directory: Path, folder: str) -> Mixed:
    """Make the mixes of a block.

    Parameters
    ----------
    block : Block
        What to mix.
    mixing : Mixing
        How.
    directory : Path
        The corpus.
    folder : str
        Where in the corpus the mixes go.

    Returns
    -------
    Mixed
        Fewer mixes than wanted where too few sources can be read, or go together.
    """
    if block.n_mixes == 0:
        # Nothing need be measured either.
        return Mixed()
    mixer = _Mixer(block, mixing)
    for number in range(block.n_mixes):
        path = f"{folder}/{block.name}/{number:05d}.flac"
        if not mixer.write_mix(directory, path):
            break
    return mixer.mixed


class _Mixer:
    """Makes the mixes of one block, one after another."""

    def __init__(self, block: Block, mixing: Mixing) -> None:
        self._block, self._mixing = block, mixing
        self._rng = np.random.default_rng([mixing.seed, *block.key])
        self._reader = SourceReader(block.sources, sr=mixing.sr)
        self.mixed = Mixed()
        label_sets = [source.labels for source in block.sources]
        classes = sorted(frozenset[str]().union(*label_sets))
        labels = np.array([[name in labels for name in classes] for labels in label_sets])
        self._deck = ClassDeck(labels, self._rng)
        self._values = np.array([self._measure(k) for k in range(len(block.sources))])

    def _fits(self, position: int) -> np.ndarray:
        return self._mixing.match.agree(self._values[position], self._values)

    def _measure(self, position: int) -> float:
        """Give what is to match of a source, NaN if it cannot be read."""
        measure = self._mixing.match.measure
        if measure is None:
            return self._block.sources[position].value
        sound = self._read(position)
        if sound is None:
            return np.nan
        return measure(resample(sound.waveform, from_sr=self._mixing.sr, to_sr=MATCHING_SR))

    def _read(self, position: int) -> Sound | None:
        """Decode a source; give it up if that fails."""
        try:
            return self._reader.read(position)
        except CLIP_ERRORS as exc:
            self._give_up(position, exc)
            return None

    def _give_up(self, position: int, exc: Exception) -> None:
        source = self._block.sources[position]
        self._deck.discard(position)
        self.mixed.failures.append(
            {
                "clip_id": source.clip_id,
                "path": source.path,
                "reason": getattr(exc, "reason", "") or str(exc) or type(exc).__name__,
            }
        )

    def write_mix(self, directory: Path, path: str) -> bool:
        """Make one mix and take its rows down; give False if there is none to be made."""
        fewest, most = self._mixing.voices
        voices = self._draw_voices(int(self._rng.integers(fewest, most + 1)))
        if not voices:
            return False
        places = self._place(voices)
        faded = [fade(voice.waveform, place) for voice, place in zip(voices, places, strict=True)]
        mix = add_up(faded, places)
        safe_db = safe_gain(mix)
        mix *= np.float32(10.0 ** (safe_db / 20.0))
        _write_flac(directory / path, mix, sr=self._mixing.sr)
        self._take_down(path, mix, [(voice, voice.gain_db + safe_db) for voice in voices])
        for voice, waveform, place in zip(voices, faded, places, strict=True):
            self._take_down_events(path, voice.source, voice.gain_db + safe_db, waveform, place)
        return True

    def _draw_voices(self, n_voices: int) -> list[_Voice]:
        """Draw sources that go together and can be read; nothing if there are none left."""
        n_attempts = 0
        while n_attempts < ATTEMPTS:
            drawn = self._deck.draw(n_voices, fits=self._fits)
            if len(drawn) < self._mixing.voices[0]:
                n_attempts += 1
                continue
            # Each time that this fails there is a source less to draw.
            if voices := self._level(drawn):
                return voices
        return []

    def _level(self, drawn: list[int]) -> list[_Voice]:
        """Make voices of sources, cut to what there is room for; nothing if one fails."""
        sounds = [sound for position in drawn if (sound := self._read(position)) is not None]
        if len(sounds) < len(drawn):
            return []
        lengths = [len(sound.waveform) for sound in sounds]
        if self._limit is not None:
            lengths = limit_lengths(lengths, self._lines(len(drawn)), limit=self._limit)
        voices = []
        for position, sound, length in zip(drawn, sounds, lengths, strict=True):
            try:
                sound = self._excerpt(sound, length)
            except ValueError as exc:
                self._give_up(position, exc)
                return []
            gain_db = self._mixing.loudness_lufs - sound.loudness
            gain_db += float(self._rng.uniform(*self._mixing.gain_db))
            waveform = sound.waveform * np.float32(10.0 ** (gain_db / 20.0))
            voices.append(_Voice(self._block.sources[position], waveform, gain_db))
        return voices

    def _excerpt(self, sound: Sound, length: int) -> Sound:
        if length == len(sound.waveform):
            return sound
        waveform = cut_excerpt(sound.waveform, length, self._rng, sr=self._mixing.sr)
        return Sound(waveform, check_loudness(measure_loudness(waveform, sr=self._mixing.sr)))

    @property
    def _limit(self) -> int | None:
        seconds = self._mixing.seconds
        return None if seconds is None else round(seconds * self._mixing.sr)

    def _lines(self, n_voices: int) -> list[list[int]]:
        return make_lines(n_voices, mode=self._mixing.mode)

    def _place(self, voices: list[_Voice]) -> list[Place]:
        return place_voices(
            [len(voice.waveform) for voice in voices],
            self._lines(len(voices)),
            self._rng,
            overlap=self._mixing.overlap,
            limit=self._limit,
        )

    def _take_down(self, path: str, mix: np.ndarray, voices: list[tuple[_Voice, float]]) -> None:
        sources = [voice.source for voice, _ in voices]
        labels = frozenset[str]().union(*(source.labels for source in sources))
        unknown = frozenset[str]().union(*(source.unknown for source in sources)) - labels
        self.mixed.rows.append(
            {
                "path": path,
                "clip_id": path,
                "labels": SEPARATOR.join(sorted(labels)),
                "unknown_labels": SEPARATOR.join(sorted(unknown)),
                "group": self._block.name,
                "split": self._block.split,
                "fold": self._block.fold,
                "duration_s": len(mix) / self._mixing.sr,
                "sources": SEPARATOR.join(source.clip_id for source in sources),
                "gains_db": SEPARATOR.join(f"{gain_db:.2f}" for _, gain_db in voices),
                "loudness_lufs": round(measure_loudness(mix, sr=self._mixing.sr), 2),
            }
        )

    def _take_down_events(
        self, path: str, source: Source, gain_db: float, waveform: np.ndarray, place: Place
    ) -> None:
        start_s = place.start / self._mixing.sr
        for onset_s, offset_s in find_sounding(waveform, sr=self._mixing.sr):
            for label in sorted(source.labels):
                self.mixed.events.append(
                    {
                        "clip_id": path,
                        "label": label,
                        "onset_s": round(start_s + onset_s, 4),
                        "offset_s": round(start_s + offset_s, 4),
                        "source": source.clip_id,
                        "gain_db": round(gain_db, 2),
                    }
                )


def _write_flac(path: Path, waveform: np.ndarray, *, sr: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Given a path, libsndfile waits until each file is on the disk: as long as all the rest takes.
    stream = BytesIO()
    soundfile.write(stream, waveform, sr, format="FLAC", subtype="PCM_16")
    path.write_bytes(stream.getbuffer())
