"""The stack beside its members, their average and chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from reports.plots.style import ACCENT, DASH, INK, MUTED, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Leaf = Mapping[str, float | None]


def plot_models(
    models: Mapping[str, Mapping[str, Leaf]],
    *,
    metrics: Mapping[str, str],
    figure: Figure | None = None,
) -> Figure:
    """Draw every model's scores with their intervals, one panel per metric.

    Parameters
    ----------
    models : mapping of name to {metric: {"value", "low", "high"}}
        As in ``metrics.json``; from top to bottom in this order.
    metrics : mapping of metric to title
        Panels from left to right.
    figure : Figure, optional
        Where to draw; a new one if None.

    Returns
    -------
    Figure
        The stack is filled, the other models are open circles.
    """
    if figure is None:
        figure = new_figure(width=10.2, height=1.15 + 0.36 * len(models))
    axes = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    heights = np.arange(len(models))[::-1]
    for ax, (metric, title) in zip(axes, metrics.items(), strict=True):
        for height, (name, scores) in zip(heights, models.items(), strict=True):
            _draw_score(ax, height, name, scores[metric])
        ax.set(xlim=(-0.05, 1.2), xticks=[0, 0.25, 0.5, 0.75, 1], ylim=(-0.6, len(models) - 0.4))
        ax.set_xticklabels(["0", "", "0.5", "", "1"])
        ax.set_title(title)
        tidy(ax, grid="x")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(heights, [plain(name) for name in models])
    return figure


def _draw_score(ax: Axes, height: float, name: str, leaf: Leaf) -> None:
    value, low, high = leaf["value"], leaf["low"], leaf["high"]
    if value is None:
        ax.text(1.18, height, DASH, ha="right", va="center", fontsize=9, color=MUTED)
        return
    colour = {"stack": ACCENT, "chance": MUTED}.get(name, INK)
    if low is not None and high is not None:
        ax.plot([low, high], [height, height], color=colour, linewidth=2, solid_capstyle="butt")
    face = colour if name == "stack" else "white"
    ax.plot(value, height, "o", color=colour, markerfacecolor=face, markersize=7)
    weight = "bold" if name == "stack" else "normal"
    ax.text(
        1.18, height, f"{value:.3f}", ha="right", va="center", fontsize=9, color=INK, weight=weight
    )
