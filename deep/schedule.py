"""Learning rate over a training that steps or the clock may end."""

from __future__ import annotations

import math
import time

# Share of the budget before the clock has a say: a run that fits comfortably into the rest is
# driven by its steps alone, and so is deterministic.
CLOCK_GRACE = 0.2
WARM_UP = 0.15


def one_cycle(progress: float) -> float:
    """Give the learning rate as a share of its peak: linear warm-up, then half a cosine to zero.

    Parameters
    ----------
    progress : float
        0 at the start, 1 at the end.

    Returns
    -------
    float
        Between 0 and 1.
    """
    if progress < WARM_UP:
        return 0.05 + 0.95 * progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - WARM_UP) / (1 - WARM_UP))))


class Clock:
    """Time since its making, and progress through a budget.

    Parameters
    ----------
    budget_s : float or None
        Seconds to spend; None means without end.
    """

    def __init__(self, budget_s: float | None) -> None:
        self.start, self.budget_s = time.monotonic(), budget_s

    def elapsed(self) -> float:
        """Give the time since the start.

        Returns
        -------
        float
            Seconds.
        """
        return time.monotonic() - self.start

    def progress(self) -> float:
        """Give how far the clock is, after a grace of a fifth of the budget.

        Returns
        -------
        float
            1 when the budget is spent; 0 or less within the grace or without a budget.
        """
        if self.budget_s is None:
            return 0.0
        share = self.elapsed() / max(self.budget_s, 1e-9)
        return min(1.0, (share - CLOCK_GRACE) / (1 - CLOCK_GRACE))

    def remaining(self) -> float | None:
        """Give what is left of the budget.

        Returns
        -------
        float or None
            Seconds, at least 0; None without a budget.
        """
        return None if self.budget_s is None else max(0.0, self.budget_s - self.elapsed())
