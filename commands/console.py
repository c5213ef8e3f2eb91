"""What people see: results on the output stream, all else on the error stream."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console


class Output(Console):
    """Where results go."""

    def on_broken_pipe(self) -> None:
        """Leave in peace: a closed pipe (`| head`) is the reader's choice, not an error."""
        # The interpreter flushes once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0)


# Names of files and labels are shown as they are: [b] is no markup in them, :bell: no emoji.
# A pipe has no width: tables there must not be cut to that of a terminal.
out = Output(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


@contextmanager
def progress_bar(what: str, unit: str = "clips") -> Iterator[Callable[..., None]]:
    """Show how far a job is: a bar on a terminal, a line at every tenth in a pipe."""
    if err.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        columns = (
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeLeft(),
        )
        with Progress(*columns, TextColumn("{task.description}"), console=err) as bar:
            task = bar.add_task("", total=None)
            yield lambda done, total, text="": bar.update(
                task, completed=done, total=total, description=text
            )
        return
    shown = -1

    def report(done: int, total: int, text: str = "") -> None:
        nonlocal shown
        tenth = done * 10 // total
        if tenth > shown:
            shown = tenth
            tell(f"{what}: {done} of {total} {unit}{', ' + text if text else ''}")

    yield report


@contextmanager
def stages(what: str) -> Iterator[Callable[[str], None]]:
    """Show the stage of a job that cannot be counted."""
    if err.is_terminal:
        with err.status(what) as status:
            yield lambda stage: status.update(f"{what}: {stage}")
    else:
        yield lambda stage: tell(f"{what}: {stage}")


def tell(text: str) -> None:
    """Print a line for people on the error stream, which no pipe takes for a result."""
    err.print(text, soft_wrap=True)


def say(text: str) -> None:
    """Print a line of the result."""
    out.print(text, soft_wrap=True)


def say_failures(n_failures: int, where: object) -> None:
    """Warn of clips that could not be read."""
    if n_failures:
        noun = "clip" if n_failures == 1 else "clips"
        tell(f"warning: {n_failures} {noun} could not be read, listed in {where}")


def number(value: float | None) -> str:
    """Write a score, or a dash for none."""
    return "-" if value is None else f"{value:.3f}"


def show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning as a line for people; stands in for `warnings.showwarning`."""
    if issubclass(category, UserWarning | RuntimeWarning):
        tell(f"warning: {message}")


def counted(count: int, what: str) -> str:
    """Write a number of things: `1 clip`, `2,000 clips`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
