"""How well each label is found, and what it is taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from reports.plots.style import ACCENT, DASH, HEAT, INK, MUTED, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABEL_METRICS = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "ap": "Average precision",
}
# More cells than this many labels squared cannot hold readable numbers.
MAX_LABELS_WITH_COUNTS = 24

Leaf = Mapping[str, float | None]


def plot_per_label_metrics(
    labels: Mapping[str, Mapping[str, Leaf]],
    *,
    positives: Mapping[str, int],
    figure: Figure | None = None,
) -> Figure:
    """Draw precision, recall, F1 and average precision of every label, best F1 on top.

    Parameters
    ----------
    labels : mapping of label to {metric: {"value", "low", "high"}}
        As in ``metrics.json``; None is shown as a dash.
    positives : mapping of label to int
        Clips that have the label.
    figure : Figure, optional
        Where to draw; a new one if None.

    Returns
    -------
    Figure
        One panel per metric, sharing the label axis.
    """
    ranked = sorted(labels, key=lambda name: _number(labels[name]["f1"]["value"], below=-1.0))
    if figure is None:
        figure = new_figure(width=10.2, height=0.95 + 0.29 * len(ranked))
    axes = figure.subplots(1, len(LABEL_METRICS), sharey=True)
    heights = list(range(len(ranked)))
    for ax, (metric, title) in zip(axes, LABEL_METRICS.items(), strict=True):
        for height, name in zip(heights, ranked, strict=True):
            _draw_bar(ax, height, labels[name][metric])
        ax.set(xlim=(0, 1.24), xticks=[0, 0.25, 0.5, 0.75, 1], ylim=(-0.6, len(ranked) - 0.4))
        ax.set_xticklabels(["0", "", "0.5", "", "1"])
        ax.set_title(title)
        tidy(ax, grid="x")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(heights, [f"{plain(name)}  ({positives[name]})" for name in ranked])
    return figure


def plot_confusion(counts: ArrayLike, *, classes: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw what each label is taken for.

    Parameters
    ----------
    counts : int array of shape (n_labels, n_labels)
        Clips of true label i that were decided as label j.
    classes : sequence of str
        Names of the labels.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        Colour is the share of the row, numbers are clips (up to `MAX_LABELS_WITH_COUNTS` labels).
    """
    counts = np.asarray(counts)
    if ax is None:
        side = _matrix_side(len(classes))
        ax = new_figure(width=side + 2.2, height=side + 0.9).subplots()
    _draw_matrix(ax, counts, counts.sum(axis=1), classes, ("Decided", "True label"))
    _add_colorbar([ax])
    return ax


def plot_cooccurrence(
    together: ArrayLike,
    decided: ArrayLike,
    *,
    classes: Sequence[str],
    figure: Figure | None = None,
) -> Figure:
    """Draw which labels are heard together, and beside it what is decided for each.

    Parameters
    ----------
    together : int array of shape (n_labels, n_labels)
        Clips that truly have label i and label j; the diagonal holds all clips of a label.
    decided : int array of shape (n_labels, n_labels)
        Clips that truly have label i and were decided to have label j.
    classes : sequence of str
        Names of the labels.
    figure : Figure, optional
        Where to draw; a new one if None.

    Returns
    -------
    Figure
        Two matrices; colour is the share of the clips of label i.
    """
    together, decided = np.asarray(together), np.asarray(decided)
    stacked = len(classes) > MAX_LABELS_WITH_COUNTS
    if figure is None:
        side = _matrix_side(len(classes))
        width, height = (side + 2.4, 2 * side + 3.4) if stacked else (2 * side + 2.4, side + 1.7)
        figure = new_figure(width=width, height=height)
    first, second = figure.subplots(2, 1) if stacked else figure.subplots(1, 2)
    clips = np.diag(together)
    _draw_matrix(first, together, clips, classes, ("Also heard", "True label"))
    _draw_matrix(second, decided, clips, classes, ("Decided", "True label"))
    _add_colorbar([first, second])
    if not stacked:
        second.set(yticklabels=[], ylabel="")
    first.set_title("Truth", color=INK, size=11)
    second.set_title("Decisions", color=INK, size=11)
    return figure


def _draw_bar(ax: Axes, height: float, leaf: Leaf) -> None:
    value, low, high = leaf["value"], leaf["low"], leaf["high"]
    if value is None:
        ax.text(1.22, height, DASH, ha="right", va="center", fontsize=8.5, color=MUTED)
        return
    ax.barh(height, value, height=0.62, color="#b9d7ea", linewidth=0)
    if low is not None and high is not None:
        ax.plot([low, high], [height, height], color=ACCENT, linewidth=1.6, solid_capstyle="butt")
    ax.plot(value, height, "o", color=ACCENT, markersize=4)
    ax.text(1.22, height, f"{value:.2f}", ha="right", va="center", fontsize=8.5, color=INK)


def _draw_matrix(
    ax: Axes,
    counts: np.ndarray,
    clips: np.ndarray,
    classes: Sequence[str],
    names: tuple[str, str],
) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    whole = np.broadcast_to(clips[:, None], counts.shape)
    share = np.divide(counts, whole, out=np.full(counts.shape, np.nan), where=whole > 0)
    heat = LinearSegmentedColormap.from_list("timbrestack", HEAT).with_extremes(bad="#f3f4f6")
    ax.imshow(share, cmap=heat, vmin=0, vmax=1, interpolation="nearest")
    if len(classes) <= MAX_LABELS_WITH_COUNTS:
        _write_counts(ax, counts, share)
    size = 9 if len(classes) <= MAX_LABELS_WITH_COUNTS else 7.5
    shown = [plain(name, limit=20) for name in classes]
    ax.set_xticks(range(len(classes)), shown, rotation=0 if _fits_level(shown) else 90)
    ax.set_yticks(range(len(classes)), shown)
    ax.set(xlabel=names[0], ylabel=names[1])
    tidy(ax)
    ax.tick_params(labelsize=size, length=0)
    ax.spines[:].set_visible(False)


def _fits_level(names: list[str]) -> bool:
    # About forty letters fit side by side below a matrix.
    return len(names) * max(map(len, names)) <= 40


def _add_colorbar(axes: list[Axes]) -> None:
    side = len(axes[0].get_xticks())
    colours = axes[0].figure.colorbar(
        axes[0].images[0], ax=axes, shrink=0.9 if side < 10 else 0.6, aspect=30, pad=0.02
    )
    colours.set_label("Share of the label's clips", color=INK, size=9)
    colours.ax.tick_params(labelsize=8, colors=INK)
    colours.outline.set_visible(False)


def _write_counts(ax: Axes, counts: np.ndarray, share: np.ndarray) -> None:
    size = 9 if len(counts) <= 16 and counts.max(initial=0) < 1000 else 7
    for row, column in np.argwhere(counts > 0):
        colour = "white" if share[row, column] > 0.68 else INK
        ax.text(
            column, row, f"{counts[row, column]}", ha="center", va="center", color=colour, size=size
        )


def _matrix_side(n_labels: int) -> float:
    cell = 0.36 if n_labels <= MAX_LABELS_WITH_COUNTS else 0.2
    return float(max(2.6, cell * n_labels))


def _number(value: float | None, *, below: float) -> float:
    return below if value is None else value
