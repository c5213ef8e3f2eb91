"""Commands that ask whether a score could come from something other than the sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from commands.console import number, out, progress_bar, say, say_failures, stages, tell
from commands.options import AsJson, Jobs, Layout, Output, Seed, Source, parse_folds
from commands.places import check_file, check_place
from commands.sources import read_source

if TYPE_CHECKING:
    from ensemble.labels.audit import LabelAudit
    from ensemble.labels.cleaning import CleaningEffect
    from ensemble.nuisance.audit import NuisanceAudit
    from features.manifest import Manifest
    from reports.results import Results


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
    from ensemble.nuisance.audit import audit_nuisance as audit
    from ensemble.nuisance.table import measure_nuisance
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
        found = audit(measured, clips, folds=n_folds, random_state=seed, n_jobs=jobs)
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


def audit_labels(
    bundle: Annotated[Path, typer.Argument(help="A bundle, from fit-ensemble.")],
    output: Annotated[Path, Output],
    source: Annotated[
        Path | None,
        typer.Option(help="The manifest it was fitted on: gives the page its players."),
    ] = None,
    top: Annotated[int, typer.Option(help="Clips on the page.", min=1)] = 50,
    model: Annotated[str, typer.Option(help="Whose out-of-fold scores to take.")] = "stack",
    effect: Annotated[
        Path | None,
        typer.Option(help="Its feature table: measures what cleaning gains, too (fits anew)."),
    ] = None,
    way: Annotated[
        str, typer.Option(help="What --effect does with suspect labels: remove or relabel.")
    ] = "remove",
    member: Annotated[str, typer.Option(help="The model that --effect fits.")] = "svm",
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """List clips whose labels are likely wrong, with a page to hear them and a table to edit.

    Example: python cli.py audit labels bundle/ -o audit/ --source manifest.csv
    """
    from ensemble.labels.audit import audit_labels as audit
    from ensemble.labels.audit_files import MARKERS, check_audit_place, write_audit, write_effect
    from reports.results import read_results
    from reports.staging import staged_directory

    check_audit_place(output)
    check_place(output)
    clips = None if source is None else read_source(source, None)
    results = read_results(bundle)
    found = audit(results, model=model, seed=seed)
    gained = None
    if effect is not None:
        gained = _measure_effect(results, effect, way=way, member=member, jobs=jobs, seed=seed)
    with staged_directory(output, markers=MARKERS) as folder:
        write_audit(found, folder)
        if gained is not None:
            write_effect(gained, folder)
        if clips is not None:
            _write_page(found, gained, clips, folder / "index.html", title=bundle.name, top=top)
    for sentence in found.sentences:
        say(sentence)
    if gained is not None:
        _say_effect(gained)
    say(f"suspects: {output / 'suspects.csv'}")
    if clips is not None:
        say(f"page: {output / 'index.html'}")
    tell(f"to correct them, edit {output / 'relabel.csv'}, then: manifest --relabel")


def _measure_effect(
    results: Results, source: Path, *, way: str, member: str, jobs: int, seed: int
) -> CleaningEffect:
    from ensemble.labels.cleaning import measure_cleaning
    from features.table import read_table

    table = read_table(source)
    missing = results.clips.index.difference(table.values.index)
    if len(missing):
        raise ValueError(
            f"{source} lacks {len(missing)} of the bundle's {len(results.clips)} clips, such as "
            f"{missing[0]}: name the feature table that the bundle was fitted on"
        )
    with progress_bar("effect", "fits") as progress:
        return measure_cleaning(
            table, member=member, way=way, task=results.task, n_jobs=jobs, seed=seed,
            progress=progress,
        )  # fmt: skip


def _say_effect(effect: CleaningEffect) -> None:
    told = effect.as_dict()
    gain, low, high = (told["gain"][end] for end in ("value", "low", "high"))
    table = Table("trained on", Column(effect.metric, justify="right"), "95 % interval", box=None)
    table.add_row("labels as given", number(told["given"]), "")
    table.add_row("cleaned labels", number(told["cleaned"]), "")
    interval = "" if low is None or high is None else f"{low:+.3f} to {high:+.3f}"
    table.add_row("gain", "-" if gain is None else f"{gain:+.3f}", interval)
    out.print(table)
    for sentence in effect.sentences:
        say(sentence)


def _write_page(
    found: LabelAudit,
    gained: CleaningEffect | None,
    clips: Manifest,
    path: Path,
    *,
    title: str,
    top: int,
) -> None:
    from features.audio import AudioDecodeError, load_audio
    from reports.label_audit_page import Suspect, create_label_audit_page
    from reports.listening_sheet import Sample

    sounds = dict(zip(clips.clips["clip_id"], clips.audio_clips(), strict=True))
    suspects: list[Suspect] = []
    notes: list[str] = []
    for row in found.suspects.head(top).to_dict("records"):
        clip_id, windows = row["clip_id"], found.windows[row["clip_id"]]
        sound = sounds.get(windows[0])
        if sound is None:
            notes.append(f"{clip_id} is not in the manifest given")
            continue
        try:
            waveform, sr = load_audio(sound.path, start_s=sound.start_s, end_s=sound.end_s)
        except AudioDecodeError as error:
            notes.append(f"{clip_id} could not be read: {error}")
            continue
        suspects.append(
            Suspect(
                Sample(clip_id, _split(row["labels"]), waveform, sr),
                _split(row["suggested"]),
                found.probabilities.loc[clip_id].to_dict(),
                row["reason"],
                _split(row["unknown_labels"]),
                windows,
            )
        )
    create_label_audit_page(
        suspects,
        path,
        title=title,
        sentences=found.sentences,
        rates=found.labels,
        n_suspects=len(found.suspects),
        effect=None if gained is None else gained.as_dict(),
        notes=notes,
    )


def _split(labels: str) -> list[str]:
    return [label for label in labels.split(";") if label]


def split_label(
    bundle: Annotated[Path, typer.Argument(help="A bundle that knows the finer labels.")],
    source: Source,
    label: Annotated[str, typer.Option(help="The coarse label.")],
    into: Annotated[str, typer.Option(help="The finer ones, comma-separated.")],
    output: Annotated[Path, Output],
    precision: Annotated[
        float, typer.Option(help="Wanted share of right decisions, out of fold.", min=0.5, max=1)
    ] = 0.95,
    layout: Layout = None,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Split a coarse label into finer ones where a bundle is sure; the rest stays unknown.

    Example: python cli.py split-label bundle/ m.csv --label guitar --into gac,gel -o relabel.csv
    """
    from ensemble.bundle import load_bundle
    from ensemble.labels.splitting import split_label as split
    from ensemble.labels.splitting import write_split

    check_file(output)
    clips = read_source(source, layout)
    with progress_bar("split-label") as progress:
        found = split(
            load_bundle(bundle, with_results=True),
            clips,
            label=label,
            into=[name.strip() for name in into.split(",")],
            precision=precision,
            n_jobs=jobs,
            seed=seed,
            progress=progress,
        )
    write_split(found, output)
    for sentence in found.sentences:
        say(sentence)
    say(f"to use it: manifest --relabel {output}")


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
