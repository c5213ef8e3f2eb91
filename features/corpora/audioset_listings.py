"""The tables of AudioSet's release: segments, events, and what machine ids stand for."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from features.corpora.listing import first_there
from features.manifest import MAX_SHOWN, SEPARATOR, ManifestError

SEGMENTS_HEADER = "# YTID"
EVENT_COLUMNS = ("segment_id", "start_time_seconds", "end_time_seconds", "label")
NAMES = ("class_labels_indices.csv", "mid_to_display_name.tsv")

# Length in seconds of the segments that were annotated with events.
ANNOTATED_S = 10.0


class Event(NamedTuple):
    """What is heard from one time to another, within an annotated segment of a video.

    Parameters
    ----------
    line : int
        In the listing, from one.
    video : str
        Its name.
    segment, span : tuple of float
        Start and end of the segment, and of what is heard, in seconds of the video.
    labels : tuple of str
        Machine ids.
    """

    line: int
    video: str
    segment: tuple[float, float]
    span: tuple[float, float]
    labels: tuple[str, ...]


def has_header(path: Path) -> bool:
    """Tell the tables of segments and of events by their headers.

    Parameters
    ----------
    path : Path
        A file.

    Returns
    -------
    bool
        Whether it looks like either.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        # The publisher's segments have two lines of comments above the header.
        head = [file.readline(1000) for _ in range(4)]
    return head[0].startswith("\t".join(EVENT_COLUMNS)) or any(
        line.startswith(SEGMENTS_HEADER) for line in head
    )


def read_segments(listing: Path, problems: list[str]) -> Iterator[Event]:
    """Read lines such as ``-0RWZT-miFs, 420.000, 430.000, "/m/03v3yw,/m/0k4j"``.

    Parameters
    ----------
    listing : Path
        A CSV file in UTF-8, with comments.
    problems : list of str
        Gets a sentence for each malformed line.

    Yields
    ------
    Event
        Of the segment's own length, with all its labels.
    """
    for line, cells in _lines(listing, problems, delimiter=",", n_cells=4):
        video, start, end, labels = cells
        bounds = _bounds(start, end)
        if bounds is None or not 0 <= bounds[0] < bounds[1]:
            found = f"0 <= start < end must hold, found {start} to {end}"
            problems.append(f"{listing.name}, line {line}: {found}")
            continue
        parts = (part.strip() for part in labels.split(","))
        yield Event(line, video, bounds, bounds, tuple(part for part in parts if part))


def read_events(listing: Path, problems: list[str]) -> Iterator[Event]:
    """Read lines such as ``s9d-2nhuJCQ_30000<tab>2.627<tab>7.237<tab>/m/053hz1``.

    Parameters
    ----------
    listing : Path
        A table in UTF-8 with tabs between the cells.
    problems : list of str
        Gets a sentence for each malformed line.

    Yields
    ------
    Event
        With one label.
    """
    for line, cells in _lines(listing, problems, delimiter="\t", n_cells=4):
        if tuple(cells) == EVENT_COLUMNS:
            continue
        segment, first, last, label = cells
        # The start in milliseconds follows the video's name, which may have underlines itself.
        video, _, start_ms = segment.rpartition("_")
        bounds = _bounds(first, last)
        if bounds is None or not video or not (start_ms.isascii() and start_ms.isdigit()):
            rule = "<video>_<start in ms>, start and end in seconds, and a label are needed"
            problems.append(f"{listing.name}, line {line}: {rule}, found {' '.join(cells)}")
            continue
        start = int(start_ms) / 1000
        span = (start + bounds[0], start + bounds[1])
        yield Event(line, video, (start, start + ANNOTATED_S), span, (label,))


def read_names(folder: Path) -> dict[str, str] | None:
    """Read what machine ids stand for.

    Parameters
    ----------
    folder : Path
        Where the publisher's table of names may be.

    Returns
    -------
    dict of str to str, or None
        Name by machine id; None where nothing tells.

    Raises
    ------
    ManifestError
        If lines are malformed or a name holds what separates labels in a manifest.
    """
    listing = first_there(folder, NAMES)
    if listing is None:
        return None
    problems: list[str] = []
    is_tsv = listing.suffix == ".tsv"
    delimiter, n_cells = ("\t", 2) if is_tsv else (",", 3)
    lines = _lines(listing, problems, delimiter=delimiter, n_cells=n_cells)
    names = {cells[-2]: cells[-1] for _, cells in lines}
    problems += [
        f"{listing.name}: a label must not contain '{SEPARATOR}', found {name!r} for {mid}"
        for mid, name in names.items()
        if SEPARATOR in name
    ]
    if problems:
        raise ManifestError(problems[:MAX_SHOWN], str(folder))
    return names


def _lines(
    listing: Path, problems: list[str], *, delimiter: str, n_cells: int
) -> Iterator[tuple[int, list[str]]]:
    """Give the lines that are no comments, split into cells; name those with too few or many."""
    n_lines = 0
    with open(listing, encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        try:
            for cells in lines:
                if not cells or cells[0].startswith("#"):
                    continue
                n_lines += 1
                if len(cells) == n_cells:
                    yield lines.line_num, cells
                else:
                    found = f"{n_cells} cells are needed, found {len(cells)}"
                    problems.append(f"{listing.name}, line {lines.line_num}: {found}")
        except (UnicodeDecodeError, csv.Error) as exc:
            problems.append(
                f"{listing.name}, after line {lines.line_num}: no table in UTF-8, {exc}"
            )
            return
    if not n_lines:
        problems.append(f"{listing.name} lists nothing")


def _bounds(start: str, end: str) -> tuple[float, float] | None:
    try:
        return float(start), float(end)
    except ValueError:
        return None
