"""Manifest to feature table: parallel, resumable, with failures listed.

Clips are computed in batches by worker processes, which may die of a clip without taking the run
with them. Workers keep finished batches in the row cache, so that a killed run, run again, goes on
where it stopped.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.audio import Clip
from features.clip_row import Row, compute_row
from features.holding import holding
from features.manifest import Manifest
from features.named_sets import AnyFeatureSet, get_feature_set
from features.remote import identify, is_remote
from features.replacing import remove_unfinished, unfinished
from features.row_cache import RowCache
from features.surviving import compute_batches
from features.table import (
    SCHEMA_VERSION,
    FeatureTable,
    TableWriter,
    check_table,
    hash_clip_ids,
    parts_beside,
    read_card,
    read_failures,
    read_values,
)

# The libraries that make the numbers: a new version of one makes a new cache.
NUMERIC_LIBRARIES = ("numpy", "scipy", "numba", "soundfile", "soxr")

# Large enough that handing out work costs nothing, small enough that a kill loses a second.
MAX_BATCH = 32


def extract_to_file(
    manifest: Manifest,
    out: str | PathLike[str],
    *,
    feature_set: str | AnyFeatureSet = "standard-v1",
    n_jobs: int | None = None,
    cache: str | PathLike[str] | None = None,
    use_cache: bool = True,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Compute the features of all clips and write the table, in memory that does not grow.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    out : str or path-like
        The `.parquet` file to write.
    feature_set : str, FeatureSet or OpenSmileSet
        Which features.
    n_jobs : int or None
        Worker processes; None or 1 means this one, -1 all cores. The numbers don't depend on it.
        A clip that kills its worker is listed as failed; one that kills this process ends the run.
    cache : str, path-like or None
        Folder for finished batches; None means `out` with `.cache` appended. With a scheduler it
        may be a URI, and must be one or lie where its workers see it too.
    use_cache : bool
        Whether to keep and use finished batches.
    scheduler : str or None
        Address of a Dask scheduler, such as tcp://10.0.0.1:8786, whose workers compute instead of
        processes of this machine; `n_jobs` means nothing then.
    progress : callable or None
        Called with (clips done, clips in all).
    tell : callable or None
        Called with a sentence if another process is writing the same table and is waited for.

    Returns
    -------
    dict
        The table's card. If `out` was already made from the same clips and settings, nothing is
        computed.

    Raises
    ------
    ValueError
        If there are no clips, not one of them could be read, or a local path is needed.
    OSError
        If the table or the cache cannot be written; found out before work begins where possible.
        Finished clips stay in the cache.
    """
    if is_remote(out) or (scheduler is None and cache is not None and is_remote(cache)):
        raise ValueError(
            f"a local path is needed here, got {out if is_remote(out) else cache}: extract_to_uri "
            "writes tables to a URI; only workers of a cluster keep finished batches at one"
        )
    out = Path(out)
    if len(manifest) == 0:
        raise ValueError("there are no clips to extract")
    features = get_feature_set(feature_set) if isinstance(feature_set, str) else feature_set
    _check_place(out)
    with holding(out, tell=tell):
        # Whoever holds the place is alone: what lies there half-written, a killed run has left.
        remove_unfinished(out, *parts_beside(out))
        try:
            card, failures = _extract(
                manifest,
                out,
                features,
                n_jobs or 1,
                cache,
                use_cache=use_cache,
                scheduler=scheduler,
                progress=progress,
            )
        except OSError as exc:
            if exc.errno == errno.ENOSPC:
                kept = "" if not use_cache else "; finished clips are kept"
                exc.add_note(f"make room where {out} lies and run again{kept}")
            raise
    if card["n_rows"] == 0:
        raise ValueError(
            f"none of the {card['n_clips']} clips could be read; the first: "
            f"{failures.iloc[0]['reason']} (all are listed in {out.name}.failures.csv)"
        )
    return card


def _check_place(out: Path) -> None:
    """Raise if nothing can be written there, before hours are spent on it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(out) as probe:
            probe.touch()
    except OSError as exc:
        raise type(exc)(
            exc.errno,
            f"no table can be written to {out.parent} ({exc.strerror}); name another place",
        ) from exc


def _extract(
    manifest: Manifest,
    out: Path,
    features: AnyFeatureSet,
    n_jobs: int,
    cache: str | PathLike[str] | None,
    *,
    use_cache: bool,
    scheduler: str | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Give card and failures of the finished table."""
    fingerprint = _fingerprint(manifest, features)
    finished = _read_finished(out, fingerprint)
    if finished is not None:
        return finished
    folder = str(cache or f"{out}.cache")
    clip_ids = manifest.clips["clip_id"].tolist()
    failed: dict[int, str] = {}
    silent: list[str] = []
    if scheduler is None:
        settings = f"{features.digest} {_versions(features)}"
        known = RowCache(Path(folder), settings) if use_cache else None
        batches = _compute(manifest.audio_clips(), features, n_jobs, known)
    else:
        from features.cluster import compute_on_cluster

        batches = compute_on_cluster(
            clip_ids,
            manifest.audio_clips(),
            features,
            scheduler=scheduler,
            folder=folder if is_remote(folder) else os.path.abspath(folder),
            versions=_versions(features),
            keep=use_cache,
            progress=progress,
        )
        # It counts clips as they are computed, not as they are written.
        progress = None
    with TableWriter(out, features.feature_names) as writer:
        for positions, rows in batches:
            for position, row in zip(positions, rows, strict=True):
                if row.values is None:
                    failed[position] = row.reason
                    continue
                writer.add(clip_ids[position], row.values)
                if row.silent:
                    silent.append(clip_ids[position])
            if progress is not None:
                progress(positions.stop, len(manifest))
        failures = manifest.clips.loc[list(failed), ["clip_id", "path"]].reset_index(drop=True)
        failures["reason"] = list(failed.values())
        good = [clip_id for k, clip_id in enumerate(clip_ids) if k not in failed]
        card = _card(manifest, features, good, silent, fingerprint)
        writer.finish(manifest, failures, card)
    return card, failures


def extract_table(
    manifest: Manifest,
    out: str | PathLike[str],
    *,
    feature_set: str | AnyFeatureSet = "standard-v1",
    n_jobs: int | None = None,
    cache: str | PathLike[str] | None = None,
    use_cache: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> FeatureTable:
    """Compute the features of all clips, write the table and read it back.

    Parameters
    ----------
    manifest, out, feature_set, n_jobs, cache, use_cache, progress
        See `extract_to_file`.

    Returns
    -------
    FeatureTable
        As written.

    Raises
    ------
    ValueError
        If there are no clips, or not one of them could be read.
    """
    card = extract_to_file(
        manifest,
        out,
        feature_set=feature_set,
        n_jobs=n_jobs,
        cache=cache,
        use_cache=use_cache,
        progress=progress,
    )
    # The manifest is at hand: reading it back would repeat its warnings.
    with holding(Path(out)):
        return FeatureTable(read_values(out), manifest, read_failures(out), card)


def extract_rows(
    clips: Sequence[Clip], feature_set: AnyFeatureSet, *, n_jobs: int | None = None
) -> list[Row]:
    """Compute the features of some clips, without a table.

    Parameters
    ----------
    clips : sequence of Clip
        What to compute.
    feature_set : FeatureSet or OpenSmileSet
        Which features.
    n_jobs : int or None
        Worker processes, as in `extract_table`.

    Returns
    -------
    list of Row
        In the order of `clips`; failed clips carry the reason.
    """
    batches = _compute(clips, feature_set, n_jobs or 1, None)
    return [row for _, rows in batches for row in rows]


def _versions(features: AnyFeatureSet) -> dict[str, str]:
    # Whether PyAV is there decides about clips in containers, and its version about their samples.
    optional = {"av": version("av")} if find_spec("av") else {}
    own = {name: version(name) for name in NUMERIC_LIBRARIES}
    return own | optional | features.library_versions()


def _own_version() -> dict[str, str]:
    try:
        return {"timbrestack": version("timbrestack")}
    except PackageNotFoundError:
        # Run from its folder, without having been installed.
        return {}


def _fingerprint(manifest: Manifest, features: AnyFeatureSet) -> str:
    """Name what goes in: settings, clip table, and each file's place, size and time of change."""
    parts = [features.digest, json.dumps(_versions(features)), manifest.clips.to_csv(index=False)]
    states = identify(clip.path for clip in manifest.audio_clips())
    parts += [f"{path} {state}" for path, state in states.items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read_finished(out: Path, fingerprint: str) -> tuple[dict[str, Any], pd.DataFrame] | None:
    """Give card and failures of a table that was made from the same and is whole."""
    try:
        if not out.is_file() or read_card(out).get("inputs_sha256") != fingerprint:
            return None
        card, _, failures = check_table(out)
        return card, failures
    except (OSError, ValueError):
        return None


def _compute(
    clips: Sequence[Clip], features: AnyFeatureSet, n_jobs: int, known: RowCache | None
) -> Iterator[tuple[range, list[Row]]]:
    """Yield positions and rows, batch by batch, in order."""
    n_workers = joblib.effective_n_jobs(n_jobs)
    # At least eight batches a worker, so that the last one keeps nobody waiting for long.
    size = int(np.clip(len(clips) // (8 * n_workers), 1, MAX_BATCH))
    batches = [range(start, min(start + size, len(clips))) for start in range(0, len(clips), size)]
    parts = [[clips[k] for k in positions] for positions in batches]
    compute = partial(_extract_batch, features=features, known=known)
    if n_workers == 1:
        # One thread here as in workers: BLAS may round otherwise with another number of threads.
        with threadpool_limits(limits=1):
            yield from zip(batches, map(compute, parts), strict=True)
        return
    yield from zip(batches, compute_batches(parts, compute, n_workers), strict=True)


def _extract_batch(
    clips: Sequence[Clip], *, features: AnyFeatureSet, known: RowCache | None
) -> list[Row]:
    """Give the rows of a batch, from the cache where it has them."""
    if known is None:
        return [compute_row(clip, features) for clip in clips]
    keys = [known.key(clip) for clip in clips]
    found = {
        key: Row(*kept)
        for key, kept in known.read(keys).items()
        if kept[0].shape == (features.n_features,)
    }
    rows = [
        found[key] if key in found else compute_row(clip, features)
        for key, clip in zip(keys, clips, strict=True)
    ]
    fresh = {
        key: (row.values, row.silent)
        for key, clip, row in zip(keys, clips, rows, strict=True)
        # A file that has changed since it was named would be kept under the other's name.
        if key not in found and row.values is not None and known.key(clip) == key
    }
    if fresh:
        known.write(fresh)
    return rows


def _card(
    manifest: Manifest,
    features: AnyFeatureSet,
    clip_ids: Sequence[str],
    silent: Sequence[str],
    fingerprint: str,
) -> dict[str, Any]:
    return {
        "schema": "timbrestack.table",
        "schema_version": SCHEMA_VERSION,
        "kind": "features",
        "feature_set": features.card(),
        "feature_set_sha256": features.digest,
        # Features look at one clip alone, so no fold can leak through them.
        "trained_on": None,
        "n_clips": len(manifest),
        "n_rows": len(clip_ids),
        "n_features": features.n_features,
        "n_failures": len(manifest) - len(clip_ids),
        "silent": list(silent),
        "task": manifest.task,
        "classes": manifest.classes,
        "clip_ids_sha256": hash_clip_ids(clip_ids),
        "inputs_sha256": fingerprint,
        "versions": _own_version() | _versions(features),
    }
