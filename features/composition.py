"""Feature sets of one's own, from names in the catalogue.

Conventions: what is wrong is said all at once, before any clip is read. A set is tried on a moment
of silence first, which tells how many contours a descriptor has with given settings, and whether
it takes them at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from features.analysis import ClipAnalysis
from features.catalogue import CATALOGUE
from features.feature_set import FeatureSet, Part
from features.naming import did_you_mean
from features.part_variants import freeze_settings, make_part

# How clips are analysed: `sr` in Hz and the lengths in samples are whole, `segment_s` need not be.
ANALYSIS_SETTINGS = ("sr", "n_fft", "hop_length", "n_mels", "segment_s")

# Set names appear in cards, in file names and, joined by "+", on the command line.
SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
COLUMN_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def compose_feature_set(
    name: str, parts: Sequence[str | Mapping[str, Any]], **settings: Any
) -> FeatureSet:
    """Make a feature set of parts in the catalogue.

    Parameters
    ----------
    name : str
        Letters, digits, ``.``, ``_`` and ``-``.
    parts : sequence of str or mapping
        Names in the catalogue, or mappings with the name as `part` and what differs: `contours`,
        `functionals`, `delta`, `settings` and `column` as of `features.part_variants.make_part`.
    **settings : int or float
        How clips are analysed: `sr`, `n_fft`, `hop_length`, `n_mels`, `segment_s`, where they
        differ from the defaults of `FeatureSet`.

    Returns
    -------
    FeatureSet
        Its features in the order of `parts`.

    Raises
    ------
    ValueError
        With everything that is wrong: unknown names and settings, settings that a descriptor does
        not take, features of the same name.

    Examples
    --------
    >>> chroma = {"part": "chroma", "functionals": ["mean", "std"]}
    >>> compose_feature_set("mine", ["spectral_contrast", chroma], sr=16000).n_features
    80
    """
    problems = _check_settings(settings)
    if not isinstance(name, str) or not SET_NAME.fullmatch(name):
        problems.append(f"a name must consist of letters, digits, '.', '_' and '-', got {name!r}")
    analysis = None
    if not problems:
        try:
            analysis = ClipAnalysis(np.zeros(1), **{**FeatureSet("", ()).settings, **settings})
        except ValueError as exc:
            problems.append(str(exc))
    if isinstance(parts, str | Mapping) or not isinstance(parts, Sequence) or not parts:
        problems.append(f"parts must be a list of at least one part, got {parts!r}")
        parts = ()
    made = []
    for position, given in enumerate(parts, start=1):
        try:
            made.append(_read_part(given, analysis))
        except ValueError as exc:
            problems.append(f"part {position}: {exc}")
    if not problems:
        try:
            return FeatureSet(name, tuple(made), **settings)
        except ValueError as exc:
            problems.append(f"{exc}; a part that is there twice needs another 'column'")
    raise ValueError(f"feature set {name!r}: {'; '.join(problems)}")


def _check_settings(settings: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, value in settings.items():
        if name not in ANALYSIS_SETTINGS:
            near = did_you_mean(name, ANALYSIS_SETTINGS)
            known = ", ".join(ANALYSIS_SETTINGS)
            problems.append(f"a setting must be one of {known}, got {name!r}{near}")
        elif name == "segment_s" and not _is_seconds(value):
            problems.append(f"{name} must be a positive number of seconds, got {value!r}")
        elif name != "segment_s" and not (_is_whole(value) and value > 0):
            problems.append(f"{name} must be a positive whole number, got {value!r}")
    return problems


def _is_seconds(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 < value < np.inf


def _read_part(given: object, analysis: ClipAnalysis | None) -> Part:
    """Make a part of what a recipe says of it, or say all that is wrong with it."""
    fields, problems = _check_fields(given)
    n_contours = None
    if "part" not in fields:
        raise ValueError("; ".join([*problems, "it lacks 'part', the name in the catalogue"]))
    name = fields.pop("part")
    if analysis is not None and name in CATALOGUE:
        try:
            n_contours = _count_contours(name, fields.get("settings", {}), analysis)
        except ValueError as exc:
            problems.append(str(exc))
            fields.pop("settings", None)
    try:
        part = make_part(name, **fields, n_contours=n_contours)
    except ValueError as exc:
        problems.append(str(exc))
    if problems:
        raise ValueError("; ".join(problems))
    return part


def _check_fields(given: object) -> tuple[dict[str, Any], list[str]]:
    """Give the fields that hold what they should, and say what is wrong with the others."""
    if isinstance(given, str):
        return {"part": given}, []
    if not isinstance(given, Mapping):
        raise ValueError(f"must be a name or a mapping with 'part', got {given!r}")
    fields, problems = {}, []
    for key, value in given.items():
        if key not in FIELDS:
            problems.append(f"there is no field {key!r}{did_you_mean(key, FIELDS)}")
            continue
        holds, what = FIELDS[key]
        if holds(value):
            fields[key] = value
        else:
            problems.append(f"{key} must be {what}, got {value!r}")
    return fields, problems


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(map(_is_text, value))


def _is_choice(value: object) -> bool:
    return _is_whole(value) or _is_list_of_text(value)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(_is_text, value))


def _is_column(value: object) -> bool:
    return isinstance(value, str) and COLUMN_NAME.fullmatch(value) is not None


# What a recipe may say of a part: what its value must be, in code and in words.
FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "part": (_is_text, "a name"),
    "functionals": (_is_list_of_text, "a list of names"),
    "contours": (_is_choice, "a number or a list of names"),
    "delta": (_is_whole, "0, 1 or 2"),
    "settings": (_is_table, "a mapping of names to values"),
    "column": (_is_column, "lower-case words and numbers joined by '_'"),
}


def _count_contours(name: str, given: Mapping[str, Any], analysis: ClipAnalysis) -> int | None:
    """Count the contours of a descriptor with some settings; None if it has no such settings."""
    part = CATALOGUE[name].part
    try:
        settings = dict(freeze_settings(part.descriptor, {**dict(part.settings), **given}))
    except ValueError:
        return None
    try:
        return len(part.descriptor(analysis, **settings))
    except Exception as exc:
        # What settings of any type and size make a descriptor raise is not worth foreseeing.
        with_these = f"the settings {settings}" if settings else "this analysis"
        raise ValueError(f"{name!r} cannot be computed with {with_these}: {exc}") from exc
