"""Commands that make sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.console import progress_bar, say, say_failures
from commands.options import Jobs, Layout, Output, Seed, Source, parse_interval, parse_voices
from commands.sources import read_source


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


def mix(
    source: Source,
    output: Annotated[Path, Output],
    layout: Layout = None,
    mixes: Annotated[
        int | None, typer.Option(help="Mixes in all; left out: one for each labelled clip.", min=1)
    ] = None,
    voices: Annotated[str, typer.Option(help="Sources of a mix: a number, or 2-3.")] = "2-3",
    mode: Annotated[str, typer.Option(help="sum, concat or both.")] = "sum",
    match: Annotated[
        str, typer.Option(help="Sources that may meet: any, key, pitch, tempo, or a column.")
    ] = "any",
    overlap: Annotated[
        float | None,
        typer.Option(help="Share of a source that sounds together with the others.", min=0, max=1),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="Longest mix; 0: as long as its sources.", min=0)
    ] = 10.0,
    lufs: Annotated[float, typer.Option(help="Loudness each source is brought to.")] = -23.0,
    gain_db: Annotated[str, typer.Option(help="Range of gains drawn on top, in dB.")] = "-6,0",
    mixes_only: Annotated[
        bool, typer.Option("--mixes-only", help="Leave the single clips out.")
    ] = False,
    folds: Annotated[int, typer.Option(help="Folds, where the manifest has none.", min=2)] = 5,
    blocks: Annotated[
        int | None, typer.Option(help="Blocks a fold; a mix's group is its block.", min=1)
    ] = None,
    splits: Annotated[
        str | None, typer.Option(help="Splits to mix, comma-separated; left out: all.")
    ] = None,
    sr: Annotated[int, typer.Option("--sr", help="Sampling rate of the mixes in Hz.")] = 22_050,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Mix single clips into polyphonic ones; no source crosses a fold or a split.

    Example: python cli.py mix manifest.csv -o mixed/ --voices 2-3
    """
    from features.synthesis.mix import mix_corpus

    clips = read_source(source, layout)
    with progress_bar("mix", "mixes") as progress:
        path = mix_corpus(
            clips,
            output,
            n_mixes=mixes,
            voices=parse_voices(voices, "--voices"),
            mode=mode,
            overlap=overlap,
            seconds=seconds or None,
            match=match,
            loudness_lufs=lufs,
            gain_db=parse_interval(gain_db, "--gain-db"),
            mixes_only=mixes_only,
            n_folds=folds,
            n_blocks=blocks,
            splits=[name.strip() for name in splits.split(",")] if splits else None,
            sr=sr,
            seed=seed,
            n_jobs=jobs,
            progress=progress,
        )
    _say_corpus(path)


def _say_corpus(path: Path) -> None:
    """Say what was made, and what could not be."""
    import pandas as pd

    from features.manifest import read_manifest

    clips = read_manifest(path)
    parts = clips.clips["split"].replace("", "train").value_counts()
    shown = ", ".join(f"{count} {name}" for name, count in parts.items())
    say(f"{len(clips)} clips ({shown}), {len(clips.classes)} labels: {path}")
    failures = path.with_name("failures.csv")
    if failures.is_file():
        say_failures(len(pd.read_csv(failures)), failures)
