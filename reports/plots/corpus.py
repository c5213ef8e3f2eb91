"""What corpora hold: numbers per label, labels per clip, durations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.plots.style import INK, MUTED, PALETTE, label_style, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More rows than this stand in two columns, so that a figure is not several screens high.
MAX_ROWS = 40
# Where the largest number is this many times the smallest, small ones vanish on a straight scale.
LOG_RATIO = 30

NAME_LENGTH = 34
_BAR = "#b9d7ea"
# Behind numbers, so that no line runs through them.
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
_STEPS = (1, 2, 5, 10)


def plot_label_numbers(
    numbers: Mapping[str, Mapping[str, float | None]],
    *,
    labels: Sequence[str],
    axis_name: str,
    straight: bool = False,
    reference: float | None = None,
    figure: Figure | None = None,
) -> Figure:
    """Draw one row per label with a dot for each series, such as each corpus or each split.

    Parameters
    ----------
    numbers : mapping of series to {label: number}
        At least 0; None and missing labels have no dot.
    labels : sequence of str
        Rows from top to bottom.
    axis_name : str
        What the numbers are, with their unit.
    straight : bool
        Never use a logarithmic scale, so that zeros are seen.
    reference : float, optional
        A number to compare with, drawn as a line.
    figure : Figure, optional
        Where to draw; a new one if None.

    Returns
    -------
    Figure
        Two columns of rows above `MAX_ROWS` labels; a logarithmic scale, on which zeros have no
        dot, where numbers span more than `LOG_RATIO` (see `spans_decades`).
    """
    n_columns = 1 if len(labels) <= MAX_ROWS else 2
    n_rows = int(np.ceil(len(labels) / n_columns))
    row_height = 0.29 if n_columns == 1 else 0.165
    if figure is None:
        figure = new_figure(
            width=8.2 if n_columns == 1 else 10.2, height=1.15 + row_height * max(n_rows, 2)
        )
    given = [value for row in numbers.values() for value in row.values() if value]
    is_log = spans_decades(given) and not straight
    axes = np.atleast_1d(figure.subplots(1, n_columns, sharex=True))
    for column, ax in enumerate(axes):
        shown = labels[column * n_rows : (column + 1) * n_rows]
        _draw_rows(ax, numbers, shown, is_log=is_log)
        # Empty rows at the end of the last column keep its rows as high as the others'.
        ax.set(ylim=(n_rows - 0.4, -0.6))
        ax.tick_params(axis="y", labelsize=9 if n_columns == 1 else 7.5)
        _scale(ax, given, is_log=is_log)
        if reference is not None:
            ax.axvline(reference, color=INK, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
    figure.supxlabel(axis_name, size=10, color=INK)
    if len(numbers) > 1:
        _add_legend(figure, axes[0])
    return figure


def spans_decades(numbers: Iterable[float | None]) -> bool:
    """Tell whether numbers differ so much that they need a logarithmic scale.

    Parameters
    ----------
    numbers : iterable of float or None
        At least 0.

    Returns
    -------
    bool
        True if the largest is more than `LOG_RATIO` times the smallest above 0.
    """
    given = [value for value in numbers if value]
    return bool(given) and max(given) > LOG_RATIO * min(given)


def plot_labels_per_clip(
    counts: Mapping[str, Mapping[str, int]], *, ax: Axes | None = None
) -> Axes:
    """Draw how many clips have no label, one, two and so on, as shares of each corpus.

    Parameters
    ----------
    counts : mapping of corpus to {number of labels: clips}
        Numbers of labels as text, as JSON has them.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        Bars side by side, one colour for each corpus.
    """
    from matplotlib.ticker import MaxNLocator

    found = [int(number) for row in counts.values() for number in row] or [0]
    numbers = np.arange(min(found), max(found) + 1)
    if ax is None:
        width = float(np.clip(4.4 + 0.5 * len(numbers), 6.4, 10.2))
        ax = new_figure(width=width, height=3.4).subplots()
    width = 0.8 / max(len(counts), 1)
    for place, (name, row) in enumerate(counts.items()):
        values = np.array([row.get(str(number), 0) for number in numbers])
        shares = 100 * values / max(values.sum(), 1)
        centres = numbers + (place - (len(counts) - 1) / 2) * width
        ax.bar(centres, shares, width=0.92 * width, color=PALETTE[place % len(PALETTE)],
               label=plain(name, limit=NAME_LENGTH))  # fmt: skip
        if len(counts) == 1:
            for centre, share, value in zip(centres[values > 0], shares[values > 0],
                                            values[values > 0], strict=True):  # fmt: skip
                ax.annotate(f"{value:,}", (centre, share), (0, 3), ha="center", size=8.5,
                            color=INK, textcoords="offset points")  # fmt: skip
    ax.set(xlabel="Labels of a clip (number)", ylabel="Share of the clips (%)")
    ax.margins(y=0.12)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    tidy(ax, grid="y")
    if len(counts) > 1:
        ax.legend(frameon=False, fontsize=9, labelcolor=INK)
    return ax


def plot_durations(
    durations: Mapping[str, Mapping[str, Any]], *, figure: Figure | None = None
) -> Figure:
    """Draw how long clips are, one panel per corpus over one axis.

    Parameters
    ----------
    durations : mapping of corpus to {"edges_s", "counts", "median_s", "clips"}
        Histograms, with edges in seconds.
    figure : Figure, optional
        Where to draw; a new one if None.

    Returns
    -------
    Figure
        Durations on a logarithmic axis, the median as a line.
    """
    from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

    if figure is None:
        figure = new_figure(width=8.2, height=0.9 + 1.65 * len(durations))
    axes = np.atleast_1d(figure.subplots(len(durations), 1, sharex=True))
    low = min(found["edges_s"][0] for found in durations.values())
    high = max(found["edges_s"][-1] for found in durations.values())
    # At least a decade, so that equal clips are a bar and not a wall.
    middle, half = np.sqrt(low * high), max(np.sqrt(high / low) * 1.06, np.sqrt(10))
    for place, (ax, (name, found)) in enumerate(zip(axes, durations.items(), strict=True)):
        ax.stairs(found["counts"], found["edges_s"], fill=True, alpha=0.85,
                  color=PALETTE[place % len(PALETTE)])  # fmt: skip
        median = found["median_s"]
        ax.axvline(max(median, low), color=INK, linewidth=1.3, linestyle=(0, (4, 2)))
        title = (
            f"{plain(name, limit=NAME_LENGTH)}: {found['clips']:,} clips, median {median:,.3g} s"
        )
        ax.set_title(title, loc="left", color=INK, size=10)
        ax.set(xscale="log", xlim=(middle / half, middle * half), ylabel="Clips (number)")
        ax.margins(y=0.1)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=4, steps=_STEPS))
        ax.yaxis.set_major_formatter(_plain_number)
        tidy(ax, grid="y")
    ticks = _readable_ticks(middle / half, middle * half)
    axes[-1].set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
    axes[-1].xaxis.set_minor_locator(NullLocator())
    axes[-1].xaxis.set_minor_formatter(NullFormatter())
    axes[-1].set_xlabel("Duration of a clip (s)")
    return figure


def _draw_rows(
    ax: Axes,
    numbers: Mapping[str, Mapping[str, float | None]],
    labels: Sequence[str],
    *,
    is_log: bool,
) -> None:
    alone = len(numbers) == 1
    for place, (name, row) in enumerate(numbers.items()):
        colour, marker = label_style(place)
        found = [(row.get(label), height) for height, label in enumerate(labels)]
        points = np.array([pair for pair in found if pair[0] or (pair[0] == 0 and not is_log)])
        values, heights = points.reshape(-1, 2).T
        # Dots at zero are drawn whole; a line without dots would then lie outside of the axes.
        ax.plot(values, heights, marker, color=colour, markersize=6, alpha=0.9,
                markeredgecolor="white", markeredgewidth=0.5, clip_on=not len(points),
                linestyle="none", label=plain(name, limit=NAME_LENGTH))  # fmt: skip
        # On a logarithmic scale bars have no zero to start from.
        if alone and not is_log:
            ax.barh(heights, values, height=0.62, color=_BAR, linewidth=0)
        for value, height in zip(values, heights, strict=True) if alone else ():
            ax.annotate(_written(value), (value, height), (6, 0), va="center", size=7.5,
                        color=MUTED, textcoords="offset points", bbox=_PAPER)  # fmt: skip
    ax.set_yticks(range(len(labels)), [plain(label, limit=NAME_LENGTH) for label in labels])
    # Rows need a line to follow where no bar leads from the name to the number.
    tidy(ax, grid="x" if alone and not is_log else "both")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _scale(ax: Axes, given: Sequence[float], *, is_log: bool) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    if not is_log:
        ax.set_xlim(0, 1.14 * max(given, default=1.0))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=_STEPS))
        ax.xaxis.set_major_formatter(_plain_number)
        return
    low, high = min(given), max(given)
    ax.set(xscale="log", xlim=(low / 1.3, high * (high / low) ** 0.14))
    decades = np.log10(high / low)
    subs = (1.0,) if decades > 2.5 else (1.0, 3.0)
    ax.xaxis.set_major_locator(LogLocator(subs=subs))
    ax.xaxis.set_major_formatter(_plain_number)
    ax.xaxis.set_minor_formatter(NullFormatter())


def _add_legend(figure: Figure, ax: Axes) -> None:
    handles, names = ax.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=min(len(names), 6),
                  frameon=False, fontsize=9, labelcolor=INK, handletextpad=0.3)  # fmt: skip


def _readable_ticks(low: float, high: float) -> list[float]:
    """Give 1, 2 and 5 of each decade within two bounds; over many decades only the ones."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = (1, 2, 5) if np.log10(high / low) < 3.5 else (1,)
    ticks = [float(f"{step}e{decade}") for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def _plain_number(value: float, _position: float) -> str:
    return f"{value:,g}"


def _written(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:.3g}"
