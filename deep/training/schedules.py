"""Learning rate over a training, as a share of its peak.

A schedule is a pure function of the moment: how many epochs are done, of how many, and what the
watched cost was after each. So the rate of a step is the same however often the training was
interrupted, and when a clock pushes the moment on, every schedule is squeezed alike.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

# Share of the training over which the one-cycle schedule rises, and where it starts.
ONE_CYCLE_RISE = 0.15
ONE_CYCLE_START = 0.05
# Where a geometric warm-up starts: two decades below the peak.
WARM_UP_START = 0.01


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a training.

    Parameters
    ----------
    epoch : float
        Epochs done, parts of one included.
    epochs : float
        Epochs planned.
    costs : tuple of float
        The watched cost after each finished epoch, lower is better.
    """

    epoch: float
    epochs: float
    costs: tuple[float, ...] = ()


Schedule = Callable[..., float]


def one_cycle(moment: Moment, *, rise: float = ONE_CYCLE_RISE) -> float:
    """Rise linearly over the first part, then fall along half a cosine to zero.

    Parameters
    ----------
    moment : Moment
        When.
    rise : float
        Share of the training over which it rises; below 1.

    Returns
    -------
    float
        Between 0 and 1.

    References
    ----------
    L. N. Smith, N. Topin, Super-convergence: very fast training of neural networks using large
    learning rates, 2018, https://arxiv.org/abs/1708.07120
    """
    progress = min(1.0, moment.epoch / moment.epochs)
    if progress < rise:
        return ONE_CYCLE_START + (1 - ONE_CYCLE_START) * progress / rise
    return 0.5 * (1 + math.cos(math.pi * (progress - rise) / (1 - rise)))


def cosine_restarts(
    moment: Moment, *, period: float = 10.0, growth: float = 2.0, floor: float = 0.0
) -> float:
    """Fall along half a cosine again and again, each time longer.

    Parameters
    ----------
    moment : Moment
        When.
    period : float
        Epochs of the first fall.
    growth : float
        Each fall is this many times as long as the one before.
    floor : float
        Share that a fall ends at.

    Returns
    -------
    float
        Between `floor` and 1.

    References
    ----------
    I. Loshchilov, F. Hutter, SGDR: stochastic gradient descent with warm restarts, 2017,
    https://arxiv.org/abs/1608.03983
    """
    start = 0.0
    while moment.epoch >= start + period:
        start, period = start + period, period * growth
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * (moment.epoch - start) / period))


def step_decay(moment: Moment, *, every: float = 10.0, factor: float = 0.5) -> float:
    """Fall by a factor after every so many epochs.

    Parameters
    ----------
    moment : Moment
        When.
    every : float
        Epochs between falls.
    factor : float
        What the rate is multiplied by.

    Returns
    -------
    float
        Between 0 and 1.
    """
    return factor ** math.floor(moment.epoch / every)


def exponential_decay(moment: Moment, *, factor: float = 0.95) -> float:
    """Fall by a factor with each epoch, a little with each step.

    Parameters
    ----------
    moment : Moment
        When.
    factor : float
        What the rate is multiplied by over an epoch.

    Returns
    -------
    float
        Between 0 and 1.
    """
    return factor**moment.epoch


def plateau(moment: Moment, *, patience: int = 3, factor: float = 0.5) -> float:
    """Fall by a factor whenever the watched cost has not improved for some epochs.

    Parameters
    ----------
    moment : Moment
        When; the whole state is in its costs.
    patience : int
        Epochs without a better cost that are borne; the next one lets the rate fall.
    factor : float
        What the rate is multiplied by.

    Returns
    -------
    float
        Between 0 and 1.
    """
    share, best, waited = 1.0, math.inf, 0
    for cost in moment.costs:
        best, waited = (cost, 0) if cost < best else (best, waited + 1)
        if waited > patience:
            share, waited = share * factor, 0
    return share


def constant(moment: Moment) -> float:
    """Stay at the peak.

    Parameters
    ----------
    moment : Moment
        When.

    Returns
    -------
    float
        1.
    """
    return 1.0


SCHEDULES: Mapping[str, Schedule] = {
    "one-cycle": one_cycle,
    "cosine-restarts": cosine_restarts,
    "step": step_decay,
    "exponential": exponential_decay,
    "plateau": plateau,
    "constant": constant,
}


def schedule_problems(name: str, options: Mapping[str, Any]) -> list[str]:
    """Say why a schedule cannot work.

    Parameters
    ----------
    name : str
        A key of ``SCHEDULES``.
    options : mapping
        Its options.

    Returns
    -------
    list of str
        Empty if it can.
    """
    if name not in SCHEDULES:
        return [f"schedule must be one of {sorted(SCHEDULES)}, got {name!r}"]
    known = list(inspect.signature(SCHEDULES[name]).parameters)[1:]
    problems = [
        f"schedule_params of {name!r} may have {known}, got {option!r}"
        for option in options
        if option not in known
    ]
    # Periods, factors and growth of zero or less would not end; a floor or patience may be zero.
    for option, value in options.items():
        may_be_zero = option in ("floor", "patience")
        wanted = "at least 0" if may_be_zero else "above 0"
        if option in known and not (value >= 0 if may_be_zero else value > 0):
            problems.append(f"{option} of the schedule must be {wanted}, got {value!r}")
        if option == "rise" and value >= 1:
            problems.append(f"rise of the schedule must be below 1, got {value!r}")
        if option == "growth" and value < 1:
            problems.append(f"growth of the schedule must be at least 1, got {value!r}")
    return problems


def rate_share(
    name: str,
    moment: Moment,
    *,
    options: Mapping[str, Any],
    head_epochs: int = 0,
    warm_up_epochs: float = 0.0,
) -> float:
    """Give the learning rate of a moment as a share of its peak.

    Parameters
    ----------
    name : str
        A key of ``SCHEDULES``.
    moment : Moment
        When.
    options : mapping
        Of the schedule.
    head_epochs : int
        Epochs before the schedule begins, in which the rate rises geometrically to the peak.
    warm_up_epochs : float
        Epochs after those, in which it rises geometrically to where the schedule starts.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> [rate_share("step", Moment(epoch, 30), options={}) for epoch in (0, 9.9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """
    if moment.epoch < head_epochs:
        return WARM_UP_START ** (1 - moment.epoch / head_epochs)
    epoch = moment.epoch - head_epochs
    rise = WARM_UP_START ** (1 - epoch / warm_up_epochs) if epoch < warm_up_epochs else 1.0
    before = head_epochs + warm_up_epochs
    of_schedule = replace(
        moment,
        epoch=max(0.0, moment.epoch - before),
        # Nothing is left for the schedule if all epochs are spent on rising.
        epochs=max(moment.epochs - before, 1e-9),
        costs=moment.costs[head_epochs:],
    )
    return rise * SCHEDULES[name](of_schedule, **options)
