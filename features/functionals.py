"""Functionals: from a contour, one value per frame or segment, to numbers of fixed count.

Conventions: contours are (n_contours, n_frames), float32, at least one frame; functionals are
named, and give one column each. A contour of one frame is constant. Of a constant contour every
measure of change is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from features.compiled import compiled

PERCENTILES = {"min": 0.0, "p10": 10.0, "p50": 50.0, "p90": 90.0, "max": 100.0}
N_POINTS = 16

MOMENTS = ("mean", "std", "skewness", "kurtosis", "slope")
POINTS = tuple(f"point_{k:02d}" for k in range(N_POINTS))
ENVELOPE = ("log_attack", "log_decay", "centre", "crest")
SILENCES = ("leading", "trailing")
PULSE = ("pulse_period", "pulse_strength", "pulse_ratio")

# Contours stem from float32 spectra: a spread below this share of their size is rounding.
RELATIVE_RESOLUTION = 1e-5

# A sound has died away once it is so far below its loudest: the range of a reverberation time.
SILENCE_RANGE_DB = 60.0

# Periods of a pulse in frames: 0.2 s to 2 s at 43 frames a second (22,050 Hz, 512 samples).
SHORTEST_PERIOD, LONGEST_PERIOD = 9, 86

# 0.5 s (120 beats per minute): the period that listeners favour, by a Gaussian of one octave.
FAVOURED_PERIOD = 21.5

# Contours of an hour are long: a few at a time keep the temporary arrays at 8 MB.
MAX_VALUES_AT_ONCE = 2**20


@compiled
def moments(contours: np.ndarray) -> np.ndarray:
    """Mean, standard deviation, skewness, kurtosis and slope.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames), float32
        One contour a row.

    Returns
    -------
    np.ndarray of shape (5, n_contours), float64
        ``mean`` and ``std`` (population) in the contours' unit; ``skewness`` ``m_3 / m_2^1.5``
        and ``kurtosis`` ``m_4 / m_2^2 - 3``, 0 where ``std`` is below 1e-5 of the largest
        absolute value; ``slope`` of the least-squares line, in the contours' unit per frame.
    """
    n_contours, n_frames = contours.shape
    values = np.zeros((5, n_contours))
    middle = (n_frames - 1) / 2
    # sum((t - middle)^2), of which a single frame has none
    time_spread = max(n_frames * (n_frames * n_frames - 1.0) / 12, 1.0)
    for c in range(n_contours):
        x = contours[c]
        mean, largest = 0.0, 0.0
        for t in range(n_frames):
            mean += np.float64(x[t])
            largest = max(largest, abs(np.float64(x[t])))
        mean /= n_frames
        second, third, fourth, trend = 0.0, 0.0, 0.0, 0.0
        for t in range(n_frames):
            deviation = np.float64(x[t]) - mean
            squared = deviation * deviation
            second += squared
            third += squared * deviation
            fourth += squared * squared
            trend += deviation * (t - middle)
        std = math.sqrt(second / n_frames)
        values[0, c], values[1, c], values[4, c] = mean, std, trend / time_spread
        if std > RELATIVE_RESOLUTION * largest:
            values[2, c] = third / n_frames / std**3
            values[3, c] = fourth / n_frames / std**4 - 3.0
    return values


def percentiles(contours: np.ndarray) -> np.ndarray:
    """Give the percentiles named in `PERCENTILES`, interpolated linearly.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames), float32
        One contour a row.

    Returns
    -------
    np.ndarray of shape (5, n_contours), float64
        In the contours' unit; as ``np.percentile``.
    """
    ranks = np.array(list(PERCENTILES.values())) / 100.0 * (contours.shape[1] - 1)
    # One sort serves all, and is faster than selection.
    return _at_ranks(np.sort(contours, axis=1), ranks)


@compiled
def _at_ranks(ascending: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    n_contours, n_frames = ascending.shape
    values = np.empty((len(ranks), n_contours))
    for k in range(len(ranks)):
        lower = int(ranks[k])
        upper = min(lower + 1, n_frames - 1)
        for c in range(n_contours):
            below, above = np.float64(ascending[c, lower]), np.float64(ascending[c, upper])
            values[k, c] = below + (ranks[k] - lower) * (above - below)
    return values


@compiled
def points(contours: np.ndarray) -> np.ndarray:
    """Resample contours to a fixed length.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames), float32
        One contour a row.

    Returns
    -------
    np.ndarray of shape (16, n_contours), float64
        ``point_00`` to ``point_15``: the mean over each sixteenth of the clip, in the contours'
        unit. A frame that lies across a boundary counts for both by its parts.
    """
    n_contours, n_frames = contours.shape
    values = np.zeros((N_POINTS, n_contours))
    for c in range(n_contours):
        x = contours[c]
        for k in range(N_POINTS):
            start, stop = k * n_frames / N_POINTS, (k + 1) * n_frames / N_POINTS
            total = 0.0
            for t in range(int(start), min(math.ceil(stop), n_frames)):
                total += x[t] * (min(t + 1.0, stop) - max(t * 1.0, start))
            values[k, c] = total * N_POINTS / n_frames
    return values


@compiled
def envelope_shape(contours: np.ndarray) -> np.ndarray:
    """Attack, decay, balance point and crest of non-negative envelopes.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames), float32
        One envelope a row; not negative.

    Returns
    -------
    np.ndarray of shape (4, n_contours), float64
        ``log_attack``: log10 of the number of frames (at least one) from the first at 20 % of the
        maximum to the first at 90 %. ``log_decay``: the same from the last at 90 % to the last
        at 20 %. ``centre``: balance point between 0 (the beginning) and 1 (the end).
        ``crest``: maximum over mean. Silence counts as a constant envelope.

    References
    ----------
    Peeters, G. et al. (2011). The Timbre Toolbox. Journal of the Acoustical Society of America
    130(5).
    """
    n_contours, n_frames = contours.shape
    values = np.zeros((4, n_contours))
    for c in range(n_contours):
        x = contours[c]
        peak, total, weighted = 0.0, 0.0, 0.0
        for t in range(n_frames):
            peak = max(peak, np.float64(x[t]))
        first_20, first_90, last_20, last_90 = -1, -1, 0, 0
        for t in range(n_frames):
            level = x[t] / peak if peak > 0.0 else 1.0
            total += level
            weighted += level * (t + 0.5) / n_frames
            if level >= 0.2:
                first_20, last_20 = (t if first_20 < 0 else first_20), t
            if level >= 0.9:
                first_90, last_90 = (t if first_90 < 0 else first_90), t
        values[0, c] = math.log10(max(first_90 - first_20, 1))
        values[1, c] = math.log10(max(last_20 - last_90, 1))
        values[2, c] = weighted / total
        values[3, c] = n_frames / total
    return values


@compiled
def silences(contours: np.ndarray) -> np.ndarray:
    """Measure the silence before and after a sound.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames), float32
        One level a row, in decibels.

    Returns
    -------
    np.ndarray of shape (2, n_contours), float64
        ``leading`` and ``trailing``: the share of frames before the first and after the last that
        is within 60 dB of the maximum; both 0 for a constant contour.
    """
    n_contours, n_frames = contours.shape
    shares = np.empty((2, n_contours))
    for c in range(n_contours):
        x = contours[c]
        threshold = x.max() - SILENCE_RANGE_DB
        first, last = n_frames, 0
        for t in range(n_frames):
            if x[t] >= threshold:
                first, last = min(first, t), t
        shares[0, c], shares[1, c] = first / n_frames, (n_frames - 1 - last) / n_frames
    return shares


@compiled
def pulse(contours: np.ndarray) -> np.ndarray:
    """Find the period at which a contour repeats itself.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames), float32
        One a row, such as the strength of onsets.

    Returns
    -------
    np.ndarray of shape (3, n_contours), float64
        ``pulse_period`` in frames, ``pulse_strength`` and ``pulse_ratio`` between 0 and 1. All 0
        for a constant contour, and for one in which nothing repeats or no period fits twice.

    Notes
    -----
    With ``r[l] = sum_t x[t] x[t + l] / sum_t x[t]^2`` of the contour without its mean, the period
    is where the largest ``r[l] exp(-log2(l / 21.5)^2 / 2)`` among the positive local maxima of r
    from 9 to 86 frames lies, as a parabola through its neighbours has it; the strength is the
    parabola's height h. The ratio is ``h / (h + g)``, with g the larger r at half and at twice the
    period, or 0 if both are below: 1 if the contour repeats at no other level of a metre, 0.5 if
    as much.

    References
    ----------
    Ellis, D. P. W. (2007). Beat tracking by dynamic programming. Journal of New Music Research
    36(1).
    """
    n_contours, n_frames = contours.shape
    values = np.zeros((3, n_contours))
    n_lags = 2 * LONGEST_PERIOD + 4
    similarity = np.zeros(n_lags)
    centred = np.empty(n_frames)
    for c in range(n_contours):
        mean, largest = 0.0, 0.0
        for t in range(n_frames):
            mean += np.float64(contours[c, t])
            largest = max(largest, abs(np.float64(contours[c, t])))
        mean /= n_frames
        energy = 0.0
        for t in range(n_frames):
            centred[t] = contours[c, t] - mean
            energy += centred[t] * centred[t]
        if math.sqrt(energy / n_frames) <= RELATIVE_RESOLUTION * largest:
            continue
        for lag in range(min(n_lags, n_frames)):
            later, total = centred[lag:], 0.0
            for t in range(n_frames - lag):
                total += centred[t] * later[t]
            similarity[lag] = total / energy
        best = 0.0
        for lag in range(SHORTEST_PERIOD, min(LONGEST_PERIOD, n_frames // 2) + 1):
            before, here, after = similarity[lag - 1], similarity[lag], similarity[lag + 1]
            score = here * math.exp(-(math.log2(lag / FAVOURED_PERIOD) ** 2) / 2)
            if before < here >= after and score > best:
                best = score
                shift = 0.5 * (before - after) / (before - 2.0 * here + after)
                values[0, c] = lag + shift
                values[1, c] = min(here - 0.25 * (before - after) * shift, 1.0)
        rival = 0.0
        for period in (0.5 * values[0, c], 2.0 * values[0, c]):
            lag = int(period)
            part = period - lag
            rival = max(rival, (1.0 - part) * similarity[lag] + part * similarity[lag + 1])
        if best > 0.0:
            values[2, c] = values[1, c] / (values[1, c] + rival)
    return values


_FAMILIES: tuple[tuple[tuple[str, ...], Callable[[np.ndarray], np.ndarray]], ...] = (
    (MOMENTS, moments),
    (tuple(PERCENTILES), percentiles),
    (POINTS, points),
    (ENVELOPE, envelope_shape),
    (SILENCES, silences),
    (PULSE, pulse),
)


def list_functionals() -> list[str]:
    """Name every functional.

    Returns
    -------
    list of str
        The names that `summarise` knows.
    """
    return [name for names, _ in _FAMILIES for name in names]


class Summary:
    """Which functionals are wanted of which contours; each family is computed once for all.

    Parameters
    ----------
    wanted : sequence of sequence of str
        Names from `list_functionals`, for each contour.

    Raises
    ------
    ValueError
        If a functional is unknown.
    """

    def __init__(self, wanted: Sequence[Sequence[str]]) -> None:
        unknown = sorted({name for names in wanted for name in names} - set(list_functionals()))
        if unknown:
            raise ValueError(f"functionals must be among {list_functionals()}, got {unknown}")
        self._families: list[tuple[Callable, list[int] | None]] = []
        places: dict[tuple[int, str], int] = {}
        for names, compute in _FAMILIES:
            rows = [k for k, own in enumerate(wanted) if not set(names).isdisjoint(own)]
            if rows:
                n_before = len(places)
                self._families.append((compute, rows if len(rows) < len(wanted) else None))
                for value, name in enumerate(names):
                    for column, row in enumerate(rows):
                        places[row, name] = n_before + value * len(rows) + column
        order = [places[row, name] for row, names in enumerate(wanted) for name in names]
        self._order = np.array(order, dtype=np.intp)

    def compute(self, contours: np.ndarray) -> np.ndarray:
        """Compute what is wanted.

        Parameters
        ----------
        contours : np.ndarray of shape (n_contours, n_frames), float32
            One contour a row, in one piece; at least one frame.

        Returns
        -------
        np.ndarray of shape (n_values,), float64
            The functionals of the first contour, as wanted, then of the next.
        """
        values = [
            compute(contours if rows is None else contours[rows]).ravel()
            for compute, rows in self._families
        ]
        return np.concatenate(values)[self._order]


def summarise(contours: np.ndarray, functionals: Sequence[str]) -> np.ndarray:
    """Reduce contours to numbers, the same of all.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames)
        One contour a row; at least one frame.
    functionals : sequence of str
        Names from `list_functionals`.

    Returns
    -------
    np.ndarray of shape (n_contours, len(functionals)), float64
        One functional a column, in the order asked for.

    Raises
    ------
    ValueError
        If a functional is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> summarise(np.array([[1.0, 2.0, 3.0]]), ["mean", "max", "slope"])
    array([[2., 3., 1.]])
    """
    contours = np.ascontiguousarray(contours, dtype=np.float32)
    n_at_once = max(1, MAX_VALUES_AT_ONCE // contours.shape[1])
    table = np.empty((len(contours), len(functionals)))
    for k in range(0, len(contours), n_at_once):
        some = contours[k : k + n_at_once]
        table[k : k + n_at_once] = (
            Summary([functionals] * len(some)).compute(some).reshape(len(some), len(functionals))
        )
    return table
