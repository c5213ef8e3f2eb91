"""Commands that compute and describe features."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from commands.console import out, progress_bar, say, say_failures, tell
from commands.options import AsJson, Jobs, Layout, Output, Source
from commands.places import check_place, check_table
from commands.sources import read_source


class Backend(StrEnum):
    """Who computes features."""

    LOKY = "loky"
    DASK = "dask"


def extract(
    source: Annotated[
        str, typer.Argument(help="A manifest (CSV, also at a URI) or a folder of recordings.")
    ],
    output: Annotated[str, Output],
    layout: Layout = None,
    feature_set: Annotated[
        str,
        typer.Option(
            help="Name, names joined by +, recipe (.yaml) or table made alike: see features."
        ),
    ] = "standard-v1",
    cache: Annotated[
        str | None,
        typer.Option(help="Folder for finished rows; with --backend dask shared, or a URI."),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no finished rows.")] = False,
    jobs: Jobs = -1,
    backend: Annotated[
        Backend, typer.Option(help="Who computes: processes here, or a Dask cluster.")
    ] = Backend.LOKY,
    scheduler: Annotated[
        str | None, typer.Option(help="Of --backend dask: its address, tcp://HOST:PORT.")
    ] = None,
) -> None:
    """Compute the features of all clips; a killed run, run again, goes on where it stopped.

    Example: python cli.py extract recordings/ -o features.parquet
    """
    _check_backend(backend, scheduler)
    from features.feature_set_files import find_feature_set
    from features.remote import is_remote
    from features.remote_tables import extract_to_uri, read_manifest_at

    if not is_remote(output):
        check_table(Path(output))
    wanted = find_feature_set(feature_set)
    clips = read_manifest_at(source) if is_remote(source) else read_source(Path(source), layout)
    with progress_bar("extract") as progress:
        card = extract_to_uri(
            clips,
            output,
            feature_set=wanted,
            n_jobs=jobs,
            cache=cache,
            use_cache=not no_cache,
            scheduler=scheduler,
            progress=progress,
            tell=tell,
        )
    say(f"{card['n_rows']} clips x {card['n_features']} features: {output}")
    if silent := card["silent"]:
        tell(f"warning: {len(silent)} clips are silent, listed in {output}.card.json")
    say_failures(card["n_failures"], f"{output}.failures.csv")


def _check_backend(backend: Backend, scheduler: str | None) -> None:
    if backend is Backend.DASK and scheduler is None:
        raise ValueError("--backend dask needs --scheduler tcp://HOST:PORT, of a Dask scheduler")
    if backend is Backend.LOKY and scheduler is not None:
        raise ValueError(f"--scheduler {scheduler} is for --backend dask, which is not given")


def list_features(
    context: typer.Context,
    as_json: AsJson = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/features.md instead.")
    ] = False,
) -> None:
    """List feature sets and descriptors; describe NAME says all of one.

    Example: python cli.py features describe mfcc
    """
    if context.invoked_subcommand is not None:
        return
    from features.descriptions import list_all

    if markdown:
        from features.catalogue_page import render_page

        out.out(render_page(), end="")
        return
    found = list_all()
    if as_json:
        out.out(json.dumps(found, indent=2))
        return
    sets = Table("set", Column("features", justify="right"), "groups", "for", box=None)
    for each in found["sets"]:
        sets.add_row(
            each["name"], str(each["n_features"]), ", ".join(each["groups"]), each["summary"]
        )
    descriptors = Table(
        "descriptor", "group", Column("features", justify="right"), "what", box=None
    )
    for each in found["descriptors"]:
        descriptors.add_row(each["name"], each["group"], str(each["n_features"]), each["summary"])
    out.print(sets, "", descriptors, sep="\n")


def describe_features(
    name: Annotated[str, typer.Argument(help="A descriptor or a feature set.")],
    as_json: AsJson = False,
) -> None:
    """Say all of a descriptor (formula, unit, source, columns) or of a feature set.

    Example: python cli.py features describe spectral_moments
    """
    from features.descriptions import describe, render_text

    described = describe(name)
    out.out(json.dumps(described, indent=2) if as_json else render_text(described))


def resample(
    source: Source,
    output: Annotated[Path, Output],
    sr: Annotated[int, typer.Option("--sr", help="The new sampling rate in Hz.")],
    mono: Annotated[bool, typer.Option("--mono", help="Average the channels.")] = False,
    file_format: Annotated[str, typer.Option("--format", help="flac or wav.")] = "flac",
    layout: Layout = None,
    jobs: Jobs = -1,
) -> None:
    """Copy a corpus at another sampling rate, with its manifest; killed, it goes on.

    Example: python cli.py resample recordings/ -o recordings-16k/ --sr 16000
    """
    from features.resampling import resample_tree

    check_place(output / "manifest.csv")
    clips = read_source(source, layout)
    with progress_bar("resample", "files") as progress:
        path = resample_tree(
            clips,
            output,
            sr=sr,
            mono=mono,
            format=file_format,
            n_jobs=jobs,
            progress=progress,
        )
    card = json.loads((output / "card.json").read_text(encoding="utf-8"))
    say(f"{card['n_clips']} clips at {sr} Hz: {path}")
