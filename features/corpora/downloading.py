"""Corpora fetched from their publishers and unpacked as their readers expect them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from features.corpora.fetching import DownloadError, Progress, fetch
from features.corpora.layouts import LAYOUTS
from features.corpora.remotes import REMOTES, Remote
from features.corpora.unpacking import unpack
from features.holding import holding

__all__ = ["Download", "DownloadError", "download_corpus", "list_downloads"]


@dataclass(frozen=True, slots=True)
class Download:
    """A corpus that can be downloaded.

    Parameters
    ----------
    name : str
        Its layout.
    archives : tuple of Remote
        What it consists of; `download_corpus` can be told to take some only, by their names.
    size : int or None
        Bytes of all of them; None where not all sizes are known.
    licence : str
        Under which it is offered.
    source : str
        Its publisher's page.
    """

    name: str
    archives: tuple[Remote, ...]
    size: int | None
    licence: str
    source: str


def list_downloads() -> list[Download]:
    """List the corpora that can be downloaded.

    Returns
    -------
    list of Download
        By name.
    """
    downloads = []
    for name, remotes in sorted(REMOTES.items()):
        sizes = [remote.size for remote in remotes]
        downloads.append(
            Download(
                name,
                remotes,
                sum(sizes) if all(sizes) else None,
                LAYOUTS[name].licence,
                LAYOUTS[name].source,
            )
        )
    return downloads


def download_corpus(
    name: str,
    directory: str | PathLike[str],
    *,
    progress: Progress | None = None,
    only: Sequence[str] | None = None,
) -> Path:
    """Fetch a corpus and unpack it.

    An archive is removed once it is unpacked. What was fetched before an error, an interruption or
    a crash is kept in ``NAME.archives`` and used by the next call; what is unpacked is not fetched
    again. A second call at the same time waits for the first.

    Parameters
    ----------
    name : str
        Name of a layout in `list_downloads()`.
    directory : str or path-like
        Where corpora are kept; made if missing.
    progress : callable or None
        See `features.corpora.fetching.fetch`.
    only : sequence of str or None
        Archives to take; None takes all. All parts of a split one are taken with any of them.

    Returns
    -------
    Path
        The corpus, `directory`/`name`.

    Raises
    ------
    ValueError
        If the corpus is not offered for download, or has no such archive.
    DownloadError
        If an archive cannot be fetched, is not what its publisher made it, or is not safe to
        unpack.
    """
    folders = _choose(name, only)
    corpus = Path(directory).absolute() / name
    corpus.parent.mkdir(parents=True, exist_ok=True)
    archives = corpus.with_name(f"{name}.archives")
    with holding(corpus, tell=lambda what: warnings.warn(what, stacklevel=2)):
        archives.mkdir(exist_ok=True)
        for folder, remotes in folders.items():
            target = corpus / folder
            if not (target.is_dir() and any(target.iterdir())):
                paths = [fetch(remote, archives, progress=progress) for remote in remotes]
                target.parent.mkdir(exist_ok=True)
                unpack(paths, target)
            for remote in remotes:
                (archives / remote.name).unlink(missing_ok=True)
        # Other archives of the corpus may lie there, begun by another call.
        if not any(archives.iterdir()):
            archives.rmdir()
    return corpus


def _choose(name: str, only: Sequence[str] | None) -> dict[str, list[Remote]]:
    """Give the archives by the folder that they are unpacked into."""
    if name not in REMOTES:
        layout = LAYOUTS.get(name)
        where = f"; see {layout.source}" if layout is not None and layout.source else ""
        raise ValueError(
            f"a corpus to download must be one of {', '.join(sorted(REMOTES))}, got {name!r}{where}"
        )
    folders: dict[str, list[Remote]] = {}
    for remote in REMOTES[name]:
        folders.setdefault(remote.folder, []).append(remote)
    if only is None:
        return folders
    offered = [remote.name for remote in REMOTES[name]]
    unknown = [archive for archive in only if archive not in offered]
    if unknown or not only:
        raise ValueError(
            f"archives of {name} must be among {', '.join(offered)}, got "
            f"{', '.join(unknown) or 'none'}"
        )
    return {
        folder: remotes
        for folder, remotes in folders.items()
        if any(remote.name in only for remote in remotes)
    }
