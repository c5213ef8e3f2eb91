"""Whether probabilities are what they say: shares that were true against what was predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.plots.style import ACCENT, INK, MUTED, PALETTE, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Bin = Mapping[str, Any]

# Colour, marker and whether filled, of the last curve (what is used) and of those before it.
_USED = (ACCENT, "o", True)
_OTHERS = ((PALETTE[3], "s", False), (PALETTE[2], "^", False), (PALETTE[4], "D", False))

# Of probability: what the lower panel counts in.
_WIDTH = 0.01


def plot_reliability(
    curves: Mapping[str, Sequence[Bin]], *, what: str = "clips", figure: Figure | None = None
) -> Figure:
    """Draw reliability curves, and under them how many were given each probability.

    Parameters
    ----------
    curves : mapping of name to bins
        Bins as of `reports.metrics.reliability_card.describe_reliability`; up to four curves, the
        last one filled.
    what : str
        What the bins count, for the lower axis.
    figure : Figure, optional
        Where to draw; a new one if None.

    Returns
    -------
    Figure
        The nearer a curve to the diagonal, the better; below it probabilities are too high.
    """
    if figure is None:
        figure = new_figure(width=6.4, height=6.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    upper.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 3)), label="as said")
    styles = [*_OTHERS[: len(curves) - 1], _USED]
    for (name, bins), style in zip(curves.items(), styles, strict=True):
        _draw_curve(upper, name, bins, style)
    _draw_counts(lower, curves, styles)
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Share that was true")
    lower.set(xlabel="Probability given", ylabel=f"{what.capitalize()}\nper {_WIDTH}")
    upper.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False, fontsize=9, labelcolor=INK
    )
    tidy(upper, grid="both")
    tidy(lower)
    return figure


def _draw_curve(ax: Axes, name: str, bins: Sequence[Bin], style: tuple[str, str, bool]) -> None:
    colour, marker, filled = style
    score, share = (
        np.array([found[key] for found in bins], dtype=float) for key in ("score", "share")
    )
    for found in bins:
        if found["low"] is not None and found["high"] is not None:
            ends = [found["low"], found["high"]]
            ax.plot([found["score"]] * 2, ends, color=colour, linewidth=1.4, alpha=0.55)
    counts = [found["n"] for found in bins]
    each = (
        f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"
    )
    ax.plot(
        score,
        share,
        color=colour,
        marker=marker,
        markersize=6 if filled else 7,
        markerfacecolor=colour if filled else "white",
        linewidth=1.3,
        label=f"{plain(name, limit=44)} (n per bin: {each})",
    )


def _draw_counts(
    ax: Axes, curves: Mapping[str, Sequence[Bin]], styles: Sequence[tuple[str, str, bool]]
) -> None:
    for bins, (colour, _, filled) in zip(curves.values(), styles, strict=True):
        score, n = (np.array([found[key] for found in bins], dtype=float) for key in ("score", "n"))
        # Bins are known by their mean: half way to the next is as near as an edge can be told.
        steps = np.diff(score) / 2 if len(score) > 1 else np.array([_WIDTH / 2])
        ends = max(score[0] - steps[0], 0.0), min(score[-1] + steps[-1], 1.0)
        edges = np.concatenate([ends[:1], score[:-1] + steps[: len(score) - 1], ends[1:]])
        density = n * _WIDTH / np.maximum(np.diff(edges), np.finfo(float).eps)
        if filled:
            ax.stairs(density, edges, fill=True, color=colour, alpha=0.3)
        ax.stairs(density, edges, color=colour, linewidth=1.2)
    ax.set_yscale("log")
    ax.minorticks_off()
