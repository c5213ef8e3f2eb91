"""Commands that fit, score and use a bundle."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from commands.console import number, out, progress_bar, say, tell
from commands.options import (
    DEFAULT_MEMBERS,
    AsJson,
    DeepMinutes,
    Jobs,
    Layout,
    Members,
    Metrics,
    Output,
    Seed,
    Source,
    parse_folds,
    parse_names,
)
from commands.places import check_place
from commands.sources import read_source

if TYPE_CHECKING:
    import pandas as pd

    from features.audio import Clip
    from reports.results import Results

# Shown when nobody asks for others.
HEADLINES = ("macro_f1", "micro_f1", "map", "lrap")

Variations = Annotated[
    int,
    typer.Option("--tta", help="Small variations of each clip to average over; each costs a clip."),
]


def fit_ensemble(
    source: Annotated[Path, typer.Argument(help="A feature table, from extract.")],
    output: Annotated[Path, Output],
    members: Members = DEFAULT_MEMBERS,
    folds: Annotated[
        str,
        typer.Option(
            help="Number of folds, or 'group': one a group; folds of the manifest come first."
        ),
    ] = "5",
    task: Annotated[
        str | None, typer.Option(help="single-label or multi-label; left out: by the labels.")
    ] = None,
    deep_minutes: DeepMinutes = 10.0,
    with_nuisance: Annotated[
        bool,
        typer.Option("--with-nuisance", help="Let members see features of the group nuisance."),
    ] = False,
    add: Annotated[
        list[Path] | None,
        typer.Option(help="More tables or finished runs for the same clips; several times."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns of the manifest to learn from too, comma-separated: genre,year."
        ),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="Settings of members: best.yaml, from tune.")
    ] = None,
    calibration: Annotated[
        str,
        typer.Option(
            help="How scores become frequencies: choose, none, sigmoid, isotonic, temperature."
        ),
    ] = "choose",
    nested: Annotated[
        bool,
        typer.Option("--nested", help="Score the stack strictly; takes some three times as long."),
    ] = False,
    no_resume: Annotated[
        bool, typer.Option("--no-resume", help="Keep no finished fits for a run that is killed.")
    ] = False,
    no_audit: Annotated[
        bool,
        typer.Option("--no-audit", help="Do not ask whether nuisance alone predicts the labels."),
    ] = False,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Fit members and stack, and score every row out of its fold.

    Example: python cli.py fit-ensemble features.parquet -o bundle/ --members svm,xgb
    """
    from ensemble.bundle import check_target, save_bundle
    from ensemble.finished_fits import work_folder
    from ensemble.fitting import fit_bundle
    from ensemble.tuning.settings import read_member_settings
    from features.table import read_table

    table = read_table(source)
    check_target(output)
    check_place(output)
    with progress_bar("fit", "models") as progress:
        bundle = fit_bundle(
            table,
            members=parse_names(members),
            folds=parse_folds(folds),
            task=task,
            deep_minutes=deep_minutes,
            with_nuisance=with_nuisance,
            audit=not no_audit,
            add=add or (),
            columns=parse_names(columns) if columns else (),
            settings=None if settings is None else read_member_settings(settings),
            calibration=calibration,
            nested=nested,
            work_dir=None if no_resume else work_folder(output),
            n_jobs=jobs,
            random_state=seed,
            progress=progress,
        )
    save_bundle(bundle, output)
    if bundle.results is not None:
        _say_scores(bundle.results)
        for note in bundle.results.card["notes"]:
            tell(f"note: {note}")
    say(f"{bundle.task} bundle of {len(bundle.classes)} classes: {output}")


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle, from fit-ensemble.")],
    source: Source,
    output: Annotated[Path, Output],
    layout: Layout = None,
    metrics: Metrics = None,
    tta: Variations = 0,
    jobs: Jobs = -1,
) -> None:
    """Score a bundle on another labelled corpus; report makes a page of the result.

    Example: python cli.py evaluate bundle/ other-recordings/ -o results/
    """
    from ensemble.bundle import load_bundle
    from ensemble.evaluation import evaluate_bundle
    from reports.metrics.named import check_metrics
    from reports.results import write_results
    from reports.staging import check_replaceable

    chosen = check_metrics(parse_names(metrics)) if metrics else None
    check_replaceable(output, markers=("card.json", "scores.parquet"))
    check_place(output)
    opened = load_bundle(bundle, with_results=True)
    clips = read_source(source, layout)
    with progress_bar("evaluate") as progress:
        results = evaluate_bundle(opened, clips, n_jobs=jobs, tta=tta, progress=progress)
    write_results(results, output)
    _say_scores(results, chosen)
    say(f"results: {output}")


def _say_scores(results: Results, metrics: Sequence[str] | None = None) -> None:
    """Show every model's headline scores, the stack first; say what the stack is better by."""
    from reports.evaluation import evaluate

    scores = evaluate(results, metrics=metrics)
    names = list(metrics or HEADLINES)
    table = Table("model", *names, f"{names[0]}, 95 % interval", box=None)
    for model, leaves in scores["models"].items():
        low, high = leaves[names[0]]["low"], leaves[names[0]]["high"]
        interval = "" if low is None else f"{low:.3f} to {high:.3f}"
        table.add_row(model, *(number(leaves[name]["value"]) for name in names), interval)
    out.print(f"evaluated on: {scores['evaluated_on']}")
    out.print(table)
    for rival in ("stack_vs_best_member", "stack_vs_average"):
        if rival in scores["comparison"]:
            say(scores["comparison"][rival]["sentence"])


def predict(
    bundle: Annotated[Path, typer.Argument(help="A bundle, from fit-ensemble.")],
    audio: Annotated[list[Path], typer.Argument(help="Sound files, folders or manifests.")],
    as_json: AsJson = False,
    top: Annotated[int, typer.Option(help="Labels shown for each clip.", min=1)] = 3,
    tta: Variations = 0,
    jobs: Jobs = 1,
) -> None:
    """Say what sounds in files: labels with probabilities.

    Example: python cli.py predict bundle/ some.mp3 more-recordings/
    """
    from ensemble.bundle import load_bundle
    from ensemble.prediction import predict_clips

    clips, names, parents, columns = _list_clips(audio)
    opened = load_bundle(bundle)
    predictions = []
    with progress_bar("predict") as progress:
        for prediction in predict_clips(
            opened, clips, clip_ids=names, parents=parents, columns=columns, tta=tta, n_jobs=jobs
        ):
            predictions.append(prediction)
            progress(len(predictions), len(clips))
    if as_json:
        found = [prediction.as_dict() for prediction in predictions]
        out.out(json.dumps(found, indent=2, allow_nan=False))
    else:
        table = Table(Column("clip", overflow="fold"), "labels", f"top {top}", box=None)
        for prediction in predictions:
            ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])[:top]
            shown = prediction.error or "  ".join(f"{label} {p:.2f}" for label, p in ranked)
            table.add_row(prediction.clip_id, ", ".join(prediction.labels) or "-", shown)
        out.print(table)
    n_failed = sum(bool(prediction.error) for prediction in predictions)
    if n_failed:
        tell(f"warning: {n_failed} of {len(predictions)} clips could not be read")


def _list_clips(
    audio: Sequence[Path],
) -> tuple[list[Clip], list[str], list[str], pd.DataFrame]:
    """Give the clips of files, folders and manifests: names, parents, and columns of all."""
    import pandas as pd

    from features.audio import Clip, list_audio_files
    from features.corpora.layouts import read_corpus

    clips: list[Clip] = []
    names: list[str] = []
    parents: list[str] = []
    columns: list[pd.DataFrame] = []
    for position, path in enumerate(audio):
        if path.suffix.lower() == ".csv":
            with warnings.catch_warnings():
                # Groups matter for scores, not for predictions.
                warnings.filterwarnings("ignore", message=".*have no 'group'")
                listed = read_corpus(path, layout="csv")
            clips += listed.audio_clips()
            names += listed.clips["clip_id"].tolist()
            columns.append(listed.clips)
            # Two manifests may use one name for two clips.
            parents += [f"{position} {parent}" for parent in listed.clips["parent"]]
        elif path.is_dir():
            found = list_audio_files(path)
            clips += [Clip(str(file)) for file in found]
            names += [file.relative_to(path).as_posix() for file in found]
        elif path.exists():
            clips.append(Clip(str(path)))
            names.append(path.as_posix())
        else:
            raise FileNotFoundError(f"no such file or folder: {path}")
        # Of whatever is in no manifest nothing else is known, and it stands alone.
        if len(parents) < len(names):
            columns.append(pd.DataFrame(index=range(len(names) - len(parents))))
        parents += [f"{position} {row}" for row in range(len(parents), len(names))]
    if not clips:
        raise ValueError(f"no sound files in {', '.join(map(str, audio))}")
    return clips, names, parents, pd.concat(columns, join="inner", ignore_index=True)


def ablate(
    bundle: Annotated[Path, typer.Argument(help="A bundle, from fit-ensemble.")],
    output: Annotated[Path, Output],
    views: Annotated[
        Path | None,
        typer.Option(help="Its feature table: leaves out each family of features too (refits)."),
    ] = None,
    metrics: Metrics = None,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Leave out each member, and on request each family of features: what each is worth.

    Example: python cli.py ablate bundle/ -o ablation/ --views features.parquet
    """
    from ensemble.ablation.leaving_out import ablate as measure
    from ensemble.ablation.views import score_without_views
    from ensemble.bundle import load_bundle
    from features.table import read_table
    from reports.results import read_results, write_results
    from reports.staging import check_replaceable

    check_replaceable(output, markers=("card.json", "scores.parquet"))
    check_place(output)
    results = read_results(bundle)
    without = None
    if views is not None:
        with progress_bar("ablate", "models") as progress:
            without = score_without_views(
                load_bundle(bundle, with_results=True),
                read_table(views),
                n_jobs=jobs,
                progress=progress,
            )
    chosen = parse_names(metrics) if metrics else list(HEADLINES)
    results.card["ablation"] = measure(results, views=without, metrics=chosen, seed=seed)
    write_results(results, output)
    for sentence in results.card["ablation"]["sentences"]:
        say(sentence)
    say(f"results, for report: {output}")


def tune(
    source: Annotated[Path, typer.Argument(help="A feature table, from extract.")],
    output: Annotated[Path, Output],
    members: Members = "svm,xgb",
    metric: Annotated[str, typer.Option(help="What to raise.")] = "macro_f1",
    trials: Annotated[int, typer.Option(help="Settings to try.", min=1)] = 50,
    minutes: Annotated[float | None, typer.Option(help="Ceiling on the time.", min=0.01)] = None,
    folds: Annotated[
        str,
        typer.Option(
            help="Number of folds, or 'group': one a group; folds of the manifest come first."
        ),
    ] = "5",
    task: Annotated[
        str | None, typer.Option(help="single-label or multi-label; left out: by the labels.")
    ] = None,
    nested: Annotated[
        bool,
        typer.Option("--nested", help="Estimate what tuning gains on clips it never saw."),
    ] = False,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Search settings of members and stack on grouped folds; killed, it goes on.

    Example: python cli.py tune features.parquet -o study/ --members svm,xgb --trials 50
    """
    from ensemble.tuning.search import tune as search
    from features.table import read_table
    from reports.tuning_page import create_tuning_page

    check_place(output)
    with progress_bar("tune", "fits") as progress:
        tuning = search(
            read_table(source),
            output,
            members=parse_names(members),
            metric=metric,
            n_trials=trials,
            minutes=minutes,
            folds=parse_folds(folds),
            task=task,
            nested=nested,
            seed=seed,
            n_jobs=jobs,
            progress=progress,
        )
    page = create_tuning_page(tuning.as_dict(), output / "report", title=source.stem)
    for sentence in [*tuning.findings, *tuning.cautions]:
        say(sentence)
    say(f"settings, for fit-ensemble --settings: {output / 'best.yaml'}")
    say(f"page: {page['page'] if isinstance(page, dict) else page}")
