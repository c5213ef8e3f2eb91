"""Which pictures a report has, and what stands under each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from reports.ablation import picture_ablation
from reports.evaluation import EvaluatedRows
from reports.metrics.decisions import cooccurrence
from reports.metrics.named import METRICS
from reports.picture import Picture, interval_words
from reports.projections import MAX_POINTS, METHODS, MIN_POINTS, draw_points, project
from reports.reliability_pictures import picture_calibration, picture_reliability
from reports.results import OTHER_AVERAGES, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Rows of several labels cannot have one colour: above this share every label gets its own map.
MANY_LABELS_SHARE = 0.1

MAX_PANELS = 4
MODEL_PANELS = {"macro_f1": "Macro F1", "micro_f1": "Micro F1", "map": "Mean average precision"}


def make_pictures(
    results: Results,
    rows: EvaluatedRows,
    evaluation: dict[str, Any],
    *,
    methods: Sequence[str],
    seed: int,
    metrics: Sequence[str] | None = None,
) -> Iterator[Picture]:
    """Draw all pictures of a report, one at a time.

    Parameters
    ----------
    results : Results
        The results.
    rows : EvaluatedRows
        Their evaluated rows.
    evaluation : dict
        Their evaluation.
    methods : sequence of {"tsne", "umap", "pca"}
        How maps are made.
    seed : int
        Seed of the maps.
    metrics : sequence of str or None
        Panels of the picture of the models, at most four; None means a choice by the task.

    Yields
    ------
    Picture
        In the order of the page.
    """
    yield _models(evaluation, metrics)
    yield from picture_ablation(results)
    yield _label_metrics(evaluation)
    yield _roc(results, rows, evaluation)
    yield picture_reliability(evaluation)
    yield from picture_calibration(results)
    yield _mistakes(results, rows)
    yield from _nuisance(results, evaluation)
    yield from _maps(results, methods, seed)
    yield from _trainings(results)


def _models(evaluation: dict[str, Any], metrics: Sequence[str] | None) -> Picture:
    from reports.plots.models import plot_models

    panels = dict(MODEL_PANELS)
    if evaluation["task"] == "single-label":
        panels["micro_f1"] = "Accuracy"
    if metrics is not None:
        panels = {name: METRICS[name].title for name in metrics[:MAX_PANELS]}
    shown = {name: of for name, of in evaluation["models"].items() if name not in OTHER_AVERAGES}
    has_lines = evaluation["bootstrap"]["n_boot"] > 0
    compare = (
        " Whether two models differ is not read from overlapping lines but from the paired "
        "differences at the top."
    )
    return Picture(
        "models",
        "models",
        "The stack beside its members, their average and chance",
        f"Filled: the stack. {_better_words(panels)}{interval_words(evaluation)}"
        + (compare if has_lines else "")
        + (" Other averages stand in the table." if len(shown) < len(evaluation["models"]) else ""),
        plot_models(shown, metrics=panels),
    )


def _better_words(panels: Mapping[str, str]) -> str:
    lower = [title for name, title in panels.items() if METRICS[name].lower_is_better]
    return f"{' and '.join(lower)}: the lower the better. " if lower else ""


def _label_metrics(evaluation: dict[str, Any]) -> Picture:
    from reports.plots.labels import plot_per_label_metrics

    return Picture(
        "labels",
        "per_label_metrics",
        "How well each label is found",
        "Labels by F1, with the number of evaluated clips that have them. "
        f"{interval_words(evaluation)} A dot without a line: too few groups hold the label. "
        "A dash: not measurable here.",
        plot_per_label_metrics(evaluation["labels"], positives=evaluation["counts"]["positives"]),
    )


def _roc(results: Results, rows: EvaluatedRows, evaluation: dict[str, Any]) -> Picture:
    from reports.plots.curves import plot_roc

    areas = {label: leaves["roc_auc"]["value"] for label, leaves in evaluation["labels"].items()}
    ax = plot_roc(rows.truth, rows.scores["stack"], classes=results.classes, areas=areas)
    return Picture(
        "labels",
        "roc",
        "Hits against false alarms",
        "One curve per label from the stack's probabilities; the nearer to the upper left corner "
        "the better. Micro pools all cells, macro is the mean over labels. Where a label is rare, "
        "a good curve can still mean many false alarms: see average precision.",
        _figure_of(ax),
    )


def _mistakes(results: Results, rows: EvaluatedRows) -> Picture:
    from reports.plots.labels import plot_confusion, plot_cooccurrence

    decided = cooccurrence(rows.truth, rows.decisions["stack"])
    if results.task == "single-label":
        ax = plot_confusion(decided, classes=results.classes)
        return Picture(
            "mistakes",
            "confusion",
            "What each label is taken for",
            "Each row shows where the clips of one label went: colour is the share of the row"
            f"{_count_words(results)}. Off the diagonal are the confusions.",
            _figure_of(ax),
        )
    together = cooccurrence(rows.truth, rows.truth)
    return Picture(
        "mistakes",
        "cooccurrence",
        "Which labels are heard together, and what is decided",
        "Truth: of the clips with the label of the row, how many also have that of the column. "
        "Decisions: for how many the stack decided it. Where this is darker than the truth, the "
        f"stack hears a label that is not there. Colour is the share of the row"
        f"{_count_words(results)}.",
        plot_cooccurrence(together, decided, classes=results.classes),
    )


def _count_words(results: Results) -> str:
    from reports.plots.labels import MAX_LABELS_WITH_COUNTS

    return ", numbers are clips" if len(results.classes) <= MAX_LABELS_WITH_COUNTS else ""


def _nuisance(results: Results, evaluation: dict[str, Any]) -> Iterator[Picture]:
    from reports.plots.nuisance import plot_nuisance

    audit = results.card.get("nuisance")
    if not audit or not audit["together"]:
        return
    ax = plot_nuisance(audit, stack=evaluation["models"]["stack"]["macro_roc_auc"])
    yield Picture(
        "nuisance",
        "nuisance",
        "How far the labels can be guessed without the sound",
        "ROC AUC, the mean over labels, of a model that is shown only how the clips were recorded: "
        "all variables together, those that only the recording makes (recording alone), and each "
        "by itself. Lines are 95 % intervals by group. The stack, which hears the sound, stands "
        "above for comparison"
        f"{', on the test clips' if evaluation['evaluated_on'] == 'test' else ''}.",
        _figure_of(ax),
    )


def _maps(results: Results, methods: Sequence[str], seed: int) -> Iterator[Picture]:
    parents = results.per_parent()
    taken: set[str] = set()
    for view, table in parents.projection.groupby("view", sort=False):
        components = table.drop(columns=["view", "clip_id"]).to_numpy(float)
        usable = np.isfinite(components[:, ~np.isnan(components).all(axis=0)]).all(axis=1)
        if usable.sum() < MIN_POINTS:
            continue
        table, components = table[usable], components[usable]
        drawn = draw_points(len(table), seed=seed)
        truth = parents.truth.loc[table["clip_id"].iloc[drawn]].to_numpy()
        stem = _file_stem(str(view), taken)
        for method in methods:
            points = project(components[drawn], method=method, seed=seed)
            yield Picture(
                "maps",
                f"projection_{stem}_{method}",
                f"{_view_title(str(view))}, {METHODS[method]}",
                _map_caption(str(view), method, len(drawn), len(table), truth, seed),
                _map_figure(points, truth, results.classes, _axis_names(components, method)),
            )


def _map_figure(
    points: np.ndarray, truth: np.ndarray, classes: list[str], axis_names: tuple[str, str]
) -> Figure:
    from reports.plots.projection import plot_projection, plot_projection_by_label

    if _has_many_labels(truth):
        return plot_projection_by_label(points, truth, classes=classes, axis_names=axis_names)
    return _figure_of(plot_projection(points, truth, classes=classes, axis_names=axis_names))


def _has_many_labels(truth: np.ndarray) -> bool:
    return bool(((truth == 1).sum(axis=1) != 1).mean() > MANY_LABELS_SHARE)


def _view_title(view: str) -> str:
    return "Map of the features" if view == "features" else f"Map of the embeddings of {view}"


def _axis_names(components: np.ndarray, method: str) -> tuple[str, str]:
    if method != "pca":
        return f"{METHODS[method]} 1", f"{METHODS[method]} 2"
    variance = np.nanvar(components[:, ~np.isnan(components).all(axis=0)], axis=0)
    shares = 100 * variance[:2] / max(variance.sum(), np.finfo(float).tiny)
    names = [f"PC {number} ({share:.0f} %)" for number, share in enumerate(shares, start=1)]
    return names[0], (names + ["PC 2 (0 %)"])[1]


def _map_caption(
    view: str, method: str, n_shown: int, n_all: int, truth: np.ndarray, seed: int
) -> str:
    shown = f"{n_shown:,} clips"
    if n_shown < n_all:
        shown = f"{n_shown:,} of {n_all:,} clips, drawn at random (at most {MAX_POINTS:,})"
    words = [f"Each point is a clip: {shown}."]
    if view != "features":
        words.append("Embeddings of one network, only of clips it never saw.")
    if _has_many_labels(truth):
        words.append("One map per label, its clips coloured before all others in grey.")
    elif ((truth == 1).sum(axis=1) != 1).any():
        words.append("Grey: clips without exactly one known label.")
    words.append(
        "Shares are of the variance in the kept components."
        if method == "pca"
        else f"Neighbours mean something; distances and sizes of clouds do not. Seed {seed}."
    )
    return " ".join(words)


def _trainings(results: Results) -> Iterator[Picture]:
    from reports.plots.curves import plot_histories

    histories = results.card.get("histories")
    taken: set[str] = set()
    for name, runs in (histories if isinstance(histories, dict) else {}).items():
        if not any(len(run) > 1 for run in runs):
            continue
        yield Picture(
            "training",
            f"training_{_file_stem(str(name), taken)}",
            f"Training of {name}",
            f"{len(runs)} trainings, one line each. Training loss falling while validation loss "
            "rises would mean that the network learns the recordings by heart.",
            plot_histories(runs, name=str(name)),
        )


def _figure_of(ax: Axes) -> Figure:
    return cast("Figure", ax.figure)


def _file_stem(name: str, taken: set[str]) -> str:
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:40] or "view"
    number = 2
    free = stem
    while free.lower() in taken:
        free, number = f"{stem}-{number}", number + 1
    taken.add(free.lower())
    return free
