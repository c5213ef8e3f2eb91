"""One writer at a time: a second run into the same place waits, and says for whom."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def holding(path: Path, *, tell: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a place until the end of the block; wait if another process does.

    The system lets go of what a process held when it dies, however it dies.

    Parameters
    ----------
    path : Path
        The file that is to be written; the lock is a hidden file beside it, removed at the end.
    tell : callable or None
        Called with a sentence about who is waited for.

    Yields
    ------
    None
        When the place is held.
    """
    lock = path.with_name(f".{path.name}.lock")
    with _take(lock, path, tell) as stream:
        try:
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {platform.node()}")
            stream.flush()
            yield
        finally:
            lock.unlink(missing_ok=True)


def _take(lock: Path, path: Path, tell: Callable[[str], None] | None) -> IO[str]:
    """Open the lock file and lock it; again if it was removed by the one who had it."""
    told = False
    while True:
        stream = lock.open("a+", encoding="utf-8")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if tell is not None and not told:
                stream.seek(0)
                tell(f"{path} is being written by {stream.read() or 'another process'}; waiting")
                told = True
            fcntl.flock(stream, fcntl.LOCK_EX)
        try:
            if os.fstat(stream.fileno()).st_ino == lock.stat().st_ino:
                return stream
        except FileNotFoundError:
            pass
        stream.close()
