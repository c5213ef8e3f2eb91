"""A search in pictures: its course, what mattered, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from reports.plots.style import ACCENT, INK, MUTED, new_figure, plain, tidy
from reports.plots.tuning_trials import (
    DASHES,
    READY_MADE,
    Part,
    complete_trials,
    draw_trials,
    floor_of,
    ring_best,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_history(parts: Mapping[str, Part], *, metric: str) -> Figure:
    """Draw the score of every trial in order, and the best so far.

    Parameters
    ----------
    parts : mapping of name to part
        As described in `reports.tuning_page`.
    metric : str
        What the score is, in words.

    Returns
    -------
    Figure
        One panel a part.
    """
    figure = new_figure(width=10.2, height=3.6)
    axes = np.atleast_1d(figure.subplots(1, len(parts)))
    for ax, (name, part) in zip(axes, parts.items(), strict=True):
        complete = complete_trials(part)
        turns = [trial["turn"] for trial in complete]
        values = np.array([trial["value"] for trial in complete])
        floor = floor_of(part)
        pruned = [t for t in part["trials"] if t["state"] == "pruned" and t["value"] is not None]
        draw_trials(
            ax,
            [trial["turn"] for trial in pruned],
            [trial["value"] for trial in pruned],
            floor=floor,
            color=MUTED,
            marker="x",
            linewidths=1,
            s=22,
        )
        draw_trials(ax, turns, values, floor=floor, color=MUTED, s=22, linewidths=0)
        best = np.maximum.accumulate(values)
        end = max(trial["turn"] for trial in part["trials"])
        ax.step([*turns, end], [*best, best[-1]], where="post", color=ACCENT, linewidth=2)
        ax.axhline(part["ready_made"]["value"], color=READY_MADE, linewidth=1.4, linestyle=DASHES)
        ring_best(ax, part["best"]["turn"], part["best"]["value"])
        ax.set(title=plain(name), xlabel="Trial", ylabel=metric if ax is axes[0] else "")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlim(-0.5, max(4.5, len(part["trials"]) - 0.5))
        tidy(ax, grid="y")
    _history_legend(
        figure, any(t["state"] == "pruned" for p in parts.values() for t in p["trials"])
    )
    return figure


def _history_legend(figure: Figure, has_pruned: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=ACCENT, linewidth=2, label="best so far"),
        Line2D([], [], color=READY_MADE, linestyle=DASHES, label="ready-made settings"),
        Line2D([], [], color=MUTED, marker="o", linestyle="", markersize=5, label="trial"),
    ]
    if has_pruned:
        handles.append(
            Line2D([], [], color=MUTED, marker="x", linestyle="", markersize=5,
                   label="given up, score over the folds it had")
        )  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)


def plot_importances(parts: Mapping[str, Part]) -> Figure:
    """Draw how much of the scores' variance each setting explains.

    Parameters
    ----------
    parts : mapping of name to part
        Those that have importances.

    Returns
    -------
    Figure
        One panel a part, the most important setting on top.
    """
    most = max(len(part["importances"]) for part in parts.values())
    figure = new_figure(width=10.2, height=1.2 + 0.34 * most)
    axes = np.atleast_1d(figure.subplots(1, len(parts)))
    for ax, (name, part) in zip(axes, parts.items(), strict=True):
        ranked = sorted(part["importances"].items(), key=lambda item: item[1])
        heights = range(most - len(ranked), most)
        ax.barh(heights, [share for _, share in ranked], height=0.62, color=ACCENT)
        for height, (_, share) in zip(heights, ranked, strict=True):
            ax.text(share + 0.015, height, f"{100 * share:.0f} %", va="center", fontsize=9,
                    color=INK)  # fmt: skip
        ax.set_yticks(heights, [plain(setting) for setting, _ in ranked])
        ax.set(xlim=(0, 1.15), ylim=(-0.6, most - 0.4), title=plain(name))
        ax.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        ax.set_xlabel("Share of the variance of scores")
        tidy(ax, grid="x")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    return figure


def plot_nested(parts: Mapping[str, Part], nested: Mapping[str, Part], *, metric: str) -> Figure:
    """Draw what the best trial promises beside what the search is worth.

    Parameters
    ----------
    parts : mapping of name to part
        As searched.
    nested : mapping of name to {"tuned", "ready_made", "gain"}
        The honest scores.
    metric : str
        What the score is, in words.

    Returns
    -------
    Figure
        One row a part.
    """
    figure = new_figure(width=8.6, height=1.7 + 0.62 * len(nested))
    ax = figure.subplots()
    rows = [
        ("best trial, as chosen", MUTED, "o", "white", 0.2),
        ("search as a whole, nested", ACCENT, "s", ACCENT, 0.0),
        ("ready-made settings", READY_MADE, "D", "white", -0.2),
    ]
    for height, name in zip(range(len(nested))[::-1], nested, strict=True):
        found = nested[name]
        best = {"value": parts[name]["best"]["value"], "low": None, "high": None}
        leaves = (best, found["tuned"], found["ready_made"])
        for (label, colour, marker, face, shift), leaf in zip(rows, leaves, strict=True):
            if leaf["low"] is not None and leaf["high"] is not None:
                ends = [leaf["low"], leaf["high"]]
                ax.plot(ends, [height + shift] * 2, color=colour, linewidth=1.6)
            ax.plot(leaf["value"], height + shift, marker, color=colour, markerfacecolor=face,
                    markersize=7, label=label if height == 0 else "_")  # fmt: skip
            ax.annotate(f"{leaf['value']:.3f}", (1.01, height + shift), va="center", fontsize=8.5,
                        xycoords=("axes fraction", "data"), color=colour)  # fmt: skip
    ax.set_yticks(range(len(nested))[::-1], [plain(name) for name in nested])
    ax.set(ylim=(-0.5, len(nested) - 0.5), xlabel=metric)
    tidy(ax, grid="x")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure
