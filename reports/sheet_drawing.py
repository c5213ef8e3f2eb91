"""Where things lie in the drawing of a clip: a spectrogram, below it when each label sounds.

Conventions: lengths are units of the drawing, which its page scales as one; y points down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reports.spectrogram import hz_to_mel

WIDTH, LEFT, RIGHT, TOP = 500.0, 54.0, 12.0, 8.0
PICTURE_HEIGHT = 130.0
LANE_HEIGHT, BAR_HEIGHT = 30.0, 9.0
AXIS_HEIGHT = 36.0
# A stroke of a drum is still to be seen.
MIN_BAR = 2.0
TICKS_HZ = (100, 500, 1000, 2000, 5000, 10_000, 20_000)
MIN_TICK_GAP = 13.0
MAX_NAME_LENGTH = 70


def draw_sample(
    events: Sequence[tuple[str, float, float]],
    colours: Mapping[str, int],
    *,
    played_s: float,
    sr: int,
) -> dict[str, Any]:
    """Lay out the drawing of one clip.

    Parameters
    ----------
    events : sequence of (str, float, float)
        Label, onset and offset in s.
    colours : mapping of str to int
        The clip's labels and the numbers of their colours.
    played_s : float
        Time axis in s; what lies beyond is cut off.
    sr : int
        Sampling rate in Hz; half of it is the top of the spectrogram.

    Returns
    -------
    dict
        ``width``, ``height``, ``left``, ``span`` (width of the time axis), ``top``,
        ``picture_height``, ``bottom`` (of the lanes), ``bar_height``, ``times`` and ``pitches``
        (ticks as (position, text)), and ``lanes``: dicts of ``y``, ``name``, ``colour`` (None for
        what is no label of the clip) and ``bars`` (x and width).
    """
    span = WIDTH - LEFT - RIGHT
    lanes = []
    timed = list(dict.fromkeys(label for label, _, _ in events))
    # The clip's labels first, also those that no event names: an empty lane tells of a mistake.
    names = [*colours, *(label for label in timed if label not in colours)] if timed else []
    for place, name in enumerate(names):
        spans = [(onset, offset) for label, onset, offset in events if label == name]
        lanes.append(
            {
                "y": TOP + PICTURE_HEIGHT + 8 + place * LANE_HEIGHT,
                "name": _shortened(name),
                "colour": colours.get(name),
                "bars": [
                    _bar(onset, offset, played_s, span)
                    for onset, offset in spans
                    if onset < played_s and offset >= 0
                ],
            }
        )
    bottom = TOP + PICTURE_HEIGHT + (8 + LANE_HEIGHT * len(lanes) if lanes else 0)
    return {
        "width": WIDTH,
        "height": bottom + AXIS_HEIGHT,
        "left": LEFT,
        "span": span,
        "top": TOP,
        "picture_height": PICTURE_HEIGHT,
        "bottom": bottom,
        "bar_height": BAR_HEIGHT,
        "times": _time_ticks(played_s, span),
        "pitches": _pitch_ticks(sr),
        "lanes": lanes,
    }


def _bar(onset_s: float, offset_s: float, played_s: float, span: float) -> tuple[float, float]:
    start, end = (float(np.clip(second, 0, played_s)) / played_s * span
                  for second in (onset_s, offset_s))  # fmt: skip
    width = max(end - start, MIN_BAR)
    return round(LEFT + min(start, span - width), 2), round(width, 2)


def _time_ticks(played_s: float, span: float) -> list[tuple[float, str]]:
    decade = 10.0 ** np.floor(np.log10(played_s / 4))
    step = next(decade * factor for factor in (1, 2, 5, 10) if played_s / (decade * factor) <= 6)
    seconds = np.arange(0, played_s * (1 + 1e-9), step)
    return [(round(LEFT + float(second) / played_s * span, 2), f"{second:.6g}")
            for second in seconds]  # fmt: skip


def _pitch_ticks(sr: int) -> list[tuple[float, str]]:
    top = float(hz_to_mel(sr / 2))
    ticks: list[tuple[float, str]] = []
    for frequency in TICKS_HZ:
        y = TOP + PICTURE_HEIGHT * (1 - float(hz_to_mel(frequency)) / top)
        if y < TOP or (ticks and ticks[-1][0] - y < MIN_TICK_GAP):
            continue
        text = f"{frequency // 1000} kHz" if frequency >= 1000 else f"{frequency} Hz"
        ticks.append((round(y, 2), text))
    return ticks


def _shortened(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"
