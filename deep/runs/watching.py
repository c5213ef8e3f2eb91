"""How far trainings in other processes are, read from the learning curves that they write."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from deep.runs.fold_training import FoldTask
from deep.training.logs import HISTORY_NAME

# Epochs of small corpora take about as long.
INTERVAL_S = 1.0


@contextmanager
def watching(
    tasks: Sequence[FoldTask], epochs: int, progress: Callable[[int, int, str], None] | None
) -> Iterator[None]:
    """Report the epochs of trainings until the end of the block.

    Parameters
    ----------
    tasks : sequence of FoldTask
        What is trained.
    epochs : int
        Epochs of each.
    progress : callable or None
        Called as `progress(done, total, text)`, in epochs.

    Yields
    ------
    None
        While trainings run.
    """
    if progress is None:
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        told = -1
        while not ended.wait(INTERVAL_S):
            done, text = _count(tasks, epochs)
            if done != told:
                progress(done, len(tasks) * epochs, text)
                told = done

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    progress(len(tasks) * epochs, len(tasks) * epochs, "")


def _count(tasks: Sequence[FoldTask], epochs: int) -> tuple[int, str]:
    """Count finished epochs, and describe the newest of those that go on."""
    done, text = 0, ""
    for task in tasks:
        if task.is_done:
            done += epochs
            continue
        try:
            with (task.checkpoints / HISTORY_NAME).open(newline="", encoding="utf-8") as stream:
                history = list(csv.DictReader(stream))
        except FileNotFoundError:
            continue
        if history:
            done += int(float(history[-1]["epoch"]))
            text = f"{task.name}: {_describe(history[-1])}"
    return done, text


def _describe(entry: dict[str, str]) -> str:
    words = {
        "train_loss": "loss {:.3f}",
        "validation_loss": "validation loss {:.3f}",
        "validation_macro_f1": "macro F1 {:.3f}",
        "clips_per_second": "{:.0f} clips/s",
    }
    return ", ".join(
        form.format(float(entry[name])) for name, form in words.items() if entry.get(name)
    )
