"""How far a number can be trusted: bootstrap by group, and paired differences.

Clips of one group (a song, a speaker) are alike, so replicates draw whole groups. A few groups say
too little about their spread: below `MIN_GROUPS` there is no interval, but the score of each group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

MIN_GROUPS = 20
# The conventional 95 % interval.
COVERAGE = 0.95
# With k groups that hold a label, about exp(-k) of the replicates lack it: 5 groups pass, 4 do not.
MAX_UNDEFINED_SHARE = 0.01

Metric = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Estimate:
    """A value and its bootstrap replicates.

    Attributes
    ----------
    value : float or array of shape (n_labels,)
        The metric of the sample itself.
    replicates : array of shape (n_boot,) or (n_boot, n_labels), or None
        The metric of each replicate; None where there are too few groups.
    """

    value: np.ndarray
    replicates: np.ndarray | None = None

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the 95 % percentile interval.

        Returns
        -------
        low, high : float or array of shape (n_labels,)
            NaN without replicates, or where more than `MAX_UNDEFINED_SHARE` of them are undefined,
            as for a label that only a few groups hold.
        """
        if self.replicates is None:
            nowhere = np.full(np.shape(self.value), np.nan)[()]
            return nowhere, nowhere
        return _percentile_interval(self.replicates)


@dataclass(frozen=True)
class Difference:
    """How much one model is better than another on the same replicates.

    Attributes
    ----------
    value, low, high : float
        The difference and its 95 % interval; NaN where undefined.
    share_above : float
        Share of replicates above 0; NaN without replicates.
    """

    value: float
    low: float
    high: float
    share_above: float


def group_bootstrap_weights(groups: ArrayLike, *, n_boot: int = 1000, seed: int = 0) -> np.ndarray:
    """Draw replicates of whole groups with replacement.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Group of each row.
    n_boot : int
        Number of replicates.
    seed : int
        Seed of the draw.

    Returns
    -------
    float array of shape (n_boot, n_samples)
        How often each row stands in each replicate (whole numbers): as often as its group was
        drawn, in as many draws as there are groups.

    Examples
    --------
    >>> weights = group_bootstrap_weights(["a", "a", "b"], n_boot=5, seed=0)
    >>> bool((weights[:, 0] == weights[:, 1]).all())
    True
    """
    names, codes = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_boot)
    return draws[:, codes].astype(float)


def estimate(
    metric: Metric, truth: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None
) -> Estimate:
    """Return a metric with its replicates.

    Parameters
    ----------
    metric : callable
        A function of `reports.metrics`.
    truth, predicted : array of shape (n_samples, n_labels)
        Truth, and decisions or scores, whichever the metric takes.
    weights : array of shape (n_boot, n_samples), optional
        Replicates from `group_bootstrap_weights`; None for a value without an interval.

    Returns
    -------
    Estimate
        The value and its replicates.
    """
    value = metric(truth, predicted)
    replicates = None if weights is None else metric(truth, predicted, weights=weights)
    return Estimate(value, replicates)


def as_leaves(given: Estimate) -> list[dict[str, float | None]]:
    """Return numbers with their intervals as JSON holds them.

    Parameters
    ----------
    given : Estimate
        Of one number, or one for each label; none below 0.

    Returns
    -------
    list of dict
        ``value``, ``low`` and ``high`` of each; undefined is None.
    """
    low, high = given.interval()
    # Nothing here is below 0, but an interval freed of its bias may reach there.
    columns = (np.atleast_1d(c) for c in (given.value, np.maximum(low, 0.0), high))
    return [
        {"value": as_json(value), "low": as_json(below), "high": as_json(above)}
        for value, below, above in zip(*columns, strict=True)
    ]


def as_json(number: float) -> float | None:
    """Return a number as JSON holds it.

    Parameters
    ----------
    number : float
        Any.

    Returns
    -------
    float or None
        None for NaN and infinity.
    """
    return float(number) if np.isfinite(number) else None


def without_bias(given: Estimate) -> Estimate:
    """Move the replicates so that their mean is the value of the sample.

    Parameters
    ----------
    given : Estimate
        Of a metric that replicates overstate, such as a calibration error: it is a mean of
        absolute values, to which drawing anew adds noise that does not cancel.

    Returns
    -------
    Estimate
        The same value, with an interval around it.

    References
    ----------
    B. Efron, R. Tibshirani, An introduction to the bootstrap, 1993, chapter 10.
    """
    if given.replicates is None:
        return given
    n_defined = np.isfinite(given.replicates).sum(axis=0)
    mean = np.nansum(given.replicates, axis=0) / np.maximum(n_defined, 1)
    return Estimate(given.value, given.replicates - (mean - given.value))


def paired_difference(first: Estimate, second: Estimate) -> Difference:
    """Return how much the first model is better than the second.

    Parameters
    ----------
    first, second : Estimate
        One number each, estimated on the same replicates, so that what a replicate is easy or hard
        for both cancels out.

    Returns
    -------
    Difference
        First minus second.

    Raises
    ------
    ValueError
        If the replicates are not as many.
    """
    value = float(first.value - second.value)
    if first.replicates is None or second.replicates is None:
        return Difference(value, np.nan, np.nan, np.nan)
    if first.replicates.shape != second.replicates.shape:
        raise ValueError(
            "a paired difference needs the same replicates for both, got "
            f"{first.replicates.shape} and {second.replicates.shape}"
        )
    gains = first.replicates - second.replicates
    low, high = _percentile_interval(gains)
    defined = gains[np.isfinite(gains)]
    share = float((defined > 0).mean()) if defined.size else np.nan
    return Difference(value, float(low), float(high), share)


def describe_gain(
    gain: Difference,
    *,
    first: str,
    second: str,
    metric: str,
    n_groups: int,
    lower_is_better: bool = False,
) -> str:
    """Say in a plain sentence whether one model is better than another.

    Parameters
    ----------
    gain : Difference
        By how much the first is better.
    first, second : str
        The models, as they should stand in the sentence, for example "the stack".
    metric : str
        What was measured, for example "macro F1".
    n_groups : int
        Number of groups behind it.
    lower_is_better : bool
        Whether the better model has the lower number.

    Returns
    -------
    str
        One sentence; without an interval it claims nothing beyond the sample.

    Examples
    --------
    >>> describe_gain(Difference(0.012, 0.003, 0.021, 0.99), first="the stack",
    ...               second="the best member (svm)", metric="macro F1", n_groups=412)
    'The stack is better than the best member (svm) by 0.012 macro F1 (95 % interval 0.003 to 0.021, paired bootstrap over 412 groups).'
    """  # noqa: E501
    subject = first[:1].upper() + first[1:]
    if not np.isfinite(gain.value):
        return f"{subject} cannot be compared with {second}: {metric} is undefined."
    if not np.isfinite([gain.low, gain.high]).all():
        relation = "above" if (gain.value > 0) != lower_is_better else "below"
        place = f"{abs(gain.value):.3f} {metric} {relation}" if gain.value else "level with"
        return f"{subject} is {place} {second}; {_groups(n_groups)} cannot tell whether by chance."
    worse = gain.high < 0
    low, high = (-gain.high, -gain.low) if worse else (gain.low, gain.high)
    evidence = (
        f"(95 % interval {_plain(low)} to {_plain(high)}, "
        f"paired bootstrap over {_groups(n_groups)})"
    )
    if low > 0:
        relation = "worse" if worse else "better"
        size = f"{abs(gain.value):.3f} {metric}"
        return f"{subject} is {relation} than {second} by {size} {evidence}."
    size = f"{_signed(gain.value)} {metric} {evidence}"
    return f"{subject} shows no gain over {second} beyond chance: {size}."


def _percentile_interval(replicates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    tail = (1 - COVERAGE) / 2
    columns = replicates.reshape(len(replicates), -1).T
    bounds = np.full((len(columns), 2), np.nan)
    for bound, column in zip(bounds, columns, strict=True):
        defined = column[np.isfinite(column)]
        # One group cannot vary: its replicates would give an interval of no width.
        if 1 - defined.size / column.size <= MAX_UNDEFINED_SHARE:
            bound[:] = np.quantile(defined, [tail, 1 - tail])
    shape = replicates.shape[1:]
    return bounds[:, 0].reshape(shape)[()], bounds[:, 1].reshape(shape)[()]


def _plain(number: float) -> str:
    return f"{number:.3f}".replace("-0.000", "0.000")


def _signed(number: float) -> str:
    text = _plain(number)
    return text if text.startswith("-") or text == "0.000" else f"+{text}"


def _groups(n_groups: int) -> str:
    return f"{n_groups} group{'' if n_groups == 1 else 's'}"
