"""Commands that show what a network listens to."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import counted, progress_bar, say, say_failures
from commands.options import Output, parse_names
from commands.places import check_place

if TYPE_CHECKING:
    from deep.explanation.explaining import ClipExplanation
    from deep.explanation.networks import ExplainedModel
    from features.audio import Clip
    from reports.explained_clip import ExplainedClip
    from reports.picture import Picture


@dataclass(frozen=True)
class Asked:
    """A clip to be explained: by which name a run may know it, and its labels if they are known."""

    clip: Clip
    name: str
    known_as: str
    truth: frozenset[str] | None = None


def explain(
    model: Annotated[
        Path, typer.Argument(help="A run, from train, one network of it, or a saved classifier.")
    ],
    audio: Annotated[list[Path], typer.Argument(help="Sound files, folders or manifests.")],
    output: Annotated[Path, Output],
    label: Annotated[
        str | None,
        typer.Option(help="Labels to explain, comma-separated; left out: the most probable."),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(help="Module of the backbone whose maps are shown; left out: its own choice."),
    ] = None,
    n_top: Annotated[
        int, typer.Option(help="How many labels of a clip, where none are named.", min=1)
    ] = 1,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Make a page of where in sounds a network finds its labels: Grad-CAM and attention over time.

    Of a run, a clip that it was trained on is explained by the network that never saw it.

    Example: python cli.py explain run/ some.wav more-recordings/ -o why/
    """
    from deep.explanation.explaining import check_labels, explain_clip
    from deep.explanation.networks import ExplainedModel
    from features.audio import AudioDecodeError
    from reports.explanation_page import create_explanation_page, markers
    from reports.staging import check_replaceable

    check_place(output)
    check_replaceable(output, markers=markers())
    asked = _list_clips(audio)
    opened = ExplainedModel(model, device=device)
    labels = parse_names(label) if label else None
    check_labels(labels or (), opened.classes)
    clips: list[ExplainedClip] = []
    failures: list[tuple[str, str, str]] = []
    with progress_bar("explain") as progress:
        for done, one in enumerate(asked, start=1):
            try:
                found = explain_clip(
                    opened.choose(one.known_as), one.clip, labels=labels, layer=layer, n_top=n_top
                )
                clips.append(_as_drawn(one, found))
            except AudioDecodeError as error:
                failures.append((one.name, str(one.clip.path), error.reason))
            progress(done, len(asked))
    if not clips:
        raise ValueError(f"none of {counted(len(asked), 'clip')} could be read: {failures[0][2]}")
    page = create_explanation_page(
        clips,
        output,
        title=title or f"What {opened.name} listens to",
        layer=layer or opened.first.network_.backbone.map_layer,
        learned=_draw_filters(opened),
        failures=failures,
    )
    say_failures(len(failures), output / "failures.csv")
    say(f"{counted(page['clips'], 'clip')}, {counted(page['pictures'], 'picture')}: {page['page']}")


def _list_clips(audio: Sequence[Path]) -> list[Asked]:
    """Give the clips of files, folders and manifests."""
    from features.audio import Clip, list_audio_files
    from features.corpora.layouts import read_corpus

    asked: list[Asked] = []
    for path in audio:
        if path.suffix.lower() == ".csv":
            with warnings.catch_warnings():
                # Groups matter for scores, not here.
                warnings.filterwarnings("ignore", message=".*have no 'group'")
                listed = read_corpus(path, layout="csv")
            truths = listed.label_sets() if listed.labels_given else [None] * len(listed)
            asked += [
                Asked(clip, clip_id, clip_id, truth)
                for clip, clip_id, truth in zip(
                    listed.audio_clips(), listed.clips["clip_id"], truths, strict=True
                )
            ]
        elif path.is_dir():
            asked += [
                Asked(Clip(str(file)), file.relative_to(path).as_posix(), _whole(file))
                for file in list_audio_files(path)
            ]
        elif path.exists():
            asked.append(Asked(Clip(str(path)), path.as_posix(), _whole(path)))
        else:
            raise FileNotFoundError(f"no such file or folder: {path}")
    if not asked:
        raise FileNotFoundError(f"no recordings in {', '.join(map(str, audio))}")
    return asked


def _whole(path: Path) -> str:
    """Name a file so that every end of its path can be looked up."""
    return path.absolute().as_posix()


def _as_drawn(asked: Asked, found: ClipExplanation) -> ExplainedClip:
    from reports.explained_clip import ExplainedClip, ExplainedLabel

    return ExplainedClip(
        clip_id=asked.name,
        waveform=found.waveform,
        sr=found.sr,
        hop_s=found.hop_s,
        first_s=found.first_s,
        band_hz=found.band_hz,
        networks=found.networks,
        truth=None if asked.truth is None else sorted(asked.truth),
        labels=[ExplainedLabel(**vars(label)) for label in found.labels],
    )


def _draw_filters(model: ExplainedModel) -> list[Picture]:
    """Draw windows and kernels, if the frontend learns; of the first network of several."""
    from deep.frontends.movement import read_filters
    from reports.filter_pictures import make_filter_pictures

    frontend = model.first.network_.frontend
    if not any(parameter.requires_grad for parameter in frontend.parameters()):
        return []
    filters = read_filters(frontend)
    pictures = make_filter_pictures(
        filters.responses(), frequencies_hz=filters.frequencies_hz, windows=filters.windows
    )
    if len(model.names) == 1:
        return list(pictures)
    words = f"Of the first of {len(model.names)} networks, {model.names[0]}."
    return [replace(picture, caption=f"{picture.caption} {words}") for picture in pictures]
