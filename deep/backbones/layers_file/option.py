"""What the options of layers may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deep.backbones.layers_file.section import Section, Value

# A size of more is a slip of the hand; a million channels fit into no memory.
MAX_SIZE = 65536
SAME, VALID = "same", "valid"


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a layer.

    Parameters
    ----------
    must : str
        What it must be, for messages.
    holds : callable
        Whether a value is so.
    default : Value
        What it is if the file does not say.
    required : bool
        Whether the file must say.
    """

    must: str
    holds: Callable[[Value], bool]
    default: Value = None
    required: bool = False


Options = Mapping[str, Option]


def _is_whole(value: object, least: int) -> bool:
    return type(value) is int and least <= value <= MAX_SIZE


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def count(default: int | None = None) -> Option:
    """Make an option that is a whole number.

    Parameters
    ----------
    default : int or None
        None means that the file must say.

    Returns
    -------
    Option
        From 1 to `MAX_SIZE`.
    """
    return Option(
        f"a whole number from 1 to {MAX_SIZE}",
        lambda value: _is_whole(value, 1),
        default,
        default is None,
    )


def sizes(n_axes: int, default: int | None = None, *, least: int = 1) -> Option:
    """Make an option that is a whole number, or one for each axis.

    Parameters
    ----------
    n_axes : int
        Axes besides channels.
    default : int or None
        None means that the file must say.
    least : int
        Least number.

    Returns
    -------
    Option
        See `per_axis`.
    """
    return Option(
        f"a whole number from {least} to {MAX_SIZE}{_or_each(n_axes)}",
        lambda value: all(_is_whole(each, least) for each in _each(value, n_axes)),
        default,
        default is None,
    )


def padding(n_axes: int, *, same: bool = True) -> Option:
    """Make an option that says how much stands around a layer's input.

    Parameters
    ----------
    n_axes : int
        Axes besides channels.
    same : bool
        Whether it can be ``same``.

    Returns
    -------
    Option
        ``valid``, which is none and the default, a number, one for each axis, or ``same``.
    """
    words = (SAME, VALID) if same else (VALID,)
    return Option(
        f"{', '.join(words)}, a whole number from 0 to {MAX_SIZE}{_or_each(n_axes)}",
        lambda value: value in words or all(_is_whole(each, 0) for each in _each(value, n_axes)),
        VALID,
    )


def sizes_or_none(n_axes: int) -> Option:
    """Make an option that is a size for each axis, where None leaves one as it is.

    Parameters
    ----------
    n_axes : int
        Axes besides channels.

    Returns
    -------
    Option
        That the file must say.
    """
    return Option(
        f"a whole number from 1 to {MAX_SIZE} or None{_or_each(n_axes)}",
        lambda value: all(each is None or _is_whole(each, 1) for each in _each(value, n_axes)),
        required=True,
    )


def share(default: float) -> Option:
    """Make an option that is a probability.

    Parameters
    ----------
    default : float
        What it is if the file does not say.

    Returns
    -------
    Option
        From 0 to less than 1.
    """
    return Option(
        "a number from 0 to less than 1",
        lambda value: _is_number(value) and 0 <= value < 1,  # type: ignore[operator]
        default,
    )


def number(default: float, *, above: float = -math.inf) -> Option:
    """Make an option that is a number.

    Parameters
    ----------
    default : float
        What it is if the file does not say.
    above : float
        What it must be greater than.

    Returns
    -------
    Option
        Any finite number above that.
    """
    bound = "" if above == -math.inf else f" above {above:g}"
    return Option(
        f"a number{bound}",
        lambda value: _is_number(value) and value > above,  # type: ignore[operator]
        default,
    )


def flag(default: bool) -> Option:
    """Make an option that is on or off.

    Parameters
    ----------
    default : bool
        What it is if the file does not say.

    Returns
    -------
    Option
        True or False.
    """
    return Option("True or False", lambda value: isinstance(value, bool), default)


def word(choices: tuple[str, ...]) -> Option:
    """Make an option that is one of some words.

    Parameters
    ----------
    choices : tuple of str
        The words; the first is the default.

    Returns
    -------
    Option
        One of them.
    """
    return Option(f"one of {', '.join(choices)}", lambda value: value in choices, choices[0])


def axes() -> Option:
    """Make an option that is a list of axes.

    Returns
    -------
    Option
        Whole numbers from 0, none of them twice; by default there is none.
    """
    return Option(
        "a list of different whole numbers from 0",
        lambda value: (
            isinstance(value, list)
            and len(value) > 0
            and all(_is_whole(each, 0) for each in value)
            and len(set(value)) == len(value)
        ),
    )


def per_axis(value: Any, n_axes: int) -> tuple[Any, ...]:
    """Give a value for each axis.

    Parameters
    ----------
    value : Value
        Of an option that is one or a list.
    n_axes : int
        Axes besides channels.

    Returns
    -------
    tuple
        As many values.
    """
    return tuple(value) if isinstance(value, list) else (value,) * n_axes


def find_problems(section: Section, options: Options) -> list[str]:
    """Compare what a section sets with what it may and must.

    Parameters
    ----------
    section : Section
        Of the file.
    options : mapping of str to Option
        Of its kind.

    Returns
    -------
    list of str
        What is wrong, by lines.
    """
    problems = [
        section.problem(f"must set {name}: {option.must}")
        for name, option in options.items()
        if option.required and name not in section.options
    ]
    for name, value in section.options.items():
        if name not in options:
            known = ", ".join(options) or "none"
            text = f"has no option {name!r}; its options are: {known}"
        elif not options[name].holds(value):
            text = f"{name} must be {options[name].must}, got {value!r}"
        else:
            continue
        problems.append(section.problem(text, option=name))
    return problems


def _or_each(n_axes: int) -> str:
    return f", or a list of {n_axes}" if n_axes > 1 else ""


def _each(value: Value, n_axes: int) -> list[Any]:
    """Give all values of a list that has one for each axis, or the one that stands for all."""
    return value if isinstance(value, list) and len(value) == n_axes else [value]
