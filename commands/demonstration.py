"""The whole chain in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from commands.extraction import extract
from commands.models import fit_ensemble
from commands.options import DEFAULT_MEMBERS, DeepMinutes, Jobs, Members, Output, Seed
from commands.places import check_table
from commands.reporting import report
from commands.synthesis import render


def demo(
    output: Annotated[Path, Output] = Path("demo"),
    members: Members = DEFAULT_MEMBERS,
    deep_minutes: DeepMinutes = 4.0,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Render the built-in corpus, extract, fit and report: the whole chain in one go.

    Example: python cli.py demo -o demo
    """
    from ensemble.bundle import check_target

    check_table(output / "features.parquet")
    check_target(output / "bundle")
    output.mkdir(parents=True, exist_ok=True)
    render(output / "corpus", train=440, jobs=jobs, seed=seed)
    extract(str(output / "corpus"), str(output / "features.parquet"), jobs=jobs)
    fit_ensemble(
        output / "features.parquet",
        output / "bundle",
        members=members,
        deep_minutes=deep_minutes,
        jobs=jobs,
        seed=seed,
    )
    report([output / "bundle"], output / "report", seed=seed)
