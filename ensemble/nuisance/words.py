"""The nuisance audit in plain sentences: what was found, what it means, what to do.

Conventions: a ROC area is told as what it is, the share of pairs of clips, one with a label and one
without, of which the model ranks the right one first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ensemble.nuisance.table import VARIABLES
from reports.significance import MIN_GROUPS

# More names than these in a sentence are not read.
MAX_NAMED = 3

# A variable alone that ranks fewer pairs is not worth a repair before the others.
WORTH_REPAIR = 0.6

_OF_SOUND = {variable.name: variable.of_sound for variable in VARIABLES}
_REMEDIES = {variable.name: variable.remedy for variable in VARIABLES}


def describe_audit(audit: Mapping[str, Any], problem: str = "") -> list[str]:
    """Say what an audit found.

    Parameters
    ----------
    audit : mapping
        As of `ensemble.nuisance.audit.NuisanceAudit.as_dict`.
    problem : str
        Why nothing was measured; empty if something was.

    Returns
    -------
    list of str
        The verdict first.
    """
    if problem:
        return [f"Whether the recording conditions give the labels away cannot be told: {problem}."]
    if not audit["together"]:
        return [
            "The recording conditions cannot give the labels away: in all that is measured "
            f"({join_words(list(_OF_SOUND))}) the clips are the same."
        ]
    describe = {
        "cannot tell": _describe_unsure,
        "none found": _describe_none,
        "some": _describe_found,
        "strong": _describe_found,
    }
    return [
        *describe[audit["verdict"]](audit),
        *_describe_left_out(audit["left_out"]),
        *_describe_unreadable(audit["failures"]),
    ]


def _describe_unsure(audit: Mapping[str, Any]) -> list[str]:
    n_groups = audit["counts"]["groups"]
    return [
        f"Whether the recording conditions give the labels away cannot be told: {n_groups} groups "
        f"are too few for an interval, which needs {MIN_GROUPS}. {_describe_pairs(audit)}"
    ]


def _describe_none(audit: Mapping[str, Any]) -> list[str]:
    return [
        "No sign that the recording conditions give the labels away. " + _describe_pairs(audit),
        f"With {audit['counts']['clips']:,} clips of {audit['counts']['groups']:,} groups, more "
        "than the interval's upper end can be ruled out; what is not measured here (microphone, "
        "room, noise) cannot.",
    ]


def _describe_found(audit: Mapping[str, Any]) -> list[str]:
    strongly = audit["verdict"] == "strong"
    start = "The recording conditions alone give " + ("much" if strongly else "something")
    return [
        f"{start} of the labels away. {_describe_pairs(audit)}",
        *_describe_variables(audit),
        *_describe_labels(audit),
        "What is told apart so, a classifier may have learnt in place of the sound: its scores "
        "may then not hold for recordings made otherwise.",
        *_describe_share_of_sound(audit),
        _describe_remedies(audit),
    ]


def _describe_pairs(audit: Mapping[str, Any]) -> str:
    text = (
        "Shown only how clips were recorded, not the sound itself, a model that gets a clip with a "
        "label and one without tells which is which in "
        f"{_share(audit['together']['macro_roc_auc'])} of cases; guessing gives 50 %."
    )
    if accuracy := audit["together"].get("accuracy"):
        chance = audit["chance"]["accuracy"]
        text += (
            f" It names the right label for {_share(accuracy)} of the clips; the most frequent one "
            f"is right for {_percent(chance)}."
        )
    return text


def _describe_variables(audit: Mapping[str, Any]) -> list[str]:
    told = [f"{name} ({_percent(area)})" for name, area in _telling(audit).items()]
    if not told:
        return ["No variable alone does so for sure: it takes several together."]
    first, *rest = told[:MAX_NAMED]
    text = f"What tells most by itself is {first}"
    return [text + (f", then {join_words(rest)}." if rest else ".")]


def _telling(audit: Mapping[str, Any]) -> dict[str, float]:
    """Give the variables that alone do better than chance for sure, the best first."""
    areas = {name: leaves.get("macro_roc_auc") for name, leaves in audit["variables"].items()}
    return {name: area["value"] for name, area in areas.items() if area and area["low"] > 0.5}


def _describe_labels(audit: Mapping[str, Any]) -> list[str]:
    sure = {k: v for k, v in audit["labels"].items() if (v["roc_auc"]["low"] or 0.0) > 0.5}
    ranked = sorted(sure, key=lambda label: -sure[label]["roc_auc"]["value"])
    if not ranked:
        return []
    told = []
    for label in ranked[:MAX_NAMED]:
        by = sure[label]["variable"]
        area = _percent(sure[label]["roc_auc"]["value"])
        told.append(f"{label} ({area}{f', most by {by}' if by else ''})")
    many = f" of {len(ranked)} labels" if len(ranked) > len(told) else ""
    return [f"Most given away{many}: {join_words(told)}."]


def _describe_share_of_sound(audit: Mapping[str, Any]) -> list[str]:
    varying = [name for name, leaves in audit["variables"].items() if leaves]
    of_sound = [name for name in varying if _OF_SOUND[name]]
    own = [name for name in varying if not _OF_SOUND[name]]
    if not of_sound:
        return []
    differ = f"{join_words(of_sound)} also {'differ' if len(of_sound) > 1 else 'differs'}"
    text = f"But {differ} from sound to sound in any recording, so part of this is no flaw."
    if not own:
        return [text + " Nothing else varies here."]
    rest = audit["recording"]["macro_roc_auc"]
    found = "still tells" if (rest["low"] or 0.0) > 0.5 else "does no better than chance:"
    return [f"{text} From {join_words(own)} alone the model {found} {_share(rest)} of cases."]


def _describe_remedies(audit: Mapping[str, Any]) -> str:
    worth = [name for name, area in _telling(audit).items() if area >= WORTH_REPAIR]
    # What can only be the recording's fault is repaired first.
    first = sorted(worth, key=_OF_SOUND.__getitem__)[:MAX_NAMED]
    todo = "".join(
        f" For {name}{', if the recordings differ in it,' if _OF_SOUND[name] else ':'} "
        f"{_REMEDIES[name]}."
        for name in first
    )
    return (
        f"Make the clips of all labels alike and audit again.{todo} The surest test is another "
        "corpus, recorded otherwise: python cli.py evaluate."
    )


def _describe_left_out(left_out: Mapping[str, str]) -> list[str]:
    told = [f"{label} ({why})" for label, why in left_out.items()]
    return [f"Not measured: {_first_of(told)}."] if told else []


def _describe_unreadable(failures: Sequence[Mapping[str, str]]) -> list[str]:
    told = [f"{failure['clip_id']} ({failure['reason']})" for failure in failures]
    return [f"Not readable, and left out: {_first_of(told)}."] if told else []


def _first_of(words: Sequence[str]) -> str:
    more = len(words) - MAX_NAMED
    return ", ".join(words[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def join_words(words: Sequence[str]) -> str:
    """Join words as people do.

    Parameters
    ----------
    words : sequence of str
        At least one.

    Returns
    -------
    str
        With commas, and "and" before the last.

    Examples
    --------
    >>> join_words(["level", "codec", "duration"])
    'level, codec and duration'
    """
    *rest, last = words
    return f"{', '.join(rest)} and {last}" if rest else last


def _percent(value: float | None) -> str:
    return "an undefined share" if value is None else f"{100 * value:.0f} %"


def _share(leaf: Mapping[str, float | None]) -> str:
    text = _percent(leaf["value"])
    if leaf["low"] is None or leaf["high"] is None:
        return text
    return f"{text} (95 % interval {100 * leaf['low']:.0f} to {100 * leaf['high']:.0f} %)"
