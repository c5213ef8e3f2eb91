"""The eleven instruments of IRMAS: their General MIDI programs, ranges and splits.

Pitches are MIDI keys as they sound (69 is A4, 440 Hz), programs are counted from 0. Ranges are
the sounding ranges that S. Adler, The Study of Orchestration (4th ed., 2016), gives, less the
extremes at the top; for the choir, from the basses' E2 to below the sopranos' top.

What a classifier hears in testing it never heard in training: a pitch belongs to one split only,
and instruments of several programs keep some for validation and some for testing.
"""

from __future__ import annotations

from dataclasses import dataclass

SPLITS = ("train", "validation", "test")

# Residues of 5 and not of 4 or 6, so that every split has all twelve pitch classes.
PITCH_MODULUS = 5
PITCH_RESIDUES = {"train": (0, 1, 2), "validation": (3,), "test": (4,)}

# In semitones; a training group is one band of one program.
BAND_WIDTH = 6


@dataclass(frozen=True, slots=True)
class Program:
    """A General MIDI program as a player of an instrument uses it.

    Parameters
    ----------
    number : int
        General MIDI program, counted from 0.
    name : str
        What it sounds like.
    low, high : int
        Comfortable range in MIDI keys, both included.
    splits : tuple of str
        The splits that use it.
    """

    number: int
    name: str
    low: int
    high: int
    splits: tuple[str, ...] = SPLITS

    def pitches(self, split: str) -> tuple[int, ...]:
        """Give the pitches of its range that a split may use.

        Parameters
        ----------
        split : str
            ``"train"``, ``"validation"`` or ``"test"``.

        Returns
        -------
        tuple of int
            MIDI keys, lowest first.
        """
        residues = PITCH_RESIDUES[split]
        return tuple(p for p in range(self.low, self.high + 1) if p % PITCH_MODULUS in residues)

    def bands(self) -> tuple[tuple[int, int], ...]:
        """Give the range cut into bands of six semitones.

        A remainder of less than half a band belongs to the band below it.

        Returns
        -------
        tuple of (int, int)
            Lowest and highest pitch of each band.
        """
        n_bands = max(1, (self.high - self.low + 1 + BAND_WIDTH // 2) // BAND_WIDTH)
        starts = [self.low + BAND_WIDTH * i for i in range(n_bands)]
        ends = [start - 1 for start in starts[1:]] + [self.high]
        return tuple(zip(starts, ends, strict=True))


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument, or the singing voice.

    Parameters
    ----------
    code : str
        The label, as in IRMAS.
    name : str
        Its full name.
    programs : tuple of Program
        In the order of their numbers.
    plays_chords : bool
        Whether one player can sound several notes at once.
    """

    code: str
    name: str
    programs: tuple[Program, ...]
    plays_chords: bool = False

    def programs_of(self, split: str) -> tuple[Program, ...]:
        """Give the programs that a split uses.

        Parameters
        ----------
        split : str
            ``"train"``, ``"validation"`` or ``"test"``.

        Returns
        -------
        tuple of Program
            In the order of `programs`.
        """
        return tuple(program for program in self.programs if split in program.splits)


_TRAIN, _VALIDATION, _TEST = ("train",), ("validation",), ("test",)

INSTRUMENTS = (
    Instrument("cel", "cello", (Program(42, "cello", 36, 72),)),
    Instrument("cla", "clarinet", (Program(71, "clarinet", 50, 86),)),
    Instrument("flu", "flute", (Program(73, "flute", 60, 93),)),
    Instrument(
        "gac",
        "acoustic guitar",
        (
            Program(24, "nylon-string guitar", 40, 79, ("train", "validation")),
            Program(25, "steel-string guitar", 40, 79, _TEST),
        ),
        plays_chords=True,
    ),
    Instrument(
        "gel",
        "electric guitar",
        (
            Program(26, "jazz guitar", 40, 79, _TRAIN),
            Program(27, "clean guitar", 40, 79, _TRAIN),
            Program(28, "muted guitar", 40, 79, _VALIDATION),
            Program(29, "overdriven guitar", 40, 79, _TEST),
            Program(30, "distorted guitar", 40, 79, _TRAIN),
        ),
        plays_chords=True,
    ),
    Instrument(
        "org",
        "organ",
        (
            Program(16, "drawbar organ", 36, 84, _TRAIN),
            Program(17, "percussive organ", 36, 84, _TEST),
            Program(18, "rock organ", 36, 84, _VALIDATION),
            Program(19, "church organ", 36, 84, _TRAIN),
            Program(20, "reed organ", 36, 84, _TRAIN),
        ),
        plays_chords=True,
    ),
    Instrument(
        "pia",
        "piano",
        (
            Program(0, "grand piano", 33, 93, _TRAIN),
            Program(1, "bright piano", 33, 93, _TEST),
            Program(2, "electric grand piano", 33, 93, _TRAIN),
            Program(3, "honky-tonk piano", 33, 93, _VALIDATION),
        ),
        plays_chords=True,
    ),
    Instrument(
        "sax",
        "saxophone",
        (
            Program(64, "soprano saxophone", 56, 84, _VALIDATION),
            Program(65, "alto saxophone", 49, 78, _TRAIN),
            Program(66, "tenor saxophone", 44, 73, _TEST),
            Program(67, "baritone saxophone", 37, 66, _TRAIN),
        ),
    ),
    Instrument("tru", "trumpet", (Program(56, "trumpet", 52, 82),)),
    Instrument(
        "vio",
        "violin",
        (
            Program(40, "violin", 55, 93, ("train", "validation")),
            Program(110, "fiddle", 55, 93, _TEST),
        ),
    ),
    Instrument(
        "voi",
        "voice",
        (
            Program(52, "choir singing ah", 41, 79, _TRAIN),
            Program(53, "voices singing oo", 41, 79, _TRAIN),
            Program(85, "solo voice", 48, 79, _TEST),
            Program(91, "space voice", 48, 79, _VALIDATION),
        ),
    ),
)


def list_instruments() -> list[Instrument]:
    """List the instruments of the built-in corpus.

    Returns
    -------
    list of Instrument
        In the order of their codes.

    Examples
    --------
    >>> [instrument.code for instrument in list_instruments()][:4]
    ['cel', 'cla', 'flu', 'gac']
    """
    return list(INSTRUMENTS)
