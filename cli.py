"""The commands: parse, call, exit code.

Exit codes: 0 done (also with listed failures), 1 internal error, 2 the user's mistake.
Heavy libraries are imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from features.audio import Clip
    from features.manifest import Manifest
    from reports.results import Results


class Backend(StrEnum):
    """Who computes features."""

    LOKY = "loky"
    DASK = "dask"


HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    help="Labelled recordings to an honest, deployable sound classifier.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=HELP_OPTIONS,
)
features_app = typer.Typer(rich_markup_mode=None, context_settings=HELP_OPTIONS)
app.add_typer(features_app, name="features")


class _Results(Console):
    """Where results go."""

    def on_broken_pipe(self) -> None:
        """Leave in peace: a closed pipe (`| head`) is the reader's choice, not an error."""
        # The interpreter flushes once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0)


# Names of files and labels are shown as they are: [b] is no markup in them, :bell: no emoji.
# A pipe has no width: tables there must not be cut to that of a terminal.
out = _Results(
    highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200
)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

Jobs = Annotated[int, typer.Option(help="Worker processes; -1: one a core.")]
Seed = Annotated[int, typer.Option(help="Seed of all that is drawn.", min=0)]
Layout = Annotated[
    str | None, typer.Option(help="How the corpus lies on disk; left out: detected.")
]
Source = Annotated[Path, typer.Argument(help="A manifest (CSV) or a folder of recordings.")]
Output = typer.Option("-o", "--output", help="Where the result goes.")
Members = Annotated[str, typer.Option(help="Members, comma-separated: svm, xgb, crnn.")]
DeepMinutes = Annotated[
    float, typer.Option(help="Ceiling on the training of all networks together.", min=0.01)
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

DEFAULT_MEMBERS = "svm,xgb,crnn"

# Exit code after Ctrl-C: 128 and the number of the signal.
INTERRUPTED = 130


@contextmanager
def _progress(what: str, unit: str = "clips") -> Iterator[Callable[..., None]]:
    """Show how far a job is: a bar on a terminal, a line at every tenth in a pipe."""
    if err.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        columns = (
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeLeft(),
        )
        with Progress(*columns, TextColumn("{task.description}"), console=err) as bar:
            task = bar.add_task("", total=None)
            yield lambda done, total, text="": bar.update(
                task, completed=done, total=total, description=text
            )
        return
    shown = -1

    def report(done: int, total: int, text: str = "") -> None:
        nonlocal shown
        tenth = done * 10 // total
        if tenth > shown:
            shown = tenth
            _tell(f"{what}: {done} of {total} {unit}{', ' + text if text else ''}")

    yield report


@contextmanager
def _stages(what: str) -> Iterator[Callable[[str], None]]:
    """Show the stage of a job that cannot be counted."""
    if err.is_terminal:
        with err.status(what) as status:
            yield lambda stage: status.update(f"{what}: {stage}")
    else:
        yield lambda stage: _tell(f"{what}: {stage}")


def _tell(text: str) -> None:
    """Print a line for people on the error stream, which no pipe takes for a result."""
    err.print(text, soft_wrap=True)


def _check_place(output: Path) -> None:
    """Refuse a place that cannot be written to, before hours are spent on it."""
    above = next(path for path in output.absolute().parents if path.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"{above} is a file, so there can be no {output}")
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(f"{above} may not be written to: name another place than {output}")


def _check_table(output: Path) -> None:
    """Refuse a place where no table can be put, or where something else is."""
    _check_place(output)
    if output.is_dir():
        raise IsADirectoryError(f"{output} is a folder: name a file that ends in .parquet")
    if output.exists() and not Path(f"{output}.card.json").is_file():
        raise FileExistsError(
            f"{output} is there already and has no card, so it is not ours to replace: name "
            "another file"
        )


def _read_source(source: Path, layout: str | None) -> Manifest:
    """Read a manifest, or a corpus as it lies on disk."""
    from features.corpora.layouts import detect_layout, read_corpus

    if layout is None:
        layout, reason = detect_layout(source)
        _tell(f"layout: {layout} ({reason})")
    return read_corpus(source, layout=layout)


def _say(text: str) -> None:
    out.print(text, soft_wrap=True)


def _say_failures(n_failures: int, where: object) -> None:
    if n_failures:
        noun = "clip" if n_failures == 1 else "clips"
        _tell(f"warning: {n_failures} {noun} could not be read, listed in {where}")


@app.command()
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

    _check_table(output / "features.parquet")
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


@app.command()
def render(
    output: Annotated[Path, Output],
    train: Annotated[int, typer.Option(help="Clips of one instrument.", min=11)] = 660,
    validation: Annotated[int, typer.Option(help="Polyphonic validation clips.", min=0)] = 120,
    test: Annotated[int, typer.Option(help="Polyphonic test clips.", min=0)] = 240,
    seconds: Annotated[float, typer.Option(help="Length of a clip.", min=1.0)] = 3.0,
    soundfont: Annotated[Path | None, typer.Option(help="A General MIDI SF2 file.")] = None,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Render a labelled corpus of the 11 IRMAS instruments from a sampled soundfont.

    Example: python cli.py render -o corpus/
    """
    from features.synthesis.render import render_corpus

    with _progress("render") as progress:
        path = render_corpus(
            output,
            n_train=train,
            n_validation=validation,
            n_test=test,
            seconds=seconds,
            seed=seed,
            soundfont=soundfont,
            n_jobs=jobs,
            progress=progress,
        )
    _say(f"{train + validation + test} clips: {path}")


@app.command()
def manifest(
    root: Annotated[Path, typer.Argument(help="The corpus as it unpacks on disk.")],
    output: Annotated[Path, Output],
    layout: Layout = None,
) -> None:
    """List the clips of a corpus: paths, labels, groups.

    Example: python cli.py manifest recordings/ -o manifest.csv
    """
    from features.manifest import write_manifest

    clips = _read_source(root, layout)
    write_manifest(clips, output)
    _say_manifest(clips, output)


def _say_manifest(clips: Manifest, path: Path) -> None:
    n_groups = clips.clips["group"].nunique()
    _say(
        f"{len(clips)} clips, {len(clips.classes)} labels, {n_groups} groups, {clips.task}: {path}"
    )


@app.command()
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
        folds=_folds(folds),
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


def _folds(text: str) -> int | str:
    if text == "group":
        return text
    if not text.isdigit() or int(text) < 2:
        raise ValueError(f"--folds must be a number from 2, or 'group', got {text!r}")
    return int(text)


@app.command()
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
        _check_table(Path(output))
    wanted = find_feature_set(feature_set)
    clips = read_manifest_at(source) if is_remote(source) else _read_source(Path(source), layout)
    with _progress("extract") as progress:
        card = extract_to_uri(
            clips,
            output,
            feature_set=wanted,
            n_jobs=jobs,
            cache=cache,
            use_cache=not no_cache,
            scheduler=scheduler,
            progress=progress,
            tell=_tell,
        )
    _say(f"{card['n_rows']} clips x {card['n_features']} features: {output}")
    if silent := card["silent"]:
        _tell(f"warning: {len(silent)} clips are silent, listed in {output}.card.json")
    _say_failures(card["n_failures"], f"{output}.failures.csv")


def _check_backend(backend: Backend, scheduler: str | None) -> None:
    if backend is Backend.DASK and scheduler is None:
        raise ValueError("--backend dask needs --scheduler tcp://HOST:PORT, of a Dask scheduler")
    if backend is Backend.LOKY and scheduler is not None:
        raise ValueError(f"--scheduler {scheduler} is for --backend dask, which is not given")


@features_app.callback(invoke_without_command=True)
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


@features_app.command("describe")
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


@app.command("fit-ensemble")
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
    _check_place(output)
    with _progress("fit", "models") as progress:
        bundle = fit_bundle(
            table,
            members=[name.strip() for name in members.split(",") if name.strip()],
            folds=_folds(folds),
            task=task,
            deep_minutes=deep_minutes,
            with_nuisance=with_nuisance,
            n_jobs=jobs,
            random_state=seed,
            progress=progress,
        )
    save_bundle(bundle, output)
    if bundle.results is not None:
        _say_scores(bundle.results)
        for note in bundle.results.card["notes"]:
            _tell(f"note: {note}")
    _say(f"{bundle.task} bundle of {len(bundle.classes)} classes: {output}")


def _say_scores(results: Results) -> None:
    """Show every model's headline scores, the stack first."""
    from reports.evaluation import evaluate

    scores = evaluate(results)
    names = ["macro_f1", "micro_f1", "map", "lrap"]
    table = Table("model", *names, "macro F1, 95 % interval", box=None)
    for model, metrics in scores["models"].items():
        low, high = metrics["macro_f1"]["low"], metrics["macro_f1"]["high"]
        interval = "" if low is None else f"{low:.3f} to {high:.3f}"
        table.add_row(model, *(_number(metrics[name]["value"]) for name in names), interval)
    out.print(f"evaluated on: {scores['evaluated_on']}")
    out.print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


@app.command()
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
    _check_place(output)
    opened = load_bundle(bundle, with_results=True)
    clips = _read_source(source, layout)
    with _progress("evaluate") as progress:
        results = evaluate_bundle(opened, clips, n_jobs=jobs, progress=progress)
    write_results(results, output)
    _say_scores(results)
    _say(f"results: {output}")


@app.command()
def report(
    sources: Annotated[list[Path], typer.Argument(help="Bundles or results; the first leads.")],
    output: Annotated[Path, Output],
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    seed: Seed = 0,
) -> None:
    """Make a page, tables and pictures from results; needs no model.

    Example: python cli.py report bundle/ -o report/
    """
    from reports.page import create_report

    with _stages("report") as tell:
        answer = create_report(sources, output, title=title, seed=seed, progress=tell)
    for sentence in answer["sentences"]:
        _say(sentence)
    _say(f"report: {answer['report']}")


@app.command()
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
    with _progress("predict") as progress:
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
        _tell(f"warning: {n_failed} of {len(predictions)} clips could not be read")


def _list_clips(audio: Sequence[Path]) -> tuple[list[Clip], list[str], list[str]]:
    """Give the clips of files, folders and manifests, with their names and parents."""
    from features.audio import Clip, list_audio_files
    from features.corpora.layouts import read_corpus

    clips: list[Clip] = []
    names: list[str] = []
    parents: list[str] = []
    for number, path in enumerate(audio):
        if path.suffix.lower() == ".csv":
            with warnings.catch_warnings():
                # Groups matter for scores, not for predictions.
                warnings.filterwarnings("ignore", message=".*have no 'group'")
                listed = read_corpus(path, layout="csv")
            clips += listed.audio_clips()
            names += listed.clips["clip_id"].tolist()
            # Two manifests may use one name for two clips.
            parents += [f"{number} {parent}" for parent in listed.clips["parent"]]
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
        parents += [f"{number} {position}" for position in range(len(parents), len(names))]
    if not clips:
        raise ValueError(f"no sound files in {', '.join(map(str, audio))}")
    return clips, names, parents


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, UserWarning | RuntimeWarning):
        _tell(f"warning: {message}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code.

    Parameters
    ----------
    arguments : sequence of str or None
        The command line; None means the process's own.

    Raises
    ------
    SystemExit
        Always: 0 done, 1 internal error, 2 the user's mistake.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Wanted after the fact, so it is understood at any place of the line.
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file's name may hold what no terminal can show; better odd than not at all.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(words, prog_name="timbrestack")
    except SystemExit as leaving:
        # Typer has turned Ctrl-C into this code by now.
        if leaving.code == INTERRUPTED:
            _tell("stopped; what is finished is kept")
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        told = "; ".join([str(error), *getattr(error, "__notes__", [])])
        if isinstance(error, ValueError | OSError | ImportError):
            _tell(f"error: {told}")
            raise SystemExit(2) from error
        _tell(f"internal error: {type(error).__name__}: {told} (--debug shows where)")
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
