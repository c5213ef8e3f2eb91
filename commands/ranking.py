"""The command that says which features matter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.console import progress_bar, say, stages, tell
from commands.options import Jobs, Output, Seed, parse_folds
from commands.places import check_place


def rank(
    source: Annotated[Path, typer.Argument(help="A feature table, from extract.")],
    output: Annotated[Path, Output],
    folds: Annotated[
        str,
        typer.Option(
            help="Number of folds, or 'group': one a group; folds of the manifest come first."
        ),
    ] = "5",
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Rank features by what they tell of the labels, on groups that no model has seen.

    Example: python cli.py rank features.parquet -o ranking/
    """
    from classical.ranking import rank_features
    from ensemble.labelled_rows import LabelledRows
    from features.feature_set import grouped_columns
    from features.table import read_table
    from reports.ranking_page import create_ranking_page
    from reports.staging import check_replaceable

    check_replaceable(output, markers=("index.html", "ranking.csv"))
    check_place(output)
    table = read_table(source)
    rows = LabelledRows(table, None, False)
    X, y = rows.take(rows.train)
    with progress_bar("rank", "steps") as progress:
        found = rank_features(
            X[rows.features],
            y,
            rows.groups[rows.train],
            folds=rows.folds(parse_folds(folds), seed)[rows.train],
            label_names=rows.classes,
            families=grouped_columns(table.card["feature_set"]),
            random_state=seed,
            n_jobs=jobs,
            progress=progress,
        )
    with stages("rank") as report:
        summary = create_ranking_page(
            found.features,
            output,
            families=found.families,
            label_gains=found.label_gains,
            correlation=found.correlation,
            scores=found.scores,
            title=title or source.stem,
            progress=report,
        )
    for sentence in summary["sentences"]:
        say(sentence)
    for caution in summary["cautions"]:
        tell(f"note: {caution}")
    say(f"page: {summary['page']}")
