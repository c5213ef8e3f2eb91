"""Options of augmentations: fields that know their range, so that one place checks recipes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import Field, field, fields
from typing import Any


def option(
    default: Any,
    *,
    about: str,
    least: float | None = None,
    most: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """Make a field of an augmentation.

    Parameters
    ----------
    default : bool, int, float or str
        Its default, which also tells its type.
    about : str
        What it is, in a few words, with its unit.
    least, most : float or None
        The range of a number, both included.
    choices : sequence of str
        What a text may be; empty means anything.

    Returns
    -------
    dataclasses.Field
        For a dataclass.
    """
    known = {"about": about, "least": least, "most": most, "choices": tuple(choices)}
    return field(default=default, metadata=known)


def describe_range(known: Field[Any]) -> str:
    """Say what an option may be.

    Parameters
    ----------
    known : dataclasses.Field
        From `option`.

    Returns
    -------
    str
        Such as ``"a number from 0 to 1"``.
    """
    least, most, choices = (known.metadata[key] for key in ("least", "most", "choices"))
    if choices:
        return f"one of {', '.join(choices)}"
    if isinstance(known.default, str):
        return "a text"
    kind = "a whole number" if isinstance(known.default, int) else "a number"
    return f"{kind} from {least:g} to {most:g}"


def find_problems(kind: str, step_class: type, given: Mapping[str, Any]) -> list[str]:
    """Check the options that a recipe gives an augmentation.

    Parameters
    ----------
    kind : str
        Its name in the recipe.
    step_class : type
        Its dataclass.
    given : mapping
        Option to value.

    Returns
    -------
    list of str
        What is wrong: names that are no option, values out of range, and a ``min_`` above its
        ``max_``.
    """
    known = {each.name: each for each in fields(step_class)}
    problems = [
        f"{kind} has no option {name!r}; its options are {', '.join(known)}"
        for name in given
        if name not in known
    ]
    wrong = [name for name in given if name in known and not _fits(known[name], given[name])]
    problems += [
        f"{kind}.{name} must be {describe_range(known[name])}, got {given[name]!r}"
        for name in wrong
    ]
    values = {name: given.get(name, each.default) for name, each in known.items()}
    for low in [name for name in known if name.startswith("min_")]:
        high = "max_" + low.removeprefix("min_")
        if not {low, high} & set(wrong) and high in known and values[low] > values[high]:
            problems.append(
                f"{kind}.{low} must be at most {kind}.{high}, "
                f"got {values[low]!r} and {values[high]!r}"
            )
    return problems


def _fits(known: Field[Any], value: Any) -> bool:
    least, most, choices = (known.metadata[key] for key in ("least", "most", "choices"))
    if isinstance(known.default, str):
        return isinstance(value, str) and (not choices or value in choices)
    allowed = int if isinstance(known.default, int) else int | float
    if isinstance(value, bool) or not isinstance(value, allowed) or not math.isfinite(value):
        return False
    return (least is None or value >= least) and (most is None or value <= most)
