"""Which pictures a corpus page has, and what stands under each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from reports.pictures import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Statistics = Mapping[str, Mapping[str, Any]]

# From this many seconds on, numbers in the next unit are shorter to read.
TIME_UNITS = ((2 * 3600.0, "h", 3600.0), (600.0, "min", 60.0), (0.0, "s", 1.0))


def make_corpus_pictures(statistics: Statistics) -> Iterator[Picture]:
    """Draw all pictures of a corpus page, one at a time.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        As `features.statistics.CorpusStatistics.as_dict` gives them.

    Yields
    ------
    Picture
        In the order of the page; those that would say nothing are left out.
    """
    labels = rank_labels(statistics)
    if labels:
        yield _clips_per_label(statistics, labels)
        if any(found["durations"] for found in statistics.values()):
            yield _seconds_per_label(statistics, labels)
    counts = {name: found["labels_per_clip"] for name, found in statistics.items()}
    if any(set(row) - {"1"} for row in counts.values()):
        yield _labels_per_clip(counts)
    for number, (name, found) in enumerate(statistics.items(), start=1):
        yield from _together(found, name, _suffix(number, statistics))
    if any(found["durations"] for found in statistics.values()):
        yield _durations(statistics)
    for number, (name, found) in enumerate(statistics.items(), start=1):
        for kind in ("split", "fold"):
            if len(found[f"{kind}s"]) > 1 and found["labels"]:
                yield _parts(found, kind, name, _suffix(number, statistics))


def rank_labels(statistics: Statistics) -> list[str]:
    """Return the labels of all corpora, those with the most clips first.

    Parameters
    ----------
    statistics : mapping of corpus to dict
        See `make_corpus_pictures`.

    Returns
    -------
    list of str
        Equals in alphabetical order.
    """
    totals: dict[str, int] = {}
    for found in statistics.values():
        for label, numbers in found["per_label"].items():
            totals[label] = totals.get(label, 0) + numbers["clips"]
    return sorted(totals, key=lambda label: (-totals[label], label))


def _suffix(number: int, statistics: Statistics) -> str:
    # Names of corpora are anyone's, so files go by number.
    return f"_{number}" if len(statistics) > 1 else ""


def _clips_per_label(statistics: Statistics, labels: list[str]) -> Picture:
    from reports.plots.corpus import plot_label_numbers

    numbers = {
        name: {label: row["clips"] for label, row in found["per_label"].items()}
        for name, found in statistics.items()
    }
    return Picture(
        "labels",
        "clips_per_label",
        "Clips of each label",
        "The most frequent first. A clip of several labels counts for each of them."
        + _scale_words(numbers, absent="the corpus has no clip of the label"),
        plot_label_numbers(numbers, labels=labels, axis_name="Clips (number)"),
    )


def _seconds_per_label(statistics: Statistics, labels: list[str]) -> Picture:
    from reports.plots.corpus import plot_label_numbers

    seconds = {
        name: {label: row["seconds"] for label, row in found["per_label"].items()}
        for name, found in statistics.items()
    }
    most = max((value for row in seconds.values() for value in row.values() if value), default=0.0)
    unit, size = next((unit, size) for least, unit, size in TIME_UNITS if most >= least)
    scaled = {
        name: {label: None if value is None else value / size for label, value in row.items()}
        for name, row in seconds.items()
    }
    untimed = sum(
        found["clips"] - (found["durations"] or {"clips": 0})["clips"]
        for found in statistics.values()
    )
    missing = f" {untimed:,} clips of unknown duration are in no sum." if untimed else ""
    return Picture(
        "labels",
        "seconds_per_label",
        "Sound of each label",
        "Whole clips that have the label, whether it sounds all the time or not; labels in the "
        f"order of the figure above.{missing}"
        + _scale_words(scaled, absent="no clip of the label has a known duration"),
        plot_label_numbers(scaled, labels=labels, axis_name=f"Sound ({unit})"),
    )


def _scale_words(numbers: Mapping[str, Mapping[str, float | None]], *, absent: str) -> str:
    from reports.plots.corpus import spans_decades

    values = [value for row in numbers.values() for value in row.values()]
    words = " The scale is logarithmic." if spans_decades(values) else ""
    return words + (f" No dot: {absent}." if len(numbers) > 1 or None in values else "")


def _labels_per_clip(counts: Mapping[str, Mapping[str, int]]) -> Picture:
    from reports.plots.corpus import plot_labels_per_clip

    written = " Numbers above the bars are clips." if len(counts) == 1 else ""
    return Picture(
        "labels",
        "labels_per_clip",
        "Labels of a clip",
        "How many labels a clip is known to have; none means that it has none of the classes. "
        f"Clips that nobody labelled are left out.{written}",
        _figure_of(plot_labels_per_clip(counts)),
    )


def _together(found: Mapping[str, Any], name: str, suffix: str) -> Iterator[Picture]:
    from reports.plots.cooccurrence import MAX_LABELS_WITH_COUNTS, choose_together, plot_together

    counts = np.array(found["together"], dtype=int).reshape(2 * (len(found["labels"]),))
    if not (counts - np.diag(np.diag(counts))).any():
        return
    kept = choose_together(counts)
    labels = [found["labels"][k] for k in kept]
    part = (
        f" The {len(kept)} of {len(counts)} labels that stand beside others most often; all are in "
        "tables/together.csv."
        if len(kept) < len(counts)
        else ""
    )
    written = ", numbers are clips" if len(kept) <= MAX_LABELS_WITH_COUNTS else ""
    yield Picture(
        "together",
        f"together{suffix}",
        f"Labels that share a clip in {name}",
        "Of the clips with the label of the row, how many also have that of the column. Colour is "
        f"their share{written}; on the grey diagonal stand all clips of a label.{part}",
        _figure_of(plot_together(counts[np.ix_(kept, kept)], labels=labels)),
    )


def _durations(statistics: Statistics) -> Picture:
    from reports.plots.corpus import plot_durations

    known = {name: found["durations"] for name, found in statistics.items() if found["durations"]}
    unknown = [name for name in statistics if name not in known]
    missing = f" Not known of {', '.join(unknown)}." if unknown else ""
    return Picture(
        "durations",
        "durations",
        "How long clips are",
        "Bins are a tenth of a decade wide, each a quarter longer than the one before; the broken "
        f"line is the median.{missing}",
        plot_durations(known),
    )


def _parts(found: Mapping[str, Any], kind: str, name: str, suffix: str) -> Picture:
    from reports.plots.corpus import plot_label_numbers

    whole = {label: row["clips"] / found["clips"] for label, row in found["per_label"].items()}
    ratios = {
        f"{_part_name(part, kind)} ({numbers['clips']:,} clips)": {
            label: clips / numbers["clips"] / whole[label] if whole[label] else None
            for label, clips in numbers["labels"].items()
        }
        for part, numbers in found[f"{kind}s"].items()
    }
    return Picture(
        "parts",
        f"{kind}s{suffix}",
        f"Labels in the {kind}s of {name}",
        f"How frequent each label is in each {kind}, as a multiple of how frequent it is in the "
        "whole corpus; the most frequent labels first. All dots on the broken line: the labels are "
        f"spread evenly. A dot at zero: the {kind} has no clip of the label.",
        plot_label_numbers(
            ratios,
            labels=rank_labels({name: found}),
            axis_name=f"Share of the {kind}'s clips, relative to the whole corpus (ratio)",
            straight=True,
            reference=1.0,
        ),
    )


def _part_name(part: str, kind: str) -> str:
    if not part:
        return f"no {kind}"
    return f"fold {part}" if kind == "fold" else part


def _figure_of(ax: Axes) -> Figure:
    return cast("Figure", ax.figure)
