"""Manifests read from, and feature tables written to, places that only a URI names."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from features.corpora.csv_table import read
from features.extraction import extract_to_file
from features.manifest import Manifest, ManifestError
from features.named_sets import AnyFeatureSet
from features.remote import is_remote, list_names, local_copy, local_path, remove, upload
from features.table import parts_beside


def read_manifest_at(uri: str) -> Manifest:
    """Read a manifest that lies at a URI.

    Parameters
    ----------
    uri : str
        A CSV file; its relative paths start from its own folder.

    Returns
    -------
    Manifest
        With URIs for paths, and the names and groups that it would have as a local file.

    Raises
    ------
    ManifestError
        If it is no table, has no path column, or breaks the manifest's rules.
    ValueError
        If the URI does not end in .csv: folders elsewhere are not searched.
    OSError
        If it cannot be fetched.
    """
    if not uri.lower().endswith(".csv"):
        raise ValueError(
            f"a source at a URI must be a manifest that ends in .csv, got {uri}: list the clips of "
            "a folder with `manifest` where it is mounted"
        )
    here = local_path(uri)
    if here is not None:
        return read(Path(here))
    with local_copy(uri) as copy:
        try:
            manifest = read(Path(copy))
        except ManifestError as exc:
            raise ManifestError(exc.problems, uri) from exc
    folder = posixpath.dirname(uri)
    paths = [
        path if is_remote(path) or os.path.isabs(path) else f"{folder}/{path}"
        for path in manifest.clips["path"]
    ]
    return replace(manifest, clips=manifest.clips.assign(path=paths))


def extract_to_uri(
    manifest: Manifest,
    out: str,
    *,
    feature_set: str | AnyFeatureSet = "standard-v1",
    n_jobs: int | None = None,
    cache: str | os.PathLike[str] | None = None,
    use_cache: bool = True,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Compute the features of all clips and put the table at a URI.

    It is written to a temporary folder first, which must have room for it. As in a local place, the
    table itself is moved last, so that it never stands beside another's card.

    Parameters
    ----------
    manifest
        See `features.extraction.extract_to_file`.
    out : str
        The `.parquet` file to write, by its URI; a path will do too.
    feature_set, n_jobs
        See `features.extraction.extract_to_file`.
    cache : str, path-like or None
        Folder for finished batches. None means `out` with `.cache` appended if there is a
        scheduler, else none: what processes of this machine finish is kept in a local place only.
    use_cache : bool
        Whether to keep and use finished batches.
    scheduler, progress, tell
        See `features.extraction.extract_to_file`.

    Returns
    -------
    dict
        The table's card. A table that was already made from the same clips and settings stays.

    Raises
    ------
    ValueError
        If there are no clips, or not one of them could be read.
    OSError
        If a place cannot be read or written.
    """
    if cache is None and scheduler is not None:
        cache = f"{out}.cache"
    here = local_path(out)
    with TemporaryDirectory(prefix="timbrestack-") as folder:
        staged = Path(here) if here is not None else Path(folder) / posixpath.basename(out)
        before = None if here is not None else _fetch_finished(out, staged)
        card: dict[str, Any] = {}
        try:
            card = extract_to_file(
                manifest,
                staged,
                feature_set=feature_set,
                n_jobs=n_jobs,
                cache=cache,
                use_cache=use_cache and (here is not None or cache is not None),
                scheduler=scheduler,
                progress=progress,
                tell=tell,
            )
        finally:
            # Also if no clip could be read: the list of reasons is wanted all the more then.
            if here is None and staged.is_file() and staged.stat().st_ino != before:
                _publish(staged, out)
    return card


def _fetch_finished(out: str, staged: Path) -> int | None:
    """Fetch a table that is there with all its parts; give what tells it from a new one."""
    parts = [staged, *parts_beside(staged)]
    folder = posixpath.dirname(out)
    if not {part.name for part in parts} <= list_names(folder):
        return None
    for part in parts:
        with local_copy(f"{folder}/{part.name}") as copy:
            os.replace(copy, part)
    return staged.stat().st_ino


def _publish(staged: Path, out: str) -> None:
    """Put a table and its parts in their place, the table last and the old one away first."""
    remove(out)
    for part in parts_beside(staged):
        upload(part, f"{posixpath.dirname(out)}/{part.name}")
    upload(staged, out)
