"""Commands that make pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.console import say, stages
from commands.options import Output, Seed


def report(
    sources: Annotated[list[Path], typer.Argument(help="Bundles or results; the first leads.")],
    output: Annotated[Path, Output],
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    seed: Seed = 0,
) -> None:
    """Make a page, tables and pictures from results; needs no model.

    Example: python cli.py report bundle/ -o report/
    """
    from reports.page import create_report

    with stages("report") as tell:
        answer = create_report(sources, output, title=title, seed=seed, progress=tell)
    for sentence in answer["sentences"]:
        say(sentence)
    say(f"report: {answer['report']}")
