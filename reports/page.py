"""The report: one page that opens offline, with its numbers, figures and tables beside it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from reports.ablation import ablation_table
from reports.answer import describe_evaluation, describe_quality, list_cautions
from reports.evaluation import HEADLINE, EvaluatedRows, evaluate, evaluated_rows
from reports.metrics.named import METRICS, check_metrics
from reports.nuisance import nuisance_table
from reports.pictures import Picture, make_pictures
from reports.projections import METHODS
from reports.results import Results, read_results
from reports.staging import check_replaceable, staged_directory
from reports.tables import clips_table, comparison_table, labels_table, models_table, worst_clips

# Both must be there before an old report is replaced: an index.html alone may be anyone's.
_MARKERS = ("index.html", "metrics.json")

DASH = "\N{EN DASH}"

METRIC_TITLES = {
    **{name: metric.title for name, metric in METRICS.items()},
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "ap": "AP",
    "roc_auc": "ROC AUC",
}
# Hamming loss stays in metrics.json: where labels are rare, silence scores well in it.
_SHOWN = {
    "single-label": ("macro_f1", "accuracy", "map", "lrap", "macro_roc_auc", "brier", "ece"),
    "multi-label": ("macro_f1", "micro_f1", "samples_f1", "map", "lrap", "brier", "ece"),
}
_SHOWN_PER_LABEL = ("precision", "recall", "f1", "ap", "roc_auc", "brier", "ece")


def create_report(
    sources: Sequence[str | Path],
    out_dir: str | Path,
    *,
    title: str | None = None,
    metrics: Sequence[str] | None = None,
    n_boot: int = 1000,
    seed: int = 0,
    methods: Sequence[str] = ("tsne", "umap", "pca"),
    progress: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Write a report of one or more results.

    Parameters
    ----------
    sources : sequence of paths
        Results directories or bundles. The first is the one reported, the others are compared.
    out_dir : str or Path
        Gets ``index.html``, ``metrics.json``, ``figures/`` and ``tables/``, whole or not at all.
        An older report there is replaced.
    title : str, optional
        Heading of the page; by default the name of the first source.
    metrics : sequence of str or None
        Metrics that the tables and the picture of the models show, out of
        `reports.metrics.METRICS`; by the first of them models are compared. None means a choice by
        the task. ``metrics.json`` and the tables on disk hold all of them in any case.
    n_boot : int
        Bootstrap replicates.
    seed : int
        Seed of bootstrap and maps.
    methods : sequence of {"tsne", "umap", "pca"}
        Maps to draw.
    progress : callable, optional
        Called with a few words at each stage.

    Returns
    -------
    dict
        ``report`` (path of the page), ``evaluated_on``, ``macro_f1`` (leaf), ``sentences`` (the
        answer in words), ``cautions`` and ``figures`` (names).

    Raises
    ------
    ValueError
        If there is no source, a method or metric is unknown, or results are unsound.
    FileNotFoundError
        If a source holds no results.
    FileExistsError
        If something that is not a report stands at ``out_dir``.
    """
    if not sources:
        raise ValueError("a report needs at least one source, got none")
    if unknown := [name for name in methods if name not in METHODS]:
        raise ValueError(f"methods must be among {list(METHODS)}, got {unknown}")
    shown = None if metrics is None else check_metrics(metrics)
    check_replaceable(out_dir, markers=_MARKERS)
    tell = progress or (lambda words: None)
    read: dict[str, Results] = {}
    for source in sources:
        tell(f"reading {Path(source).name}")
        read[_source_name(Path(source), read)] = read_results(source)
    evaluations = {}
    for name, results in read.items():
        tell(f"evaluating {name}")
        ranked = [*(shown or [HEADLINE]), *METRICS]
        evaluations[name] = evaluate(results, metrics=ranked, n_boot=n_boot, seed=seed)
    main = next(iter(read))
    results, evaluation = read[main], evaluations[main]
    rows = evaluated_rows(results)
    with staged_directory(out_dir, markers=_MARKERS) as staging:
        (staging / "figures").mkdir()
        pictures = []
        for picture in make_pictures(
            results, rows, evaluation, metrics=shown, methods=methods, seed=seed
        ):
            tell(f"drawing {picture.name}")
            pictures.append(_save_picture(picture, staging / "figures"))
        tell("writing the page")
        clips = clips_table(rows, classes=results.classes)
        _write_tables(staging / "tables", evaluations, clips, results.card)
        _write_metrics(staging / "metrics.json", evaluations)
        answer = _answer(results, rows, evaluation)
        page = render_page(
            title=title or main,
            results=results,
            evaluations=evaluations,
            answer=answer,
            pictures=pictures,
            worst=worst_clips(clips),
            shown=shown,
        )
        (staging / "index.html").write_text(page, encoding="utf-8")
    return {
        "report": str(Path(out_dir) / "index.html"),
        "evaluated_on": evaluation["evaluated_on"],
        "macro_f1": evaluation["models"]["stack"]["macro_f1"],
        **answer,
        "figures": [picture["name"] for picture in pictures],
    }


def render_page(
    *,
    title: str,
    results: Results,
    evaluations: dict[str, dict[str, Any]],
    answer: dict[str, list[str]],
    pictures: Sequence[dict[str, str]],
    worst: pd.DataFrame,
    shown: Sequence[str] | None = None,
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    title : str
        Heading.
    results : Results
        The results reported.
    evaluations : dict of str to dict
        By source, the reported one first.
    answer : dict
        ``sentences`` and ``cautions``.
    pictures : sequence of dict
        ``section``, ``name``, ``title``, ``caption`` and ``image`` (a data URI).
    worst : DataFrame
        From `reports.tables.worst_clips`.
    shown : sequence of str or None
        Metrics in the tables; None means a choice by the task.

    Returns
    -------
    str
        A page that refers to nothing outside itself. All text is escaped.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(score=_score, interval=_interval, breakable=_breakable, tied=_tied)
    main = next(iter(evaluations))
    return environment.get_template("index.html").render(
        title=title,
        results=results,
        evaluation=evaluations[main],
        evaluations=evaluations,
        answer=answer,
        pictures=pictures,
        worst=worst.to_dict("records"),
        shown=shown or _SHOWN[results.task],
        shown_per_label=_SHOWN_PER_LABEL,
        titles=METRIC_TITLES,
        facts=_facts(results.card),
        nuisance=results.card.get("nuisance"),
        ablation=results.card.get("ablation"),
    )


def _source_name(source: Path, taken: dict[str, Results]) -> str:
    resolved = source.resolve()
    name = resolved.parent.name if resolved.name == "results" else resolved.name
    free, number = name, 2
    while free in taken:
        free, number = f"{name} ({number})", number + 1
    return free


def _save_picture(picture: Picture, directory: Path) -> dict[str, str]:
    from reports.plots.style import save_figure

    save_figure(picture.figure, directory, picture.name)
    # As an image, not inline: no clash of ids between figures, and nothing in one can run.
    drawing = base64.b64encode((directory / f"{picture.name}.svg").read_bytes()).decode("ascii")
    return {
        "section": picture.section,
        "name": picture.name,
        "title": picture.title,
        "caption": picture.caption,
        "image": f"data:image/svg+xml;base64,{drawing}",
    }


def _write_tables(
    directory: Path,
    evaluations: dict[str, dict[str, Any]],
    clips: pd.DataFrame,
    card: dict[str, Any],
) -> None:
    directory.mkdir()
    evaluation = next(iter(evaluations.values()))
    tables = {
        "models": models_table(evaluation),
        "labels": labels_table(evaluation),
        "clips": clips,
        "worst_clips": worst_clips(clips, limit=100),
    }
    if (audit := card.get("nuisance")) and audit["together"]:
        tables["nuisance"] = nuisance_table(audit)
    if ablation := card.get("ablation"):
        tables["ablation"] = ablation_table(ablation)
    if len(evaluations) > 1:
        tables["comparison"] = comparison_table(evaluations)
    for name, table in tables.items():
        table.to_csv(directory / f"{name}.csv", index=False, float_format="%.6g")


def _write_metrics(path: Path, evaluations: dict[str, dict[str, Any]]) -> None:
    (_, main), *others = evaluations.items()
    content = {**main, "others": dict(others)} if others else main
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _answer(
    results: Results, rows: EvaluatedRows, evaluation: dict[str, Any]
) -> dict[str, list[str]]:
    comparison = evaluation["comparison"]
    gains = [
        comparison[key]["sentence"]
        for key in ("stack_vs_best_member", "stack_vs_average")
        if key in comparison
    ]
    return {
        "sentences": [
            describe_quality(evaluation),
            *gains,
            describe_evaluation(evaluation, elsewhere=bool(results.card.get("elsewhere"))),
        ],
        "cautions": list_cautions(results, rows, evaluation),
    }


def _facts(card: dict[str, Any]) -> dict[str, str]:
    """Return what the card says of how the stack was made, as lines of text."""
    wanted = {
        "members": "Members",
        "feature_set": "Feature set",
        "seed": "Seed",
        "thresholds": "Thresholds",
        "counts": "Counts",
        "failures": "Clips not readable",
        "versions": "Versions",
    }
    return {
        words: _line(card[key]) for key, words in wanted.items() if card.get(key) not in (None, {})
    }


def _line(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_line(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_line(item) for item in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _score(leaf: dict[str, float | None] | float | None) -> str:
    value = leaf["value"] if isinstance(leaf, dict) else leaf
    return DASH if value is None else f"{value:.3f}"


def _breakable(text: object) -> Markup:
    """Return a long path or name that may wrap after its separators."""
    parts = re.split(r"(?<=[/_-])", str(text))
    return Markup("<wbr>").join(parts)


def _tied(text: str) -> str:
    """Return a sentence that never breaks between a number and its percent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _interval(leaf: dict[str, float | None]) -> str:
    if leaf["low"] is None or leaf["high"] is None:
        return ""
    return f"{leaf['low']:.3f} to {leaf['high']:.3f}"
