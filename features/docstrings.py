"""What the docstring of a descriptor says, section by section.

Conventions: docstrings are numpydoc: a summary, more text, then sections under underlined titles.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent
from typing import Any


@dataclass(frozen=True)
class Docstring:
    """A docstring in its parts; what is not there is empty.

    Parameters
    ----------
    summary : str
        First paragraph, in one line.
    extended : str
        What follows it, up to the first section.
    settings : dict
        Parameter -> its type and its meaning; without the clip itself, which all descriptors take.
    gives : tuple of (str, str)
        Type with shape, and meaning, of the result.
    notes, references : str
        The sections of these titles.
    """

    summary: str
    extended: str
    settings: dict[str, tuple[str, str]]
    gives: tuple[str, str]
    notes: str
    references: str


def read_docstring(function: Callable[..., Any]) -> Docstring:
    """Take the docstring of a descriptor apart.

    Parameters
    ----------
    function : callable
        With a numpydoc docstring.

    Returns
    -------
    Docstring
        Its parts.

    Examples
    --------
    >>> from features.temporal import rms
    >>> read_docstring(rms).gives[0]
    'np.ndarray of shape (1, n_frames), float64'
    """
    sections = _split(inspect.getdoc(function) or "")
    summary, _, extended = sections.get("", "").partition("\n\n")
    parameters = _entries(sections.get("Parameters", ""))
    settings = {
        name: (head.partition(" : ")[2], text)
        for head, text in parameters
        for name in head.partition(" : ")[0].split(", ")
    }
    # The clip comes first, be it alone or in one entry with settings.
    settings.pop(next(iter(settings), ""), None)
    results = _entries(sections.get("Returns", ""))
    return Docstring(
        " ".join(summary.split()),
        extended.strip(),
        settings,
        results[0] if results else ("", ""),
        sections.get("Notes", ""),
        sections.get("References", ""),
    )


def _split(text: str) -> dict[str, str]:
    """Give the text under each title; what comes before the first has an empty one."""
    lines = text.splitlines()
    sections: dict[str, list[str]] = {"": []}
    title = ""
    for k, line in enumerate(lines):
        below = lines[k + 1] if k + 1 < len(lines) else ""
        if line and below and set(below) == {"-"}:
            title = line.strip()
            sections[title] = []
        elif not (line and set(line) == {"-"}):
            sections[title].append(line)
    return {title: "\n".join(body).strip("\n").rstrip() for title, body in sections.items()}


def _entries(section: str) -> list[tuple[str, str]]:
    """Give head and text of each entry of a list of parameters or results."""
    entries: list[tuple[str, list[str]]] = []
    for line in section.splitlines():
        if line and not line.startswith(" "):
            entries.append((line, []))
        elif entries:
            entries[-1][1].append(line)
    return [(head, dedent("\n".join(body)).strip()) for head, body in entries]
