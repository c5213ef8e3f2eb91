"""Loading batches ahead of the training step, in a thread, and measuring what waiting remains."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from deep.batches import load_batch
from deep.clips import Waveforms

Batch = tuple[np.ndarray, Tensor, Tensor]

# One batch to take and one in the making hide the loading wherever it is no slower than the step;
# more would only even out hiccups.
N_AHEAD = 2

# How often a thread that has loaded all it may looks whether it should end.
STOP_INTERVAL_S = 0.05


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A batch, and the event after which it has arrived on a GPU."""

    batch: Batch
    arrived: torch.cuda.Event | None = None


@dataclass(frozen=True, slots=True)
class _Failed:
    """What went wrong in the thread."""

    error: BaseException


class BatchLoader(Iterator[Batch]):
    """Batches of windows on the device, in order, loaded ahead in a thread; see `load_batches`.

    The thread ends with the last batch, with an error, when `close` is called, at the end of a
    ``with`` block, or when nobody holds the loader any more.

    Parameters
    ----------
    source : iterator of _Loaded
        Loads one batch after the other.
    n_batches : int
        How many there are.
    n_ahead : int
        Batches kept ready; 0 loads each when it is asked for, without a thread.

    Attributes
    ----------
    waited_s : float
        Seconds that the taker of the batches has waited for them.
    """

    def __init__(self, source: Iterator[_Loaded], *, n_batches: int, n_ahead: int) -> None:
        self.waited_s = 0.0
        self._n_batches = n_batches
        self._source: Iterator[_Loaded] | None = source
        self._ready: queue.Queue[_Loaded | _Failed | None] | None = None
        self._started = self._ended = 0.0
        self._stop: weakref.finalize | None = None
        if n_ahead:
            self._ready = queue.Queue(maxsize=n_ahead)
            stop = threading.Event()
            # The thread must not hold the loader, or nobody's letting go would ever end it.
            thread = threading.Thread(
                target=_load_ahead, args=(source, self._ready, stop), name="loading", daemon=True
            )
            self._stop = weakref.finalize(self, _end_thread, thread, stop)
            thread.start()

    def __len__(self) -> int:
        return self._n_batches

    def __next__(self) -> Batch:
        if self._source is None:
            raise StopIteration
        asked = time.perf_counter()
        self._started = self._started or asked
        try:
            loaded = next(self._source, None) if self._ready is None else self._ready.get()
        except BaseException:
            self.close()
            raise
        self._ended = time.perf_counter()
        self.waited_s += self._ended - asked
        if isinstance(loaded, _Failed):
            self.close()
            raise loaded.error
        if loaded is None:
            self.close()
            raise StopIteration
        if loaded.arrived is not None:
            # The step waits for the copy on the device, while the processor goes on.
            stream = torch.cuda.current_stream(loaded.batch[1].device)
            stream.wait_event(loaded.arrived)
            loaded.batch[1].record_stream(stream)
        return loaded.batch

    @property
    def share_waited(self) -> float:
        """Share of the time since the first batch was asked for that was spent waiting.

        Returns
        -------
        float
            From 0 to 1; 0 before the first batch. The time of a running loop ends now, that of a
            finished one with its last batch.
        """
        ended = self._ended if self._source is None else time.perf_counter()
        return self.waited_s / (ended - self._started) if self._started else 0.0

    def close(self) -> None:
        """End the thread and forget what it has loaded; nothing comes after."""
        if self._stop is not None:
            self._stop()
        self._source = None

    def __enter__(self) -> BatchLoader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def load_batches(
    store: Waveforms,
    windows: np.ndarray,
    batches: Sequence[np.ndarray],
    *,
    device: torch.device | str = "cpu",
    n_ahead: int = N_AHEAD,
    pin: bool | None = None,
) -> BatchLoader:
    """Load the waveforms of each batch while the one before is worked on.

    Parameters
    ----------
    store : WaveformStore or sequence of np.ndarray
        Waveforms by row.
    windows : np.ndarray of shape (n_windows, 3), int64
        Windows (row, start, stop).
    batches : sequence of np.ndarray
        Positions in `windows`.
    device : torch.device or str
        Where the waveforms are wanted.
    n_ahead : int
        Batches kept ready; 0 loads each when it is asked for. Content and order are the same.
    pin : bool or None
        Whether to load into page-locked memory, from which a GPU copies while the step before
        runs; None means where `device` is one.

    Returns
    -------
    BatchLoader
        Iterator of (positions, waveforms, lengths): the batch's positions in `windows`, then as
        from `load_batch`, the waveforms on the device and the lengths on the CPU. Tells
        ``waited_s`` and ``share_waited``.

    Raises
    ------
    ValueError
        If `n_ahead` is negative.

    Examples
    --------
    >>> import numpy as np
    >>> sounds, windows = [np.ones(3), np.ones(5)], np.array([[0, 0, 3], [1, 1, 5]])
    >>> for positions, waveforms, lengths in load_batches(sounds, windows, [np.array([1, 0])]):
    ...     print(positions, tuple(waveforms.shape), lengths.tolist())
    [1 0] (2, 4) [4, 3]
    """
    if n_ahead < 0:
        raise ValueError(f"n_ahead must be at least 0, got {n_ahead}")
    device = torch.device(device)
    pin = device.type == "cuda" if pin is None else pin
    source = _load_each(store, windows, batches, device, pin)
    return BatchLoader(source, n_batches=len(batches), n_ahead=n_ahead)


def _load_each(
    store: Waveforms,
    windows: np.ndarray,
    batches: Sequence[np.ndarray],
    device: torch.device,
    pin: bool,
) -> Iterator[_Loaded]:
    # A stream beside the step's, so that copies do not wait for its kernels.
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    for positions in batches:
        waveforms, lengths = load_batch(store, windows[positions], pin=pin)
        if stream is None:
            yield _Loaded((positions, waveforms.to(device), lengths))
            continue
        with torch.cuda.stream(stream):
            moved = waveforms.to(device, non_blocking=pin)
            arrived = stream.record_event()
        yield _Loaded((positions, moved, lengths), arrived)


def _load_ahead(
    source: Iterator[_Loaded],
    ready: queue.Queue[_Loaded | _Failed | None],
    stop: threading.Event,
) -> None:
    """Load until all is loaded, something fails or nobody wants more."""
    end: _Failed | None = None
    try:
        for loaded in source:
            if not _offer(loaded, ready, stop):
                return
    except BaseException as exc:  # whatever it is, the taker of the batches must hear of it
        end = _Failed(exc)
    _offer(end, ready, stop)


def _offer(
    item: _Loaded | _Failed | None,
    ready: queue.Queue[_Loaded | _Failed | None],
    stop: threading.Event,
) -> bool:
    """Put an item into the queue; give up when nobody wants it any more."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=STOP_INTERVAL_S)
        except queue.Full:
            continue
        return True
    return False


def _end_thread(thread: threading.Thread, stop: threading.Event) -> None:
    stop.set()
    # Whatever thread the garbage collector runs in may let go of a loader: this one, too.
    if thread is not threading.current_thread():
        thread.join()
