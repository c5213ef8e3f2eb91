"""A sound, and where in it a network finds a label: heat over a spectrogram, attention below.

Heat is drawn over a spectrogram of the sound in greys, as one colour that grows from clear to
full, with a line where it is half of the largest: so it is told from the sound in print and by
readers who see few colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reports.explained_clip import (
    ExplainedClip,
    ExplainedLabel,
    band_mels,
    check_explained,
    describe_truth,
    lay_over,
)
from reports.plots.style import ACCENT, FAINT, INK, MUTED, PALETTE, new_figure, plain, tidy
from reports.spectrogram import RANGE_DB, compute_log_mel, hz_to_mel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.colorizer import ColorizingArtist
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# Vermilion, which no grey looks like; its full strength still lets the sound be seen.
_HEAT_COLOUR, _HEAT_STRENGTH = PALETTE[3], 0.78
_TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
# Columns of a waveform, each from its least to its greatest sample: as many as can be told apart.
_MAX_COLUMNS = 500
# As little of a scale is shown at least, so that silence is no noise.
_LEAST_PEAK = 1e-3
_LONGEST_LINE = 150


def plot_explanation(clip: ExplainedClip, explained: ExplainedLabel) -> Figure:
    """Draw a clip's sound and what speaks for a label in it, side by side.

    Parameters
    ----------
    clip : ExplainedClip
        The clip.
    explained : ExplainedLabel
        One of its labels.

    Returns
    -------
    Figure
        On the left the spectrogram, on the right the same in greys with the heat over it. Where
        there is attention, it lies below on the right, and the waveform on the left.

    Raises
    ------
    ValueError
        If arrays don't belong together, or there is neither heat nor attention.
    """
    check_explained(clip, explained)
    levels = compute_log_mel(clip.waveform, clip.sr)
    seconds = len(clip.waveform) / clip.sr
    n_rows = 1 if explained.attention is None else 2
    figure = new_figure(width=9.6, height=3.5 if n_rows == 1 else 4.6)
    grid = figure.subplots(
        n_rows, 2, squeeze=False, sharex=True, gridspec_kw={"height_ratios": [3, 1][:n_rows]}
    )
    _draw_levels(grid[0, 0], levels, clip.sr, seconds, cmap="magma", bar="Level (dB)")
    _draw_heat(grid[0, 1], levels, clip, explained, seconds)
    if explained.attention is not None:
        _draw_waveform(grid[1, 0], clip.waveform, clip.sr)
        _draw_attention(grid[1, 1], explained.attention, clip)
    for ax in grid[-1]:
        ax.set_xlabel("Time (s)")
        ax.set_xlim(0, seconds)
    figure.suptitle(_headline(clip, explained), x=0.01, ha="left", color=INK, fontsize=12)
    figure.supxlabel(
        plain(f"{clip.clip_id}: {clip.networks}", limit=_LONGEST_LINE),
        x=0.01, ha="left", color=MUTED, fontsize=8.5,
    )  # fmt: skip
    return figure


def _headline(clip: ExplainedClip, explained: ExplainedLabel) -> str:
    truth = plain(describe_truth(clip.truth), limit=60)
    return f"{plain(explained.label)}: probability {explained.probability:.2f}; truth: {truth}"


def _draw_levels(
    ax: Axes, levels: np.ndarray, sr: int, seconds: float, *, cmap: str, bar: str | None
) -> None:
    """Draw a spectrogram whose bands are evenly spaced in mel, named in Hz."""
    n_bands = len(levels)
    image = ax.imshow(
        levels, origin="lower", aspect="auto", interpolation="nearest",
        extent=(0, seconds, -0.5, n_bands - 0.5), cmap=cmap, vmin=-RANGE_DB, vmax=0,
    )  # fmt: skip
    ticks, last = [], -np.inf
    middles = band_mels(n_bands, sr)
    for tick in _TICKS_HZ:
        place = float(np.interp(hz_to_mel(tick), middles, np.arange(n_bands)))
        # Far enough apart to be read.
        if middles[0] <= hz_to_mel(tick) <= middles[-1] and place - last >= 0.09 * n_bands:
            ticks.append((place, f"{tick:,}"))
            last = place
    ax.set_yticks([place for place, _ in ticks], [words for _, words in ticks])
    tidy(ax)
    if bar is not None:
        _name(ax, "Sound")
        ax.set_ylabel("Frequency (Hz)")
        _add_bar(ax, image, bar)


def _draw_heat(
    ax: Axes, levels: np.ndarray, clip: ExplainedClip, explained: ExplainedLabel, seconds: float
) -> None:
    from matplotlib.cm import ScalarMappable

    _draw_levels(ax, levels, clip.sr, seconds, cmap="gray_r", bar=None)
    if explained.heat is None:
        _name(ax, "No maps: attention only")
        return
    heat = lay_over(explained.heat, clip, shape=levels.shape)
    by_time = "" if clip.band_hz is not None else " over time"
    nothing = "" if np.nanmax(heat) > 0 else ": nothing speaks for it"
    _name(ax, f"Grad-CAM{by_time} for {plain(explained.label)}{nothing}")
    extent = (0, seconds, -0.5, len(levels) - 0.5)
    ax.imshow(
        heat, origin="lower", aspect="auto", interpolation="bilinear", extent=extent,
        cmap=_heat_colours(on_white=False), vmin=0, vmax=1,
    )  # fmt: skip
    if np.nanmax(heat) > 0.5 > np.nanmin(heat):
        columns = (np.arange(heat.shape[1]) + 0.5) * seconds / heat.shape[1]
        rows = np.arange(heat.shape[0])
        ax.contour(columns, rows, heat, levels=[0.5], colors=[INK], linewidths=0.8)
    colours = _heat_colours(on_white=True)
    bar = _add_bar(ax, ScalarMappable(cmap=colours), "Speaks for it\n(share of largest)")
    bar.ax.axhline(0.5, color=INK, linewidth=0.9)


def _heat_colours(*, on_white: bool) -> Colormap:
    """Give the colours of heat: clear to full, or as that looks on white, for a bar."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    colour = to_rgb(_HEAT_COLOUR)
    none, full = (*colour, 0.0), (*colour, _HEAT_STRENGTH)
    if on_white:
        none = (1.0, 1.0, 1.0, 1.0)
        red, green, blue = (1 - _HEAT_STRENGTH * (1 - value) for value in colour)
        full = (red, green, blue, 1.0)
    return LinearSegmentedColormap.from_list("heat", [none, full])


def _draw_waveform(ax: Axes, waveform: np.ndarray, sr: int) -> None:
    n_columns = min(_MAX_COLUMNS, len(waveform))
    starts = np.unique(np.linspace(0, len(waveform), n_columns, endpoint=False).astype(int))
    low, high = (extreme.reduceat(waveform, starts) for extreme in (np.minimum, np.maximum))
    peak = max(float(np.abs(waveform).max()), _LEAST_PEAK)
    ax.fill_between(starts / sr, low, high, color=MUTED, linewidth=0.6)
    ax.set_ylim(-1.05 * peak, 1.05 * peak)
    ax.set_ylabel("Amplitude")
    tidy(ax)


def _draw_attention(ax: Axes, attention: np.ndarray, clip: ExplainedClip) -> None:
    """Draw the mean of all weights over time, and from the least to the greatest of them."""
    middles = clip.first_s + clip.hop_s * np.arange(attention.shape[1])
    if len(attention) > 1:
        ax.fill_between(
            middles, attention.min(axis=0), attention.max(axis=0),
            step="mid", color=FAINT, linewidth=0, label=f"all {len(attention)} weights",
        )  # fmt: skip
    mean = attention.mean(axis=0)
    words = "their mean" if len(attention) > 1 else "weight"
    ax.step(middles, mean, where="mid", color=ACCENT, linewidth=1.6, label=words)
    ax.axhline(1.0, color=MUTED, linewidth=0.9, linestyle=(0, (4, 2)), label="even")
    ax.set_ylim(0, 1.15 * max(float(attention.max()), 1.2))
    ax.set_ylabel("Attention")
    tidy(ax)
    ax.legend(
        fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 0.96), ncols=3,
        borderaxespad=0, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip


def _name(ax: Axes, words: str) -> None:
    ax.set_title(words, loc="left", color=INK, fontsize=11)


def _add_bar(ax: Axes, image: ColorizingArtist | ScalarMappable, words: str) -> Colorbar:
    bar = ax.figure.colorbar(image, ax=ax, pad=0.015, aspect=18)
    bar.set_label(words, color=INK, size=9)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)
    return bar
