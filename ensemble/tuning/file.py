"""The SQLite file of a search, which processes share, and who of them is alive."""

from __future__ import annotations

import fcntl
import uuid
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from features.holding import holding

STUDY_FILE = "study.db"

# How long a process waits for another one's write, in seconds.
_SQLITE_TIMEOUT_S = 120.0


def import_optuna() -> Any:
    """Import Optuna, which is an extra.

    Returns
    -------
    module
        ``optuna``.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    try:
        import optuna
    except ImportError as exc:
        raise ImportError(
            "a search needs the package optuna, which is not installed: "
            'pip install "timbrestack[tune]"'
        ) from exc
    return optuna


class StudyFile:
    """The SQLite file of a search, to be used in a `with` block.

    Parameters
    ----------
    directory : Path
        Where it lies; made if missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / STUDY_FILE
        self.worker = uuid.uuid4().hex[:12]

    def __enter__(self) -> StudyFile:
        optuna = import_optuna()
        self.directory.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.callback(optuna.logging.set_verbosity, optuna.logging.get_verbosity())
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            # The system lets go of this when the process dies: so others know that it has.
            stack.enter_context(holding(self.directory / self.worker))
            with holding(self.path):
                for lock in self.directory.glob(".????????????.lock"):
                    self.is_alive(lock.name[1:-5])
                self.storage = _open_storage(self.path)
            stack.callback(self._close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def _close(self) -> None:
        self.storage.remove_session()
        self.storage.engine.dispose()

    def is_alive(self, worker: str | None) -> bool:
        """Whether the process that runs a trial is still there; clean up after it if not.

        Parameters
        ----------
        worker : str or None
            The name that it goes by; None for one that died before it wrote it down.

        Returns
        -------
        bool
            False once it ended, however it ended.
        """
        lock = self.directory / f".{worker}.lock"
        if worker is None or not lock.exists():
            return False
        with lock.open() as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            lock.unlink(missing_ok=True)
        return False


def _open_storage(path: Path) -> Any:
    from sqlalchemy import event

    storage = import_optuna().storages.RDBStorage(
        f"sqlite:///{path.resolve()}",
        engine_kwargs={"connect_args": {"timeout": _SQLITE_TIMEOUT_S}},
    )

    # A trial writes some twenty times: to wait for the disk each time takes longer than a small
    # fit. With a write-ahead log neither a killed process nor a power cut harms the file.
    @event.listens_for(storage.engine, "connect")
    def _write_ahead(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    # The connection that made the tables knows nothing of this.
    storage.remove_session()
    storage.engine.dispose()
    return storage
