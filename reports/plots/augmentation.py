"""A sound before and after an augmentation: waveforms and spectrograms side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reports.plots.style import ACCENT, INK, MUTED, new_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# What lies further below the loudest of both spectrograms is drawn as silence.
RANGE_DB = 80.0
# Columns of a waveform, each from its least to its greatest sample: as many as can be told apart.
MAX_COLUMNS = 700
_TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
# As little of a waveform's scale is shown at least, so that silence is no noise.
_LEAST_PEAK = 1e-3


def plot_before_after(
    waveforms: tuple[np.ndarray, np.ndarray] | None,
    spectrograms: tuple[np.ndarray, np.ndarray],
    *,
    sr: int,
    hop_length: int,
    band_hz: np.ndarray,
) -> Figure:
    """Draw two sounds on the same scales, one above the other's time.

    Parameters
    ----------
    waveforms : tuple of two np.ndarray of shape (n_timepoints,), or None
        Before and after; None leaves them out.
    spectrograms : tuple of two np.ndarray of shape (n_bands, n_frames)
        Before and after, in dB.
    sr : int
        Sampling rate in Hz.
    hop_length : int
        Samples between frames.
    band_hz : np.ndarray of shape (n_bands,)
        Middle of each band in Hz, rising.

    Returns
    -------
    Figure
        Columns before and after; a row of waveforms, if there are any, above one of spectrograms.
    """
    ends_s = [found.shape[1] * hop_length / sr for found in spectrograms]
    rows = 1 if waveforms is None else 2
    figure = new_figure(width=9.6, height=2.9 if waveforms is None else 4.4)
    # Widths in proportion to time, so that a longer sound is seen to be longer.
    grid = figure.subplots(
        rows, 2, squeeze=False, sharey="row", sharex="col",
        gridspec_kw={"width_ratios": [max(end, max(ends_s) / 3) for end in ends_s],
                     "height_ratios": [2, 3][-rows:]},
    )  # fmt: skip
    for column, (words, end_s) in enumerate(zip(("before", "after"), ends_s, strict=True)):
        grid[0, column].set_title(words, loc="left", color=MUTED if column == 0 else INK)
        grid[-1, column].set_xlabel("Time (s)")
        grid[-1, column].set_xlim(0, end_s)
    if waveforms is not None:
        _draw_waveforms(grid[0], waveforms, sr)
    image = _draw_spectrograms(grid[-1], spectrograms, hop_length / sr, band_hz)
    bar = figure.colorbar(image, ax=list(grid[-1]), pad=0.01, aspect=14)
    bar.set_label("Level (dB)", color=INK)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)
    return figure


def _draw_waveforms(row: Any, waveforms: tuple[np.ndarray, np.ndarray], sr: int) -> None:
    peak = max(_LEAST_PEAK, *(float(np.abs(waveform).max()) for waveform in waveforms))
    for ax, waveform, colour in zip(row, waveforms, (MUTED, ACCENT), strict=True):
        starts = np.unique(
            np.linspace(0, len(waveform), min(MAX_COLUMNS, len(waveform)), endpoint=False)
            .astype(int)
        )  # fmt: skip
        low, high = (extreme.reduceat(waveform, starts) for extreme in (np.minimum, np.maximum))
        ax.fill_between(starts / sr, low, high, color=colour, linewidth=0.6)
        ax.set_ylim(-1.05 * peak, 1.05 * peak)
        tidy(ax)
        ax.tick_params(labelbottom=False)
    row[0].set_ylabel("Amplitude")


def _draw_spectrograms(
    row: Any,
    spectrograms: tuple[np.ndarray, np.ndarray],
    frame_s: float,
    band_hz: np.ndarray,
) -> AxesImage:
    loudest = max(float(found.max()) for found in spectrograms)
    for ax, found in zip(row, spectrograms, strict=True):
        n_bands, n_frames = found.shape
        # A frame lies around its moment, a band around its number.
        extent = (-0.5 * frame_s, (n_frames - 0.5) * frame_s, -0.5, n_bands - 0.5)
        image = ax.imshow(
            found, origin="lower", aspect="auto", interpolation="nearest", extent=extent,
            cmap="magma", vmin=loudest - RANGE_DB, vmax=loudest,
        )  # fmt: skip
        tidy(ax)
    _mark_frequencies(row[0], band_hz)
    row[0].set_ylabel("Frequency (Hz)")
    return image


def _mark_frequencies(ax: Axes, band_hz: np.ndarray) -> None:
    """Name some round frequencies at the bands that they lie in."""
    ticks, last = [], -np.inf
    for tick in _TICKS_HZ:
        place = float(np.interp(tick, band_hz, np.arange(len(band_hz))))
        # Far enough apart to be read.
        if band_hz[0] <= tick <= band_hz[-1] and place - last >= 0.09 * len(band_hz):
            ticks.append((place, f"{tick:,}"))
            last = place
    ax.set_yticks([place for place, _ in ticks], [words for _, words in ticks])
