"""What pictures of a search share: which trials are drawn, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.plots.style import ACCENT, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Part = Mapping[str, Any]

READY_MADE = PALETTE[3]
DASHES = (0, (4, 3))

_FLOOR_QUANTILE = 0.15


def complete_trials(part: Part) -> list[Mapping[str, Any]]:
    """Give the trials that were scored on all folds.

    Parameters
    ----------
    part : mapping
        As described in `reports.tuning_page`.

    Returns
    -------
    list of mapping
        In the order of their turns.
    """
    return [trial for trial in part["trials"] if trial["state"] == "complete"]


def floor_of(part: Part) -> float:
    """Give the lowest score that is drawn where it is.

    A few very bad trials would press all others into a line: they lie on this floor.

    Parameters
    ----------
    part : mapping
        As described in `reports.tuning_page`.

    Returns
    -------
    float
        A score.
    """
    values = [trial["value"] for trial in complete_trials(part)]
    usual = [np.quantile(values, _FLOOR_QUANTILE), part["ready_made"]["value"]]
    # What is hardly below the others needs no floor.
    low, span = min(usual), max(values) - min(usual)
    return float(min(values) if low - min(values) < span else low)


def draw_trials(
    ax: Axes,
    places: Sequence[float] | np.ndarray,
    values: Sequence[float] | np.ndarray,
    *,
    floor: float,
    color: Any,
    **style: Any,
) -> None:
    """Draw dots, those below the floor on it.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    places, values : sequence of float
        Of each dot.
    floor : float
        The lowest score that is drawn where it is.
    color : str or array of shape (n, 4)
        Of all, or of each.
    **style : object
        As of `Axes.scatter`; dots on the floor become triangles, unless a marker is given.
    """
    places, values = np.asarray(places, dtype=float), np.asarray(values, dtype=float)
    low = values < floor
    one = isinstance(color, str)
    ax.scatter(places[~low], values[~low], color=color if one else color[~low], zorder=2,
               **style)  # fmt: skip
    fallen = style if "marker" in style else {**style, "marker": "v"}
    ax.scatter(places[low], np.full(low.sum(), floor), color=color if one else color[low],
               zorder=2, **fallen)  # fmt: skip


def ring_best(ax: Axes, place: float, value: float) -> None:
    """Draw a circle round the best trial.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    place, value : float
        Of the trial.
    """
    ax.plot(place, value, "o", color=ACCENT, markerfacecolor="none", markersize=10,
            markeredgewidth=2, zorder=4)  # fmt: skip
