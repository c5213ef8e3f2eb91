"""Commands that list, deal and check clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from commands.console import out, say
from commands.options import Layout, Output, Seed, parse_folds
from commands.sources import read_source

if TYPE_CHECKING:
    from features.manifest import Manifest


def manifest(
    root: Annotated[Path, typer.Argument(help="The corpus as it unpacks on disk.")],
    output: Annotated[Path, Output],
    layout: Layout = None,
) -> None:
    """List the clips of a corpus: paths, labels, groups.

    Example: python cli.py manifest recordings/ -o manifest.csv
    """
    from features.manifest import write_manifest

    clips = read_source(root, layout)
    write_manifest(clips, output)
    _say_manifest(clips, output)


def split(
    source: Annotated[Path, typer.Argument(help="A manifest (CSV).")],
    output: Annotated[Path, Output],
    folds: Annotated[str, typer.Option(help="Number of folds, or 'group': one a group.")] = "5",
    validation: Annotated[float, typer.Option(help="Share for validation.", min=0, max=0.9)] = 0.0,
    test: Annotated[float, typer.Option(help="Share for test.", min=0, max=0.9)] = 0.0,
    seed: Seed = 0,
) -> None:
    """Deal whole groups into folds, and on request into train, validation and test.

    Rows that already have a split keep it. Example: python cli.py split m.csv -o m2.csv --test 0.2
    """
    from features.corpora.csv_table import read
    from features.manifest import write_manifest
    from features.splitting import split_manifest

    if source.is_dir():
        raise ValueError(f"{source} is a folder: list its clips with `manifest` first")
    clips = split_manifest(
        read(source),
        folds=parse_folds(folds),
        validation=validation,
        test=test,
        random_state=seed,
    )
    write_manifest(clips, output)
    _say_manifest(clips, output)
    table = Table("part", "clips", "groups", *clips.classes[:12], box=None)
    matrix = clips.label_matrix(clips.classes) == 1
    parts = clips.clips["split"].where(clips.clips["split"] != "", "train")
    parts = parts.where(clips.clips["fold"] < 0, "fold " + clips.clips["fold"].astype(str))
    for part in sorted(parts.unique()):
        rows = (parts == part).to_numpy()
        n_groups = clips.clips.loc[rows, "group"].nunique()
        table.add_row(
            part, str(rows.sum()), str(n_groups), *map(str, matrix[rows].sum(axis=0)[:12])
        )
    out.print(table)


def _say_manifest(clips: Manifest, path: Path) -> None:
    n_groups = clips.clips["group"].nunique()
    say(f"{len(clips)} clips, {len(clips.classes)} labels, {n_groups} groups, {clips.task}: {path}")
