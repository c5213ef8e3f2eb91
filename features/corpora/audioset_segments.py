"""AudioSet and what is written like it: labelled segments of longer sounds, by start and end.

Two kinds of listing. Segments (`balanced_train_segments.csv`): one line a segment of 10 s, with all
labels heard in it. Strong labels (`audioset_train_strong.tsv`): one line an event, with its start
and end within such a segment. The publisher offers no sound; copies of it are named in many ways.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from features.corpora.audioset_listings import (
    Event,
    has_header,
    read_events,
    read_names,
    read_segments,
)
from features.corpora.layout import Layout
from features.corpora.listing import first_there, keep_present
from features.corpora.segment_sounds import SegmentSounds
from features.manifest import MAX_SHOWN, SEPARATOR, Manifest, ManifestError, make_manifest

RELEASED = (
    "balanced_train_segments.csv",
    "eval_segments.csv",
    "unbalanced_train_segments.csv",
    "audioset_train_strong.tsv",
    "audioset_eval_strong.tsv",
)


def recognise(root: Path) -> str | None:
    """Recognise a listing of AudioSet's release in a folder, or the header of any such file.

    Parameters
    ----------
    root : Path
        A folder or file.

    Returns
    -------
    str or None
        The sign, None if there is none.
    """
    if root.is_dir():
        listing = first_there(root, RELEASED)
        return f"it holds {listing.name}" if listing else None
    fits = root.suffix.lower() in (".csv", ".tsv") and root.is_file() and has_header(root)
    return "it has the header of AudioSet's listings" if fits else None


def read(root: Path) -> Manifest:
    """Read the listings of a folder, or one of them, and find the sounds below.

    Parameters
    ----------
    root : Path
        A folder with `*_segments.csv` or `*_strong.tsv`, or one such file. Sounds are sought below
        the folder: `<video>.*`, `<video>_<start>.*` with the start in seconds or milliseconds, all
        with or without a `Y` in front. `class_labels_indices.csv` or `mid_to_display_name.tsv`
        beside the listing gives the labels their names; without them labels are machine ids.

    Returns
    -------
    Manifest
        Group = video. Split by the listing's name: test if it says eval, train if it says train;
        `listing` as one more column. `start_s` and `end_s` where the file is longer than the
        segment; a file of the segment's own length is taken whole. Of strong labels, each distinct
        span is a row, whose labels are those of all events that overlap it.

    Raises
    ------
    FileNotFoundError
        If there is no listing.
    ManifestError
        If a folder has listings of both kinds, lines are malformed (all are named), a label has no
        name or one with the separator in it, a video is in two splits, or no sound is there.

    Warns
    -----
    UserWarning
        If sounds of listed segments are missing, as many are in every copy, or strong events have
        no length.
    """
    listings = _listings(root)
    folder = listings[0].parent
    sounds, names = SegmentSounds(folder), read_names(folder)
    rows: list[dict[str, object]] = []
    asked: list[tuple[str, bool]] = []
    problems: list[str] = []
    for listing in listings:
        rows += _read_listing(listing, sounds, names, asked, problems)
    if problems:
        rest = len(problems) - MAX_SHOWN
        more = [f"and {rest} more like these"] if rest > 0 else []
        raise ManifestError(problems[:MAX_SHOWN] + more, str(root))
    keep_present(
        pd.DataFrame(asked, columns=["path", "there"]),
        folder,
        listing=" and ".join(listing.name for listing in listings),
        there=[there for _, there in asked],
    )
    return make_manifest(pd.DataFrame(rows), folder, where=str(root))


def _read_listing(
    listing: Path,
    sounds: SegmentSounds,
    names: dict[str, str] | None,
    asked: list[tuple[str, bool]],
    problems: list[str],
) -> list[dict[str, object]]:
    """Give the rows whose sound is there; add all videos asked for, and what is wrong."""
    is_strong = listing.suffix.lower() == ".tsv"
    found: list[tuple[Event, str]] = []
    for event in (read_events if is_strong else read_segments)(listing, problems):
        path = sounds.find(event.video, event.segment[0])
        asked.append((event.video, path is not None))
        if path is not None:
            found.append((event, path))
            problems += _nameless(event, names, listing)
    if problems:
        return []
    rows: list[dict[str, object]] = []
    for event, path in _distinct_spans(found, listing) if is_strong else found:
        span = event.span if is_strong else None
        start_s, end_s = sounds.place(path, event.segment, span)
        labels = event.labels if names is None else [names[label] for label in event.labels]
        rows.append(
            {
                "path": path,
                "labels": SEPARATOR.join(labels),
                "group": event.video,
                "split": _split(listing),
                "start_s": start_s,
                "end_s": end_s,
                "listing": listing.stem,
            }
        )
    return rows


def _listings(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    segments, events = sorted(root.glob("*_segments.csv")), sorted(root.glob("*_strong.tsv"))
    if segments and events:
        both = f"{segments[0].name} and {events[0].name}"
        problem = f"it holds listings of segments and of events ({both}); name one file to read"
        raise ManifestError([problem], str(root))
    if not segments and not events:
        raise FileNotFoundError(f"no *_segments.csv and no *_strong.tsv in {root}")
    return segments or events


def _split(listing: Path) -> str:
    name = listing.stem.lower()
    return "test" if "eval" in name else "train" if "train" in name else ""


def _nameless(event: Event, names: dict[str, str] | None, listing: Path) -> list[str]:
    """Name labels that the table of names lacks, or that could not stand in a manifest."""
    bad = [
        label
        for label in event.labels
        if (label not in names if names is not None else SEPARATOR in label)
    ]
    rule = f"a label must not contain '{SEPARATOR}'" if names is None else "labels need a name"
    return [f"{listing.name}, line {event.line}: {rule}, found {', '.join(bad)}"] if bad else []


def _distinct_spans(
    found: Sequence[tuple[Event, str]], listing: Path
) -> Iterator[tuple[Event, str]]:
    """Give each span of a segment's events once, with the labels of all that sound in it."""
    segments: dict[tuple[str, float], list[tuple[Event, str]]] = {}
    for event, path in found:
        if event.span[0] < event.span[1]:
            segments.setdefault((event.video, event.segment[0]), []).append((event, path))
    n_empty = len(found) - sum(map(len, segments.values()))
    if n_empty:
        warnings.warn(
            f"{listing}: {n_empty} of {len(found)} events do not end after they start, and so are "
            "not in the manifest",
            stacklevel=3,
        )
    for events in segments.values():
        for span, (event, path) in {event.span: (event, path) for event, path in events}.items():
            overlapping = [
                other.labels
                for other, _ in events
                if other.span[0] < span[1] and other.span[1] > span[0]
            ]
            labels = dict.fromkeys(label for labels in overlapping for label in labels)
            yield event._replace(labels=tuple(labels)), path


LAYOUT = Layout(
    "audioset",
    "segments by video, start and end: *_segments.csv or *_strong.tsv, with sounds below",
    recognise,
    read,
    source="https://research.google.com/audioset/download.html",
    licence="CC BY 4.0 (labels), CC BY-SA 4.0 (ontology); sounds are their uploaders'",
    citation="J. F. Gemmeke et al.: Audio Set: An Ontology and Human-Labeled Dataset for Audio "
    "Events. IEEE ICASSP 2017; strong labels: S. Hershey et al.: The Benefit of "
    "Temporally-Strong Labels in Audio Event Classification. IEEE ICASSP 2021",
)
