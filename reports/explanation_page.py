"""One page on what a network listens to: for each clip, where it finds a label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reports.embedded_sound import encode_within
from reports.explained_clip import ExplainedClip, describe_truth
from reports.explanation_pictures import plot_explanation
from reports.offline_page import data_uri, embed_picture, render_page, write_page
from reports.picture import Picture
from reports.staging import staged_directory

PAGE, TABLE, PICTURES, FAILURES = "index.html", "explanations.csv", "pictures", "failures.csv"
# A page should open at once: longer sounds lose their ends in the player.
MAX_SOUND_BYTES = 6_000_000
# More than a second of any sound takes as FLAC, for each sample of it.
_BYTES_PER_SAMPLE = 3
_FLAC_HEADER = 10_000


def markers() -> tuple[str, ...]:
    """Name the files that show a folder to be an earlier page of explanations.

    Returns
    -------
    tuple of str
        File names.
    """
    return (PAGE, TABLE)


def create_explanation_page(
    clips: Iterable[ExplainedClip],
    directory: str | Path,
    *,
    title: str,
    layer: str | None,
    learned: Sequence[Picture] = (),
    failures: Sequence[tuple[str, str, str]] = (),
) -> dict[str, Any]:
    """Write a folder with a page, a picture of each clip and label, and a table.

    Parameters
    ----------
    clips : iterable of ExplainedClip
        In the order of the page; drawn one by one.
    directory : str or Path
        The folder; an earlier one of the same kind is replaced.
    title : str
        Heading of the page.
    layer : str or None
        Where Grad-CAM looked; None where it did not.
    learned : sequence of Picture
        Of what the frontend has learned, if it learns.
    failures : sequence of (str, str, str)
        Name, path and reason of clips that could not be read; written beside the page and named
        on it.

    Returns
    -------
    dict
        ``page`` (its path), ``clips``, ``pictures`` and ``bytes``.

    Raises
    ------
    ValueError
        If there is no clip, or one cannot be drawn; see `plot_explanation`.
    FileExistsError
        If something else stands at ``directory``.
    """
    with staged_directory(directory, markers=markers()) as staging:
        pictures = staging / PICTURES
        pictures.mkdir()
        cards: list[dict[str, Any]] = []
        drawn: list[ExplainedClip] = []
        rows: list[dict[str, Any]] = []
        for number, clip in enumerate(clips):
            card = _draw(clip, number, pictures)
            cards.append(card)
            drawn.append(clip)
            rows += card.pop("rows")
        if not cards:
            raise ValueError("a page of explanations needs at least one clip, got none")
        for card, sound in zip(cards, _encode(drawn), strict=True):
            card.update(sound)
        pd.DataFrame(rows).to_csv(staging / TABLE, index=False)
        if failures:
            table = pd.DataFrame(failures, columns=["clip_id", "path", "reason"])
            table.to_csv(staging / FAILURES, index=False)
        page = render_page(
            "explanation.html",
            title=title,
            layer=layer,
            failures=failures,
            cards=cards,
            learned=[embed_picture(picture, pictures) for picture in learned],
            by_time=any(clip.band_hz is None for clip in drawn),
            has_attention=any(
                label.attention is not None for clip in drawn for label in clip.labels
            ),
        )
        write_page(page, staging / PAGE)
    return {
        "page": str(Path(directory) / PAGE),
        "clips": len(cards),
        "pictures": len(rows),
        "bytes": len(page.encode("utf-8")),
    }


def _draw(clip: ExplainedClip, number: int, pictures: Path) -> dict[str, Any]:
    """Draw one clip; give its card, and rows of the table."""
    images, rows = [], []
    for place, explained in enumerate(clip.labels):
        name = _file_stem(number, place, clip.clip_id, explained.label)
        figure = plot_explanation(clip, explained)
        words = f"Spectrogram of {clip.clip_id}, and where it speaks for {explained.label}"
        picture = Picture("explanation", name, explained.label, words, figure)
        images.append(
            {
                "label": explained.label,
                "probability": explained.probability,
                "image": embed_picture(picture, pictures)["image"],
                "words": words,
                "is_true": None if clip.truth is None else explained.label in clip.truth,
                "is_flat": explained.heat is not None and not explained.heat.any(),
            }
        )
        rows.append(
            {
                "clip_id": clip.clip_id,
                "label": explained.label,
                "probability": explained.probability,
                "truth": "" if clip.truth is None else ";".join(sorted(clip.truth)),
                "networks": clip.networks,
                "picture": f"{PICTURES}/{name}.png",
            }
        )
    return {
        "clip_id": clip.clip_id,
        "truth": describe_truth(clip.truth),
        "networks": clip.networks,
        "seconds": len(clip.waveform) / clip.sr,
        "images": images,
        "rows": rows,
    }


def _encode(clips: Sequence[ExplainedClip]) -> list[dict[str, Any]]:
    """Give each clip's sound as a page has it."""
    waveforms = [clip.waveform / max(1.0, float(abs(clip.waveform).max())) for clip in clips]
    rates = [clip.sr for clip in clips]
    least = sum(_BYTES_PER_SAMPLE * sr + _FLAC_HEADER for sr in rates)
    sounds = encode_within(waveforms, rates, max_bytes=max(MAX_SOUND_BYTES, least))
    return [
        {"sound": data_uri(content, "audio/flac"), "played_s": kept / sr}
        for (content, kept), sr in zip(sounds, rates, strict=True)
    ]


def _file_stem(number: int, place: int, clip_id: str, label: str) -> str:
    """Name a picture after its clip and label; numbers keep equal names apart."""
    stem = Path(clip_id.partition("#")[0]).stem
    words = [re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:40] for text in (stem, label)]
    return "_".join(
        [f"{number + 1:03d}{'' if place == 0 else f'-{place + 1}'}", *filter(None, words)]
    )
