"""Commands that make pages."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.console import progress_bar, say, stages, tell
from commands.options import Jobs, Layout, Metrics, Output, Seed, Source, parse_names
from commands.places import check_file, check_place
from commands.sources import read_source

if TYPE_CHECKING:
    import pandas as pd

    from features.manifest import Manifest


def report(
    sources: Annotated[list[Path], typer.Argument(help="Bundles or results; the first leads.")],
    output: Annotated[Path, Output],
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    metrics: Metrics = None,
    seed: Seed = 0,
) -> None:
    """Make a page, tables and pictures from results; needs no model.

    Example: python cli.py report bundle/ -o report/
    """
    from reports.page import create_report

    with stages("report") as tell:
        answer = create_report(
            sources,
            output,
            title=title,
            metrics=parse_names(metrics) if metrics else None,
            seed=seed,
            progress=tell,
        )
    for sentence in answer["sentences"]:
        say(sentence)
    say(f"report: {answer['report']}")


def stats(
    sources: Annotated[
        list[Path], typer.Argument(help="Manifests or folders of recordings, side by side.")
    ],
    output: Annotated[Path, Output],
    audio: Annotated[
        bool, typer.Option("--audio", help="Decode every file: durations, rates, channels.")
    ] = False,
    layout: Layout = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    jobs: Jobs = -1,
) -> None:
    """Make a page of what corpora hold: labels, seconds, splits, what sounds together.

    Example: python cli.py stats manifest.csv other.csv -o stats/
    """
    from features.checking.problem import tabulate
    from features.checking.table_checks import check_table
    from features.statistics import describe_corpus
    from reports.corpus_page import create_corpus_page

    check_place(output)
    found: dict[str, dict[str, Any]] = {}
    problems = {}
    for source in sources:
        clips = read_source(source, layout)
        name = _name_corpus(source, found)
        scan = _scan(clips, jobs) if audio else None
        found[name] = describe_corpus(clips, scan=scan).as_dict()
        problems[name] = tabulate(check_table(clips))
    with stages("stats") as report_stage:
        summary = create_corpus_page(
            found, output, title=title, problems=problems, progress=report_stage
        )
    say(summary["sentence"])
    for caution in summary["cautions"]:
        tell(f"note: {caution}")
    say(f"page: {summary['page']}")


def _name_corpus(source: Path, taken: Collection[str] = ()) -> str:
    """Name a corpus by its folder, or its file if that says more."""
    place = source.resolve()
    own_name = place.stem if place.is_file() else place.name
    # A rendered or mixed corpus is known by its folder: inside, all are called manifest.csv.
    stem = place.parent.name if own_name == "manifest" else own_name
    names = [stem, f"{place.parent.name}/{stem}", *(f"{stem} {i}" for i in range(2, 99))]
    return next(name for name in names if name not in taken)


def _scan(clips: Manifest, jobs: int) -> pd.DataFrame:
    from features.checking.audio_scan import scan_audio

    with progress_bar("stats", "files") as progress:
        return scan_audio(clips, n_jobs=jobs, progress=progress).clips


def listen(
    source: Source,
    output: Annotated[Path, Output],
    clips: Annotated[int, typer.Option(help="Clips on the sheet.", min=1)] = 24,
    layout: Layout = None,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    seed: Seed = 0,
) -> None:
    """Make a page with players, spectrograms and labels, to judge a corpus by ear in a minute.

    Example: python cli.py listen corpus/ -o sheet.html
    """
    from features.audio import AudioDecodeError, load_audio
    from reports.clip_choice import choose_samples
    from reports.listening_sheet import Sample, create_listening_sheet

    check_file(output)
    listed = read_source(source, layout)
    chosen = listed.select(choose_samples(listed.clips, n=clips, seed=seed).index.to_numpy())
    events = _read_events(source)
    samples, notes = [], []
    for row, clip, labels in zip(
        chosen.clips.to_dict("records"), chosen.audio_clips(), chosen.label_sets(), strict=True
    ):
        clip_id = row["clip_id"]
        try:
            waveform, sr = load_audio(clip.path, start_s=clip.start_s, end_s=clip.end_s)
        except AudioDecodeError as error:
            notes.append(f"{clip_id} could not be read: {error}")
            continue
        samples.append(
            Sample(clip_id, sorted(labels), waveform, sr, events.get(clip_id, []), _details(row))
        )
    summary = create_listening_sheet(
        samples, output, title=title or _name_corpus(source), notes=notes
    )
    for note in notes:
        tell(f"warning: {note}")
    say(f"{summary['clips']} clips, {summary['labels']} labels: {summary['page']}")


def _details(row: Mapping[Hashable, object]) -> dict[str, str]:
    """Give what else the manifest says of a clip."""
    from features.manifest import COLUMNS

    more = [name for name in row if name not in COLUMNS]
    shown = {str(name): row[name] for name in ("group", "split", *more)}
    return {name: str(value) for name, value in shown.items() if str(value) not in ("", "nan")}


def _read_events(source: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Read when what sounds, where `render` or `mix` wrote it: clip_id to (label, start, end)."""
    import pandas as pd

    path = (source if source.is_dir() else source.parent) / "events.csv"
    if not path.is_file():
        return {}
    table = pd.read_csv(path, keep_default_na=False)
    names = table["label"].where(table["label"] != "", table.get("role", "")).astype(str)
    events: dict[str, list[tuple[str, float, float]]] = {}
    for clip_id, name, onset_s, offset_s in zip(
        table["clip_id"], names, table["onset_s"], table["offset_s"], strict=True
    ):
        events.setdefault(clip_id, []).append((name, float(onset_s), float(offset_s)))
    return events
