"""What there is to say of descriptors and feature sets, as data and as text for a terminal.

Conventions: descriptions are JSON-able, and made from the catalogue, the sets and the descriptors'
docstrings alone, so that they cannot say other than the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

from features.catalogue import CATALOGUE, Check
from features.docstrings import read_docstring
from features.feature_set import FeatureSet, Part
from features.feature_set_files import CARD_ENDINGS, RECIPE_ENDINGS, find_feature_set
from features.named_sets import AnyFeatureSet, get_feature_set, list_feature_sets
from features.naming import abbreviate, did_you_mean
from features.opensmile_sets import OpenSmileSet
from features.part_variants import default_settings

# What follows a descriptor's summary and its unit, for its derivatives.
DERIVATIVES = (
    ("", ""),
    (": first derivative", "\nAs a derivative, per frame: see `features.cepstral.delta`."),
    (": second derivative", "\nAs a derivative, per frame squared: see `features.cepstral.delta`."),
)


def describe(text: str) -> dict[str, Any]:
    """Describe a descriptor or a feature set.

    Parameters
    ----------
    text : str
        Name of either, or a set as `find_feature_set` takes it.

    Returns
    -------
    dict
        As of `describe_descriptor` or `describe_feature_set`.

    Raises
    ------
    ValueError
        If there is neither of that name.
    """
    if text in CATALOGUE:
        return describe_descriptor(text)
    names = list_feature_sets()
    if text in names or "+" in text or text.endswith(RECIPE_ENDINGS + CARD_ENDINGS):
        return describe_feature_set(find_feature_set(text))
    near = did_you_mean(text, [*names, *CATALOGUE])
    raise ValueError(f"there is no feature set or descriptor {text!r}{near}")


def describe_descriptor(name: str) -> dict[str, Any]:
    """Describe a part of the catalogue.

    Parameters
    ----------
    name : str
        A key of `CATALOGUE`.

    Returns
    -------
    dict
        `name`, `group`, `function`, `summary`, `details`, `shape`, `values` (unit, range, silence),
        `settings`, `notes`, `references`, `contours`, `functionals`, `n_features`, `columns` in
        short, the `sets` that hold it, and the `checks` of its numbers.
    """
    entry = CATALOGUE[name]
    part = entry.part
    descriptor = part.descriptor
    doc = read_docstring(descriptor)
    shape, values = doc.gives
    what, unit = DERIVATIVES[part.delta]
    return {
        "name": name,
        "group": part.group,
        "function": f"{descriptor.__module__}.{descriptor.__name__}",
        "summary": f"{doc.summary.rstrip('.')}{what}.",
        "details": doc.extended,
        "shape": shape,
        "values": values + unit,
        "settings": [
            {
                "name": key,
                "default": default,
                "meaning": ": ".join(filter(None, doc.settings.get(key, ()))),
            }
            for key, default in (default_settings(descriptor) | dict(part.settings)).items()
        ],
        "notes": doc.notes,
        "references": doc.references,
        "contours": list(part.contours),
        "functionals": list(part.functionals),
        "n_features": len(part.feature_names),
        "columns": column_pattern(part),
        "sets": [key for key in list_feature_sets() if _holds(get_feature_set(key), part)],
        "checks": [
            {
                "reference": check.reference,
                "tolerance": check.tolerance,
                "test": locate_test(part, check),
            }
            for check in entry.checks
        ],
    }


def _holds(feature_set: AnyFeatureSet, part: Part) -> bool:
    if not isinstance(feature_set, FeatureSet):
        return False
    wanted = (part.descriptor, part.name, part.delta)
    return any((own.descriptor, own.name, own.delta) == wanted for own in feature_set.parts)


def locate_test(part: Part, check: Check) -> str:
    """Give the place of the test that checks a part's numbers.

    Parameters
    ----------
    part : Part
        The part.
    check : Check
        Its check.

    Returns
    -------
    str
        As pytest takes it, from the root of the repository.
    """
    if "::" in check.test:
        return f"tests/{check.test}"
    return f"tests/test_{part.descriptor.__module__.replace('.', '_')}.py::{check.test}"


def describe_feature_set(feature_set: AnyFeatureSet) -> dict[str, Any]:
    """Describe a feature set.

    Parameters
    ----------
    feature_set : FeatureSet or OpenSmileSet
        The set.

    Returns
    -------
    dict
        `name`, `summary`, `n_features`, `groups` with their sizes, `settings`, `parts`, `notes`,
        `digest`.
    """
    described = summarise_feature_set(feature_set)
    if isinstance(feature_set, OpenSmileSet):
        described["settings"] = {"sr": feature_set.sr, "config": feature_set.config}
        described["parts"] = []
        described["notes"] = read_docstring(OpenSmileSet).notes
    else:
        described["settings"] = feature_set.settings
        described["parts"] = [
            {
                "name": part.name,
                "group": part.group,
                "descriptor": part.descriptor.__name__,
                "settings": dict(part.settings),
                "n_features": len(part.feature_names),
                "columns": column_pattern(part),
            }
            for part in feature_set.parts
        ]
        described["notes"] = ""
    return {**described, "digest": feature_set.digest}


def summarise_feature_set(feature_set: AnyFeatureSet) -> dict[str, Any]:
    """Describe a feature set in a line.

    Parameters
    ----------
    feature_set : FeatureSet or OpenSmileSet
        The set.

    Returns
    -------
    dict
        `name`, `n_features`, `groups` with their sizes, `sr` and `summary`.
    """
    return {
        "name": feature_set.name,
        "n_features": feature_set.n_features,
        "groups": feature_set.n_by_group,
        "sr": feature_set.sr,
        "summary": feature_set.summary,
    }


def list_all() -> dict[str, list[dict[str, Any]]]:
    """Describe every set and every descriptor in a line.

    Returns
    -------
    dict
        `sets`, as of `summarise_feature_set`, and `descriptors`, each with `name`, `group`,
        `n_features` and `summary`.
    """
    keys = ("name", "group", "n_features", "summary")
    return {
        "sets": [summarise_feature_set(get_feature_set(name)) for name in list_feature_sets()],
        "descriptors": [
            {key: described[key] for key in keys}
            for described in map(describe_descriptor, CATALOGUE)
        ],
    }


def column_pattern(part: Part) -> str:
    """Give a part's feature names in short.

    Parameters
    ----------
    part : Part
        The part.

    Returns
    -------
    str
        Alternatives in braces.

    Examples
    --------
    >>> column_pattern(CATALOGUE["mel"].part)
    'mel_{00 to 39}_{mean, std}'
    """
    return "_".join(filter(None, (part.name, _braces(part.contours), _braces(part.functionals))))


def _braces(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{{{abbreviate(names)}}}"


def render_text(described: Mapping[str, Any]) -> str:
    """Lay a description out for a terminal.

    Parameters
    ----------
    described : mapping
        As of `describe`.

    Returns
    -------
    str
        Lines, the last without an end.
    """
    return _render_set(described) if "parts" in described else _render_descriptor(described)


def _render_descriptor(described: Mapping[str, Any]) -> str:
    settings = [
        f"{setting['name']} = {setting['default']!r}\n{indent(setting['meaning'], '  ')}"
        for setting in described["settings"]
    ]
    checks = [
        f"{check['reference']}: {check['tolerance']}\n  {check['test']}"
        for check in described["checks"]
    ]
    sections = {
        "Gives": f"{described['shape']}\n{described['values']}",
        "Notes": described["notes"],
        "Settings": "\n".join(settings),
        "Columns": f"{described['n_features']}: {described['columns']}",
        "In sets": ", ".join(described["sets"]) or "none",
        "Checked against": "\n".join(checks),
        "References": described["references"],
    }
    head = f"{described['name']} (group {described['group']}, {described['function']})"
    return _lay_out(head, [described["summary"], described["details"]], sections)


def _render_set(described: Mapping[str, Any]) -> str:
    width = max((len(part["group"]) for part in described["parts"]), default=0)
    parts = [
        f"{part['n_features']:>4}  {part['group']:<{width}}  {part['columns']}"
        for part in described["parts"]
    ]
    sections = {
        "Features": f"{described['n_features']}: "
        + ", ".join(f"{n} {group}" for group, n in described["groups"].items()),
        "Settings": ", ".join(f"{key} {value}" for key, value in described["settings"].items()),
        "Columns": "\n".join(parts),
        "Notes": described["notes"],
        "Digest": described["digest"],
    }
    return _lay_out(described["name"], [described["summary"]], sections)


def _lay_out(head: str, paragraphs: Sequence[str], sections: Mapping[str, str]) -> str:
    blocks = [head, *filter(None, paragraphs)]
    blocks += [f"{title}\n{indent(body, '  ')}" for title, body in sections.items() if body]
    # A terminal shows no code.
    return "\n\n".join(blocks).replace("`", "")
