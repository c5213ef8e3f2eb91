"""Finished feature rows on disk, found by the content of their audio.

One SQLite file: a killed run keeps every finished batch, two runs may share the file, and a clip
that moved is found again because its key is what it holds, not where it lies.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from features.audio import Clip
from features.remote import identify, local_path

FILE_NAME = "rows.sqlite"
SCHEMA_VERSION = 1

# Another process may hold the file for as long as one batch takes to be written to a slow disk.
BUSY_TIMEOUT_S = 60.0


@lru_cache(maxsize=256)
def _hash_file(path: str, size: int, mtime_ns: int) -> str:
    """SHA-256 of a file; size and time are there so that a file changed since is hashed anew."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _hash_content(path: str) -> str:
    """SHA-256 of a file; empty if it cannot be read."""
    try:
        status = os.stat(path)
        regular = stat.S_ISREG(status.st_mode)
        return _hash_file(path, status.st_size, status.st_mtime_ns) if regular else ""
    except OSError:
        return ""


def _advise(path: Path, exc: Exception) -> str:
    return (
        f"the cache {path} cannot be used: {exc}; make room, remove it if it is damaged, name "
        "another by --cache, or run with --no-cache"
    )


class RowCache:
    """Rows by content; safe to use from several processes.

    Parameters
    ----------
    folder : Path
        Where the file lies; made when missing.
    settings : str
        Everything besides the audio that the numbers depend on.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        self.settings = settings
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise OSError(_advise(folder, exc)) from exc
        with self._connection() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS rows"
                " (key TEXT PRIMARY KEY, silent INTEGER, row BLOB) WITHOUT ROWID"
            )
            # A cache that cannot be written to is told now, not after the first batch.
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction."""
        path = self.folder / FILE_NAME
        try:
            with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection, connection:
                # A killed process costs its last batch at most; fewer waits for the disk.
                connection.execute("PRAGMA synchronous=NORMAL")
                yield connection
        except sqlite3.Error as exc:
            raise OSError(_advise(path, exc)) from exc

    def key(self, clip: Clip) -> str:
        """Name a clip by what it holds.

        Parameters
        ----------
        clip : Clip
            The excerpt.

        Returns
        -------
        str
            SHA-256 in hexadecimal of the file's bytes (if it is remote: its URI and state), the
            part and the settings; empty if the file cannot be read.
        """
        path = local_path(clip.path)
        if path is None:
            # Its bytes are far away: what its place tells of it must do.
            state = identify([clip.path])[clip.path]
            content = "" if state == "missing" else f"{clip.path} {state}"
        else:
            content = _hash_content(path)
        if not content:
            return ""
        text = f"{content} {clip.start_s} {clip.end_s} {self.settings}"
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self, keys: Sequence[str]) -> dict[str, tuple[np.ndarray, bool]]:
        """Look rows up.

        Parameters
        ----------
        keys : sequence of str
            From `key`.

        Returns
        -------
        dict
            Key -> (float32 values of shape (n_features,), whether silent), of those known.
        """
        marks = ",".join("?" * len(keys))
        query = f"SELECT key, silent, row FROM rows WHERE key IN ({marks})"
        with self._connection() as connection:
            found = connection.execute(query, list(keys)).fetchall()
        return {key: (np.frombuffer(row, dtype="<f4"), bool(silent)) for key, silent, row in found}

    def write(self, rows: Mapping[str, tuple[np.ndarray, bool]]) -> None:
        """Keep rows, all or none.

        Parameters
        ----------
        rows : mapping
            Key -> (values, whether silent).
        """
        records = [
            (key, int(silent), values.astype("<f4").tobytes())
            for key, (values, silent) in rows.items()
            if key
        ]
        with self._connection() as connection:
            connection.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", records)
