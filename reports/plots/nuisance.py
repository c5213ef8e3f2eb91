"""How far labels can be guessed from the recording conditions, without the sound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reports.plots.style import ACCENT, DASH, INK, MUTED, PALETTE, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Leaf = Mapping[str, float | None]

CHANCE = 0.5

_DASHES = (0, (4, 3))

# Kind of row: its name in the legend, colour, marker, whether filled. No two share a marker.
_KINDS = {
    "stack": ("the stack, which hears the sound", INK, "D", True),
    "together": ("several variables together", ACCENT, "s", True),
    "recording": ("one variable that only the recording makes", PALETTE[3], "o", True),
    "of_sound": ("one variable that the sound makes too", PALETTE[3], "o", False),
}


def plot_nuisance(
    audit: Mapping[str, Any], *, stack: Leaf | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the ROC area of all variables together and of each alone, beside chance.

    Parameters
    ----------
    audit : mapping
        As described in `reports.nuisance`; variables that are the same in all clips are left out.
    stack : leaf, optional
        That of the stack, for comparison.
    ax : Axes, optional
        Where to draw; a new figure if None.

    Returns
    -------
    Axes
        One row for each, from top to bottom; bars begin at chance.
    """
    rows: list[tuple[str, str, Leaf]] = []
    if stack is not None:
        rows.append(("stack", "the stack", stack))
    rows.append(("together", "all together", audit["together"]["macro_roc_auc"]))
    if audit["recording"]:
        leaf = audit["recording"]["macro_roc_auc"]
        rows.append(("together", "recording alone", leaf))
    for name, leaves in audit["variables"].items():
        if leaves:
            kind = "of_sound" if name in audit["of_sound"] else "recording"
            rows.append((kind, name, leaves["macro_roc_auc"]))
    if ax is None:
        ax = new_figure(width=8.6, height=1.5 + 0.34 * len(rows)).subplots()
    for height, (kind, _, leaf) in zip(range(len(rows))[::-1], rows, strict=True):
        _draw_row(ax, height, kind, leaf)
    ax.axvline(CHANCE, color=MUTED, linewidth=1.2, linestyle=_DASHES, zorder=0)
    lows = [leaf["low"] or leaf["value"] or CHANCE for _, _, leaf in rows]
    left = min(0.4, *lows) - 0.02
    ax.set(xlim=(left, 1.1), ylim=(-0.6, len(rows) - 0.4))
    ax.set_xticks([tick for tick in (0.0, 0.25, 0.5, 0.75, 1.0) if tick >= left])
    ax.set_xlabel("ROC AUC, mean over labels (0.5: chance, 1: always right)")
    ax.set_yticks(range(len(rows))[::-1], [plain(name) for _, name, _ in rows])
    _add_legend(ax, dict.fromkeys(kind for kind, _, _ in rows))
    tidy(ax, grid="x")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def _draw_row(ax: Axes, height: int, kind: str, leaf: Leaf) -> None:
    value, low, high = leaf["value"], leaf["low"], leaf["high"]
    if value is None:
        ax.text(1.09, height, DASH, ha="right", va="center", fontsize=9, color=MUTED)
        return
    _, colour, marker, filled = _KINDS[kind]
    ax.barh(height, value - CHANCE, left=CHANCE, height=0.56, color=colour, alpha=0.2, linewidth=0)
    if low is not None and high is not None:
        ax.plot([low, high], [height, height], color=colour, linewidth=1.8, solid_capstyle="butt")
    face = colour if filled else "white"
    ax.plot(value, height, marker, color=colour, markerfacecolor=face, markersize=6)
    ax.text(1.09, height, f"{value:.2f}", ha="right", va="center", fontsize=9, color=INK)


def _add_legend(ax: Axes, kinds: Mapping[str, None]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, linewidth=1.8, label=words,
               markerfacecolor=colour if filled else "white", markersize=6)
        for words, colour, marker, filled in map(_KINDS.__getitem__, kinds)
    ]  # fmt: skip
    dashes = Line2D([], [], color=MUTED, linewidth=1.2, linestyle=_DASHES, label="chance")
    ax.legend(
        handles=[*handles, dashes],
        loc="upper center",
        bbox_to_anchor=(0.45, -0.16),
        ncols=2,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
