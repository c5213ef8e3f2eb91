"""Time spent on a training, those before a restart included, and progress through a budget."""

from __future__ import annotations

import time

# Share of the budget before the clock has a say: a run that fits comfortably into the rest is
# driven by its steps alone, and so is deterministic.
CLOCK_GRACE = 0.2


class Clock:
    """Time since its making, and progress through a budget.

    Parameters
    ----------
    budget_s : float or None
        Seconds to spend; None means without end.
    """

    def __init__(self, budget_s: float | None = None) -> None:
        self.start, self.budget_s = time.monotonic(), budget_s
        self.spent_s, self.begun_s = 0.0, 0.0

    def begin(self) -> None:
        """Let progress count from now: what was spent until then was spent on preparations."""
        self.begun_s = self.elapsed()

    def resume(self, spent_s: float, begun_s: float) -> None:
        """Add what an interrupted run had spent.

        Parameters
        ----------
        spent_s : float
            Its time in seconds.
        begun_s : float
            When in it progress began to count.
        """
        self.spent_s, self.begun_s = spent_s, begun_s

    def elapsed(self) -> float:
        """Give the time spent.

        Returns
        -------
        float
            Seconds, those before a restart included.
        """
        return self.spent_s + time.monotonic() - self.start

    def progress(self) -> float:
        """Give how far the clock is, after a grace of a fifth of the time to train.

        Returns
        -------
        float
            1 when the budget is spent; 0 or less within the grace or without a budget.
        """
        if self.budget_s is None:
            return 0.0
        time_to_train = max(self.budget_s - self.begun_s, 1e-9)
        share = (self.elapsed() - self.begun_s) / time_to_train
        return min(1.0, (share - CLOCK_GRACE) / (1 - CLOCK_GRACE))
