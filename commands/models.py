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
    Output,
    Seed,
    Source,
    parse_folds,
)
from commands.places import check_place
from commands.sources import read_source

if TYPE_CHECKING:
    from features.audio import Clip
    from reports.results import Results


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
    from ensemble.fitting import fit_bundle
    from features.table import read_table

    table = read_table(source)
    check_target(output)
    check_place(output)
    with progress_bar("fit", "models") as progress:
        bundle = fit_bundle(
            table,
            members=[name.strip() for name in members.split(",") if name.strip()],
            folds=parse_folds(folds),
            task=task,
            deep_minutes=deep_minutes,
            with_nuisance=with_nuisance,
            audit=not no_audit,
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
    jobs: Jobs = -1,
) -> None:
    """Score a bundle on another labelled corpus; report makes a page of the result.

    Example: python cli.py evaluate bundle/ other-recordings/ -o results/
    """
    from ensemble.bundle import load_bundle
    from ensemble.evaluation import evaluate_bundle
    from reports.results import write_results
    from reports.staging import check_replaceable

    check_replaceable(output, markers=("card.json", "scores.parquet"))
    check_place(output)
    opened = load_bundle(bundle, with_results=True)
    clips = read_source(source, layout)
    with progress_bar("evaluate") as progress:
        results = evaluate_bundle(opened, clips, n_jobs=jobs, progress=progress)
    write_results(results, output)
    _say_scores(results)
    say(f"results: {output}")


def _say_scores(results: Results) -> None:
    """Show every model's headline scores, the stack first."""
    from reports.evaluation import evaluate

    scores = evaluate(results)
    names = ["macro_f1", "micro_f1", "map", "lrap"]
    table = Table("model", *names, "macro F1, 95 % interval", box=None)
    for model, metrics in scores["models"].items():
        low, high = metrics["macro_f1"]["low"], metrics["macro_f1"]["high"]
        interval = "" if low is None else f"{low:.3f} to {high:.3f}"
        table.add_row(model, *(number(metrics[name]["value"]) for name in names), interval)
    out.print(f"evaluated on: {scores['evaluated_on']}")
    out.print(table)


def predict(
    bundle: Annotated[Path, typer.Argument(help="A bundle, from fit-ensemble.")],
    audio: Annotated[list[Path], typer.Argument(help="Sound files, folders or manifests.")],
    as_json: AsJson = False,
    top: Annotated[int, typer.Option(help="Labels shown for each clip.", min=1)] = 3,
    jobs: Jobs = 1,
) -> None:
    """Say what sounds in files: labels with probabilities.

    Example: python cli.py predict bundle/ some.mp3 more-recordings/
    """
    from ensemble.bundle import load_bundle
    from ensemble.prediction import predict_clips

    clips, names, parents = _list_clips(audio)
    opened = load_bundle(bundle)
    predictions = []
    with progress_bar("predict") as progress:
        for prediction in predict_clips(
            opened, clips, clip_ids=names, parents=parents, n_jobs=jobs
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


def _list_clips(audio: Sequence[Path]) -> tuple[list[Clip], list[str], list[str]]:
    """Give the clips of files, folders and manifests, with their names and parents."""
    from features.audio import Clip, list_audio_files
    from features.corpora.layouts import read_corpus

    clips: list[Clip] = []
    names: list[str] = []
    parents: list[str] = []
    for position, path in enumerate(audio):
        if path.suffix.lower() == ".csv":
            with warnings.catch_warnings():
                # Groups matter for scores, not for predictions.
                warnings.filterwarnings("ignore", message=".*have no 'group'")
                listed = read_corpus(path, layout="csv")
            clips += listed.audio_clips()
            names += listed.clips["clip_id"].tolist()
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
        # Whatever no manifest says is a window stands alone.
        parents += [f"{position} {row}" for row in range(len(parents), len(names))]
    if not clips:
        raise ValueError(f"no sound files in {', '.join(map(str, audio))}")
    return clips, names, parents
