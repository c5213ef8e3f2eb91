"""One look for all figures: sizes in inches, colours that colour-blind readers can tell apart.

Figures are made without pyplot, so drawing needs no display and leaves no state behind.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours (2008), with yellow and black softened for lines on white.
PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#8A7A00",
    "#4D4D4D",
)
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)), (0, (9, 2)))

INK = "#22272e"
MUTED = "#6b7280"
FAINT = "#d4d8dd"
ACCENT = "#0072B2"
# From white to the accent; dark text stays readable up to about half.
HEAT = ("#ffffff", "#dbe9f4", "#9cc4e0", "#4a97c9", "#0072B2", "#003f66")

DASH = "\N{EN DASH}"
PNG_DPI = 160
MAX_LABEL_LENGTH = 26
# Above this many points a scatter goes into the SVG as a picture.
MAX_VECTOR_POINTS = 2000


def label_style(number: int) -> tuple[str, str]:
    """Return colour and marker of a label: different for the first 56.

    Parameters
    ----------
    number : int
        Position of the label among the classes.

    Returns
    -------
    colour, marker : str
        Both change from one label to the next, so that neither is needed alone.
    """
    shift = number // len(PALETTE)
    return PALETTE[number % len(PALETTE)], MARKERS[(number + shift) % len(MARKERS)]


def plain(text: object, *, limit: int = MAX_LABEL_LENGTH) -> str:
    """Return any text as matplotlib should show it: one line, no formulas, not too long.

    Parameters
    ----------
    text : object
        A label or name.
    limit : int
        Most characters; longer text ends in an ellipsis.

    Returns
    -------
    str
        Text safe to draw.
    """
    line = re.sub(r"\s+", " ", str(text)).strip()
    line = "".join(character for character in line if character.isprintable())
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    # A leading underscore would hide a label from a legend.
    return (" " + line if line.startswith("_") else line).replace("$", r"\$")


def new_figure(*, width: float, height: float) -> Figure:
    """Return an empty figure.

    Parameters
    ----------
    width, height : float
        Size in inches.

    Returns
    -------
    Figure
        White, with a layout that keeps text inside.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def tidy(ax: Axes, *, grid: Literal["x", "y", "both"] | None = None) -> Axes:
    """Give an axes the house look.

    Parameters
    ----------
    ax : Axes
        To be changed.
    grid : {"x", "y", "both"}, optional
        Where faint lines help reading.

    Returns
    -------
    Axes
        The same axes.
    """
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(colors=INK, labelsize=9, length=3)
    ax.xaxis.label.set(color=INK, size=10)
    ax.yaxis.label.set(color=INK, size=10)
    ax.title.set(color=INK, size=11)
    if grid:
        ax.grid(axis=grid, color=FAINT, linewidth=0.7)
        ax.set_axisbelow(True)
    return ax


def save_figure(figure: Figure, directory: Path, name: str) -> None:
    """Write a figure as PNG and SVG.

    Parameters
    ----------
    figure : Figure
        What to write.
    directory : Path
        An existing directory.
    name : str
        File name without extension.
    """
    from matplotlib import rc_context

    with rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # A label in a script that the font lacks is drawn as boxes; that is no reason to stop.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(directory / f"{name}.png", dpi=PNG_DPI)
        figure.savefig(
            directory / f"{name}.svg", dpi=PNG_DPI, metadata={"Date": None, "Creator": None}
        )
