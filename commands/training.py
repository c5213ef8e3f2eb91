"""Commands that train networks and use them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from commands.console import counted, number, out, progress_bar, say, say_failures, tell
from commands.options import Jobs, Layout, Output, Seed, Source, parse_folds, parse_names
from commands.places import check_file, check_place, check_table
from commands.sources import read_source
from commands.trials import train_trials

if TYPE_CHECKING:
    import numpy as np

    from features.manifest import Manifest

# What the gallery shows: enough for a phrase.
GALLERY_SR, GALLERY_SECONDS = 22050, 4.0


def train(
    source: Source,
    output: Annotated[Path, Output],
    backbone: Annotated[
        str | None, typer.Option(help="Architecture, such as crnn or timm:resnet18; see backbones.")
    ] = None,
    frontend: Annotated[
        str | None, typer.Option(help="What the backbone sees; left out: what suits it.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(help="What stands on it; left out: what suits it.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME[.OPTION]=VALUE",
            help="Another setting, such as batch_size=64 or backbone_params.depth=34; repeatable.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the training clips; 0 only looks how good it is.", min=0),
    ] = None,
    folds: Annotated[
        str,
        typer.Option(
            help="Number of folds; 'group': one a group; 'none': one network, on all rows; folds "
            "of the manifest come first."
        ),
    ] = "5",
    task: Annotated[
        str | None, typer.Option(help="single-label or multi-label; left out: by the labels.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Longest window that training sees.", min=0.05)
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="A recipe (default, rough), kinds of augmentation, comma-separated, or 'none'."
        ),
    ] = None,
    loss: Annotated[str | None, typer.Option(help="See the error for a name that is none.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak of the schedule.")] = None,
    init_from: Annotated[
        Path | None, typer.Option(help="A pre-trained backbone, from pretrain, to start from.")
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="A finished run over the same folds to learn from.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A YAML file of settings; options above come first.")
    ] = None,
    miniature: Annotated[
        bool, typer.Option("--miniature", help="The recipe as its block 'miniature' makes it.")
    ] = False,
    trial: Annotated[
        str | None, typer.Option(help="One trial of a recipe that has several; left out: all.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Ceiling on all networks together.", min=0.01)
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard's event files.")
    ] = False,
    layout: Layout = None,
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Train a backbone over all folds; killed, the same command goes on, to the same weights.

    Example: python cli.py train manifest.csv -o run/ --backbone crnn --epochs 30
    """
    from deep.runs.recipes import parse_settings, read_recipe, read_trials, replace_settings

    check_place(output)
    named = {
        "backbone": backbone,
        "frontend": frontend,
        "head": head,
        "epochs": epochs,
        "max_seconds": seconds,
        "augment": _parse_augmentation(augment),
        "loss": loss,
        "learning_rate": learning_rate,
        "pretrained": None if init_from is None else str(init_from.absolute()),
    }
    given = parse_settings(settings or [])
    given |= {name: value for name, value in named.items() if value is not None}
    parameters: dict[str, Any] = {}
    trials: dict[str, dict[str, Any]] = {}
    if recipe is not None:
        parameters = read_recipe(recipe, miniature=miniature)
        trials = _choose_trials(read_trials(recipe), trial)
    elif miniature or trial is not None:
        raise ValueError("--miniature and --trial must come with the --recipe that they are of")
    clips = read_source(source, layout)
    machine = {"device": device, "tensorboard": tensorboard}
    options = {
        "folds": None if folds == "none" else parse_folds(folds),
        "task": task,
        "minutes": minutes,
        "teacher": teacher,
        "command": shlex.join(sys.argv),
        "n_jobs": jobs,
        "seed": seed,
    }

    def train_one(changes: dict[str, Any], place: Path) -> dict[str, Any]:
        wanted = replace_settings(replace_settings(parameters, changes), given) | machine
        return _train_run(clips, place, wanted, options)

    if trials and trial is None:
        train_trials(trials, train_one, output)
    else:
        train_one(trials.get(trial or "", {}), output)


def _train_run(
    clips: Manifest, output: Path, parameters: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Train a run, tell of it, and give its card."""
    from deep.runs.run import train_run

    with progress_bar("train", "epochs") as progress:
        card = train_run(
            clips, output, parameters=parameters, progress=progress, tell=tell, **options
        )
    if int(os.environ.get("RANK", "0")) > 0 and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        # One of many processes that trained together; the first one tells of it.
        return card
    _draw_curves(output)
    say_failures(card["n_failures"], output / "failures.csv")
    if card["n_folds"]:
        card["scores"] = _say_scores(output, clips)
        tell(f"to stack it: fit-ensemble FEATURES -o bundle/ --add {output}")
    say(
        f"{card['task']} run of {card['backbone']}, {counted(card['n_clips'], 'clip')}, "
        f"{card['minutes']:.1f} minutes: {output}"
    )
    return card


def _choose_trials(
    trials: dict[str, dict[str, Any]], wanted: str | None
) -> dict[str, dict[str, Any]]:
    if wanted is not None and wanted not in trials:
        there = f"one of {sorted(trials)}" if trials else "left out, as the recipe has no trials"
        raise ValueError(f"--trial must be {there}, got {wanted!r}")
    return trials


def _parse_augmentation(text: str | None) -> bool | str | dict[str, Any] | None:
    """Read the name of a recipe, or names of kinds, each with its own defaults."""
    from deep.augmentation.registry import RECIPES

    if text is None:
        return None
    if text == "none":
        return False
    if text in RECIPES:
        return text
    return {name: {} for name in parse_names(text)}


def _draw_curves(run: Path) -> None:
    """Draw the learning curves of all networks into the run's folder."""
    import pandas as pd

    from reports.plots.curves import plot_histories
    from reports.plots.style import save_figure

    tables = [pd.read_csv(path) for path in sorted(run.glob("*/history.csv"))]
    histories: list[Any] = [table.to_dict("records") for table in tables]
    save_figure(plot_histories(histories, name=run.name), run, "curves")


def _say_scores(run: Path, clips: Manifest) -> dict[str, Any]:
    """Tell how good a run is, put it on its card, and give it."""
    from ensemble.run_scores import score_run
    from ensemble.trained_run import TrainedRun

    scores = score_run(TrainedRun(run), clips)
    table = Table("out of fold", Column("score", justify="right"), "95 % by group", box=None)
    for name, leaf in scores.items():
        between = "" if leaf["low"] is None else f"{number(leaf['low'])}-{number(leaf['high'])}"
        table.add_row(name.replace("_", " "), number(leaf["value"]), between)
    out.print(table)
    path = run / "card.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    if card.get("scores") != scores:
        from deep.runs.folder import write_json

        write_json(path, card | {"scores": scores})
    return scores


def embed(
    model: Annotated[
        Path, typer.Argument(help="A run, from train, or one network of it (run/fold_0).")
    ],
    source: Source,
    output: Annotated[Path, Output],
    fold: Annotated[
        int | None,
        typer.Option(
            help="Whose network of a run with folds, counted from 0 in their order; left out: 0.",
            min=0,
        ),
    ] = None,
    projector: Annotated[
        Path | None,
        typer.Option(help="Also a folder for TensorBoard's projector: embeddings with labels."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    layout: Layout = None,
    jobs: Jobs = -1,
) -> None:
    """Write the embeddings of a frozen network as a table, for clips that it never saw.

    Example: python cli.py embed run/ other-recordings/ -o embeddings.parquet
    """
    from deep.runs.embeddings import embed_clips

    check_table(output)
    if projector is not None:
        check_place(projector)
    clips = read_source(source, layout)
    with progress_bar("embed") as progress:
        card = embed_clips(
            model, clips, output, fold=fold, device=device, n_jobs=jobs, progress=progress
        )
    if shared := card["n_clips_seen"]:
        tell(
            f"warning: the network was trained on {counted(shared, 'clip')} of these, so their "
            "embeddings know their labels: fit-ensemble refuses the table"
        )
    if projector is not None:
        _write_projector(output, clips, projector)
    say_failures(card["n_failures"], f"{output}.failures.csv")
    say(f"{counted(card['n_rows'], 'clip')} x {card['n_features']} values: {output}")


def _write_projector(table: Path, clips: Manifest, directory: Path) -> None:
    import pandas as pd

    from deep.explanation.projector import describe_clips, write_projector

    embeddings = pd.read_parquet(table).set_index("clip_id")
    write_projector(directory, embeddings.to_numpy(), describe_clips(clips, list(embeddings.index)))


def pretrain(
    source: Annotated[Path, typer.Argument(help="A folder of any recordings, or a manifest.")],
    output: Annotated[Path, Output],
    task: Annotated[
        str, typer.Option(help="What is asked: contrastive, masked or patches.")
    ] = "contrastive",
    backbone: Annotated[str, typer.Option(help="Architecture.")] = "crnn",
    epochs: Annotated[int, typer.Option(help="Passes over the clips.", min=1)] = 50,
    seconds: Annotated[float, typer.Option(help="Longest window.", min=0.05)] = 2.0,
    sr: Annotated[int, typer.Option(help="Sampling rate in Hz.", min=1000, max=192000)] = 22050,
    batch_size: Annotated[int, typer.Option(help="Clips a step.", min=2)] = 64,
    learning_rate: Annotated[float, typer.Option(help="Peak of the schedule.")] = 3e-3,
    validation: Annotated[
        float, typer.Option(help="Share of the clips that choose the epoch.", min=0, max=0.9)
    ] = 0.1,
    with_test: Annotated[
        bool, typer.Option("--with-test", help="See rows of split test too.")
    ] = False,
    minutes: Annotated[float | None, typer.Option(help="Ceiling on the time.", min=0.01)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    jobs: Jobs = -1,
    seed: Seed = 0,
) -> None:
    """Let a backbone learn from sound alone, without labels; train --init-from starts there.

    Example: python cli.py pretrain recordings/ -o backbone/ --task masked
    """
    from deep.pretraining.learning import describe_pretraining
    from deep.pretraining.pretrained import is_pretrained
    from deep.pretraining.pretraining import pretrain_backbone
    from deep.pretraining.settings import PretrainingSettings
    from deep.pretraining.unlabelled import find_clips

    check_place(output)
    if (
        output.exists()
        and not is_pretrained(output)
        and (output.is_file() or any(output.iterdir()))
    ):
        raise FileExistsError(
            f"{output} is no backbone of ours, so it is not replaced: name another"
        )
    settings = PretrainingSettings(
        task=task, backbone=backbone, epochs=epochs, max_seconds=seconds, sr=sr,
        batch_size=batch_size, learning_rate=learning_rate, validation_fraction=validation,
        minutes=minutes, seed=seed,
    )  # fmt: skip
    clips = find_clips(source, with_test=with_test)
    if clips.n_left_out:
        tell(f"{counted(clips.n_left_out, 'clip')} of split test left out")
    work = output.with_name(f"{output.name}.work")
    with progress_bar("pretrain", "epochs") as progress:
        found = pretrain_backbone(
            clips,
            settings=settings,
            work_dir=work,
            cache_dir=work / "sound",
            device=device,
            n_jobs=jobs,
            on_epoch=lambda entry: progress(
                int(entry["epoch"]), epochs, describe_pretraining(entry, epochs, "score")
            ),
        )
    found.save(output)
    shutil.rmtree(work)
    if failures := found.card["failures"]:
        tell(f"warning: {counted(len(failures), 'clip')} could not be read, listed in its card")
    best = found.card["history"][found.card["best_epoch"] - 1]
    say(f"{task}: {describe_pretraining(best, epochs, found.card['score_name'])}")
    say(f"pre-trained {backbone}, {counted(len(clips) - len(failures), 'clip')}: {output}")


def backbones(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/backbones.md instead.")
    ] = False,
) -> None:
    """List the architectures, what they see, and what can stand on them.

    Example: python cli.py backbones
    """
    from deep.backbones.page import describe_backbones, render_backbones_page
    from deep.backbones.registry import list_families
    from deep.frontends.registry import list_frontends
    from deep.heads.registry import list_heads

    if markdown:
        out.out(render_backbones_page(), end="")
        return
    table = Table(
        Column("backbone", no_wrap=True),
        "what it is",
        "frontend",
        Column("rate", justify="right"),
        Column("embedding", justify="right"),
        Column("parameters", justify="right"),
        box=None,
    )
    for facts in describe_backbones():
        config = facts.config
        table.add_row(
            config.name,
            facts.summary.rstrip("."),
            config.frontend,
            f"{config.sr:,} Hz",
            str(config.embedding_size),
            f"{facts.n_parameters:,}",
        )
    out.print(table)
    say(f"also, with weights: {', '.join(f'{name}:MODEL' for name in list_families())}")
    say(f"frontends: {', '.join(list_frontends())}")
    say(f"heads: {', '.join(list_heads())}")
    say("options of all of them: docs/backbones.md, or backbones --markdown")


def augmentations(
    output: Annotated[Path, Output],
    clip: Annotated[Path | None, typer.Option(help="A recording; left out: a made-up one.")] = None,
    seed: Seed = 0,
) -> None:
    """Make a page of what each kind of augmentation does to a sound, with pictures and players.

    Example: python cli.py augmentations -o augmentations.html --clip some.wav
    """
    from deep.augmentation.gallery import make_gallery
    from features.audio import load_audio, read_info
    from reports.augmentation_page import AugmentationExample, create_augmentation_page

    check_file(output)
    sr, note = GALLERY_SR, "The sound is made up: two plucked notes, a fifth apart."
    if clip is None:
        waveform = _pluck(sr, 220.0)
    else:
        longer = read_info(clip).duration_s > GALLERY_SECONDS
        waveform, sr = load_audio(clip, sr=sr, end_s=GALLERY_SECONDS if longer else None)
        note = f"The sound is {clip.name}, at most {GALLERY_SECONDS:g} s of it."
    entries = make_gallery(waveform, sr=sr, others=[_pluck(sr, 294.0)], seed=seed)
    page = create_augmentation_page(
        [AugmentationExample(**vars(entry)) for entry in entries], output, notes=[note]
    )
    say(f"{counted(page['kinds'], 'kind')}: {page['page']}")


def _pluck(sr: int, pitch_hz: float) -> np.ndarray:
    """Make two decaying notes of eight partials each, a fifth apart."""
    import numpy as np

    t = np.arange(round(2 * sr)) / sr
    waveform = np.zeros(len(t))
    for start, pitch in ((0.0, pitch_hz), (0.7, 1.5 * pitch_hz)):
        since = np.maximum(t - start, 0.0)
        for partial in range(1, 9):
            tone = np.sin(2 * np.pi * pitch * partial * since) / partial
            waveform += (t >= start) * tone * np.exp(-3.0 * since * partial**0.5)
    return (0.4 * waveform / np.abs(waveform).max()).astype(np.float32)
