"""One page on what each kind of augmentation does to a sound, to be seen and heard."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reports.embedded_sound import encode_flac
from reports.offline_page import data_uri, embed_picture, render_page, write_page
from reports.picture import Picture


@dataclass(frozen=True)
class AugmentationExample:
    """A sound before and after one kind of augmentation.

    Parameters
    ----------
    name : str
        The kind.
    summary : str
        What it does, a sentence.
    options : sequence of (str, str, str, str)
        Name, value, range and meaning of each option.
    before, after : np.ndarray of shape (n_timepoints,), float32
        Waveforms in [-1, 1].
    spectrogram_before, spectrogram_after : np.ndarray of shape (n_bands, n_frames)
        Power in bands, in dB.
    sr : int
        Sampling rate in Hz.
    hop_length : int
        Samples between frames.
    band_hz : np.ndarray of shape (n_bands,)
        Middle of each band in Hz, rising.
    changes_frames : bool
        Whether the spectrogram was changed rather than the waveform, which then is not shown.
    """

    name: str
    summary: str
    options: Sequence[tuple[str, str, str, str]]
    before: np.ndarray
    after: np.ndarray
    spectrogram_before: np.ndarray
    spectrogram_after: np.ndarray
    sr: int
    hop_length: int
    band_hz: np.ndarray
    changes_frames: bool


def create_augmentation_page(
    examples: Iterable[AugmentationExample],
    out_path: str | Path,
    *,
    title: str = "Augmentations",
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a page with pictures and players of each kind.

    Parameters
    ----------
    examples : iterable of AugmentationExample
        One per kind, all of one sound; kinds that change sounds come first on the page.
    out_path : str or Path
        The page, one HTML file that opens offline; an older file is replaced.
    title : str
        Its heading.
    notes : sequence of str
        What a reader should know of the sound, one paragraph each.

    Returns
    -------
    dict
        ``page`` (its path), ``kinds`` (their number) and ``bytes``.

    Raises
    ------
    ValueError
        If there is no example, or arrays of one are empty, of another shape or not finite; all at
        once.
    IsADirectoryError
        If there is a directory at ``out_path``.
    """
    examples = sorted(examples, key=lambda example: example.changes_frames)
    _check(examples)
    with tempfile.TemporaryDirectory() as directory:
        cards = [_make_card(example, Path(directory)) for example in examples]
    first = examples[0]
    page = render_page(
        "augmentation.html",
        title=title,
        notes=notes,
        cards=cards,
        seconds=len(first.before) / first.sr,
        sr=first.sr,
        sound=_player(first.before, first.sr),
    )
    path = write_page(page, out_path)
    return {"page": str(path), "kinds": len(cards), "bytes": len(page.encode("utf-8"))}


def _make_card(example: AugmentationExample, directory: Path) -> dict[str, Any]:
    """Draw and encode one kind."""
    from reports.plots.augmentation import plot_before_after

    figure = plot_before_after(
        None if example.changes_frames else (example.before, example.after),
        (example.spectrogram_before, example.spectrogram_after),
        sr=example.sr,
        hop_length=example.hop_length,
        band_hz=example.band_hz,
    )
    picture = Picture("augmentation", example.name, example.name, example.summary, figure)
    return {
        "name": example.name,
        "summary": example.summary,
        "options": example.options,
        "image": embed_picture(picture, directory)["image"],
        "seconds": len(example.after) / example.sr,
        "sound": None if example.changes_frames else _player(example.after, example.sr),
        "changes_frames": example.changes_frames,
    }


def _player(waveform: np.ndarray, sr: int) -> str:
    """Encode a sound, softer where it would be clipped."""
    peak = float(np.abs(waveform).max())
    return data_uri(encode_flac(waveform / max(peak, 1.0), sr), "audio/flac")


def _check(examples: Sequence[AugmentationExample]) -> None:
    if not examples:
        raise ValueError("an augmentation page needs at least one example, got none")
    problems = []
    for example in examples:
        arrays = {"before": 1, "after": 1, "spectrogram_before": 2, "spectrogram_after": 2}
        for name, n_dims in arrays.items():
            array = np.asarray(getattr(example, name))
            if array.ndim != n_dims or not array.size or not np.isfinite(array).all():
                problems.append(
                    f"{example.name}: {name} must be finite with {n_dims} dimensions and at least "
                    f"one value, got shape {array.shape}"
                )
            elif n_dims > 1 and len(array) != len(example.band_hz):
                problems.append(
                    f"{example.name}: {name} must have a row for each of {len(example.band_hz)} "
                    f"bands, got {len(array)}"
                )
    if problems:
        raise ValueError("\n".join(problems))
