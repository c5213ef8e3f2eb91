"""A layers file's text to plain descriptions of its layers."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from deep.backbones.layers_file.section import LayersFile, Section, Value
from deep.backbones.layers_file.value import parse_value

# What layers belong to that come before any part is named.
FIRST_PART = "main"
INPUT = "input"
# Far more than anything that learns has; repetitions within repetitions grow fast.
MAX_LAYERS = 1000

_SECTION = re.compile(r"\[\s*([A-Za-z][A-Za-z0-9_]*)\s*\]")
_PART = re.compile(r"([a-z][a-z0-9_]*)_module")
_REPEAT = re.compile(r"repeat\s*x\s*([0-9]{1,4})", re.IGNORECASE)
_OPTION = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


@dataclass(slots=True)
class _Found:
    """A section while its options are still coming."""

    kind: str
    part: str
    line: int
    options: dict[str, Value] = field(default_factory=dict)
    option_lines: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Repetition:
    """An open REPEAT; the outermost stands for the file itself."""

    times: int
    line: int
    found: list[_Found] = field(default_factory=list)


def parse_layers(text: str, *, file: str) -> LayersFile:
    """Read a layers file; see `deep.backbones.layers_file` for the format.

    Parameters
    ----------
    text : str
        All of the file.
    file : str
        Its name, for messages.

    Returns
    -------
    LayersFile
        Its sections as they are written; whether there are such layers is not looked at.

    Raises
    ------
    ValueError
        If a line cannot be read, or stands where it cannot; names all such lines.
    """
    parser = _Parser(file)
    for number, line in enumerate(text.splitlines(), start=1):
        if content := line.partition("#")[0].strip():
            parser.read_line(number, content)
    return parser.finish(text)


class _Parser:
    """What has been read so far."""

    def __init__(self, file: str) -> None:
        self.file, self.problems = file, list[str]()
        self.part, self.parts = FIRST_PART, {FIRST_PART: 0}
        self.input: _Found | None = None
        self.open = [_Repetition(1, 0)]
        # Where options go; none while there is nothing that could have any.
        self.current: _Found | None = None

    def complain(self, line: int, text: str) -> None:
        self.problems.append(f"{self.file}, line {line}: {text}")

    def read_line(self, number: int, content: str) -> None:
        if found := _SECTION.fullmatch(content):
            self.current = self.start_section(number, found[1])
        elif found := _REPEAT.fullmatch(content):
            self.current = None
            if int(found[1]) < 1:
                self.complain(number, f"REPEAT must be done at least once, got {content!r}")
            self.open.append(_Repetition(max(1, int(found[1])), number))
        elif content.lower() == "end":
            self.current = None
            self.end_repetition(number)
        elif found := _OPTION.fullmatch(content):
            self.read_option(number, found[1], found[2])
        else:
            self.complain(
                number,
                f"a line must be a [section], option=value, REPEATxN or END, got {content!r}",
            )

    def start_section(self, number: int, kind: str) -> _Found | None:
        if part := _PART.fullmatch(kind):
            self.start_part(number, part[1])
            return None
        found = _Found(kind, self.part, number)
        if kind != INPUT:
            self.open[-1].found.append(found)
        elif self.input or len(self.open) > 1 or self.open[0].found:
            self.complain(number, "[input] must stand once, before all layers")
        else:
            self.input = found
        return found

    def start_part(self, number: int, name: str) -> None:
        if len(self.open) > 1:
            self.complain(number, f"[{name}_module] must not stand between REPEAT and END")
        if line := self.parts.get(name):
            self.complain(
                number, f"[{name}_module] must stand once, and line {line} has it already"
            )
        self.part, self.parts[name] = name, number

    def end_repetition(self, number: int) -> None:
        if len(self.open) == 1:
            self.complain(number, "END must have a REPEATxN before it")
            return
        done = self.open.pop()
        if not done.found:
            self.complain(done.line, "REPEAT must have layers before its END, got none")
        into = self.open[-1].found
        if len(into) + done.times * len(done.found) > MAX_LAYERS:
            self.complain(done.line, f"there must be at most {MAX_LAYERS} layers, got more")
            return
        into.extend(done.times * done.found)

    def read_option(self, number: int, name: str, text: str) -> None:
        if self.current is None:
            self.complain(number, f"{name} must stand under the [section] of a layer")
            return
        if name in self.current.options:
            line = self.current.option_lines[name]
            self.complain(number, f"{name} must be set once, and line {line} sets it already")
            return
        try:
            self.current.options[name] = parse_value(text)
        except ValueError as error:
            # Known all the same, so that it is not said to be missing too.
            self.current.options[name] = None
            self.complain(number, f"{name}: {error}")
        self.current.option_lines[name] = number

    def finish(self, text: str) -> LayersFile:
        for repetition in self.open[1:]:
            self.complain(repetition.line, "REPEAT must have an END, got none")
        if self.problems:
            raise ValueError("\n".join(self.problems))
        numbers: Counter[str] = Counter()
        layers = [self.describe(found, numbers) for found in self.open[0].found]
        said = self.describe(self.input, numbers) if self.input else None
        return LayersFile(self.file, text, said, tuple(layers))

    def describe(self, found: _Found, numbers: Counter[str]) -> Section:
        name = f"{found.kind}_{numbers[found.kind]}"
        numbers[found.kind] += 1
        return Section(
            found.kind, name, found.part, self.file, found.line, found.options, found.option_lines
        )
