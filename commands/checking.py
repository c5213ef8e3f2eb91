"""Commands that look for what would spoil a score."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from commands.console import counted, out, progress_bar, say, tell
from commands.options import AsJson, Jobs, Layout, Source
from commands.places import check_file
from commands.sources import read_source

if TYPE_CHECKING:
    from features.checking.problem import Problem
    from features.manifest import Manifest

# Findings of one check that are shown; -o lists them all.
MAX_SHOWN = 10


def check(
    source: Source,
    audio: Annotated[bool, typer.Option("--audio", help="Decode every file as well.")] = False,
    layout: Layout = None,
    folds: Annotated[
        int, typer.Option(help="Folds to come, where the manifest has none.", min=2)
    ] = 5,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 for warnings too, not only errors.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="CSV: a row for each clip of a finding.")
    ] = None,
    as_json: AsJson = False,
    jobs: Jobs = -1,
) -> None:
    """Find leaks, duplicates, damage and slips, all at once; exit with 1 if there are errors.

    Example: python cli.py check manifest.csv --audio -o problems.csv
    """
    from features.checking.problem import Severity, has_errors, tabulate
    from features.checking.table_checks import check_table, problems_of_schema
    from features.manifest import ManifestError
    from features.replacing import replacing

    if output:
        check_file(output)
    with warnings.catch_warnings():
        # Missing groups are among the findings.
        warnings.filterwarnings("ignore", message=".*have no 'group'")
        try:
            clips = read_source(source, layout)
            problems = check_table(clips, n_folds=folds)
            if audio:
                problems += _check_sound(clips, jobs)
        except ManifestError as error:
            problems = problems_of_schema(error)
    problems.sort(key=lambda problem: problem.severity is not Severity.ERROR)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as partial:
            tabulate(problems).to_csv(partial, index=False)
    if as_json:
        out.out(json.dumps([_as_dict(problem) for problem in problems], indent=2))
    else:
        _say_problems(problems, output)
    if has_errors(problems) or (strict and problems):
        raise SystemExit(1)


def _check_sound(clips: Manifest, jobs: int) -> list[Problem]:
    from features.checking.audio_checks import check_audio
    from features.checking.audio_scan import scan_audio

    with progress_bar("check", "files") as progress:
        scan = scan_audio(clips, n_jobs=jobs, progress=progress)
    return check_audio(clips, scan, n_jobs=jobs)


def _as_dict(problem: Problem) -> dict[str, object]:
    return {
        "check": problem.check,
        "severity": problem.severity.value,
        "message": problem.message,
        "clip_ids": list(problem.clip_ids),
    }


def _say_problems(problems: Sequence[Problem], output: Path | None) -> None:
    if not problems:
        say("no problems found")
        return
    table = Table(
        "severity",
        Column("check", no_wrap=True),
        Column("clips", justify="right"),
        Column("what", overflow="fold"),
        box=None,
    )
    shown: dict[str, int] = {}
    for problem in problems:
        shown[problem.check] = shown.get(problem.check, 0) + 1
        if shown[problem.check] <= MAX_SHOWN:
            n_clips = str(len(problem.clip_ids)) if problem.clip_ids else "-"
            table.add_row(problem.severity.value, problem.check, n_clips, problem.message)
    out.print(table)
    for name, count in shown.items():
        if count > MAX_SHOWN:
            say(f"and {count - MAX_SHOWN} more of {name}")
    n_errors = sum(problem.severity.value == "error" for problem in problems)
    say(f"{counted(n_errors, 'error')}, {counted(len(problems) - n_errors, 'warning')}")
    if output:
        tell(f"all clips concerned: {output}")
