"""What each searched setting did, alone and with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.plots.style import ACCENT, HEAT, INK, MUTED, new_figure, plain, tidy
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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4

# Behind text on lines.
_PAPER = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.8}


def plot_slices(part: Part, *, metric: str) -> Figure:
    """Draw the score against each setting alone.

    Parameters
    ----------
    part : mapping
        One part.
    metric : str
        What the score is, in words.

    Returns
    -------
    Figure
        One panel a setting; later trials are darker.
    """
    settings = part["settings"]
    n_columns = min(_COLUMNS, len(settings))
    n_rows = -(-len(settings) // n_columns)
    figure = new_figure(width=1.0 + 2.3 * n_columns, height=0.5 + 2.3 * n_rows)
    axes = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    complete, floor = complete_trials(part), floor_of(part)
    colours = _heat()(np.linspace(0.35, 1.0, len(complete)))
    for ax in axes.ravel()[len(settings) :]:
        ax.set_axis_off()
    for number, (ax, (name, setting)) in enumerate(
        zip(axes.ravel(), settings.items(), strict=False)
    ):
        _scale(ax, setting)
        # Dots of one choice lie side by side, in the order of the trials.
        shifts = np.linspace(-0.22, 0.22, len(complete)) if setting["choices"] else 0.0
        places = _places(setting, [trial["parameters"][name] for trial in complete]) + shifts
        values = [trial["value"] for trial in complete]
        draw_trials(ax, places, values, floor=floor, color=colours, s=24, linewidths=0)
        best = [trial["turn"] for trial in complete].index(part["best"]["turn"])
        ring_best(ax, places[best], part["best"]["value"])
        start = _places(setting, [part["ready_made"]["parameters"][name]])
        ax.axvline(start[0], color=READY_MADE, linewidth=1.2, linestyle=DASHES, zorder=0)
        ax.set(xlabel=plain(name), ylabel=metric if number % n_columns == 0 else "")
        tidy(ax, grid="y")
    return figure


def plot_parallel(part: Part, *, metric: str) -> Figure:
    """Draw every trial as a line through all of its settings.

    Parameters
    ----------
    part : mapping
        One part, of two settings or more.
    metric : str
        What the score is, in words.

    Returns
    -------
    Figure
        The best trial is thick, the ready-made settings are dashed.
    """
    settings, complete, floor = part["settings"], complete_trials(part), floor_of(part)
    figure = new_figure(width=10.2, height=3.9)
    ax = figure.subplots()
    top = max(trial["value"] for trial in complete)
    span = (top - floor) or 1.0
    for trial in sorted(complete, key=lambda trial: trial["value"]):
        share = max(0.0, (trial["value"] - floor) / span)
        heights = [*_heights(settings, trial["parameters"]), share]
        is_best = trial["turn"] == part["best"]["turn"]
        ax.plot(
            heights,
            color=ACCENT if is_best else _heat()(0.15 + 0.6 * share),
            linewidth=3 if is_best else 1.1,
            alpha=1.0 if is_best else 0.8,
            zorder=3 if is_best else 1,
        )
    start = _heights(settings, part["ready_made"]["parameters"])
    start.append(max(0.0, (part["ready_made"]["value"] - floor) / span))
    ax.plot(start, color=READY_MADE, linewidth=1.8, linestyle=DASHES, zorder=4)
    for place, setting in enumerate(settings.values()):
        ax.axvline(place, color=MUTED, linewidth=0.8, zorder=2)
        for text, height in _ticks(setting):
            ax.text(place + 0.04, height, text, fontsize=8, color=INK, va="center", zorder=5,
                    bbox=_PAPER)  # fmt: skip
    ax.axvline(len(settings), color=MUTED, linewidth=0.8, zorder=2)
    for text, height in ((f"{top:.3f}", 1.0), (f"{floor:.3f}", 0.0)):
        ax.text(len(settings) + 0.04, height, text, fontsize=8, color=INK, va="center")
    names = [*(plain(name, limit=18) for name in settings), metric]
    ax.set_xticks(range(len(names)), names)
    ax.set(xlim=(-0.1, len(settings) + 0.45), ylim=(-0.06, 1.06), yticks=[])
    tidy(ax)
    ax.spines[:].set_visible(False)
    ax.tick_params(axis="x", length=0)
    return figure


def _places(setting: Mapping[str, Any], values: Sequence[Any]) -> np.ndarray:
    if setting["choices"]:
        return np.array([float(setting["choices"].index(value)) for value in values])
    return np.array(values, dtype=float)


def _heights(settings: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> list[float]:
    """Give the place of each value between the ends of its setting, from 0 to 1."""
    heights = []
    for name, setting in settings.items():
        place = _places(setting, [given[name]])[0]
        if setting["choices"]:
            heights.append(place / max(1, len(setting["choices"]) - 1))
            continue
        ends = np.array([setting["low"], setting["high"], place], dtype=float)
        low, high, place = np.log(ends) if setting["log"] else ends
        heights.append(float(np.clip((place - low) / (high - low), 0, 1)))
    return heights


def _ticks(setting: Mapping[str, Any]) -> list[tuple[str, float]]:
    if setting["choices"]:
        steps = max(1, len(setting["choices"]) - 1)
        return [(_choice(value), k / steps) for k, value in enumerate(setting["choices"])]
    return [(f"{setting['low']:g}", 0.0), (f"{setting['high']:g}", 1.0)]


def _choice(value: object) -> str:
    return "none" if value is None else plain(value, limit=12)


def _scale(ax: Axes, setting: Mapping[str, Any]) -> None:
    if setting["choices"]:
        ax.set_xticks(range(len(setting["choices"])), [_choice(v) for v in setting["choices"]])
        ax.set_xlim(-0.5, len(setting["choices"]) - 0.5)
        return
    # All that was searched, so that an empty side is seen; a little more, so that dots are whole.
    margin, low, high = 0.04, float(setting["low"]), float(setting["high"])
    if setting["log"]:
        ax.set_xlim(low * (low / high) ** margin, high * (high / low) ** margin)
    else:
        ax.set_xlim(low - margin * (high - low), high + margin * (high - low))
    if setting["log"]:
        from matplotlib.ticker import NullFormatter, StrMethodFormatter

        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        # Where a range is less than two decades, powers of ten alone would leave it bare.
        if setting["high"] / setting["low"] < 100:
            ends = [setting["low"], np.sqrt(setting["low"] * setting["high"]), setting["high"]]
            ax.set_xticks(ends, [f"{float(f'{end:.2g}'):g}" for end in ends])
        ax.xaxis.set_minor_formatter(NullFormatter())


def _heat() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("heat", HEAT)
