"""One look at every clip's sound: what it is, what is wrong with it, how it is known again.

A file is decoded once. Samples are looked at as recorded, mixed down to one channel: what one
channel of several hides in the mix, models do not hear either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.audio import (
    SILENCE_PEAK,
    AudioDecodeError,
    AudioInfo,
    Clip,
    read_info,
    resample,
    stream_audio,
)
from features.checking.fingerprint import (
    NO_SOUND,
    SR,
    Fingerprint,
    Fingerprints,
    make_fingerprint,
    stack_fingerprints,
)
from features.clip_row import CLIP_ERRORS, Row
from features.manifest import Manifest
from features.nuisance import CLIPPING_MARGIN
from features.remote import local_copy
from features.surviving import compute_batches

# Large enough that handing out work costs nothing, small enough that progress is seen.
MAX_BATCH = 64

# Decoded at a time; at any sampling rate a whole number of samples, and of a fingerprint's hops.
BLOCK_S = 30.0

# Bytes read at a time for a checksum.
READ_SIZE = 1 << 20

# How decoding says what is wrong, and what that is called here.
TROUBLES = (
    ("no such file", "missing"),
    ("zero bytes", "empty"),
    ("no samples", "empty"),
    ("truncated?", "truncated"),
    ("NaN", "not-finite"),
    ("segment starts at", "segment"),
)

FACTS: dict[str, Any] = {
    "duration_s": np.nan,
    "n_timepoints": 0,
    "file_duration_s": np.nan,
    "sr": 0,
    "n_channels": 0,
    "codec": "",
    "file_sha256": "",
    "audio_sha256": "",
    "peak": np.nan,
    "clipped_share": np.nan,
    "is_silent": False,
}
"""Columns of facts, and what they hold where nothing is known."""


@dataclass(frozen=True)
class AudioScan:
    """What was heard.

    Parameters
    ----------
    clips : pd.DataFrame
        One row per clip, as in the manifest: `clip_id`; `readable`; `reason` why not, and
        `trouble`, its kind ("missing", "empty", "truncated", "not-finite", "segment",
        "undecodable"); `duration_s` and `n_timepoints` of the clip, `file_duration_s` by the
        file's header; `sr` in Hz, `n_channels`, `codec`; `file_sha256` of the file's bytes;
        `audio_sha256` of the clip's samples in 16 bits, and its rate; `peak`; `clipped_share`
        of the samples at full scale; `is_silent`.
    fingerprints : Fingerprints
        In the same order; none where there is no sound.
    """

    clips: pd.DataFrame
    fingerprints: Fingerprints


@dataclass(frozen=True)
class HeardClip(Row):
    """What was heard of one clip.

    Parameters
    ----------
    values, silent, reason
        See `Row`; there are no values.
    facts : dict of str to Any
        Some of `FACTS`.
    fingerprint : Fingerprint
        None of silence.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    fingerprint: Fingerprint = NO_SOUND


def scan_audio(
    manifest: Manifest,
    *,
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AudioScan:
    """Decode every clip and note what is to be known of it.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    n_jobs : int or None
        Worker processes; None or 1 means this one, -1 all cores. The result doesn't depend on it. A
        clip that kills its worker is listed as unreadable.
    progress : callable or None
        Called with (clips done, clips in all).

    Returns
    -------
    AudioScan
        A row for every clip, whatever is wrong with it.
    """
    clips = manifest.audio_clips()
    # Segments of a file come one after another, so that its bytes are read once for all of them.
    order = sorted(range(len(clips)), key=lambda k: (clips[k].path, clips[k].start_s or 0.0))
    heard: list[Row] = [Row(None)] * len(clips)
    n_done = 0
    for rows in _hear([clips[k] for k in order], n_jobs or 1):
        for row in rows:
            heard[order[n_done]] = row
            n_done += 1
        if progress is not None:
            progress(n_done, len(clips))
    table = pd.DataFrame(
        {
            "clip_id": manifest.clips["clip_id"].to_numpy(),
            "readable": [not row.reason for row in heard],
            "reason": [row.reason for row in heard],
            "trouble": [_trouble(row, clip) for row, clip in zip(heard, clips, strict=True)],
            **{
                name: [row.facts.get(name, unknown) if isinstance(row, HeardClip) else unknown
                       for row in heard]
                for name, unknown in FACTS.items()
            },
        }
    )  # fmt: skip
    prints = [row.fingerprint if isinstance(row, HeardClip) else NO_SOUND for row in heard]
    return AudioScan(table, stack_fingerprints(prints))


def _hear(clips: Sequence[Clip], n_jobs: int) -> Iterator[list[Row]]:
    """Give the rows of all clips, batch by batch."""
    n_workers = joblib.effective_n_jobs(n_jobs)
    size = int(np.clip(len(clips) // (8 * n_workers), 1, MAX_BATCH))
    batches = [clips[start : start + size] for start in range(0, len(clips), size)]
    if n_workers == 1:
        # One thread here as in workers: BLAS may round otherwise with another number of threads.
        with threadpool_limits(limits=1):
            yield from map(_hear_batch, batches)
        return
    yield from compute_batches(batches, _hear_batch, n_workers)


def _hear_batch(clips: Sequence[Clip]) -> list[Row]:
    files: dict[str, dict[str, Any]] = {}
    return [_hear_clip(clip, files) for clip in clips]


def _hear_clip(clip: Clip, files: dict[str, dict[str, Any]]) -> Row:
    """Give what is heard of a clip, or why nothing is; `files` has what is known of files."""
    facts: dict[str, Any] = {}
    try:
        with local_copy(clip.path) as path:
            if clip.path not in files:
                files[clip.path] = {"file_sha256": _hash_file(path)}
                files[clip.path] |= _header_facts(read_info(path))
            facts |= files[clip.path]
            found, fingerprint = _hear_samples(replace(clip, path=path), facts["sr"])
            return HeardClip(None, facts=facts | found, fingerprint=fingerprint)
    except CLIP_ERRORS as exc:
        reason = exc.reason if isinstance(exc, AudioDecodeError) else str(exc)
        facts |= files.get(clip.path, {})
        return HeardClip(None, reason=reason or type(exc).__name__, facts=facts)


def _hash_file(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while data := stream.read(READ_SIZE):
                digest.update(data)
    except FileNotFoundError as exc:
        raise AudioDecodeError(path, "no such file") from exc
    return digest.hexdigest()


def _header_facts(info: AudioInfo) -> dict[str, Any]:
    return {
        "file_duration_s": info.duration_s,
        "sr": info.sr,
        "n_channels": info.n_channels,
        "codec": info.codec,
    }


def _hear_samples(clip: Clip, sr: int) -> tuple[dict[str, Any], Fingerprint]:
    """Decode a clip once, in bounded memory."""
    digest = hashlib.sha256(sr.to_bytes(4, "little"))
    n_timepoints, n_clipped, peak = 0, 0, 0.0

    def watch() -> Iterator[np.ndarray]:
        nonlocal n_timepoints, n_clipped, peak
        blocks = stream_audio(clip.path, start_s=clip.start_s, end_s=clip.end_s, block_s=BLOCK_S)
        for block in blocks:
            size = np.abs(block)
            n_timepoints += len(block)
            n_clipped += int(np.count_nonzero(size >= 1.0 - CLIPPING_MARGIN))
            peak = max(peak, float(size.max()))
            # Lossless formats of any width give the same.
            samples = np.clip(np.rint(block * 32768.0), -(2**31), 2**31 - 128)
            digest.update(samples.astype("<i4").tobytes())
            yield resample(block, from_sr=sr, to_sr=SR)

    fingerprint = make_fingerprint(watch())
    facts = {
        "duration_s": n_timepoints / sr,
        "n_timepoints": n_timepoints,
        "audio_sha256": digest.hexdigest(),
        "peak": peak,
        "clipped_share": n_clipped / n_timepoints,
        "is_silent": peak < SILENCE_PEAK,
    }
    return facts, NO_SOUND if facts["is_silent"] else fingerprint


def _trouble(row: Row, clip: Clip) -> str:
    """Name the kind of what is wrong."""
    if not row.reason:
        return ""
    facts = row.facts if isinstance(row, HeardClip) else {}
    # Decoding stops early for a segment that reaches too far, as for a file that was cut.
    if (clip.end_s or 0.0) > facts.get("file_duration_s", np.inf):
        return "segment"
    return next((name for sign, name in TROUBLES if sign in row.reason), "undecodable")
