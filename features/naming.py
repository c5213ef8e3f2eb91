"""Names for people: the one that a misspelt one is nearest to, and long lists of them in short."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Give the end of an error message about an unknown name.

    Parameters
    ----------
    word : object
        What was given.
    known : iterable of str
        What could have been.

    Returns
    -------
    str
        Empty if nothing is near.

    Examples
    --------
    >>> did_you_mean("mfc", ["mfcc", "chroma"])
    ", did you mean 'mfcc'?"
    """
    names = list(known)
    near = get_close_matches(str(word), names, n=1)
    near = near or [name for name in names if name.startswith(str(word))]
    return f", did you mean {near[0]!r}?" if near else ""


def abbreviate(names: Iterable[str]) -> str:
    """List names, of which those numbered in sequence appear as a range.

    Parameters
    ----------
    names : iterable of str
        In order.

    Returns
    -------
    str
        Separated by commas.

    Examples
    --------
    >>> abbreviate(["mean", "std", "point_00", "point_01", "point_02"])
    'mean, std, point_00 to point_02'
    """
    runs: list[list[str]] = []
    for name in names:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    shown = (f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)
    return ", ".join(shown)


def _follows(first: str, second: str) -> bool:
    stem = first.rstrip("0123456789")
    number = first[len(stem) :]
    return bool(number) and second == f"{stem}{int(number) + 1:0{len(number)}d}"
