"""Reading soundfonts: which recorded sample sounds for which program, key and velocity.

Conventions: times in seconds, pitches in MIDI keys (69 is A4, 440 Hz), small intervals in cents.
SF2 files hold 16-bit samples, SF3 files the same as Ogg Vorbis streams. References: SoundFont
Technical Specification 2.04 (Creative/E-mu, 2006), sections 5 to 9;
https://www.fluidsynth.org/wiki/SoundFont3Format/.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from enum import IntEnum
from functools import cached_property, lru_cache
from os import PathLike
from pathlib import Path

import numpy as np

from features.synthesis.chunks import read_chunks
from features.synthesis.region import Envelope, Oscillator, Region
from features.synthesis.samples import Samples

SOUNDFONT_PACKAGE, SOUNDFONT_FILE = "pretty_midi", "TimGM6mb.sf2"

# The default of initialFilterFc: 19,912 Hz, which the specification calls an open filter.
OPEN_CUTOFF_CENTS = 13_500

PERCUSSION_BANK = 128


class Generator(IntEnum):
    """The generators that are read, by their number in section 8.1.2 of the specification."""

    START, END, LOOP_START, LOOP_END = 0, 1, 2, 3
    START_COARSE, LFO_TO_PITCH, VIBRATO_TO_PITCH, ENVELOPE_TO_PITCH = 4, 5, 6, 7
    CUTOFF, RESONANCE, ENVELOPE_TO_CUTOFF, END_COARSE, LFO_TO_VOLUME = 8, 9, 11, 12, 13
    LFO_DELAY, LFO_RATE, VIBRATO_DELAY, VIBRATO_RATE = 21, 22, 23, 24
    MODULATION_DELAY, VOLUME_DELAY = 25, 33  # each followed by seven more: see `_envelope`
    INSTRUMENT, KEYS, VELOCITIES, LOOP_START_COARSE = 41, 43, 44, 45
    ATTENUATION, LOOP_END_COARSE, COARSE_TUNE, FINE_TUNE = 48, 50, 51, 52
    SAMPLE, LOOP_MODE, SCALE_TUNING, ROOT_KEY = 53, 54, 56, 58


_UNSIGNED = {
    Generator.INSTRUMENT,
    Generator.KEYS,
    Generator.VELOCITIES,
    Generator.SAMPLE,
    Generator.LOOP_MODE,
}
# Zones of an instrument say these outright; a preset adds to every other generator.
_NOT_ADDED = _UNSIGNED | {Generator.ROOT_KEY}
_ALL_KEYS = 127 << 8

# Looks up a generator of a zone: (number, default) -> amount.
_Lookup = Callable[..., float]


class Soundfont:
    """The presets of a SoundFont file, looked up by General MIDI program.

    Parameters
    ----------
    path : str or path-like
        An SF2 file, or an SF3 file; of 24-bit samples the upper 16 are used.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a SoundFont file, or a damaged one.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(
                f"soundfont {self.path} does not exist; give an SF2 or SF3 file"
            )
        chunks = read_chunks(self.path)
        self._records = chunks.records
        self._samples = Samples(self.path, chunks.records["shdr"], chunks.smpl)

    @cached_property
    def programs(self) -> frozenset[tuple[int, int]]:
        """All presets: pairs of bank and program."""
        presets = self._records["phdr"][:-1]
        return frozenset(zip(presets["bank"].tolist(), presets["program"].tolist(), strict=True))

    @lru_cache(maxsize=256)  # noqa: B019 - one soundfont lives as long as the rendering
    def regions(self, program: int, *, bank: int = 0) -> tuple[Region, ...]:
        """Give all regions of a program.

        Parameters
        ----------
        program : int
            General MIDI program, counted from 0: 73 is the flute.
        bank : int
            0, or 128 for percussion.

        Returns
        -------
        tuple of Region
            In the order of the file.

        Raises
        ------
        ValueError
            If the soundfont has no such program, or its records point outside the file.
        """
        presets = self._records["phdr"][:-1]
        found = np.flatnonzero((presets["program"] == program) & (presets["bank"] == bank))
        if not len(found):
            raise ValueError(
                f"soundfont {self.path} must have program {program} in bank {bank}, it has not; "
                "use a General MIDI soundfont"
            )
        try:
            return tuple(
                self._region(values, added)
                for added in self._zones("p", "phdr", int(found[0]), Generator.INSTRUMENT)
                for values in self._zones(
                    "i", "inst", added[Generator.INSTRUMENT], Generator.SAMPLE
                )
                if _overlap(values, added)
            )
        except IndexError as exc:
            raise ValueError(
                f"soundfont {self.path} is damaged: a record of program {program} points outside "
                f"the file ({exc})"
            ) from exc

    def _zones(
        self, level: str, owners: str, index: int, target: Generator
    ) -> list[dict[int, int]]:
        """Read the generators of each zone of a preset or instrument, its global zone applied."""
        bags = self._records[owners]["bag"]
        starts, generators = self._records[f"{level}bag"]["generator"], self._records[f"{level}gen"]
        zones: list[dict[int, int]] = []
        common: dict[int, int] = {}
        for bag in range(bags[index], bags[index + 1]):
            zone = {
                int(number): int(amount if number in _UNSIGNED else amount.astype(np.int16))
                for number, amount in generators[starts[bag] : starts[bag + 1]]
            }
            if target in zone:
                zones.append(common | zone)
            elif bag == bags[index]:
                common = zone
        return zones

    def _region(self, values: dict[int, int], added: dict[int, int]) -> Region:
        def get(generator: int, default: float = 0) -> float:
            value = values.get(generator, default)
            return value if generator in _NOT_ADDED else value + added.get(generator, 0)

        sample = self._records["shdr"][values[Generator.SAMPLE]]
        override = get(Generator.ROOT_KEY, -1)
        # 255 marks a sample without pitch; the specification asks for 60 then.
        root_key = override if override >= 0 else (sample["key"] if sample["key"] < 128 else 60)
        tuning = get(Generator.COARSE_TUNE) * 100 + get(Generator.FINE_TUNE) + int(sample["cents"])
        cents_per_key = get(Generator.SCALE_TUNING, 100)
        return Region(
            keys=_range(values, added, Generator.KEYS),
            velocities=_range(values, added, Generator.VELOCITIES),
            tape=self._find_tape(values[Generator.SAMPLE], get),
            sr=int(sample["sr"]),
            root_key=float(root_key) - tuning / (cents_per_key or 100),
            cents_per_key=cents_per_key,
            attenuation_db=get(Generator.ATTENUATION) / 10,
            cutoff_cents=get(Generator.CUTOFF, OPEN_CUTOFF_CENTS),
            resonance_db=get(Generator.RESONANCE) / 10,
            volume=_envelope(get, Generator.VOLUME_DELAY),
            modulation=_envelope(get, Generator.MODULATION_DELAY),
            modulation_to_cutoff=get(Generator.ENVELOPE_TO_CUTOFF),
            modulation_to_pitch=get(Generator.ENVELOPE_TO_PITCH),
            lfo=_oscillator(get, Generator.LFO_DELAY, Generator.LFO_RATE),
            vibrato=_oscillator(get, Generator.VIBRATO_DELAY, Generator.VIBRATO_RATE),
            lfo_to_pitch=get(Generator.LFO_TO_PITCH),
            vibrato_to_pitch=get(Generator.VIBRATO_TO_PITCH),
            lfo_to_volume_db=get(Generator.LFO_TO_VOLUME) / 10,
        )

    def _find_tape(self, index: int, get: _Lookup) -> Callable[[], tuple[np.ndarray, int]]:
        """Say where a sample and its loop are, without reading it."""
        return self._samples.find(
            index,
            start=int(get(Generator.START) + 32768 * get(Generator.START_COARSE)),
            end=int(get(Generator.END) + 32768 * get(Generator.END_COARSE)),
            loop_start=int(get(Generator.LOOP_START) + 32768 * get(Generator.LOOP_START_COARSE)),
            loop_end=int(get(Generator.LOOP_END) + 32768 * get(Generator.LOOP_END_COARSE)),
            loops=get(Generator.LOOP_MODE) in (1, 3),
        )


@lru_cache(maxsize=32)
def open_soundfont(path: Path) -> Soundfont:
    """Open a soundfont, or give it as it was opened before.

    Parameters
    ----------
    path : Path
        An SF2 or SF3 file.

    Returns
    -------
    Soundfont
        Its samples are read when they are first played.
    """
    return Soundfont(path)


def find_soundfont() -> Path:
    """Find the General MIDI soundfont that is installed with `pretty_midi`.

    Returns
    -------
    Path
        ``TimGM6mb.sf2``, 6 MB of sampled instruments.

    Raises
    ------
    FileNotFoundError
        If the package is not installed or comes without it.
    """
    # Looked up, not imported: the import alone would load a MIDI library.
    spec = importlib.util.find_spec(SOUNDFONT_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / SOUNDFONT_FILE
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"no soundfont: {SOUNDFONT_FILE} must come with the package {SOUNDFONT_PACKAGE!r}, which "
        f"{'has no such file' if spec else 'is not installed'}; run `pip install "
        f"{SOUNDFONT_PACKAGE}` or give soundfont= the path of an SF2 file"
    )


def _range(values: dict[int, int], added: dict[int, int], generator: Generator) -> tuple[int, int]:
    """Lowest and highest key or velocity that both the instrument's and preset's zone allow."""
    pairs = [zone.get(generator, _ALL_KEYS) for zone in (values, added)]
    return max(pair & 255 for pair in pairs), min(pair >> 8 for pair in pairs)


def _overlap(values: dict[int, int], added: dict[int, int]) -> bool:
    ranges = (_range(values, added, each) for each in (Generator.KEYS, Generator.VELOCITIES))
    return all(low <= high for low, high in ranges)


def _seconds(timecents: float) -> float:
    return 0.0 if timecents <= -12_000 else 2.0 ** (min(timecents, 8000) / 1200)


def _envelope(get: _Lookup, first: int) -> Envelope:
    delay, attack, hold, decay = (_seconds(get(first + i, -12_000)) for i in range(4))
    # Tenths of a percent below full for the modulation envelope, tenths of a dB for the volume's,
    # whose full fall is 100 dB: the same number on the scale from 0 to 1.
    sustain = 1 - min(max(get(first + 4), 0), 1000) / 1000
    release = _seconds(get(first + 5, -12_000))
    return Envelope(delay, attack, hold, decay, sustain, release, get(first + 6), get(first + 7))


def _oscillator(get: _Lookup, delay: Generator, rate: Generator) -> Oscillator:
    return Oscillator(_seconds(get(delay, -12_000)), 8.176 * 2 ** (get(rate) / 1200))
