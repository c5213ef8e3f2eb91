"""Maps of clips in the plane, coloured by what is heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from reports.plots.style import (
    ACCENT,
    FAINT,
    INK,
    MAX_VECTOR_POINTS,
    label_style,
    new_figure,
    plain,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEGEND_ROWS = 21


def plot_projection(
    points: ArrayLike,
    truth: ArrayLike,
    *,
    classes: Sequence[str],
    axis_names: Sequence[str] = ("", ""),
    ax: Axes | None = None,
) -> Axes:
    """Draw one map with every label in its own colour and marker, for rows of one label.

    Parameters
    ----------
    points : array of shape (n_samples, 2)
        Coordinates.
    truth : array of shape (n_samples, n_labels)
        1, 0 or -1; a row without exactly one 1 is drawn in grey.
    classes : sequence of str
        Names of the labels.
    axis_names : two str
        Names of the axes.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        The axes.
    """
    points, positive = np.asarray(points), np.asarray(truth) == 1
    shown = np.flatnonzero(positive.any(axis=0)).tolist()
    columns = int(np.ceil(max(len(shown), 1) / _LEGEND_ROWS))
    if ax is None:
        ax = new_figure(width=7.6 + 1.5 * columns, height=6.2).subplots()
    single = positive.sum(axis=1) == 1
    raster = len(points) > MAX_VECTOR_POINTS
    size = float(np.clip(24000 / max(len(points), 1), 11, 36))
    others = points[~single]
    if len(others):
        ax.scatter(
            others[:, 0],
            others[:, 1],
            s=size,
            color=FAINT,
            linewidths=0,
            rasterized=raster,
            label="other",
        )
    for number in shown:
        colour, marker = label_style(number)
        own = points[single & positive[:, number]]
        ax.scatter(
            own[:, 0],
            own[:, 1],
            s=size,
            color=colour,
            marker=marker,
            alpha=0.85,
            linewidths=0.3,
            edgecolors="white",
            rasterized=raster,
            label=f"{plain(classes[number])} ({len(own)})",
        )
    _frame(ax, axis_names)
    legend = ax.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=9,
        ncols=columns,
        labelcolor=INK,
        handletextpad=0.3,
    )
    for handle in legend.legend_handles:
        handle.set(sizes=[38])  # type: ignore[union-attr]
    return ax


def plot_projection_by_label(
    points: ArrayLike,
    truth: ArrayLike,
    *,
    classes: Sequence[str],
    axis_names: Sequence[str] = ("", ""),
    figure: Figure | None = None,
) -> Figure:
    """Draw one small map per label, its clips before all others in grey, for rows of many labels.

    Parameters
    ----------
    points, truth, classes, axis_names
        As in `plot_projection`.
    figure : Figure, optional
        Where to draw; a new one if None.

    Returns
    -------
    Figure
        The figure.
    """
    points, truth = np.asarray(points), np.asarray(truth)
    shown = np.flatnonzero((truth == 1).any(axis=0)).tolist()
    columns = min(4 if len(shown) <= 16 else 6, max(len(shown), 1))
    rows = int(np.ceil(max(len(shown), 1) / columns))
    cell = 2.35 if columns <= 4 else 1.6
    if figure is None:
        figure = new_figure(width=max(columns * cell, 4.0), height=rows * (cell + 0.2) + 0.35)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    size = float(np.clip(3000 / max(len(points), 1), 2.5, 14))
    for ax, number in zip(axes, shown, strict=False):
        own = truth[:, number] == 1
        # Always a picture: every map holds all points again.
        ax.scatter(
            points[~own, 0],
            points[~own, 1],
            s=size * 0.7,
            color=FAINT,
            linewidths=0,
            rasterized=True,
        )
        ax.scatter(
            points[own, 0],
            points[own, 1],
            s=size,
            color=ACCENT,
            linewidths=0,
            alpha=0.8,
            rasterized=True,
        )
        ax.set_title(f"{plain(classes[number], limit=18)} ({own.sum()})")
        _frame(ax, ("", ""))
        ax.title.set_size(9)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    figure.supxlabel(axis_names[0], size=10, color=INK)
    figure.supylabel(axis_names[1], size=10, color=INK)
    return figure


def _frame(ax: Axes, axis_names: Sequence[str]) -> None:
    # Distances on a map have no unit, so ticks would only pretend to one.
    ax.set(xticks=[], yticks=[], xlabel=axis_names[0], ylabel=axis_names[1])
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.04)
    tidy(ax)
