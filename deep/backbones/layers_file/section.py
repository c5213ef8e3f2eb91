"""What the sections of a layers file are once read: plain descriptions that know their lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# As Python's own, but never evaluated: a number, True or False, None, a word, or a list of these.
Scalar = int | float | str | None
Value = Scalar | list[Scalar]


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the file, or one of its repetitions.

    Parameters
    ----------
    kind : str
        What stands in the brackets, such as ``"conv2d"``.
    name : str
        The kind and how many of its kind came before, such as ``"conv2d_0"``.
    part : str
        Name of the part that it belongs to: ``"convs"`` after ``[convs_module]``.
    file : str
        Name of the file, for messages.
    line : int
        Where it stands, from 1.
    options : mapping of str to Value
        What is set under it.
    option_lines : mapping of str to int
        Where.
    """

    kind: str
    name: str
    part: str
    file: str
    line: int
    options: Mapping[str, Value]
    option_lines: Mapping[str, int]

    def problem(self, text: str, *, option: str | None = None) -> str:
        """Say where something is wrong.

        Parameters
        ----------
        text : str
            What must hold, and what was given.
        option : str or None
            The option that it is about, which has a line of its own.

        Returns
        -------
        str
            File, line and section before the text.
        """
        line = self.option_lines.get(option, self.line) if option else self.line
        return f"{self.file}, line {line}: [{self.kind}] {text}"


@dataclass(frozen=True, slots=True)
class LayersFile:
    """A file as it was read.

    Parameters
    ----------
    file : str
        Its name, for messages.
    text : str
        All of it.
    input : Section or None
        What it says of its input.
    layers : tuple of Section
        Layers in their order, repetitions written out.
    """

    file: str
    text: str
    input: Section | None
    layers: tuple[Section, ...]
