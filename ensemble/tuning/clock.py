"""How long a search may go on: trial after trial until all are done or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ensemble.tuning.study import Study, TakenTrial

Progress: TypeAlias = Callable[[int, int, str], None]

# Pause before another look at trials that other processes run, in seconds.
_PATIENCE_S = 0.2


@dataclass
class Clock:
    """How long a search may go on, and how far it is.

    Parameters
    ----------
    total : int
        Trials in all.
    minutes : float or None
        Ceiling on the whole; None means none.
    progress : callable or None
        Called as `progress(done, total, text)`.
    parts_left : int
        Members, stacks and folds that are still to be searched.
    """

    total: int
    minutes: float | None = None
    progress: Progress | None = None
    parts_left: int = 1
    _begun: float = field(default_factory=time.monotonic, init=False)
    _before: int = field(default=0, init=False)

    def share(self) -> float:
        """Give the moment at which the next part should end: the parts left share what is left.

        Returns
        -------
        float
            On the clock of `time.monotonic`.
        """
        if self.minutes is None:
            return float("inf")
        now = time.monotonic()
        left = max(0.0, self._begun + 60.0 * self.minutes - now)
        return now + left / max(1, self.parts_left)

    def tell(self, done: int, text: str) -> None:
        """Say how many trials of a part are done.

        Parameters
        ----------
        done : int
            Of this part.
        text : str
            Which part.
        """
        if self.progress is not None:
            self.progress(min(self._before + done, self.total), self.total, text)

    def next_part(self, n_trials: int) -> None:
        """Go on to the next part.

        Parameters
        ----------
        n_trials : int
            Trials of the one that ended, done or given up.
        """
        self._before += n_trials
        self.parts_left -= 1


def run_trials(
    study: Study,
    run: Callable[[TakenTrial], None],
    *,
    n_trials: int,
    clock: Clock,
    text: str,
) -> None:
    """Run trials until all turns are ended, by this process or others, or time is up.

    Parameters
    ----------
    study : Study
        Whose they are.
    run : callable
        Runs one, and ends it.
    n_trials : int
        How many turns there are.
    clock : Clock
        At least one trial is run, however late it is.
    text : str
        Which part this is.
    """
    until = clock.share()
    clock.tell(len(study.records()), text)
    while True:
        if time.monotonic() >= until and any(r.state == "complete" for r in study.records()):
            break
        taken = study.take(n_trials)
        if taken is None:
            if not study.is_running:
                break
            time.sleep(_PATIENCE_S)
            continue
        try:
            run(taken)
        except BaseException:
            study.fail(taken)
            raise
        clock.tell(len(study.records()), text)
    clock.next_part(n_trials)
