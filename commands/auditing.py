"""Commands that ask whether a score could come from something other than the sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from commands.console import number, out, progress_bar, say, say_failures, stages, tell
from commands.options import AsJson, Jobs, Layout, Seed, Source, parse_folds
from commands.places import check_file
from commands.sources import read_source

if TYPE_CHECKING:
    from ensemble.nuisance import NuisanceAudit


def audits() -> None:
    """Ask whether a score could come from something other than the sound.

    Example: python cli.py audit nuisance manifest.csv
    """


def audit_nuisance(
    source: Source,
    layout: Layout = None,
    folds: Annotated[
        str, typer.Option(help="Number of folds, or 'group'; folds of the manifest come first.")
    ] = "5",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="JSON of all that was found.")
    ] = None,
    as_json: AsJson = False,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Ask whether duration, level, bandwidth, codec and the like alone predict the label.

    Example: python cli.py audit nuisance manifest.csv
    """
    from ensemble import nuisance as audits
    from ensemble.nuisance_table import measure_nuisance
    from features.replacing import replacing

    n_folds = parse_folds(folds)
    if output:
        check_file(output)
    clips = read_source(source, layout)
    if not clips.classes:
        raise ValueError(f"{source}: the clips have no labels: there is nothing to give away")
    with progress_bar("measure") as progress:
        measured = measure_nuisance(clips, n_jobs=jobs, progress=progress)
    with stages("audit") as report:
        report(f"cross-validating {len(clips)} clips")
        found = audits.audit_nuisance(
            measured, clips, folds=n_folds, random_state=seed, n_jobs=jobs
        )
    text = json.dumps(found.as_dict(), indent=2, allow_nan=False)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as partial:
            Path(partial).write_text(text + "\n", encoding="utf-8")
    if as_json:
        out.out(text)
        return
    _say_audit(found)
    say_failures(len(found.failures), output or "--json")
    if output:
        tell(f"all of it: {output}")


def _say_audit(found: NuisanceAudit) -> None:
    say(f"verdict: {found.verdict}")
    for sentence in found.sentences:
        say(sentence)
    shown = {"all together": found.together, "recording alone": found.recording, **found.variables}
    metrics = list(found.together)
    if not metrics:
        return
    table = Table(
        "what a model was shown",
        *(Column(metric, justify="right") for metric in metrics),
        "macro ROC area, 95 % interval",
        box=None,
    )
    for name, leaves in shown.items():
        scores = (number(leaves[metric]["value"]) if leaves else "-" for metric in metrics)
        low, high = (leaves.get("macro_roc_auc", {}).get(end) for end in ("low", "high"))
        interval = f"{low:.3f} to {high:.3f}" if low is not None and high is not None else ""
        table.add_row(name, *scores, interval if leaves else "the same in all clips")
    table.add_row("chance", *(number(found.chance.get(metric)) for metric in metrics), "")
    out.print(table)
