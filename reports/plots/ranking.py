"""Feature ranking: what matters, to which label, what says the same, what merely varies.

Conventions: tables are those of `classical.ranking_table.FeatureRanking`. Permutation is drawn in
units that the caller names, gain in log odds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.plots.style import (
    ACCENT,
    HEAT,
    INK,
    MUTED,
    PALETTE,
    new_figure,
    plain,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

NAME_LENGTH = 34
# Then numbers in cells would touch each other.
MAX_FAMILIES_WITH_NUMBERS = 16


def plot_importance(
    table: pd.DataFrame, *, names: Sequence[str], panels: Mapping[str, str]
) -> Figure:
    """Draw importance with its intervals, one panel for each kind.

    Parameters
    ----------
    table : DataFrame
        One row a feature or family, from top to bottom; for each kind the columns ``<kind>``,
        ``<kind>_low`` and ``<kind>_high``.
    names : sequence of str
        What stands beside the rows.
    panels : mapping of kind to str
        Panels from left to right, with what is written under their axes.

    Returns
    -------
    Figure
        Filled dots have an interval above 0, open ones have not.
    """
    figure = new_figure(width=10.2, height=1.5 + 0.235 * len(table))
    axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    heights = np.arange(len(table))[::-1]
    for ax, (kind, words) in zip(axes, panels.items(), strict=True):
        value, low, high = (table[kind + end].to_numpy(float) for end in ("", "_low", "_high"))
        sure = low > 0
        ax.axvline(0, color=MUTED, linewidth=1.0, zorder=0)
        known = np.isfinite(low)
        ax.hlines(heights[known], low[known], high[known], color=ACCENT, linewidth=1.8, alpha=0.55)
        ax.plot(value[sure], heights[sure], "o", color=ACCENT, markersize=6)
        ax.plot(value[~sure], heights[~sure], "o", color=ACCENT, markerfacecolor="white",
                markersize=6)  # fmt: skip
        ax.set(ylim=(-0.7, len(table) - 0.3), xlabel=words)
        tidy(ax, grid="x")
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(heights, [plain(name, limit=NAME_LENGTH) for name in names])
    _add_legend(figure)
    return figure


def _add_legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    faces = {"beyond chance: the interval is above 0": ACCENT, "may be chance": "white"}
    handles = [
        Line2D([], [], color=ACCENT, marker="o", markerfacecolor=face, markersize=6, label=words,
               linewidth=1.8)
        for words, face in faces.items()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9,
                  labelcolor=INK)  # fmt: skip


def plot_label_gains(shares: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which family tells which label.

    Parameters
    ----------
    shares : DataFrame
        Labels (rows) by families (columns), in %.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        The darker, the larger the share.
    """
    values = shares.to_numpy(float)
    n_labels, n_families = values.shape
    if ax is None:
        cell = 0.62 if n_families <= MAX_FAMILIES_WITH_NUMBERS else 0.32
        ax = new_figure(width=3.6 + cell * n_families, height=1.6 + 0.3 * n_labels).subplots()
    most = max(float(np.nanmax(values, initial=0.0)), 1.0)
    image = ax.imshow(values, cmap=_heat(), vmin=0, vmax=most, aspect="auto")
    if n_families <= MAX_FAMILIES_WITH_NUMBERS:
        for row, column in np.argwhere(values >= 0.5):
            colour = "white" if values[row, column] / most > 0.6 else INK
            ax.text(column, row, f"{values[row, column]:.0f}", ha="center", va="center", size=8.5,
                    color=colour)  # fmt: skip
    ax.set_xticks(range(n_families), [plain(name) for name in shares.columns], rotation=45,
                  ha="right", rotation_mode="anchor")  # fmt: skip
    ax.set_yticks(range(n_labels), [plain(name) for name in shares.index])
    ax.set(xlabel="Family of features", ylabel="Label")
    tidy(ax)
    _finish_heat(ax, image, "Share of the label's gain (%)")
    return ax


def plot_clusters(
    correlation: pd.DataFrame, *, clusters: Sequence[int], ax: Axes | None = None
) -> Axes:
    """Draw the correlation of features that lie in clusters.

    Parameters
    ----------
    correlation : DataFrame of shape (n_features, n_features)
        Spearman's; features of one cluster side by side.
    clusters : sequence of int
        Cluster of each.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        Clusters are framed.
    """
    from matplotlib.patches import Rectangle

    size = len(correlation)
    if ax is None:
        side = max(3.0, 0.19 * size)
        ax = new_figure(width=side + 3.6, height=side + 1.1).subplots()
    image = ax.imshow(np.abs(correlation.to_numpy(float)), cmap=_heat(), vmin=0, vmax=1)
    numbers, starts, counts = np.unique(clusters, return_index=True, return_counts=True)
    for start, count in zip(starts, counts, strict=True):
        frame = Rectangle((start - 0.5, start - 0.5), count, count, fill=False, linewidth=1.8,
                          edgecolor=PALETTE[1])  # fmt: skip
        ax.add_patch(frame)
    ax.set_yticks(range(size), [plain(name, limit=NAME_LENGTH) for name in correlation.index])
    ax.set_xticks(starts + (counts - 1) / 2, [str(number) for number in numbers])
    ax.set(xlabel="Cluster")
    tidy(ax)
    ax.tick_params(axis="y", labelsize=7.5)
    _finish_heat(ax, image, "Absolute rank correlation (0 to 1)")
    return ax


def plot_variance(features: pd.DataFrame, *, named: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw how much features vary against how much they matter.

    Parameters
    ----------
    features : DataFrame
        With ``feature``, ``spread`` and ``gain``.
    named : sequence of str
        Features whose names are written.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        One dot a feature.
    """
    if ax is None:
        ax = new_figure(width=8.6, height=5.0).subplots()
    ax.plot(features["spread"], features["gain"], "o", color=ACCENT, alpha=0.35, markersize=5,
            markeredgewidth=0, rasterized=len(features) > 2000)  # fmt: skip
    shown = features[features["feature"].isin(named)]
    ax.plot(shown["spread"], shown["gain"], "o", color=PALETTE[3], markersize=6)
    _write_names(ax, shown)
    ax.set(xlabel="Spread: interquartile range as a share of the range (no unit)",
           ylabel="Gain: mean contribution (log odds)", xlim=(-0.02, None))  # fmt: skip
    return tidy(ax, grid="both")


def _write_names(ax: Axes, shown: pd.DataFrame) -> None:
    """Write names beside dots, one above the other where dots lie together."""
    left, right = ax.get_xlim()
    bottom, top = ax.get_ylim()
    placed: list[tuple[float, float]] = []
    for name, x, y in shown.sort_values("gain")[["feature", "spread", "gain"]].itertuples(
        index=False
    ):
        near = [height for place, height in placed if abs(place - x) < 0.3 * (right - left)]
        height = max([y + 0.025 * (top - bottom), *(h + 0.045 * (top - bottom) for h in near)])
        placed.append((x, height))
        on_right = x > (left + right) / 2
        ax.annotate(
            plain(name, limit=NAME_LENGTH), (x, y), xytext=(x, height),
            ha="right" if on_right else "left", va="bottom", fontsize=8.5, color=INK,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6,
                        "relpos": (1.0 if on_right else 0.0, 0.0)},
        )  # fmt: skip


def _heat() -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("timbrestack", HEAT)


def _finish_heat(ax: Axes, image: AxesImage, words: str) -> None:
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    colours = ax.figure.colorbar(image, ax=ax, shrink=0.8, aspect=30, pad=0.02)
    colours.set_label(words, color=INK, size=9)
    colours.ax.tick_params(labelsize=8, colors=INK)
    colours.outline.set_visible(False)
