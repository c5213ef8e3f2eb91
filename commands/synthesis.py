"""Commands that make sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.console import progress_bar, say
from commands.options import Jobs, Output, Seed


def render(
    output: Annotated[Path, Output],
    train: Annotated[int, typer.Option(help="Clips of one instrument.", min=11)] = 660,
    validation: Annotated[int, typer.Option(help="Polyphonic validation clips.", min=0)] = 120,
    test: Annotated[int, typer.Option(help="Polyphonic test clips.", min=0)] = 240,
    seconds: Annotated[float, typer.Option(help="Length of a clip.", min=1.0)] = 3.0,
    soundfont: Annotated[Path | None, typer.Option(help="A General MIDI SF2 file.")] = None,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Render a labelled corpus of the 11 IRMAS instruments from a sampled soundfont.

    Example: python cli.py render -o corpus/
    """
    from features.synthesis.render import render_corpus

    with progress_bar("render") as progress:
        path = render_corpus(
            output,
            n_train=train,
            n_validation=validation,
            n_test=test,
            seconds=seconds,
            seed=seed,
            soundfont=soundfont,
            n_jobs=jobs,
            progress=progress,
        )
    say(f"{train + validation + test} clips: {path}")
