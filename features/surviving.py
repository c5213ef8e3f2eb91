"""Batches computed by worker processes, of which any may die.

A native decoder that crashes, or the system short of memory, takes a process with it. The batches
that were under way are then computed apart, so that each can kill only its own worker, and of one
that does every clip by itself: only a clip that twice ends the process it is alone in, the second
time a new one, is given up. Everything else goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from features.audio import Clip
from features.clip_row import Row

# One row per clip; runs in a worker, so it must be picklable.
Compute = Callable[[Sequence[Clip]], list[Row]]
Batch = Sequence[Clip]

# Of a process that has nothing to do yet: it may be killed by chance, but not again and again.
MAX_STARTS = 3


def compute_batches(
    batches: Sequence[Batch], compute: Compute, n_workers: int
) -> Iterator[list[Row]]:
    """Compute batches in worker processes, whatever becomes of these.

    Parameters
    ----------
    batches : sequence of sequences of Clip
        What to compute.
    compute : callable
        From clips to one row each.
    n_workers : int
        Worker processes.

    Yields
    ------
    list of Row
        Those of the next batch; a clip that kills its worker has the reason instead of values.

    Raises
    ------
    RuntimeError
        If worker processes die before they are given anything to do.
    """
    n_done = 0
    while n_done < len(batches):
        handed_out: list[Batch] = []
        results = _compute_together(batches[n_done:], compute, n_workers, handed_out)
        try:
            for rows in results:
                n_done += 1
                handed_out.pop(0)
                yield rows
        except TerminatedWorkerError:
            # What is done and in the cache costs nothing to ask for again.
            under_way = list(handed_out)
            n_done += len(under_way)
            yield from _compute_apart(under_way, compute, n_workers)


def _compute_together(
    batches: Sequence[Batch], compute: Compute, n_workers: int, handed_out: list[Batch]
) -> Iterator[list[Row]]:
    """Give the rows of batches in order, noting which batches have been handed out."""

    def hand_out() -> Iterator[Any]:
        for batch in batches:
            handed_out.append(batch)
            yield joblib.delayed(compute)(batch)

    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        yield from joblib.Parallel(n_jobs=n_workers, return_as="generator", batch_size=1)(
            hand_out()
        )


def _compute_apart(
    batches: Sequence[Batch], compute: Compute, n_workers: int
) -> Iterator[list[Row]]:
    """Give the rows of batches in order; whatever a batch does, it does to its own worker."""
    idle: SimpleQueue[_Worker] = SimpleQueue()

    def try_one(batch: Batch) -> list[Row] | None:
        worker = idle.get()
        try:
            return worker.run(compute, batch)
        except TerminatedWorkerError:
            return None
        finally:
            idle.put(worker)

    with ExitStack() as stack:
        for _ in range(n_workers):
            idle.put(stack.enter_context(_Worker()))
        with ThreadPoolExecutor(n_workers) as threads:
            tried = list(threads.map(try_one, batches))
        worker = idle.get()
        for batch, rows in zip(batches, tried, strict=True):
            # Nothing else is computed now: a clip that wants much memory has it.
            yield rows or [_compute_one(clip, compute, worker) for clip in batch]


def _compute_one(clip: Clip, compute: Compute, worker: _Worker) -> Row:
    """Give the row of a clip, or the reason if it kills two workers."""
    try:
        return worker.run(compute, [clip])[0]
    except TerminatedWorkerError:
        # It may have been the clips before it, or chance: only a new process tells.
        pass
    try:
        return worker.run(compute, [clip])[0]
    except TerminatedWorkerError as exc:
        return Row(None, reason=f"the process that computed it died twice ({_how(exc)})")


class _Worker:
    """One process, started when it is needed and again after it died."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> _Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def run(self, compute: Compute, batch: Batch) -> list[Row]:
        """Compute in the process.

        Parameters
        ----------
        compute : callable
            From clips to one row each.
        batch : sequence of Clip
            What it is given.

        Returns
        -------
        list of Row
            What it gives.

        Raises
        ------
        TerminatedWorkerError
            If the process died of it.
        """
        pool = self._pool or self._start()
        try:
            return pool.submit(_run_on_one_thread, compute, batch).result()
        except TerminatedWorkerError:
            self._stop()
            raise

    def _start(self) -> ProcessPoolExecutor:
        for _ in range(MAX_STARTS):
            self._pool = ProcessPoolExecutor(max_workers=1)
            try:
                self._pool.submit(_do_nothing).result()
                return self._pool
            except TerminatedWorkerError as exc:
                self._stop()
                how = _how(exc)
        raise RuntimeError(
            f"{MAX_STARTS} worker processes died before they were given anything to do ({how}); "
            "make room in memory, or see what --jobs 1 says"
        )

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, kill_workers=True)
            self._pool = None


def _do_nothing() -> None:
    """Show that a process is alive, with all imports done."""


def _run_on_one_thread(compute: Compute, batch: Batch) -> list[Row]:
    with threadpool_limits(limits=1):
        return compute(batch)


def _how(exc: TerminatedWorkerError) -> str:
    """Name the signals or exit codes that a worker ended with, as far as they are known."""
    found = re.findall(r"\b(SIG[A-Z0-9]+|EXIT)\((-?\d+)\)", str(exc))
    ways = dict.fromkeys(f"exit code {code}" if name == "EXIT" else name for name, code in found)
    if "SIGKILL" in ways:
        return "SIGKILL: out of memory?"
    return ", ".join(ways) or "nobody knows how"
