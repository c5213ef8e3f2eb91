"""The built-in corpus: labelled clips of eleven instruments, rendered from a soundfont.

Training clips hold one instrument each, validation and test clips one to four. Same settings,
same bytes; a finished corpus holds ``manifest.csv``, the clips, and ``card.json``.
"""

from __future__ import annotations

import csv
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import joblib
import soundfile

from features.synthesis.clip import MIN_SOUNDING_S, render_clip
from features.synthesis.instruments import INSTRUMENTS
from features.synthesis.score import Take, plan_songs, plan_training
from features.synthesis.soundfont import Soundfont, find_soundfont

# A change of anything that changes a byte of the corpus makes a new version.
CORPUS = "general-midi-v1"

# Clips handed to a worker at a time: a second's work.
BATCH = 20

COLUMNS = (
    "path",
    "clip_id",
    "labels",
    "group",
    "split",
    "duration_s",
    "programs",
    "pitches",
    "levels_db",
    "sounding_s",
    "rt60_s",
    "snr_db",
    "peak_db",
)
"""Columns of the manifest; programs, levels and sounding times in the order of the labels."""


def render_corpus(
    directory: str | PathLike[str],
    *,
    n_train: int = 660,
    n_validation: int = 120,
    n_test: int = 240,
    seconds: float = 3.0,
    sr: int = 22_050,
    seed: int = 0,
    soundfont: str | PathLike[str] | None = None,
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render the built-in corpus: a manifest and its clips, as 16-bit FLAC.

    Parameters
    ----------
    directory : str or path-like
        Where to; made if missing. An earlier rendering with the same settings is kept as it is,
        one with other settings is replaced.
    n_train : int
        Clips of one instrument, dealt evenly over the eleven.
    n_validation, n_test : int
        Excerpts of songs, six to a song.
    seconds : float
        Length of every clip, at least 1.
    sr : int
        Sampling rate in Hz, at least 8000.
    seed : int
        Of all that is drawn.
    soundfont : str, path-like or None
        A General MIDI SF2 file; None takes the one that comes with `pretty_midi`.
    n_jobs : int or None
        Worker processes; None or 1 means this one, -1 all cores. The bytes don't depend on it.
    progress : callable or None
        Called with the number of clips done and of all clips.

    Returns
    -------
    Path
        The ``manifest.csv`` in `directory`; its columns are `COLUMNS`.

    Raises
    ------
    FileExistsError
        If `directory` holds anything that no rendering wrote.
    FileNotFoundError
        If there is no soundfont.
    ValueError
        If a setting is out of range, or the soundfont lacks a program.
    """
    _check_settings(n_train, n_validation, n_test, seconds, sr, seed)
    font = Soundfont(soundfont if soundfont is not None else find_soundfont())
    settings = {
        "corpus": CORPUS,
        "n_train": n_train,
        "n_validation": n_validation,
        "n_test": n_test,
        "seconds": seconds,
        "sr": sr,
        "seed": seed,
        "soundfont": font.path.name,
        "soundfont_sha256": hashlib.sha256(font.path.read_bytes()).hexdigest(),
    }
    directory = Path(directory).absolute()
    if _is_rendered(directory, settings):
        return directory / "manifest.csv"
    _check_replaceable(directory)
    takes = [
        *plan_training(n_train, seed),
        *plan_songs("validation", n_validation, seed),
        *plan_songs("test", n_test, seed),
    ]
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the renaming stays within one file system.
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
        finished = Path(scratch) / "corpus"
        batches = [takes[start : start + BATCH] for start in range(0, len(takes), BATCH)]
        rows: list[dict[str, object]] = []
        for batch in joblib.Parallel(n_jobs=n_jobs or 1, return_as="generator")(
            joblib.delayed(_write_clips)(batch, finished, settings, font.path) for batch in batches
        ):
            for row in batch:
                rows.append(row)
                if progress is not None:
                    progress(len(rows), len(takes))
        _write_manifest(rows, finished, settings)
        if directory.exists():
            directory.rename(Path(scratch) / "replaced")
        finished.rename(directory)
    return directory / "manifest.csv"


def _check_settings(
    n_train: int, n_validation: int, n_test: int, seconds: float, sr: int, seed: int
) -> None:
    problems = [
        f"{name} must be at least {least}, got {value}"
        for name, value, least in (
            ("n_train", n_train, len(INSTRUMENTS)),
            ("n_validation", n_validation, 0),
            ("n_test", n_test, 0),
            ("seconds", seconds, 2 * MIN_SOUNDING_S),
            ("sr", sr, 8000),
            ("seed", seed, 0),
        )
        if not value >= least
    ]
    if problems:
        raise ValueError("; ".join(problems))


@lru_cache(maxsize=1)
def _open_soundfont(path: Path) -> Soundfont:
    """Open a soundfont once in each worker."""
    return Soundfont(path)


def _write_clips(
    takes: Sequence[Take], directory: Path, settings: dict[str, Any], font: Path
) -> list[dict[str, object]]:
    return [_write_clip(take, directory, settings, _open_soundfont(font)) for take in takes]


def _write_clip(
    take: Take, directory: Path, settings: dict[str, Any], font: Soundfont
) -> dict[str, object]:
    seconds, sr = settings["seconds"], settings["sr"]
    waveform, row = render_clip(take, font, seconds=seconds, sr=sr, seed=settings["seed"])
    path = Path(take.split, take.group, f"{take.name}.flac")
    (directory / path).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(directory / path, waveform, sr, format="FLAC", subtype="PCM_16")
    where = {"path": path.as_posix(), "clip_id": path.as_posix()}
    return where | {"duration_s": len(waveform) / sr} | row


def _write_manifest(
    rows: list[dict[str, object]], directory: Path, settings: dict[str, Any]
) -> None:
    """Write the manifest, then the card: a corpus with a card is whole."""
    manifest = directory / "manifest.csv"
    with manifest.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    card = {
        "settings": settings,
        "digest": _digest(settings),
        "manifest_sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(),
        "instruments": [asdict(instrument) for instrument in INSTRUMENTS],
    }
    text = json.dumps(card, indent=2, sort_keys=True) + "\n"
    (directory / "card.json").write_text(text, encoding="utf-8")


def _digest(settings: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _read_card(directory: Path) -> dict[str, Any] | None:
    try:
        card = json.loads((directory / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) and "manifest_sha256" in card else None


def _listed_files(directory: Path) -> Iterator[Path]:
    with (directory / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        yield from (directory / (row.get("path") or "") for row in csv.DictReader(stream))


def _is_rendered(directory: Path, settings: dict[str, Any]) -> bool:
    """Whether a rendering with these settings is there, whole."""
    card = _read_card(directory)
    manifest = directory / "manifest.csv"
    return (
        card is not None
        and card.get("digest") == _digest(settings)
        and manifest.is_file()
        and hashlib.sha256(manifest.read_bytes()).hexdigest() == card["manifest_sha256"]
        and all(path.is_file() for path in _listed_files(directory))
    )


def _check_replaceable(directory: Path) -> None:
    """Raise if anything would be lost that no rendering wrote."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise FileExistsError(f"{directory} must be a directory, it is a file; give another one")
    present = {path for path in directory.rglob("*") if not path.is_dir()}
    if _read_card(directory) is not None and (directory / "manifest.csv").is_file():
        own = {directory / "card.json", directory / "manifest.csv", *_listed_files(directory)}
        present -= own
    if present:
        raise FileExistsError(
            f"{directory} must be empty or an earlier rendering, it holds {len(present)} other "
            f"files such as {min(present).name!r}; give another directory"
        )
