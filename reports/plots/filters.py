"""Windows and filters that a network has learned, beside those that it started from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.plots.style import ACCENT, INK, MUTED, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What lies further below the strongest response is drawn as none.
RANGE_DB = 60.0
_PANEL_INCHES = 2.3
# The start is drawn above: it is the smoother of the two, and would vanish below.
_BEFORE: dict[str, Any] = {
    "color": INK, "linewidth": 1.1, "linestyle": (0, (4, 2)), "zorder": 3
}  # fmt: skip
_AFTER: dict[str, Any] = {"color": ACCENT, "linewidth": 1.6}


def decibels(responses: np.ndarray, *, reference: float) -> np.ndarray:
    """Give magnitudes in dB, none below what is drawn.

    Parameters
    ----------
    responses : np.ndarray
        Magnitudes.
    reference : float
        Magnitude of 0 dB, above zero.

    Returns
    -------
    np.ndarray
        In dB, of the same shape, at least ``-RANGE_DB``.
    """
    least = 10 ** (-RANGE_DB / 20)
    return 20 * np.log10(np.maximum(responses / reference, least))


def plot_windows(before: np.ndarray, after: np.ndarray, *, sr: int, names: Sequence[str]) -> Figure:
    """Draw windows in time, and what they do to a sinusoid: their spectra.

    Parameters
    ----------
    before, after : np.ndarray of shape (n_stfts, n_timepoints)
        At the start and learned.
    sr : int
        Sampling rate in Hz.
    names : sequence of str
        Of the transforms.

    Returns
    -------
    Figure
        A row for each transform: weights on the left, their spectrum on the right.
    """
    figure = new_figure(width=9.6, height=0.8 + _PANEL_INCHES * len(names))
    grid = figure.subplots(len(names), 2, squeeze=False, sharex="col", sharey="col")
    n_timepoints = before.shape[1]
    times_ms = (np.arange(n_timepoints) - n_timepoints / 2) / sr * 1000
    # Zeros behind it show the lobes between whole multiples of the resolution.
    size = 16 * n_timepoints
    bins = np.fft.rfftfreq(size) * n_timepoints
    near = bins <= 8
    for row, name, first, last in zip(grid, names, before, after, strict=True):
        spectra = [np.abs(np.fft.rfft(each, n=size))[near] for each in (first, last)]
        for label, window, spectrum, style in zip(
            ("at the start", "learned"), (first, last), spectra, (_BEFORE, _AFTER), strict=True
        ):
            row[0].plot(times_ms, window, label=label, **style)
            level = decibels(spectrum, reference=_reference(spectrum))
            row[1].plot(bins[near] * sr / n_timepoints, level, label=label, **style)
        row[0].set_ylabel("Weight")
        row[1].set_ylabel("Response (dB)")
        row[0].set_title(name if len(names) > 1 else "", loc="left")
        for ax in row:
            tidy(ax, grid="y")
    grid[-1, 0].set_xlabel("Time from the middle of the frame (ms)")
    grid[-1, 1].set_xlabel("Distance from the sinusoid (Hz)")
    grid[0, 1].legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def plot_responses(
    before: np.ndarray, after: np.ndarray, *, frequencies_hz: np.ndarray, names: Sequence[str]
) -> Figure:
    """Draw what every filter responds to, as pictures.

    Parameters
    ----------
    before, after : np.ndarray of shape (n_stfts, n_filters, n_frequencies)
        Magnitude responses.
    frequencies_hz : np.ndarray of shape (n_frequencies,)
        What they are at, evenly spaced, in Hz.
    names : sequence of str
        Of the transforms.

    Returns
    -------
    Figure
        A row for each transform, columns before and after; a filter's response is one row of
        pixels, in dB below the strongest of both.
    """
    figure = new_figure(width=9.6, height=0.9 + 3.0 * len(names))
    grid = figure.subplots(len(names), 2, squeeze=False, sharex=True, sharey=True)
    n_filters, top_khz = before.shape[1], frequencies_hz[-1] / 1000
    for row, name, *pair in zip(grid, names, before, after, strict=True):
        reference = _reference(np.stack(pair))
        for ax, responses in zip(row, pair, strict=True):
            image = ax.imshow(
                # Kept as the largest of neighbours, or thin lines would fall between pixels.
                _thinned(decibels(responses, reference=reference)),
                origin="lower", aspect="auto", interpolation="nearest",
                extent=(0, top_khz, 0.5, n_filters + 0.5), cmap="magma", vmin=-RANGE_DB, vmax=0,
            )  # fmt: skip
            tidy(ax)
        row[0].set_ylabel(f"{name}\nFilter (number)" if len(names) > 1 else "Filter (number)")
    grid[0, 0].set_title("at the start", loc="left", color=MUTED)
    grid[0, 1].set_title("learned", loc="left", color=INK)
    for ax in grid[-1]:
        ax.set_xlabel("Frequency (kHz)")
    bar = figure.colorbar(image, ax=grid, pad=0.01, aspect=14 * len(names))
    bar.set_label("Response (dB)", color=INK)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)
    return figure


def plot_moved_filters(
    before: np.ndarray, after: np.ndarray, *, frequencies_hz: np.ndarray, names: Sequence[str]
) -> Figure:
    """Draw the responses of single filters as curves.

    Parameters
    ----------
    before, after : np.ndarray of shape (n_filters, n_frequencies)
        Magnitude responses of the filters to be shown.
    frequencies_hz : np.ndarray of shape (n_frequencies,)
        What they are at, in Hz.
    names : sequence of str
        Of the filters.

    Returns
    -------
    Figure
        A panel for each, two in a row, in dB below the stronger maximum of the two.
    """
    n_rows = -(-len(names) // 2)
    figure = new_figure(width=9.6, height=0.7 + 1.9 * n_rows)
    grid = figure.subplots(n_rows, 2, squeeze=False, sharex=True, sharey=True)
    for ax, name, first, last in zip(grid.flat, names, before, after, strict=False):
        reference = _reference(np.stack([first, last]))
        for label, response, style in zip(
            ("at the start", "learned"), (first, last), (_BEFORE, _AFTER), strict=True
        ):
            level = decibels(response, reference=reference)
            ax.plot(frequencies_hz / 1000, level, label=label, **style)
        ax.set_title(name, loc="left")
        tidy(ax, grid="y")
    _label_edges(grid, n_shown=len(names))
    grid[0, 0].legend(frameon=False, fontsize=9, labelcolor=INK)
    return figure


def _label_edges(grid: np.ndarray, *, n_shown: int) -> None:
    """Name the axes at the left and below the last panel of each column; hide empty panels."""
    ax: Axes
    for number, ax in enumerate(grid.flat):
        ax.set_visible(number < n_shown)
        if number % 2 == 0:
            ax.set_ylabel("Response (dB)")
        if number >= n_shown - 2:
            ax.set_xlabel("Frequency (kHz)")
            ax.tick_params(labelbottom=True)


def _reference(responses: np.ndarray) -> float:
    return float(responses.max()) or 1.0


def _thinned(levels: np.ndarray, *, most: int = 400) -> np.ndarray:
    """Take of neighbouring columns the strongest, so that at most so many are left."""
    step = -(-levels.shape[1] // most)
    return np.maximum.reduceat(levels, np.arange(0, levels.shape[1], step), axis=1)
