"""Showing how a training goes: a progress bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deep.training.record import Report

# With what is told beside it a line of 80 characters.
BAR_WIDTH = 10


def _show_nothing(_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Reporter:
    """What shows a training.

    Parameters
    ----------
    on_epoch : callable
        Takes an entry of the history.
    on_step : callable
        Takes the epochs done, parts of one included.
    """

    on_epoch: Report = _show_nothing
    on_step: Callable[[float], None] = _show_nothing


@contextmanager
def epoch_reporter(
    epochs: int, *, verbose: bool, budget_s: float | None = None
) -> Iterator[Reporter]:
    """Give callbacks that show each epoch, and on a terminal each step.

    Parameters
    ----------
    epochs : int
        Epochs planned.
    verbose : bool
        Whether to show anything.
    budget_s : float or None
        Ceiling on the time in seconds.

    Yields
    ------
    Reporter
        Shows nothing unless asked to.
    """
    if not verbose:
        yield Reporter()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:

        def show_line(entry: dict[str, float]) -> None:
            console.print(describe_epoch(entry, epochs, budget_s), highlight=False, soft_wrap=True)

        yield Reporter(on_epoch=show_line)
        return
    # The words are ours: the time left knows of the clock that may end the training.
    columns = (BarColumn(BAR_WIDTH), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"0/{epochs} epochs", total=epochs)

        def show_epoch(entry: dict[str, float]) -> None:
            text = describe_briefly(entry, epochs, budget_s)
            progress.update(task, completed=entry["epoch"], description=text)

        yield Reporter(show_epoch, lambda done: progress.update(task, completed=done))


def describe_epoch(entry: dict[str, float], epochs: int, budget_s: float | None = None) -> str:
    """Put an entry of the history into one line.

    Parameters
    ----------
    entry : dict
        See `TrainingRecord`.
    epochs : int
        Epochs planned.
    budget_s : float or None
        Ceiling on the time in seconds.

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
    if "validation_score" in entry:
        text += f"  score {entry['validation_score']:.3f}"
    left = describe_duration(_seconds_left(entry, epochs, budget_s))
    return f"{text}  {entry['clips_per_second']:.0f} clips/s  {left} left"


def describe_briefly(entry: dict[str, float], epochs: int, budget_s: float | None = None) -> str:
    """Put an entry of the history beside a bar.

    Parameters
    ----------
    entry : dict
        See `TrainingRecord`.
    epochs : int
        Epochs planned.
    budget_s : float or None
        Ceiling on the time in seconds.

    Returns
    -------
    str
        Epochs, loss in training and validation, score, speed and time left.

    Examples
    --------
    >>> entry = {"epoch": 2, "train_loss": 0.7, "clips_per_second": 90.0, "seconds": 30.0}
    >>> describe_briefly(entry, 4)
    '2/4  loss 0.700  90 clips/s  30 s left'
    """
    text = f"{entry['epoch']:.0f}/{epochs}  loss {entry['train_loss']:.3f}"
    if "validation_loss" in entry:
        text += f"/{entry['validation_loss']:.3f}"
        score = entry.get("validation_score", entry["validation_macro_f1"])
        text += f"  {'score' if 'validation_score' in entry else 'F1'} {score:.3f}"
    left = describe_duration(_seconds_left(entry, epochs, budget_s))
    return f"{text}  {entry['clips_per_second']:.0f} clips/s  {left} left"


def _seconds_left(entry: dict[str, float], epochs: int, budget_s: float | None) -> float:
    left = entry["seconds"] / entry["epoch"] * (epochs - entry["epoch"])
    return left if budget_s is None else min(left, max(0.0, budget_s - entry["seconds"]))


def describe_duration(seconds: float) -> str:
    """Put a duration into words.

    Parameters
    ----------
    seconds : float
        At least 0.

    Returns
    -------
    str
        Hours and minutes, minutes and seconds, or seconds.

    Examples
    --------
    >>> [describe_duration(seconds) for seconds in (7.4, 61, 3660)]
    ['7 s', '1 min 01 s', '1 h 01 min']
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
