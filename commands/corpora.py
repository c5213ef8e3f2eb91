"""Commands that list, deal and compare clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from commands.console import counted, number, out, say, tell
from commands.options import AsJson, Output, Seed, parse_folds
from commands.places import check_file
from commands.sources import parse_columns, read_parts, read_source

if TYPE_CHECKING:
    from features.manifest import Manifest
    from features.split_quality import SplitQuality

# Parts, and labels whose counts are shown beside each; the others are in --json.
MAX_PARTS_SHOWN = 20
MAX_LABELS_SHOWN = 12


def manifest(
    output: Annotated[Path, Output],
    root: Annotated[
        Path | None, typer.Argument(help="The corpus as it unpacks on disk, or a CSV table.")
    ] = None,
    layout: Annotated[
        list[str] | None,
        typer.Option(
            help="How the corpus lies on disk; left out: detected. Without a folder, and several "
            "times: NAME:PATH, or SPLIT=NAME:PATH."
        ),
    ] = None,
    label_map: Annotated[
        Path | None, typer.Option(help="YAML: labels to rename, merge, drop, keep.")
    ] = None,
    relabel: Annotated[
        Path | None, typer.Option(help="CSV: labels that replace those of the clips it names.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns to take: labels=species,group=site.")
    ] = None,
) -> None:
    """List the clips of a corpus, or of several as one: paths, labels, groups.

    Example: python cli.py manifest recordings/ -o manifest.csv
    """
    from features.corpora.combining import combine_corpora
    from features.labelling.label_map import EVERY, apply_label_map, read_label_map
    from features.labelling.relabelling import apply_relabelling
    from features.manifest import write_manifest

    check_file(output)
    maps = read_label_map(label_map) if label_map else {}
    layouts = layout or []
    if root is None:
        if not layouts:
            raise ValueError("name the corpus's folder, or several as --layout NAME:PATH")
        if columns:
            raise ValueError("--columns is for one corpus: name its folder or table")
        clips = combine_corpora(read_parts(layouts), label_maps=maps)
    else:
        if len(layouts) > 1:
            raise ValueError(f"one folder has one --layout, got {', '.join(layouts)}")
        clips = read_source(root, layouts[0] if layouts else None, parse_columns(columns))
        if stray := sorted(set(maps) - {EVERY, *layouts}):
            raise ValueError(f"{label_map} is for {', '.join(stray)}; name that --layout")
        for each in maps.values():
            clips = apply_label_map(clips, each)
    if relabel:
        clips = apply_relabelling(clips, relabel)
    write_manifest(clips, output)
    _say_manifest(clips, output)


def _say_manifest(clips: Manifest, path: Path) -> None:
    n_groups = clips.clips["group"].nunique()
    parts = [(len(clips), "clip"), (len(clips.classes), "label"), (n_groups, "group")]
    say(f"{', '.join(counted(*part) for part in parts)}, {clips.task}: {path}")


def split(
    source: Annotated[Path, typer.Argument(help="A manifest (CSV).")],
    output: Annotated[Path, Output],
    folds: Annotated[
        str,
        typer.Option(help="Number of folds; 'group': one a group; 'given': the manifest's own."),
    ] = "5",
    validation: Annotated[float, typer.Option(help="Share for validation.", min=0, max=0.9)] = 0.0,
    test: Annotated[float, typer.Option(help="Share for test.", min=0, max=0.9)] = 0.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Deal whole groups into folds, and on request into train, validation and test.

    Rows that already have a split keep it. Example: python cli.py split m.csv -o m2.csv --test 0.2
    """
    from features.corpora.csv_table import read
    from features.manifest import write_manifest
    from features.split_quality import measure_split
    from features.splitting import split_manifest

    check_file(output)
    if source.is_dir():
        raise ValueError(f"{source} is a folder: list its clips with `manifest` first")
    before = read(source)
    clips = split_manifest(
        before,
        folds=parse_folds(folds),
        validation=validation,
        test=test,
        random_state=seed,
    )
    if folds != "given" and (before.clips["fold"] >= 0).any():
        tell("note: the manifest had folds, which are replaced; --folds given keeps them")
    n_given = int((before.clips["split"] != "").sum())
    if n_given and (validation or test):
        tell(f"note: {n_given} of {len(before)} clips had a split, which they keep")
    write_manifest(clips, output)
    quality = measure_split(clips, seed=seed)
    if as_json:
        out.out(json.dumps(quality.as_dict(), indent=2))
        return
    _say_manifest(clips, output)
    _say_quality(quality)


def _say_quality(quality: SplitQuality) -> None:
    shown = list(quality.parts.columns[: 2 + MAX_LABELS_SHOWN])
    table = Table("part", *(Column(name, justify="right") for name in shown), box=None)
    for part, row in quality.parts[shown].head(MAX_PARTS_SHOWN).iterrows():
        table.add_row(str(part), *map(str, row))
    out.print(table)
    if (hidden := len(quality.parts) - MAX_PARTS_SHOWN) > 0:
        say(f"and {hidden} parts more (--json shows all)")
    if hidden := len(quality.parts.columns) - len(shown):
        say(f"and {hidden} labels more (--json shows all)")
    say(
        f"a label's share in a part is off by {quality.deviation:.1%} on average; groups dealt at "
        f"random: {quality.random_deviation:.1%}"
    )
    if quality.missing:
        say(
            f"{quality.missing} times a part has no clip of a label; groups dealt at random: "
            f"{quality.random_missing:.1f}"
        )


def compare(
    first: Annotated[Path, typer.Argument(help="A manifest, or a folder of recordings.")],
    second: Annotated[Path, typer.Argument(help="The same clips, labelled by someone else.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="CSV of the clips that differ.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two labelings of the same clips.

    Example: python cli.py compare published.csv relabelled.csv -o differing.csv
    """
    from features.labelling.comparison import compare_labelings
    from features.replacing import replacing

    if output:
        check_file(output)
    found = compare_labelings(read_source(first, None), read_source(second, None))
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as partial:
            found.clips.to_csv(partial, index=False)
    if as_json:
        out.out(json.dumps(found.as_dict(), indent=2, allow_nan=False))
        return
    table = Table(
        "label",
        *(
            Column(name, justify="right")
            for name in ("both", "only first", "only second", "neither", "agreement", "kappa")
        ),
        box=None,
    )
    for label, row in found.labels.iterrows():
        counts = (str(int(row[name])) for name in ("both", "only_first", "only_second", "neither"))
        kappa = None if row["kappa"] != row["kappa"] else row["kappa"]
        table.add_row(str(label), *counts, number(row["agreement"]), number(kappa))
    out.print(table)
    say(
        f"{found.n_clips} clips in both, {found.n_only_first} only in the first, "
        f"{found.n_only_second} only in the second"
    )
    say(
        f"exactly the same labels: {found.exact_match:.1%}; at least one in common: "
        f"{'-' if found.at_least_one is None else f'{found.at_least_one:.1%}'}; cells that agree: "
        f"{found.hamming:.1%}"
    )
    if output:
        say(f"clips that differ: {output}")
