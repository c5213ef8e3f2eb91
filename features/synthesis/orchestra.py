"""Who can play in which split: instruments, their programs, and the soundfonts that have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from os import PathLike
from pathlib import Path

from features.synthesis.instruments import Instrument, Program
from features.synthesis.soundfont import open_soundfont

SUFFIXES = (".sf2", ".sf3")

# One file or folder, or several.
Soundfonts = str | PathLike[str] | Sequence[str | PathLike[str]]


@dataclass(frozen=True, slots=True)
class Player:
    """A program, and the soundfonts it is played from."""

    program: Program
    soundfonts: tuple[Path, ...]


@dataclass(frozen=True)
class Orchestra:
    """All that can play.

    Parameters
    ----------
    instruments : tuple of Instrument
        Their codes are the labels.
    soundfonts : mapping of str to tuple of Path
        Those of each split.
    """

    instruments: tuple[Instrument, ...]
    soundfonts: Mapping[str, tuple[Path, ...]]

    def having(self, split: str, program: int, *, bank: int = 0) -> tuple[Path, ...]:
        """Give the soundfonts of a split that have a program.

        Parameters
        ----------
        split : str
            ``"train"``, ``"validation"`` or ``"test"``.
        program : int
            General MIDI program, counted from 0.
        bank : int
            0, or 128 for percussion.

        Returns
        -------
        tuple of Path
            In the order in which they were given.
        """
        fonts = self.soundfonts[split]
        return tuple(font for font in fonts if (bank, program) in open_soundfont(font).programs)

    def players(self, instrument: Instrument, split: str) -> list[Player]:
        """Give the programs of an instrument that a split has.

        Parameters
        ----------
        instrument : Instrument
            Labelled or not.
        split : str
            ``"train"``, ``"validation"`` or ``"test"``.

        Returns
        -------
        list of Player
            In the order of its programs; those in no soundfont, or without a pitch in this split,
            are left out.
        """
        players = [
            Player(program, self.having(split, program.number))
            for program in instrument.programs_of(split)
            if program.pitches(split)
        ]
        return [player for player in players if player.soundfonts]

    def left_out(self) -> list[str]:
        """Name the programs that are in no soundfont of a split.

        Returns
        -------
        list of str
            One phrase a program and split; empty for General MIDI soundfonts.
        """
        return [
            f"program {program.number} ({program.name}) of {instrument.code} in {split}"
            for instrument in self.instruments
            for split in self.soundfonts
            for program in instrument.programs_of(split)
            if not self.having(split, program.number)
        ]


def make_orchestra(
    instruments: Sequence[Instrument],
    soundfonts: Soundfonts,
    *,
    test_soundfonts: Soundfonts | None = None,
    splits: Sequence[str],
) -> Orchestra:
    """Open soundfonts and check that every instrument can play.

    Parameters
    ----------
    instruments : sequence of Instrument
        What is labelled.
    soundfonts : str, path-like or sequence of them
        SF2 and SF3 files, or folders of them.
    test_soundfonts : str, path-like, sequence of them, or None
        Those that only the test split uses, and no other; None: the same ones.
    splits : sequence of str
        Those that are rendered.

    Returns
    -------
    Orchestra
        Every instrument has at least one program in each of the splits.

    Raises
    ------
    FileNotFoundError
        If a soundfont does not exist, or a folder has none.
    ValueError
        If one is damaged, two have the same name, a soundfont for testing is also one for
        training, two instruments share a program or a code, or an instrument has no program in
        a split; all problems of a kind at once.
    """
    common = list_soundfonts(soundfonts)
    testing = common if test_soundfonts is None else list_soundfonts(test_soundfonts)
    _check_distinct(common, testing, apart=test_soundfonts is not None)
    _check_table(instruments)
    fonts = {split: testing if split == "test" else common for split in splits}
    orchestra = Orchestra(tuple(instruments), fonts)
    problems = [
        f"{instrument.code} in {split} ({_wanted(instrument, split)})"
        for instrument in instruments
        for split in splits
        if not orchestra.players(instrument, split)
    ]
    if problems:
        names = ", ".join(dict.fromkeys(font.name for each in fonts.values() for font in each))
        raise ValueError(
            f"soundfonts must have a program for every instrument in every split; {names} must "
            f"have one of these in bank 0, and has not: {'; '.join(problems)}; use a General MIDI "
            "soundfont, or fewer instruments"
        )
    return orchestra


def _wanted(instrument: Instrument, split: str) -> str:
    numbers = [str(program.number) for program in instrument.programs_of(split)]
    return f"program {' or '.join(numbers)}" if numbers else "its table has no program for it"


def list_soundfonts(soundfonts: Soundfonts) -> tuple[Path, ...]:
    """List soundfont files.

    Parameters
    ----------
    soundfonts : str, path-like or sequence of them
        SF2 and SF3 files, or folders with such files anywhere below them.

    Returns
    -------
    tuple of Path
        In the order given, those of a folder by name; absolute.

    Raises
    ------
    FileNotFoundError
        If a file does not exist, or a folder has no soundfont.
    """
    given = [soundfonts] if isinstance(soundfonts, str | PathLike) else soundfonts
    found: list[Path] = []
    for path in (Path(each).absolute() for each in given):
        files = [path]
        if path.is_dir():
            files = sorted(
                each
                for each in path.rglob("*")
                if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")
            )
        if not files or not files[0].is_file():
            what = "has no .sf2 or .sf3 file in it" if path.is_dir() else "does not exist"
            raise FileNotFoundError(f"soundfont {path} {what}; give an SF2 or SF3 file")
        found += files
    return tuple(dict.fromkeys(found))


def digest_of(path: Path) -> str:
    """Give the checksum of a file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits.
    """
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _check_distinct(common: Sequence[Path], testing: Sequence[Path], *, apart: bool) -> None:
    fonts = list(dict.fromkeys([*common, *testing]))
    names = [font.name for font in fonts]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            "soundfonts must have different file names, since tables name them by these; "
            f"{', '.join(repeated)} occurs more than once; rename them"
        )
    if apart:
        known = {digest_of(font) for font in common}
        shared = sorted(font.name for font in testing if digest_of(font) in known)
        if shared:
            raise ValueError(
                "a soundfont for testing must not be one for training as well, "
                f"{', '.join(shared)} is; leave it out of one of them"
            )


def _check_table(instruments: Sequence[Instrument]) -> None:
    codes = [instrument.code for instrument in instruments]
    numbers = [program.number for each in instruments for program in each.programs]
    problems = [f"code {code!r} occurs twice" for code in set(codes) if codes.count(code) > 1]
    problems += [f"program {n} occurs twice" for n in set(numbers) if numbers.count(n) > 1]
    problems += [
        f"code {code!r} must be a name without ;" for code in codes if not code or ";" in code
    ]
    if problems or not instruments:
        raise ValueError(
            "a table of instruments must have distinct codes and programs: "
            + ("; ".join(sorted(problems)) or "it is empty")
        )
