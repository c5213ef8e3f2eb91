"""Tables of a corpus page: corpora, labels, parts, durations, labels together, sound."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

Statistics = Mapping[str, Mapping[str, Any]]

_MEASURES = ("clips", "groups", "seconds")


def mean_labels_per_clip(found: Mapping[str, Any]) -> float | None:
    """Return how many labels a labelled clip has on average.

    Parameters
    ----------
    found : mapping
        Statistics of one corpus.

    Returns
    -------
    float or None
        None if no clip is labelled.
    """
    counts = found["labels_per_clip"]
    n_clips = sum(counts.values())
    total = sum(int(number) * clips for number, clips in counts.items())
    return total / n_clips if n_clips else None


def corpora_table(statistics: Statistics) -> pd.DataFrame:
    """Return one row per corpus with its counts and durations.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        As `features.statistics.CorpusStatistics.as_dict` gives them.

    Returns
    -------
    DataFrame
        ``corpus`` first; what is not known is empty.
    """
    kept = ("clips", "parents", "groups", "groups_given", "labels_given", "task", "unlabelled",
            "partly_unknown", "unknown_cells")  # fmt: skip
    measured = ("clips", "total_s", "min_s", "median_s", "max_s")
    rows = []
    for name, found in statistics.items():
        durations = found["durations"] or {}
        rows.append(
            {"corpus": name}
            | {key: found[key] for key in kept}
            | {"labels": len(found["labels"]), "labels_per_clip": mean_labels_per_clip(found)}
            | {"timed_clips" if key == "clips" else key: durations.get(key) for key in measured}
        )
    return pd.DataFrame(rows)


def labels_table(statistics: Statistics) -> pd.DataFrame:
    """Return one row per corpus and label.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        See `corpora_table`.

    Returns
    -------
    DataFrame
        ``corpus``, ``label``, ``clips``, ``groups``, ``seconds``, ``timed_clips``, ``unknown``,
        ``share``.
    """
    return pd.DataFrame(
        [
            {"corpus": name, "label": label, **numbers}
            for name, found in statistics.items()
            for label, numbers in found["per_label"].items()
        ],
        columns=["corpus", "label", "clips", "groups", "seconds", "timed_clips", "unknown",
                 "share"],
    )  # fmt: skip


def parts_table(statistics: Statistics) -> pd.DataFrame:
    """Return one row per corpus, split or fold, and label.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        See `corpora_table`.

    Returns
    -------
    DataFrame
        ``corpus``, ``kind`` (split or fold), ``part``, its ``part_clips``, ``part_groups`` and
        ``part_seconds``, then ``label`` and its ``clips``; an empty part holds the clips in none.
    """
    return pd.DataFrame(
        [
            (name, kind, part, *map(numbers.get, _MEASURES), label, clips)
            for name, found in statistics.items()
            for kind in ("split", "fold")
            for part, numbers in found[f"{kind}s"].items()
            for label, clips in numbers["labels"].items()
        ],
        columns=["corpus", "kind", "part", "part_clips", "part_groups", "part_seconds", "label",
                 "clips"],
    )  # fmt: skip


def histograms_table(statistics: Statistics) -> pd.DataFrame:
    """Return how many clips have so many labels, last so long, or are of one rate or codec.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        See `corpora_table`.

    Returns
    -------
    DataFrame
        ``corpus``, ``property``, ``value`` (for durations the bin in s), ``clips``.
    """
    rows: list[tuple[str, str, str, int]] = []
    for name, found in statistics.items():
        durations = found["durations"] or {"edges_s": [], "counts": []}
        edges = durations["edges_s"]
        bins = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
        for what, counts in (
            ("labels per clip", found["labels_per_clip"]),
            ("duration in s", dict(zip(bins, durations["counts"], strict=True))),
            ("sample rate in Hz", found["sample_rates"]),
            ("channels", found["channels"]),
            ("codec", found["codecs"]),
        ):
            rows += [(name, what, value, clips) for value, clips in (counts or {}).items()]
    return pd.DataFrame(rows, columns=["corpus", "property", "value", "clips"])


def together_table(statistics: Statistics) -> pd.DataFrame:
    """Return the pairs of labels that some clip has both of.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        See `corpora_table`.

    Returns
    -------
    DataFrame
        ``corpus``, ``label``, ``other`` (after it in order), ``clips``.
    """
    rows: list[tuple[str, str, str, int]] = []
    for name, found in statistics.items():
        n_labels = len(found["labels"])
        upper = np.triu(np.reshape(found["together"], (n_labels, n_labels)).astype(int), k=1)
        rows += [
            (name, found["labels"][first], found["labels"][second], int(upper[first, second]))
            for first, second in np.argwhere(upper)
        ]
    return pd.DataFrame(rows, columns=["corpus", "label", "other", "clips"])


def findings_table(problems: pd.DataFrame, *, n_shown: int = 3) -> pd.DataFrame:
    """Return one row per finding of a check, errors first.

    Parameters
    ----------
    problems : DataFrame
        One row for each clip of each finding: ``finding``, ``check``, ``severity``, ``clip_id``,
        ``message``.
    n_shown : int
        Most clips to name.

    Returns
    -------
    DataFrame
        ``severity``, ``check``, ``message``, ``clips`` (how many), ``examples`` (a list).
    """
    rows = []
    for _, finding in problems.groupby("finding", sort=True):
        first = finding.iloc[0]
        ids = [str(clip_id) for clip_id in finding["clip_id"] if str(clip_id)]
        shown = [first["severity"], first["check"], first["message"], len(ids), ids[:n_shown]]
        rows.append([str(shown[0]), *shown[1:]])
    table = pd.DataFrame(rows, columns=["severity", "check", "message", "clips", "examples"])
    grave = table["severity"].ne("error")
    return table.loc[grave.sort_values(kind="stable").index].reset_index(drop=True)
