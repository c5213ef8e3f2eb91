"""Parts of the catalogue, as they are or changed: fewer contours, other functionals or settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from features.catalogue import CATALOGUE, FUNCTIONAL_FAMILIES, CatalogueEntry, numbered
from features.feature_set import Part
from features.functionals import list_functionals
from features.naming import abbreviate, did_you_mean

# What a derivative is called; see `features.cepstral.delta`.
DELTA_SUFFIXES = ("", "_delta", "_delta2")


def default_settings(descriptor: Callable[..., np.ndarray]) -> dict[str, Any]:
    """Give what can be set of a descriptor.

    Parameters
    ----------
    descriptor : callable
        From a `ClipAnalysis` and keyword-only settings to contours.

    Returns
    -------
    dict
        Name -> default.
    """
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(descriptor).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def freeze_settings(
    descriptor: Callable[..., np.ndarray], settings: Mapping[str, Any]
) -> tuple[tuple[str, Any], ...]:
    """Bring settings into the form that a part holds, with tuples for lists.

    Parameters
    ----------
    descriptor : callable
        Whose settings they are.
    settings : mapping
        Name -> value.

    Returns
    -------
    tuple of (str, object)
        For `Part.settings`.

    Raises
    ------
    ValueError
        If the descriptor has no such settings.
    """
    defaults = default_settings(descriptor)
    unknown = [
        f"{descriptor.__name__} has no setting {name!r}{did_you_mean(name, defaults)}"
        for name in settings
        if name not in defaults
    ]
    if unknown:
        raise ValueError("; ".join(unknown))
    return tuple((name, _as_tuple(value)) for name, value in settings.items())


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value


def make_part(
    name: str,
    *,
    contours: int | Sequence[str] | None = None,
    functionals: Sequence[str] | None = None,
    delta: int = 0,
    settings: Mapping[str, Any] | None = None,
    column: str | None = None,
    n_contours: int | None = None,
) -> Part:
    """Take a part of the catalogue, changed where something is said.

    Parameters
    ----------
    name : str
        The part.
    contours : int, sequence of str or None
        The first so many, or those of these names; None takes all.
    functionals : sequence of str or None
        Functionals, or names of families of them: see `FUNCTIONAL_FAMILIES`. None takes the
        catalogue's.
    delta : int
        1 or 2 for the first or second derivative of the contours.
    settings : mapping or None
        Settings of the descriptor.
    column : str or None
        What the features' names begin with; None takes the catalogue's name for it.
    n_contours : int or None
        How many contours the descriptor has with these settings; None means as many as the
        catalogue names.

    Returns
    -------
    Part
        For a feature set.

    Raises
    ------
    ValueError
        With all that is wrong: unknown names, a derivative of a derivative.

    Examples
    --------
    >>> make_part("spectral_moments", contours=["bandwidth"], functionals=["mean"]).feature_names
    ['spectral_bandwidth_mean']
    """
    kept, problems = _expand(functionals or ())
    if name not in CATALOGUE:
        problems.insert(0, f"there is no part {name!r}{did_you_mean(name, CATALOGUE)}")
        raise ValueError("; ".join(problems))
    entry = CATALOGUE[name]
    part = entry.part
    frozen: tuple[tuple[str, Any], ...] = part.settings
    try:
        frozen = freeze_settings(part.descriptor, dict(part.settings) | dict(settings or {}))
    except ValueError as exc:
        problems.append(str(exc))
    if delta not in range(len(DELTA_SUFFIXES)):
        problems.append(f"delta must be 0, 1 or 2, got {delta!r}")
    elif delta and part.delta:
        problems.append(f"{name!r} is a derivative already, so its delta must be 0, got {delta}")
    available = _name_contours(entry, dict(frozen), n_contours)
    chosen: Sequence[int] = ()
    try:
        chosen = _choose(contours, available)
    except ValueError as exc:
        problems.append(str(exc))
    if problems:
        raise ValueError("; ".join(problems))
    return Part(
        part.group,
        column or part.name + DELTA_SUFFIXES[delta],
        part.descriptor,
        tuple(available[k] for k in chosen),
        kept or part.functionals,
        part.delta or delta,
        _without_defaults(part.descriptor, frozen),
        () if list(chosen) == list(range(len(chosen))) else tuple(chosen),
    )


def _without_defaults(
    descriptor: Callable[..., np.ndarray], settings: Iterable[tuple[str, Any]]
) -> tuple[tuple[str, Any], ...]:
    """Leave out what is said but changes nothing, so that equal parts have equal digests."""
    defaults = default_settings(descriptor)
    return tuple(sorted((name, value) for name, value in settings if value != defaults[name]))


def _name_contours(
    entry: CatalogueEntry, settings: Mapping[str, Any], n_contours: int | None
) -> tuple[str, ...]:
    if entry.name_contours is not None:
        return entry.name_contours(**{**default_settings(entry.part.descriptor), **settings})
    known = entry.part.contours
    return known if n_contours in (None, len(known)) else numbered(n_contours)


def _choose(contours: int | Sequence[str] | None, available: Sequence[str]) -> Sequence[int]:
    """Give the positions of the contours that are wanted."""
    if contours is None:
        return range(len(available))
    if isinstance(contours, int):
        if not 0 < contours <= len(available):
            raise ValueError(f"contours must be from 1 to {len(available)}, got {contours}")
        return range(contours)
    listed = abbreviate(available) or "one without a name"
    unknown = [
        f"there is no contour {name!r} among {listed}{did_you_mean(name, available)}"
        for name in contours
        if name not in available
    ]
    if unknown:
        raise ValueError("; ".join(unknown))
    return [available.index(name) for name in contours]


def _expand(functionals: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Replace families by their functionals, and name what is neither."""
    known = list_functionals()
    kept: list[str] = []
    problems: list[str] = []
    for name in functionals:
        if name in FUNCTIONAL_FAMILIES:
            kept += FUNCTIONAL_FAMILIES[name]
        elif name in known:
            kept.append(name)
        else:
            near = did_you_mean(name, [*known, *FUNCTIONAL_FAMILIES])
            problems.append(f"there is no functional {name!r}{near}")
    # A functional that two families share is meant once.
    return tuple(dict.fromkeys(kept)), problems
