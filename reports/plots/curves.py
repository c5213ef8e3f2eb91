"""Curves: hits against false alarms, and what a training did epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from reports.plots.style import DASH, DASHES, INK, MUTED, PALETTE, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEGEND_ROWS = 24


def plot_roc(
    truth: ArrayLike,
    scores: ArrayLike,
    *,
    classes: Sequence[str],
    areas: Mapping[str, float | None],
    ax: Axes | None = None,
) -> Axes:
    """Draw the ROC curve of every label, of all cells pooled (micro) and their mean (macro).

    Parameters
    ----------
    truth : array of shape (n_samples, n_labels)
        1, 0 or -1.
    scores : array of shape (n_samples, n_labels)
        Probabilities.
    classes : sequence of str
        Names of the labels.
    areas : mapping of label to float or None
        Area under each label's curve, as in ``metrics.json``.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        Labels in the order of their area; those without a curve are named with a dash.
    """
    truth, scores = np.asarray(truth), np.asarray(scores)
    columns = int(np.ceil((len(classes) + 3) / _LEGEND_ROWS))
    if ax is None:
        ax = new_figure(width=6.9 + 2.3 * columns, height=6.2).subplots()
    grid = np.linspace(0, 1, 501)
    means = []
    ranked = sorted(range(len(classes)), key=lambda k: -(areas[classes[k]] or 0.0))
    for number in ranked:
        area = areas[classes[number]]
        name = plain(classes[number], limit=20)
        style: dict[str, Any] = {
            "color": PALETTE[number % len(PALETTE)],
            "linestyle": DASHES[number // len(PALETTE) % len(DASHES)],
            "linewidth": 1.3,
        }
        if area is None:
            ax.plot([], [], label=f"{name}  {DASH}", **style)
            continue
        curve = _roc_curve(truth[:, number], scores[:, number])
        means.append(np.interp(grid, *curve))
        ax.plot(*curve, label=f"{name}  {area:.3f}", **style)
    if means:
        defined = [area for area in areas.values() if area is not None]
        _plot_micro_average(ax, truth, scores)
        style = {"color": INK, "linewidth": 2.4, "linestyle": (0, (1, 1))}
        label = f"macro average  {np.mean(defined):.3f}"
        ax.plot(grid, np.mean(means, axis=0), label=label, **style)
    ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (2, 3)), label="chance  0.500")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set(xlabel="False positive rate", ylabel="True positive rate")
    legend = ax.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        fontsize=9,
        ncols=columns,
        labelcolor=INK,
        title="Area under the curve",
    )
    legend.get_title().set(size=9, color=INK)
    return tidy(ax, grid="both")


def plot_histories(
    histories: Sequence[Sequence[Mapping[str, Any]]],
    *,
    name: str = "",
    figure: Figure | None = None,
) -> Figure:
    """Draw how trainings of one kind went: losses in one panel, validation scores in another.

    Parameters
    ----------
    histories : sequence of sequences of mappings
        For each training, such as that of a fold, one entry per epoch of numbers by name;
        ``epoch`` (from 1) is optional. Names with ``loss`` are losses, other names that start
        with ``validation_`` are scores; what else there is counts time and is not drawn.
    name : str
        Whose training it is, for the title.
    figure : Figure, optional
        Where to draw; a new one if None.

    Returns
    -------
    Figure
        One line for each training and quantity; one panel if there are only losses.
    """
    kinds = list(dict.fromkeys(key for run in histories for entry in run for key in entry))
    losses = [kind for kind in kinds if "loss" in kind]
    scores = [kind for kind in kinds if kind.startswith("validation_") and kind not in losses]
    panels = [("Loss", losses), ("Score", scores)] if scores else [("Loss", losses)]
    if figure is None:
        figure = new_figure(width=1.4 + 4.2 * len(panels), height=3.2)
    for ax, (title, shown) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels,
                                  strict=True):  # fmt: skip
        for kind in shown:
            # Validation keeps its colour from panel to panel.
            colour = PALETTE[0] if kind.startswith("validation_") else PALETTE[1]
            for number, run in enumerate(histories):
                label = plain(kind.replace("_", " ")) if number == 0 else None
                ax.plot(*_history_curve(run, kind).T, color=colour, linewidth=1.3, alpha=0.8,
                        label=label)  # fmt: skip
        ax.set(xlabel="Epoch", ylabel=title)
        ax.xaxis.get_major_locator().set_params(integer=True)
        if shown:
            ax.legend(frameon=False, fontsize=9, labelcolor=INK)
        tidy(ax, grid="y")
    figure.suptitle(plain(name), color=INK, size=11)
    return figure


def plot_trial_curves(
    trials: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]],
    *,
    ax: Axes | None = None,
) -> Figure:
    """Draw how several ways of training compare epoch by epoch, on what they did not learn from.

    Parameters
    ----------
    trials : mapping of str to sequence of sequences of mappings
        Trial -> its trainings, such as one a fold; see `plot_histories`.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Figure
        A line a trial, the mean over its trainings that reached the epoch. The validation score
        where there is one, else the validation loss, else that of training.
    """
    from matplotlib.ticker import MaxNLocator

    runs = [run for trainings in trials.values() for run in trainings]
    known = {key for run in runs for entry in run for key in entry}
    order = ("validation_score", "validation_loss", "train_loss")
    kind = next((name for name in order if name in known), order[-1])
    if ax is None:
        ax = new_figure(width=8.2, height=3.9).subplots()
    for number, (name, trainings) in enumerate(trials.items()):
        values: dict[float, list[float]] = {}
        for run in trainings:
            for epoch, value in _history_curve(run, kind):
                values.setdefault(epoch, []).append(value)
        epochs = sorted(values)
        ax.plot(epochs, [np.mean(values[epoch]) for epoch in epochs],
                color=PALETTE[number % len(PALETTE)],
                linestyle=DASHES[number // len(PALETTE) % len(DASHES)],
                linewidth=1.6, marker="o" if len(epochs) == 1 else None,
                label=plain(name, limit=40))  # fmt: skip
    ax.set(xlabel="Epoch", ylabel=kind.replace("_", " ").capitalize())
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9,
              labelcolor=INK)  # fmt: skip
    tidy(ax, grid="y")
    return ax.get_figure()  # type: ignore[return-value]


def _roc_curve(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import roc_curve

    known = truth >= 0
    false_positive, true_positive, _ = roc_curve(truth[known] == 1, scores[known])
    return false_positive, true_positive


def _plot_micro_average(ax: Axes, truth: np.ndarray, scores: np.ndarray) -> None:
    curve = _roc_curve(truth.ravel(), scores.ravel())
    area = np.trapezoid(curve[1], curve[0])
    ax.plot(*curve, color=INK, linewidth=2.4, label=f"micro average  {area:.3f}")


def _history_curve(history: Sequence[Mapping[str, Any]], kind: str) -> np.ndarray:
    points = [
        (entry.get("epoch", number), entry[kind])
        for number, entry in enumerate(history, start=1)
        if isinstance(entry.get(kind), int | float) and np.isfinite(entry[kind])
    ]
    return np.array(points, dtype=float).reshape(-1, 2)
