"""One page of clips with players, so that a person can judge a corpus in a minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reports.embedded_sound import encode_within
from reports.offline_page import data_uri, render_page, write_page
from reports.sheet_drawing import draw_sample
from reports.spectrogram import compute_log_mel, render_png

# So that a page opens at once and goes into a message.
MAX_PAGE_BYTES = 10_000_000
# Of markup for each clip; its texts are counted on top.
_MARKUP_BYTES = 6_000
# Base64 writes three bytes as four letters.
_BASE64 = 4 / 3


@dataclass(frozen=True)
class Sample:
    """A clip to be listened to.

    Parameters
    ----------
    clip_id : str
        Its name.
    labels : sequence of str
        What is heard in it; their number is that of its voices.
    waveform : np.ndarray of shape (n_timepoints,), float32
        Its sound, in [-1, 1].
    sr : int
        Sampling rate in Hz.
    events : sequence of (str, float, float)
        Label, onset and offset in s from the clip's start; empty if timing is not known.
    details : mapping of str to str
        What else is known of it, shown as it stands.
    """

    clip_id: str
    labels: Sequence[str]
    waveform: np.ndarray
    sr: int
    events: Sequence[tuple[str, float, float]] = ()
    details: Mapping[str, str] = field(default_factory=dict)


def create_listening_sheet(
    samples: Iterable[Sample],
    out_path: str | Path,
    *,
    title: str,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a page of clips with players, pictures and the timing of labels.

    Parameters
    ----------
    samples : iterable of Sample
        The clips, in the order of the page.
    out_path : str or Path
        The page, one HTML file that opens offline; an older file is replaced.
    title : str
        Its heading.
    notes : sequence of str
        What a listener should know, one paragraph each.

    Returns
    -------
    dict
        ``page`` (its path), ``clips``, ``labels``, ``seconds``, ``bytes``, and ``cut`` (how many
        clips lost their end so that the page stays below `MAX_PAGE_BYTES`; their cards say so).

    Raises
    ------
    ValueError
        If there is no sample, a waveform is empty, not one-dimensional or not finite, a sampling
        rate is below 1, an event ends before it begins, or so many clips cannot be on one page.
    IsADirectoryError
        If there is a directory at ``out_path``.
    """
    samples = list(samples)
    cards = make_cards(samples)
    classes = sorted({label for sample in samples for label in sample.labels})
    voices = [len(set(sample.labels)) for sample in samples]
    seconds = sum(len(sample.waveform) / sample.sr for sample in samples)
    page = render_page(
        "listening_sheet.html",
        title=title,
        notes=notes,
        cards=cards,
        classes=classes,
        label_counts=[sum(label in sample.labels for sample in samples) for label in classes],
        voice_counts={count: voices.count(count) for count in sorted(set(voices))},
        seconds=seconds,
        colours=label_colours(),
    )
    n_bytes = check_page_size(page, n_clips=len(samples))
    path = write_page(page, out_path)
    cut = sum(card["played_s"] < card["seconds"] for card in cards)
    return {"page": str(path), "clips": len(samples), "labels": len(classes), "seconds": seconds,
            "bytes": n_bytes, "cut": cut}  # fmt: skip


def make_cards(samples: Sequence[Sample], *, more_bytes: int = 0) -> list[dict[str, Any]]:
    """Encode and draw clips so that a page of them stays below `MAX_PAGE_BYTES`.

    Parameters
    ----------
    samples : sequence of Sample
        The clips.
    more_bytes : int
        What the page says besides, of all clips together.

    Returns
    -------
    list of dict
        What the templates show of each clip.

    Raises
    ------
    ValueError
        See `create_listening_sheet`.
    """
    _check(samples)
    drawings = [render_png(compute_log_mel(sample.waveform, sample.sr)) for sample in samples]
    words = sum(map(_text_bytes, samples)) + _MARKUP_BYTES * (len(samples) + 5) + more_bytes
    room = (MAX_PAGE_BYTES - words) / _BASE64 - sum(map(len, drawings))
    sounds = encode_within(
        [sample.waveform for sample in samples],
        [sample.sr for sample in samples],
        max_bytes=max(int(room), 0),
    )
    classes = sorted({label for sample in samples for label in sample.labels})
    colour_of = deal_colours([sample.labels for sample in samples], n_colours=len(label_colours()))
    return [
        _card(number, sample, content, kept, classes, colour_of, drawing)
        for number, (sample, (content, kept), drawing) in enumerate(
            zip(samples, sounds, drawings, strict=True)
        )
    ]


def check_page_size(page: str, *, n_clips: int) -> int:
    """Count the bytes of a page.

    Parameters
    ----------
    page : str
        HTML.
    n_clips : int
        Clips on it.

    Returns
    -------
    int
        Its bytes in UTF-8.

    Raises
    ------
    ValueError
        If there are more than `MAX_PAGE_BYTES`.
    """
    n_bytes = len(page.encode("utf-8"))
    if n_bytes > MAX_PAGE_BYTES:
        raise ValueError(
            f"a listening sheet must have at most {MAX_PAGE_BYTES:,} bytes, {n_clips} clips "
            f"give {n_bytes:,}; give fewer clips or shorter details"
        )
    return n_bytes


def label_colours() -> list[tuple[str, str]]:
    """Give the colours of labels, which repeat after the last.

    Returns
    -------
    list of (str, str)
        On a light and on a dark page.
    """
    from matplotlib.colors import to_hex, to_rgb

    from reports.plots.style import PALETTE

    lighter = []
    for colour in PALETTE:
        red, green, blue = to_rgb(colour)
        # Half way to white, where all of them stand out from a dark page.
        lighter.append(to_hex((0.5 + red / 2, 0.5 + green / 2, 0.5 + blue / 2)))
    return list(zip(PALETTE, lighter, strict=True))


def deal_colours(label_sets: Sequence[Sequence[str]], *, n_colours: int) -> dict[str, int]:
    """Give each label a colour that no label it sounds together with has, if there are enough.

    Parameters
    ----------
    label_sets : sequence of sequence of str
        Labels of each clip.
    n_colours : int
        Colours there are.

    Returns
    -------
    dict of str to int
        Number of the colour; of those that are free, the one that the fewest labels have.
    """
    dealt: dict[str, int] = {}
    for label in sorted({label for labels in label_sets for label in labels}):
        beside = {other for labels in label_sets if label in labels for other in labels}
        taken = [dealt[other] for other in beside if other in dealt]
        used = Counter(dealt.values())
        dealt[label] = min(
            range(n_colours), key=lambda colour: (taken.count(colour), used[colour], colour)
        )
    return dealt


def _check(samples: Sequence[Sample]) -> None:
    if not samples:
        raise ValueError("a listening sheet needs at least one clip, got none")
    problems = [
        f"{sample.clip_id!r}: {problem}" for sample in samples for problem in _broken(sample)
    ]
    if problems:
        raise ValueError("\n".join(problems))


def _broken(sample: Sample) -> list[str]:
    waveform = np.asarray(sample.waveform)
    rules = {
        f"waveform must have shape (n_timepoints,) with at least one, got {waveform.shape}":
            waveform.ndim == 1 and waveform.size > 0,
        "waveform must be finite": bool(np.isfinite(waveform).all()),
        f"sr must be at least 1 Hz, got {sample.sr}": sample.sr >= 1,
    }  # fmt: skip
    for label, onset_s, offset_s in sample.events:
        rules[f"an event must have onset_s <= offset_s, got {label!r} {onset_s} to {offset_s}"] = (
            onset_s <= offset_s
        )
    return [rule for rule, holds in rules.items() if not holds]


def _text_bytes(sample: Sample) -> int:
    """Count the bytes of a clip's own texts, escaped and as often as a page repeats them."""
    texts = [sample.clip_id, *sample.labels, *(label for label, _, _ in sample.events),
             *sample.details, *map(str, sample.details.values())]  # fmt: skip
    return sum(6 * len(text.encode("utf-8")) + 200 for text in texts)


def _card(
    number: int,
    sample: Sample,
    content: bytes,
    kept: int,
    classes: Sequence[str],
    colour_of: Mapping[str, int],
    drawing: bytes,
) -> dict[str, Any]:
    waveform = np.asarray(sample.waveform)
    if kept < len(waveform):
        drawing = render_png(compute_log_mel(waveform[:kept], sample.sr))
    peak = float(np.abs(waveform).max())
    labels = list(dict.fromkeys(sample.labels))
    colours = {label: colour_of[label] for label in labels}
    return {
        "number": number,
        "clip_id": sample.clip_id,
        "labels": [(label, classes.index(label), colours[label]) for label in labels],
        "voices": len(labels),
        "sr": sample.sr,
        "seconds": len(waveform) / sample.sr,
        "played_s": kept / sample.sr,
        "level": f"peak {_signed(20 * np.log10(peak))} dBFS" if peak > 0 else "silent",
        "clipped": peak > 1,
        "details": sample.details,
        "sound": data_uri(content, "audio/flac"),
        "picture": data_uri(drawing, "image/png"),
        "drawing": draw_sample(sample.events, colours, played_s=kept / sample.sr, sr=sample.sr),
    }


def _signed(decibels: float) -> str:
    return f"{decibels:.1f}".replace("-", "\N{MINUS SIGN}")
