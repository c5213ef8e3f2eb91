"""All 128 programs of General MIDI as sixteen labels, one a family.

Reference: General MIDI System Level 1 (MIDI Manufacturers Association, 1991), sound set groupings.
Ranges are where most programs of a family sound well; of each eight programs, two are kept for
validation and two for testing.
"""

from __future__ import annotations

from features.synthesis.instruments import Instrument, Program

FAMILY_SIZE = 8

# Which split uses each program of a family, by its place there.
_PLACES = ("train", "train", "validation", "test") * 2

# Label, lowest and highest key, whether one player plays chords; in the order of the programs.
_FAMILIES = (
    ("piano", 33, 93, True),
    ("chromatic-percussion", 53, 89, True),
    ("organ", 36, 84, True),
    ("guitar", 40, 79, True),
    ("bass", 28, 55, False),
    ("strings", 45, 84, False),
    ("ensemble", 45, 79, True),
    ("brass", 45, 77, False),
    ("reed", 49, 82, False),
    ("pipe", 60, 91, False),
    ("synth-lead", 48, 84, False),
    ("synth-pad", 45, 79, True),
    ("synth-effects", 48, 79, True),
    ("ethnic", 48, 79, False),
    ("percussive", 48, 77, False),
    ("sound-effects", 48, 72, False),
)


def list_families() -> list[Instrument]:
    """List the sixteen families of General MIDI, as a table of instruments for `render_corpus`.

    Returns
    -------
    list of Instrument
        In the order of their programs.

    Examples
    --------
    >>> [family.code for family in list_families()][:3]
    ['piano', 'chromatic-percussion', 'organ']
    """
    return [
        Instrument(code, code, _programs(FAMILY_SIZE * number, code, low, high), plays_chords)
        for number, (code, low, high, plays_chords) in enumerate(_FAMILIES)
    ]


def _programs(first: int, code: str, low: int, high: int) -> tuple[Program, ...]:
    return tuple(
        Program(first + place, f"{code} {place + 1}", low, high, (split,))
        for place, split in enumerate(_PLACES)
    )
