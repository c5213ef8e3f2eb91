"""Files that lie elsewhere: what a URI names is copied here for as long as it is needed.

Decoding wants a local path: truncation is told from a file's own bytes and its ending. So a remote
file is fetched whole, decoded like any other, and removed. fsspec knows the places (s3://, gs://,
memory://, ...); it is imported when the first URI turns up, and local paths never reach it.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

# Names of what tells one state of a remote file from another, in the words of the various places.
STATE_FIELDS = ("size", "ETag", "etag", "generation", "mtime", "LastModified", "last_modified",
                "updated", "created")  # fmt: skip

LOCAL_SCHEMES = ("file://", "local://")

_of_thread = threading.local()


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a URI rather than a place in the file system.

    Parameters
    ----------
    path : str or path-like
        The path.

    Returns
    -------
    bool
        True if it has a scheme, `file://` included.

    Examples
    --------
    >>> is_remote("s3://bucket/a.wav"), is_remote("audio/a.wav")
    (True, False)
    """
    return isinstance(path, str) and "://" in path


def resolve(root: str | os.PathLike[str], path: str) -> str:
    """Join a path to the folder it starts from, if it starts from one.

    Parameters
    ----------
    root : str or path-like
        The folder.
    path : str
        A relative path, an absolute one or a URI; the last two stay as they are.

    Returns
    -------
    str
        The path from everywhere.
    """
    return path if is_remote(path) else os.path.join(root, path)


def local_path(path: str) -> str | None:
    """Give the path in the file system that a path or URI names.

    Parameters
    ----------
    path : str
        A path or URI.

    Returns
    -------
    str or None
        None if it lies elsewhere.
    """
    if not is_remote(path):
        return path
    scheme = next((scheme for scheme in LOCAL_SCHEMES if path.startswith(scheme)), None)
    return None if scheme is None else path.removeprefix(scheme)


def _open_place(uri: str) -> tuple[Any, str]:
    """Give the file system of a URI, and the path within."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as exc:
        raise ImportError(
            f"{uri} needs fsspec: install it with pip install 'timbrestack[dask]'"
        ) from exc
    return url_to_fs(uri)


@contextmanager
def local_copy(path: str) -> Iterator[str]:
    """Have a file at hand until the end of the block.

    Parameters
    ----------
    path : str
        A path, which is given back as it is, or a URI.

    Yields
    ------
    str
        A local path that ends like the given one.

    Raises
    ------
    FileNotFoundError
        If a URI names nothing.
    OSError
        If it cannot be fetched.
    """
    here = local_path(path)
    if here is not None:
        yield here
    elif (kept := getattr(_of_thread, "kept", None)) is not None:
        yield kept.fetch(path)
    else:
        with TemporaryDirectory(prefix="timbrestack-") as folder:
            yield _fetch(path, folder)


@contextmanager
def keeping_copies() -> Iterator[None]:
    """Keep the latest copy until the next file or the end of the block.

    Clips that are parts of one file and follow each other then fetch it once. It takes the room of
    one file, and holds for this thread.

    Yields
    ------
    None
        While it holds.
    """
    with TemporaryDirectory(prefix="timbrestack-") as folder:
        _of_thread.kept = _Kept(folder)
        try:
            yield
        finally:
            _of_thread.kept = None


class _Kept:
    """The latest copy."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path, self._copy = "", ""

    def fetch(self, path: str) -> str:
        if path != self._path:
            if self._copy:
                os.unlink(self._copy)
            self._path, self._copy = "", ""
            self._copy = _fetch(path, self._folder)
            self._path = path
        return self._copy


def _fetch(uri: str, folder: str) -> str:
    """Copy a remote file into a folder."""
    place, remote = _open_place(uri)
    copy = os.path.join(folder, posixpath.basename(remote.rstrip("/")) or "copy")
    try:
        place.get_file(remote, copy)
    except FileNotFoundError as exc:
        raise FileNotFoundError(f"no such file: {uri}") from exc
    except Exception as exc:
        # Every place has errors of its own, of which most are no OSError.
        raise OSError(f"{uri} cannot be fetched: {type(exc).__name__}: {exc}") from exc
    if not os.path.isfile(copy):
        raise OSError(f"{uri} is a folder, not a file")
    return copy


def identify(paths: Iterable[str]) -> dict[str, str]:
    """Tell the states of files, without reading them.

    Parameters
    ----------
    paths : iterable of str
        Paths and URIs.

    Returns
    -------
    dict
        Path -> size and time of change, or what else the place knows; "missing" if there is none.
    """
    states: dict[str, str] = {}
    elsewhere: dict[str, list[str]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        here = local_path(path)
        if here is None:
            states[path] = "missing"
            elsewhere[posixpath.dirname(path)].append(path)
            continue
        try:
            status = os.stat(here)
            states[path] = f"{status.st_size} {status.st_mtime_ns}"
        except OSError:
            states[path] = "missing"
    for folder, uris in elsewhere.items():
        states.update(_identify_in(folder, uris))
    return states


def _identify_in(folder: str, uris: list[str]) -> dict[str, str]:
    """Tell the states of files of one remote folder: a listing tells a thousand in one request."""
    place, remote_folder = _open_place(folder)
    place.invalidate_cache(remote_folder)
    listed: dict[str, Any] = {}
    if len(uris) > 1:
        try:
            listed = {each["name"]: each for each in place.ls(remote_folder, detail=True)}
        except (OSError, NotImplementedError):
            # Not every place can list.
            listed = {}
    states = {}
    for uri in uris:
        remote = place._strip_protocol(uri)
        try:
            states[uri] = _state(listed[remote] if remote in listed else place.info(remote))
        except OSError:
            continue
    return states


def _state(info: dict[str, Any]) -> str:
    return " ".join(str(info[name]) for name in STATE_FIELDS if info.get(name) is not None)


def upload(path: str | os.PathLike[str], uri: str) -> None:
    """Put a local file elsewhere; it appears under its name whole or not at all.

    Parameters
    ----------
    path : str or path-like
        The file.
    uri : str
        Where it goes; one that is there is replaced.
    """
    place, remote = _open_place(uri)
    folder, name = posixpath.split(remote)
    partial = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.part"
    place.makedirs(folder, exist_ok=True)
    try:
        place.put_file(os.fspath(path), partial)
        place.mv(partial, remote)
    finally:
        if place.exists(partial):
            place.rm_file(partial)


def list_names(folder: str) -> set[str]:
    """List a folder.

    Parameters
    ----------
    folder : str
        A path or URI.

    Returns
    -------
    set of str
        Names of all that is in it; empty if there is no such folder.
    """
    here = local_path(folder)
    try:
        if here is not None:
            return set(os.listdir(here))
        place, remote = _open_place(folder)
        place.invalidate_cache(remote)
        return {posixpath.basename(name.rstrip("/")) for name in place.ls(remote, detail=False)}
    except FileNotFoundError:
        return set()


def remove(path: str) -> None:
    """Remove a file, if it is there.

    Parameters
    ----------
    path : str
        A path or URI.
    """
    here = local_path(path)
    try:
        if here is not None:
            os.unlink(here)
        else:
            place, remote = _open_place(path)
            place.rm_file(remote)
    except FileNotFoundError:
        pass


def remove_folder(folder: str) -> None:
    """Remove a folder and all that is in it, if it is there.

    Parameters
    ----------
    folder : str
        A path or URI.
    """
    here = local_path(folder)
    if here is not None:
        shutil.rmtree(here, ignore_errors=True)
        return
    place, remote = _open_place(folder)
    if place.exists(remote):
        place.rm(remote, recursive=True)
