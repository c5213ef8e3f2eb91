"""What corpora hold, in words: one sentence, a table of facts side by side, what to beware of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reports.corpus_tables import mean_labels_per_clip

DASH = "\N{EN DASH}"
MAX_NAMED = 5

Found = Mapping[str, Any]


def time_words(seconds: float | None) -> str:
    """Return a length of time with the unit that people would use.

    Parameters
    ----------
    seconds : float or None
        The length in s; None is a dash.

    Returns
    -------
    str
        Such as ``"0.42 s"``, ``"12.5 min"`` or ``"3.1 h"``.
    """
    if seconds is None:
        return DASH
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:,.1f} h"


def describe_corpora(statistics: Mapping[str, Found]) -> str:
    """Return the corpora in one sentence.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        As `features.statistics.CorpusStatistics.as_dict` gives them.

    Returns
    -------
    str
        Clips, labels, groups and sound.
    """
    if len(statistics) == 1:
        found = next(iter(statistics.values()))
        durations = found["durations"]
        sound = f", {time_words(durations['total_s'])} of sound" if durations else ""
        mean = mean_labels_per_clip(found)
        kind = "" if mean is None else f"; {mean:.2f} labels a clip on average"
        if found["task"] == "single-label":
            kind = "; one label a clip"
        return (
            f"{_count(found['clips'], 'clip')} of {_count(len(found['labels']), 'label')} in "
            f"{_count(found['groups'], 'group')}{sound}{kind}."
        )
    named = [set(found["labels"]) for found in statistics.values()]
    clips = sum(found["clips"] for found in statistics.values())
    shared = len(set.intersection(*named))
    return (
        f"{len(statistics)} corpora of {_count(clips, 'clip')} and "
        f"{_count(len(set.union(*named)), 'label')}, {shared or 'none'} of them in every corpus."
    )


def corpus_facts(statistics: Mapping[str, Found]) -> list[tuple[str, list[str]]]:
    """Return what there is to tell of every corpus, side by side.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        See `describe_corpora`.

    Returns
    -------
    list of (str, list of str)
        Name of the fact, then the fact for each corpus; facts that are a dash for all, or that
        need no telling, are left out.
    """
    facts: dict[str, Callable[[Found], str]] = {
        "Clips": lambda found: f"{found['clips']:,}",
        "Longer clips they are windows of": _parents,
        "Groups": _groups,
        "Labels": lambda found: f"{len(found['labels']):,}",
        "Labels of a clip": lambda found: found["task"].replace("single-label", "exactly one")
        .replace("multi-label", "any number"),
        "Labels of a clip, mean": _mean_labels,
        "Clips of none of the classes": lambda found: _share(
            found["labels_per_clip"].get("0", 0), found["clips"]
        ),
        "Clips nobody labelled": lambda found: _share(found["unlabelled"], found["clips"]),
        "Clips labelled in part": lambda found: _share(found["partly_unknown"], found["clips"]),
        "Most frequent label": lambda found: _extreme(found, largest=True),
        "Rarest label": lambda found: _extreme(found, largest=False),
        "Sound": _sound,
        "Shortest clip": lambda found: _duration(found, "min_s"),
        "Median clip": lambda found: _duration(found, "median_s"),
        "Longest clip": lambda found: _duration(found, "max_s"),
        "Sample rates": lambda found: _tally(found["sample_rates"], " Hz"),
        "Channels": lambda found: _tally(found["channels"], ""),
        "Codecs": lambda found: _tally(found["codecs"], ""),
        "Splits": lambda found: _parts(found["splits"]),
        "Folds": lambda found: _parts(found["folds"]),
    }  # fmt: skip
    rows = [(name, [tell(found) for found in statistics.values()]) for name, tell in facts.items()]
    return [(name, cells) for name, cells in rows if set(cells) != {DASH}]


def list_corpus_cautions(statistics: Mapping[str, Found]) -> list[str]:
    """Return what a reader of the numbers should beware of.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        See `describe_corpora`.

    Returns
    -------
    list of str
        Sentences, each with the name of its corpus if there are several.
    """
    cautions = []
    for name, found in statistics.items():
        where = f"{name}: " if len(statistics) > 1 else ""
        told = _cautions(found)
        cautions += [where + words if where else words[0].upper() + words[1:] for words in told]
    return cautions


def _cautions(found: Found) -> list[str]:
    told = []
    clips = _count(found["clips"], "clip")
    timed = found["durations"]["clips"] if found["durations"] else 0
    if not found["labels_given"]:
        told.append("there are no labels, so nothing is known of any clip.")
    if not found["groups_given"]:
        told.append("groups are not given for all clips; where missing, a source file is a group, "
                    "and takes of one note or excerpts of one song may part.")  # fmt: skip
    if not timed and found["clips"]:
        told.append("no clip's duration is known, so there are no seconds.")
    elif timed < found["clips"]:
        told.append(f"durations are known of {timed:,} of {clips}; the others are in no number of "
                    "seconds.")  # fmt: skip
    if 0 < found["scanned"] < found["clips"]:
        told.append(f"the sound of {found['scanned']:,} of {clips} was looked at.")
    few = [label for label, numbers in found["per_label"].items() if numbers["groups"] == 1]
    if few:
        told.append(f"only one group has the label {_named(few)}: what is learnt of it cannot be "
                    "tested on another group.")  # fmt: skip
    for part, numbers in found["splits"].items():
        lost = [label for label, count in numbers["labels"].items() if not count]
        if part and lost and len(lost) < len(numbers["labels"]):
            told.append(f"the {part} split has no clip of {_named(lost)}.")
    return told


def _named(labels: Sequence[str]) -> str:
    rest = len(labels) - MAX_NAMED
    return ", ".join(labels[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _share(number: int, whole: int) -> str:
    if not number:
        return DASH
    percent = 100 * number / whole
    return f"{number:,} ({'under 0.1' if percent < 0.1 else f'{percent:.1f}'} %)"


def _parents(found: Found) -> str:
    return f"{found['parents']:,}" if found["parents"] != found["clips"] else DASH


def _groups(found: Found) -> str:
    return f"{found['groups']:,}" + ("" if found["groups_given"] else " (files; not all given)")


def _mean_labels(found: Found) -> str:
    mean = mean_labels_per_clip(found)
    return DASH if mean is None or found["task"] == "single-label" else f"{mean:.2f}"


def _extreme(found: Found, *, largest: bool) -> str:
    if not found["per_label"]:
        return DASH
    sign = -1 if largest else 1
    label, numbers = min(found["per_label"].items(), key=lambda item: sign * item[1]["clips"])
    return f"{label} ({_count(numbers['clips'], 'clip')})"


def _sound(found: Found) -> str:
    durations = found["durations"]
    if not durations:
        return DASH
    part = f" in {durations['clips']:,} clips" if durations["clips"] < found["clips"] else ""
    return time_words(durations["total_s"]) + part


def _duration(found: Found, key: str) -> str:
    return time_words(found["durations"][key]) if found["durations"] else DASH


def _tally(counts: Mapping[str, int] | None, unit: str) -> str:
    if not counts:
        return DASH
    shown = [f"{value}{unit} ({clips:,})" for value, clips in list(counts.items())[:MAX_NAMED]]
    rest = len(counts) - MAX_NAMED
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def _parts(parts: Mapping[str, Found]) -> str:
    if not parts:
        return DASH
    return ", ".join(f"{name or 'none'} ({part['clips']:,})" for name, part in parts.items())
