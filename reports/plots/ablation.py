"""What each part adds to the stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.metrics.named import METRICS
from reports.plots.style import ACCENT, DASH, INK, MUTED, PALETTE, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colour and marker: the stack is surely better with the part, surely worse, or it cannot be told.
_KINDS = {
    "help": (ACCENT, "o", True, "better with it"),
    "nil": (INK, "o", False, "may add nothing"),
    "hurt": (PALETTE[3], "D", True, "worse with it"),
}


def plot_ablation(found: Mapping[str, Any], *, ax: Axes | None = None) -> Axes:
    """Draw the gain of each part, with its interval.

    Parameters
    ----------
    found : mapping
        As described in `reports.ablation`.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        Members above views, the greatest gain on top; right of zero the part helps.
    """
    metric = found["metrics"][0]
    parts = sorted(
        found["parts"],
        key=lambda part: (part["kind"] == "view", -(part["gain"][metric]["value"] or 0.0)),
    )
    if ax is None:
        ax = new_figure(width=8.2, height=1.7 + 0.36 * len(parts)).subplots()
    heights = np.arange(len(parts))[::-1]
    shown = set()
    for height, part in zip(heights, parts, strict=True):
        shown.add(_draw_gain(ax, height, part["gain"][metric]))
    ax.axvline(0, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=0)
    ax.set_yticks(heights, [f"without {plain(part['part'])}" for part in parts])
    ax.set_ylim(-0.6, len(parts) - 0.4)
    ax.margins(x=0.08)
    ax.set_xlabel(f"What the part adds: {METRICS[metric].title} of the stack, with minus without")
    if METRICS[metric].lower_is_better:
        ax.set_xlabel(f"What the part takes off the stack's {METRICS[metric].title}")
    _add_legend(ax, shown)
    tidy(ax, grid="x")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def _draw_gain(ax: Axes, height: float, gain: Mapping[str, float | None]) -> str:
    value, low, high = gain["value"], gain["low"], gain["high"]
    if value is None:
        ax.text(0, height, f" {DASH}", ha="left", va="center", color=MUTED)
        return "nil"
    kind = "nil"
    if low is not None and high is not None:
        kind = "help" if low > 0 else "hurt" if high < 0 else "nil"
    colour, marker, filled, _ = _KINDS[kind]
    if low is not None and high is not None:
        ax.plot([low, high], [height, height], color=colour, linewidth=2, solid_capstyle="butt")
    face = colour if filled else "white"
    ax.plot(value, height, marker, color=colour, markerfacecolor=face, markersize=7)
    text = f"{value:+.3f}".replace("-0.000", "0.000").replace("+0.000", "0.000")
    ax.annotate(text, (1.02, height), xycoords=("axes fraction", "data"), va="center",
                fontsize=9, color=INK, annotation_clip=False)  # fmt: skip
    return kind


def _add_legend(ax: Axes, shown: set[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, linewidth=2, label=f"the stack is {words}"
               if kind != "nil" else f"it {words}",
               markerfacecolor=colour if filled else "white", markersize=7)
        for kind, (colour, marker, filled, words) in _KINDS.items()
        if kind in shown
    ]  # fmt: skip
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, frameon=False,
        fontsize=9, labelcolor=INK,
    )  # fmt: skip
