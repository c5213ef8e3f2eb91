"""Showing how a training goes: a progress bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deep.training import Report


@contextmanager
def epoch_reporter(epochs: int, *, verbose: bool) -> Iterator[Report | None]:
    """Give a callback that shows each epoch.

    Parameters
    ----------
    epochs : int
        Epochs planned.
    verbose : bool
        Whether to show anything.

    Yields
    ------
    callable or None
        Takes an entry of the history; None if nothing is to be shown.
    """
    if not verbose:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda entry: console.print(describe_epoch(entry, epochs), highlight=False)
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("training", total=epochs)
        yield lambda entry: progress.update(
            task, completed=entry["epoch"], description=describe_epoch(entry, epochs)
        )


def describe_epoch(entry: dict[str, float], epochs: int) -> str:
    """Put an entry of the history into one line.

    Parameters
    ----------
    entry : dict
        See `TrainingRecord`.
    epochs : int
        Epochs planned.

    Returns
    -------
    str
        For people to read.
    """
    text = f"epoch {entry['epoch']:.0f}/{epochs}  loss {entry['train_loss']:.3f}"
    if "validation_loss" in entry:
        text += (
            f"  validation loss {entry['validation_loss']:.3f}"
            f"  macro F1 {entry['validation_macro_f1']:.3f}"
        )
    return f"{text}  {entry['clips_per_second']:.0f} clips/s"
