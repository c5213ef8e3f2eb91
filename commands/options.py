"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# What every random generator takes.
MAX_SEED = 2**32 - 1
# More workers than any machine has cores.
MAX_JOBS = 10**5
# More folds than any corpus has groups.
MAX_FOLDS = 10**7


def check_jobs(number: int) -> int:
    """Refuse a number of workers that is none."""
    if number == 0 or number < -MAX_JOBS or number > MAX_JOBS:
        raise typer.BadParameter(f"it must be 1 or more, or -1 for one a core, got {number}")
    return number


Jobs = Annotated[int, typer.Option(help="Worker processes; -1: one a core.", callback=check_jobs)]
Seed = Annotated[int, typer.Option(help="Seed of all that is drawn.", min=0, max=MAX_SEED)]
Layout = Annotated[
    str | None, typer.Option(help="How the corpus lies on disk; left out: detected.")
]
Source = Annotated[Path, typer.Argument(help="A manifest (CSV) or a folder of recordings.")]
Output = typer.Option("-o", "--output", help="Where the result goes.")
Members = Annotated[
    str, typer.Option(help="Members, comma-separated: svm, xgb, logistic, extratrees, crnn.")
]
DeepMinutes = Annotated[
    float, typer.Option(help="Ceiling on the training of all networks together.", min=0.01)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

Metrics = Annotated[str | None, typer.Option(help="Metrics, comma-separated, the headline first.")]

DEFAULT_MEMBERS = "svm,xgb,crnn"


def parse_folds(text: str) -> int | str:
    """Read what `--folds` says."""
    if text in ("group", "given"):
        return text
    if not text.isdecimal() or not 2 <= int(text) <= MAX_FOLDS:
        raise ValueError(f"--folds must be a number from 2, 'group' or 'given', got {text!r}")
    return int(text)


def parse_voices(text: str, option: str) -> tuple[int, int]:
    """Read fewest and most voices: `2`, or `2-3`."""
    fewest, dash, most = (part.strip() for part in text.partition("-"))
    if not fewest.isdigit() or (dash and not most.isdigit()):
        raise ValueError(f"{option} must be a number or a range such as 2-3, got {text!r}")
    return int(fewest), int(most if dash else fewest)


def parse_interval(text: str, option: str) -> tuple[float, float]:
    """Read the ends of a range: `-6,0`."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{option} must be two numbers such as -6,0, got {text!r}") from None
    return low, high


def parse_names(text: str) -> list[str]:
    """Read names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
