"""Which labels sound together in the clips of a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from reports.plots.style import HEAT, INK, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A matrix of more labels than this has names too small to read.
MAX_LABELS_TOGETHER = 40
# Only then do numbers fit into the cells.
MAX_LABELS_WITH_COUNTS = 16
NAME_LENGTH = 34


def choose_together(counts: ArrayLike, *, limit: int = MAX_LABELS_TOGETHER) -> np.ndarray:
    """Choose the labels that sound together with others most often.

    Parameters
    ----------
    counts : int array of shape (n_labels, n_labels)
        Clips that have label i and label j.
    limit : int
        Most labels.

    Returns
    -------
    int array of shape (at most `limit`,)
        Positions of the labels, in their order.
    """
    counts = np.asarray(counts)
    others = counts.sum(axis=1) - np.diag(counts)
    return np.sort(np.argsort(-others, kind="stable")[:limit])


def plot_together(counts: ArrayLike, *, labels: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw which labels sound together.

    Parameters
    ----------
    counts : int array of shape (n_labels, n_labels)
        Clips that have label i and label j; the diagonal holds all clips of a label.
    labels : sequence of str
        Their names.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        Colour is the share of the clips of the row's label; the diagonal is left grey.
    """
    from matplotlib.colors import LinearSegmentedColormap

    counts = np.asarray(counts)
    n_labels = len(labels)
    if ax is None:
        side = max(2.6, (0.46 if n_labels <= MAX_LABELS_WITH_COUNTS else 0.19) * n_labels)
        ax = new_figure(width=side + 3.0, height=side + 1.6).subplots()
    clips = np.diag(counts)[:, None]
    share = np.divide(100 * counts, clips, out=np.zeros(counts.shape), where=clips > 0)
    np.fill_diagonal(share, np.nan)
    heat = LinearSegmentedColormap.from_list("timbrestack", HEAT).with_extremes(bad="#e9ebee")
    most = max(float(np.nanmax(share, initial=0.0)), 1.0)
    image = ax.imshow(share, cmap=heat, vmin=0, vmax=most, interpolation="nearest")
    if n_labels <= MAX_LABELS_WITH_COUNTS:
        _write_counts(ax, counts, share / most)
    names = [plain(label, limit=NAME_LENGTH) for label in labels]
    level = n_labels * max(map(len, names), default=0) <= 40
    ax.set_xticks(range(n_labels), names, rotation=0 if level else 90)
    ax.set_yticks(range(n_labels), names)
    ax.set(xlabel="Also has the label", ylabel="Clips with the label")
    tidy(ax)
    ax.tick_params(labelsize=9 if n_labels <= MAX_LABELS_WITH_COUNTS else 7.5, length=0)
    ax.spines[:].set_visible(False)
    colours = ax.figure.colorbar(image, ax=ax, shrink=0.7, aspect=30, pad=0.02)
    colours.set_label("Share of the row's clips (%)", color=INK, size=9)
    colours.ax.tick_params(labelsize=8, colors=INK)
    colours.outline.set_visible(False)
    return ax


def _write_counts(ax: Axes, counts: np.ndarray, depth: np.ndarray) -> None:
    size = 8.5 if counts.max(initial=0) < 1000 else 7
    for row, column in np.argwhere(counts > 0):
        colour = "white" if depth[row, column] > 0.68 else INK
        ax.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=colour,
                size=size)  # fmt: skip
