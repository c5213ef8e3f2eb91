"""A corpus at another sampling rate: the same tree, the same labels, smaller files.

Conventions: every sound file becomes one file at the same place below the new folder; segments of
it keep their times, clips their ids. A finished tree holds ``manifest.csv``, ``failures.csv`` and
``card.json``.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, cast

import joblib
import numpy as np
import pandas as pd
import soundfile

from features.audio import MAX_SR, MIN_SR, AudioDecodeError, Clip, read_info, stream_audio
from features.clip_row import CLIP_ERRORS, Row
from features.corpora.layouts import read_corpus
from features.finished_files import FinishedFiles
from features.holding import holding
from features.manifest import Manifest, write_manifest
from features.remote import identify, local_copy, resolve
from features.replacing import replacing
from features.surviving import compute_batches

FORMATS = {"flac": "FLAC", "wav": "WAV"}

# What holds more than 16 bits is kept at 24; 16 are finer than any lossy coding.
FINE_SUBTYPES = ("PCM_24", "PCM_32", "FLOAT", "DOUBLE")

# Files handed to a worker at a time: about a second's work.
BATCH = 32


@dataclass(frozen=True, slots=True)
class _File(Clip):
    """A source file that knows where its copy goes."""

    target: str = ""


def resample_tree(
    source: Manifest | str | PathLike[str],
    directory: str | PathLike[str],
    *,
    sr: int,
    mono: bool = False,
    format: str = "flac",
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Copy the sound of a corpus at another rate; what is done already is not done again.

    A source file that changed since is done again. Memory does not grow with a file's length.

    Parameters
    ----------
    source : Manifest, str or path-like
        The clips; a folder or CSV file is read by its layout.
    directory : str or path-like
        Where to; made if missing.
    sr : int
        The new rate in Hz, 1,000 to 768,000.
    mono : bool
        Whether to average the channels; else they are kept.
    format : {"flac", "wav"}
        Of the new files: 16 bits a sample, 24 if the source has more.
    n_jobs : int or None
        Worker processes; None or 1 means this one, -1 all cores. The bytes don't depend on it.
    progress : callable or None
        Called with the number of files done and of all files.

    Returns
    -------
    Path
        The ``manifest.csv`` in `directory`: the clips whose files could be read, with their new
        paths; the others are in ``failures.csv`` (clip_id, path, reason).

    Raises
    ------
    ValueError
        If a setting is out of range, there are no clips, `directory` is part of the source, or no
        file can be read.
    FileExistsError
        If `directory` holds anything else, or a tree with other settings.

    Warns
    -----
    UserWarning
        If clips failed, or samples beyond full scale were clipped.
    """
    if not MIN_SR <= sr <= MAX_SR or format not in FORMATS:
        raise ValueError(
            f"sr must be {MIN_SR} to {MAX_SR} Hz and format one of {', '.join(FORMATS)}, got {sr} "
            f"and {format!r}"
        )
    manifest = source if isinstance(source, Manifest) else read_corpus(source)
    if not len(manifest):
        raise ValueError("there are no clips to resample")
    directory = Path(directory).absolute()
    settings = {"sr": sr, "mono": mono, "format": format}
    files = _plan(manifest, directory, format)
    # A folder would be read with its own copies the next time; a manifest lists what it lists.
    is_folder = not isinstance(source, Manifest) and Path(source).is_dir()
    if (is_folder and directory.is_relative_to(manifest.root)) or any(
        Path(file.path).is_relative_to(directory) for file in files.values()
    ):
        raise ValueError(f"{directory} must lie apart from the sound that is resampled into it")
    directory.mkdir(parents=True, exist_ok=True)
    finished = directory / "manifest.csv"
    with holding(finished, tell=lambda what: warnings.warn(what, stacklevel=2)):
        outcomes = _resample_files(files, directory, settings, n_jobs, progress)
        failures = _write_manifest(manifest, files, outcomes, finished)
        n_clipped = sum(n for n in outcomes.values() if isinstance(n, int))
        card = {
            "settings": settings,
            "n_files": len(files),
            "n_clips": len(manifest) - len(failures),
            "n_failures": len(failures),
            "n_clipped_samples": n_clipped,
        }
        _replace_text(directory / "card.json", json.dumps(card, indent=2, sort_keys=True) + "\n")
    if n_clipped:
        warnings.warn(
            f"{directory}: {n_clipped:,} samples passed full scale after resampling and were "
            "clipped",
            stacklevel=2,
        )
    return finished


def _plan(manifest: Manifest, directory: Path, format: str) -> dict[str, _File]:
    """Give every source file its target: the same place, the new ending."""
    paths = list(dict.fromkeys(manifest.clips["path"]))
    places = [PurePosixPath(_place(resolve(manifest.root, path), manifest.root)) for path in paths]
    named = Counter(place.with_suffix(f".{format}") for place in places)
    files = {}
    for path, place in zip(paths, places, strict=True):
        target = place.with_suffix(f".{format}")
        if named[target] > 1:
            # a.wav and a.mp3 beside each other.
            target = place.with_name(f"{place.name}.{format}")
        source = resolve(manifest.root, path)
        files[path] = _File(source, target=str(directory / target))
    return files


def _place(source: str, root: Path) -> str:
    """Where a file lies below the root; one from elsewhere goes by its name and its whole path."""
    if Path(source).is_relative_to(root) and ".." not in Path(source).parts:
        return Path(source).relative_to(root).as_posix()
    digest = hashlib.sha256(source.encode()).hexdigest()
    return f"elsewhere/{digest[:8]}/{PurePosixPath(source).name}"


def _resample_files(
    files: dict[str, _File],
    directory: Path,
    settings: dict[str, Any],
    n_jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> dict[str, int | str]:
    """Give every file's number of clipped samples, or the reason why there is no copy."""
    finished = FinishedFiles(directory, settings)
    for left in directory.rglob(".*.part"):
        left.unlink()
    before = identify(file.path for file in files.values())
    done = finished.find({file.path: file.target for file in files.values()})
    outcomes: dict[str, int | str] = {
        path: done[file.path] for path, file in files.items() if file.path in done
    }
    missing = [path for path in files if path not in outcomes]
    batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
    results = compute_batches(
        [[files[path] for path in batch] for batch in batches],
        partial(_copy_files, settings=settings),
        joblib.effective_n_jobs(n_jobs or 1),
    )
    for batch, rows in zip(batches, results, strict=True):
        whole = {}
        for path, row in zip(batch, rows, strict=True):
            source = files[path].path
            if row.values is None:
                outcomes[path] = row.reason
            else:
                outcomes[path] = n_clipped = int(row.values[0])
                whole[source] = (before[source], files[path].target, n_clipped)
        finished.add(whole)
        if progress is not None:
            progress(len(outcomes), len(files))
    return outcomes


def _copy_files(files: Sequence[Clip], *, settings: dict[str, Any]) -> list[Row]:
    """Copy a batch; the one value of a row is the number of samples that were clipped."""
    rows = []
    for file in cast(Sequence[_File], files):
        try:
            with local_copy(file.path) as path:
                n_clipped = _copy_file(path, Path(file.target), **settings)
            # float64 counts any number of samples.
            rows.append(Row(np.array([n_clipped], dtype=np.float64)))
        except CLIP_ERRORS as exc:
            reason = exc.reason if isinstance(exc, AudioDecodeError) else str(exc)
            rows.append(Row(None, reason=reason or type(exc).__name__))
    return rows


def _copy_file(path: str, target: Path, *, sr: int, mono: bool, format: str) -> int:
    """Write the copy, block by block."""
    subtype = read_info(path).codec.split()[-1]
    blocks: Iterator[np.ndarray] = stream_audio(path, sr=sr, mono=mono)
    first = next(blocks)
    n_clipped = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            replacing(target) as unfinished,
            soundfile.SoundFile(
                unfinished,
                "w",
                samplerate=sr,
                channels=1 if first.ndim == 1 else first.shape[1],
                format=FORMATS[format],
                subtype="PCM_24" if subtype in FINE_SUBTYPES else "PCM_16",
            ) as file,
        ):
            for block in chain([first], blocks):
                n_clipped += int(np.count_nonzero(np.abs(block) > 1))
                file.write(block)
    except soundfile.LibsndfileError as exc:
        raise OSError(f"cannot be written as {format} at {sr} Hz ({exc.error_string})") from exc
    return n_clipped


def _write_manifest(
    manifest: Manifest, files: dict[str, _File], outcomes: dict[str, int | str], path: Path
) -> pd.DataFrame:
    """Write the manifest of what there is and the table of what failed, which is given."""
    reasons = manifest.clips["path"].map(outcomes)
    failed = reasons.map(lambda reason: isinstance(reason, str)).to_numpy(dtype=bool)
    failures = manifest.clips.loc[failed, ["clip_id", "path"]].assign(reason=reasons[failed])
    _replace_text(path.with_name("failures.csv"), failures.to_csv(index=False))
    if failed.all():
        raise ValueError(
            f"none of the {len(files)} files can be read, the first since: "
            f"{failures['reason'].iloc[0]} (see {path.with_name('failures.csv')})"
        )
    if failed.any():
        warnings.warn(
            f"{path.parent}: {failed.sum()} of {len(manifest)} clips failed and are listed in "
            "failures.csv",
            stacklevel=3,
        )
    kept = manifest.select(~failed)
    clips = kept.clips.copy()
    clips["path"] = [files[source].target for source in clips["path"]]
    # The bytes are others now.
    clips["sha256"] = ""
    write_manifest(replace(kept, clips=clips, root=path.parent), path)
    return failures


def _replace_text(path: Path, text: str) -> None:
    with replacing(path) as partial_path:
        partial_path.write_text(text, encoding="utf-8")
