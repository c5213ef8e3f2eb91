"""Commands that make sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.console import progress_bar, say, say_failures
from commands.options import Jobs, Layout, Output, Seed, Source, parse_interval, parse_voices
from commands.sources import read_source

# The highest rate in use, in Hz: a slip in it would fill memory.
MAX_SR = 192_000


def render(
    output: Annotated[Path, Output],
    train: Annotated[int, typer.Option(help="Training clips.", min=11)] = 660,
    validation: Annotated[int, typer.Option(help="Validation clips.", min=0)] = 120,
    test: Annotated[int, typer.Option(help="Test clips.", min=0)] = 240,
    seconds: Annotated[float, typer.Option(help="Length of a clip.", min=1.0, max=3600)] = 3.0,
    sr: Annotated[
        int, typer.Option("--sr", help="Sampling rate in Hz.", min=8000, max=MAX_SR)
    ] = 22_050,
    soundfont: Annotated[
        list[Path] | None,
        typer.Option(help="SF2 or SF3 file, or a folder of them; several times for several."),
    ] = None,
    test_soundfont: Annotated[
        list[Path] | None,
        typer.Option(help="The same for validation and test, which training never hears."),
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Folder of MIDI files to play; left out: drawn phrases.")
    ] = None,
    labels: Annotated[
        str, typer.Option(help="irmas: eleven instruments; families: all of General MIDI.")
    ] = "irmas",
    train_voices: Annotated[str, typer.Option(help="Labels of a training clip: 1, or 1-3.")] = "1",
    test_voices: Annotated[
        str, typer.Option(help="The same for validation and test clips.")
    ] = "1-4",
    drums: Annotated[
        float, typer.Option(help="Share of clips with drums, which have no label.", min=0, max=1)
    ] = 0.0,
    accompaniment: Annotated[
        float, typer.Option(help="Share with instruments that have no label.", min=0, max=1)
    ] = 0.0,
    backing_db: Annotated[str, typer.Option(help="Level of both against the rest.")] = "-18,-6",
    codec: Annotated[
        float, typer.Option(help="Share that went through MP3, Vorbis or Opus.", min=0, max=1)
    ] = 0.0,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Render a labelled corpus from sampled soundfonts: clips, labels, and when each note sounds.

    Example: python cli.py render -o corpus/ --train-voices 1-3 --drums 0.3
    """
    from features.synthesis.families import list_families
    from features.synthesis.instruments import list_instruments
    from features.synthesis.render import render_corpus

    known = {"irmas": list_instruments, "families": list_families}
    if labels not in known:
        raise ValueError(f"--labels must be one of {', '.join(known)}, got {labels!r}")
    with progress_bar("render") as progress:
        path = render_corpus(
            output,
            n_train=train,
            n_validation=validation,
            n_test=test,
            seconds=seconds,
            sr=sr,
            soundfonts=soundfont or None,
            test_soundfonts=test_soundfont or None,
            scores=scores,
            instruments=known[labels](),
            train_voices=parse_voices(train_voices, "--train-voices"),
            test_voices=parse_voices(test_voices, "--test-voices"),
            drums=drums,
            accompaniment=accompaniment,
            backing_db=parse_interval(backing_db, "--backing-db"),
            codec=codec,
            seed=seed,
            n_jobs=jobs,
            progress=progress,
        )
    _say_corpus(path)


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
        float, typer.Option(help="Longest mix; 0: as long as its sources.", min=0, max=3600)
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
    sr: Annotated[
        int, typer.Option("--sr", help="Sampling rate of the mixes in Hz.", min=8000, max=MAX_SR)
    ] = 22_050,
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
