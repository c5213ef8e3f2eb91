"""Learning curves as files while they grow: a CSV table, and event files for TensorBoard."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from deep.training.record import Report
from features.replacing import replacing

HISTORY_NAME = "history.csv"
TENSORBOARD_NAME = "tensorboard"


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write learning curves as a table, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    history : sequence of mappings
        See `TrainingRecord`.
    """
    columns = list(dict.fromkeys(name for entry in history for name in entry))
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(history)


@contextmanager
def event_log(directory: Path) -> Iterator[Report]:
    """Log each epoch into event files.

    Parameters
    ----------
    directory : Path
        Of a training; they are in ``tensorboard/`` there. One that goes on adds another file.

    Yields
    ------
    callable
        Takes an entry of the history.

    Raises
    ------
    ImportError
        If the package tensorboard is not installed.
    """
    writer = import_tensorboard().SummaryWriter(str(directory / TENSORBOARD_NAME))
    try:
        yield lambda entry: write_scalars(writer, entry)
    finally:
        writer.close()


def import_tensorboard() -> ModuleType:
    """Import torch's writer of event files.

    Returns
    -------
    module
        ``torch.utils.tensorboard``.

    Raises
    ------
    ImportError
        If the package tensorboard is not installed.
    """
    try:
        import torch.utils.tensorboard as tensorboard
    except ImportError as exc:
        raise ImportError(
            "event files need the package tensorboard: install the extra, pip install "
            f"'timbrestack[tensorboard]', or leave tensorboard=False ({exc})"
        ) from exc
    return tensorboard


def write_scalars(writer: Any, entry: Mapping[str, float]) -> None:
    """Write an entry of the history for TensorBoard.

    Parameters
    ----------
    writer : SummaryWriter
        Of event files.
    entry : mapping
        Of the history; losses, scores and the rest become groups of charts.
    """
    for name, value in entry.items():
        if name == "epoch":
            continue
        kind = "loss" if "loss" in name else "score" if name.startswith("validation_") else "time"
        kind = "rate" if name == "learning_rate" else kind
        writer.add_scalar(f"{kind}/{name}", value, int(entry["epoch"]))
    writer.flush()
