"""Functionals: from a contour, one value per frame or segment, to numbers of fixed count.

Conventions: contours are (n_contours, n_frames), float64, at least one frame; functionals are
named, and give one column each. A contour of one frame is constant. Of a constant contour every
measure of change is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

PERCENTILES = {"min": 0.0, "p10": 10.0, "p50": 50.0, "p90": 90.0, "max": 100.0}
N_POINTS = 16

MOMENTS = ("mean", "std", "skewness", "kurtosis", "slope")
POINTS = tuple(f"point_{k:02d}" for k in range(N_POINTS))
ENVELOPE = ("log_attack", "log_decay", "centre", "crest")

# Contours stem from float32 spectra: a spread below this share of their size is rounding.
RELATIVE_RESOLUTION = 1e-5

# Contours of an hour are long: a few at a time keep the temporary arrays at 8 MB.
MAX_VALUES_AT_ONCE = 2**20


def moments(contours: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, standard deviation, skewness, kurtosis and slope.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames)
        One contour a row.

    Returns
    -------
    dict of str to np.ndarray of shape (n_contours,)
        ``mean`` and ``std`` (population) in the contours' unit; ``skewness`` ``m_3 / m_2^1.5``
        and ``kurtosis`` ``m_4 / m_2^2 - 3``, 0 where ``std`` is below 1e-5 of the largest
        absolute value; ``slope`` of the least-squares line, in the contours' unit per frame.
    """
    n_frames = contours.shape[1]
    mean = contours.mean(axis=1)
    centred = contours - mean[:, np.newaxis]
    std = np.sqrt((centred * centred).mean(axis=1))
    varies = std > RELATIVE_RESOLUTION * np.abs(contours).max(axis=1)
    standard = centred / np.where(varies, std, np.inf)[:, np.newaxis]
    cubed = standard**2 * standard
    time = np.arange(n_frames) - (n_frames - 1) / 2
    return {
        "mean": mean,
        "std": std,
        "skewness": cubed.mean(axis=1),
        "kurtosis": (cubed * standard).mean(axis=1) - 3.0 * varies,
        "slope": (centred * time).sum(axis=1) / max(np.sum(time**2), 1.0),
    }


def percentiles(contours: np.ndarray) -> dict[str, np.ndarray]:
    """Give the percentiles named in `PERCENTILES`, interpolated linearly.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames)
        One contour a row.

    Returns
    -------
    dict of str to np.ndarray of shape (n_contours,)
        In the contours' unit; as ``np.percentile``.
    """
    ascending = np.sort(contours, axis=1)  # one sort serves all, and is faster than selection
    rank = np.array(list(PERCENTILES.values())) / 100.0 * (contours.shape[1] - 1)
    lower = np.floor(rank).astype(int)
    upper = np.ceil(rank).astype(int)
    values = ascending[:, lower] + (rank - lower) * (ascending[:, upper] - ascending[:, lower])
    return dict(zip(PERCENTILES, values.T, strict=True))


def points(contours: np.ndarray) -> dict[str, np.ndarray]:
    """Resample contours to a fixed length.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames)
        One contour a row.

    Returns
    -------
    dict of str to np.ndarray of shape (n_contours,)
        ``point_00`` to ``point_15``: the mean over each sixteenth of the clip, in the contours'
        unit. A frame that lies across a boundary counts for both by its parts.
    """
    n_frames = contours.shape[1]
    integral = np.zeros((len(contours), n_frames + 1))
    np.cumsum(contours, axis=1, out=integral[:, 1:])
    boundaries = np.arange(N_POINTS + 1) * n_frames / N_POINTS
    whole = np.minimum(boundaries.astype(int), n_frames - 1)
    at_boundary = integral[:, whole] + (boundaries - whole) * contours[:, whole]
    means = np.diff(at_boundary, axis=1) * (N_POINTS / n_frames)
    return dict(zip(POINTS, means.T, strict=True))


def envelope_shape(contours: np.ndarray) -> dict[str, np.ndarray]:
    """Attack, decay, balance point and crest of non-negative envelopes.

    Parameters
    ----------
    contours : np.ndarray of shape (n_contours, n_frames)
        One envelope a row; not negative.

    Returns
    -------
    dict of str to np.ndarray of shape (n_contours,)
        ``log_attack``: log10 of the number of frames (at least one) from the first at 20 % of the
        maximum to the first at 90 %. ``log_decay``: the same from the last at 90 % to the last
        at 20 %. ``centre``: balance point between 0 (the beginning) and 1 (the end).
        ``crest``: maximum over mean. Silence counts as a constant envelope.

    References
    ----------
    Peeters, G. et al. (2011). The Timbre Toolbox. Journal of the Acoustical Society of America
    130(5).
    """
    n_frames = contours.shape[1]
    peak = contours.max(axis=1, keepdims=True)
    envelope = np.where(peak > 0, contours / np.where(peak > 0, peak, 1.0), 1.0)
    is_20, is_90 = envelope >= 0.2, envelope >= 0.9
    attack = is_90.argmax(axis=1) - is_20.argmax(axis=1)
    decay = is_90[:, ::-1].argmax(axis=1) - is_20[:, ::-1].argmax(axis=1)
    position = (np.arange(n_frames) + 0.5) / n_frames
    mean = envelope.mean(axis=1)
    return {
        "log_attack": np.log10(np.maximum(attack, 1)),
        "log_decay": np.log10(np.maximum(decay, 1)),
        "centre": (envelope * position).mean(axis=1) / mean,
        "crest": 1.0 / mean,
    }


_FAMILIES: tuple[tuple[tuple[str, ...], Callable[[np.ndarray], dict[str, np.ndarray]]], ...] = (
    (MOMENTS, moments),
    (tuple(PERCENTILES), percentiles),
    (POINTS, points),
    (ENVELOPE, envelope_shape),
)


def list_functionals() -> list[str]:
    """Name every functional.

    Returns
    -------
    list of str
        The names that `summarise` knows.
    """
    return [name for names, _ in _FAMILIES for name in names]


def summarise(contours: np.ndarray, functionals: Sequence[str]) -> np.ndarray:
    """Reduce contours to numbers.

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
    unknown = sorted(set(functionals) - set(list_functionals()))
    if unknown:
        raise ValueError(f"functionals must be among {list_functionals()}, got {unknown}")
    n_at_once = max(1, MAX_VALUES_AT_ONCE // contours.shape[1])
    return np.concatenate(
        [
            _summarise(np.asarray(contours[k : k + n_at_once], dtype=np.float64), functionals)
            for k in range(0, len(contours), n_at_once)
        ]
    )


def _summarise(contours: np.ndarray, functionals: Sequence[str]) -> np.ndarray:
    values: dict[str, np.ndarray] = {}
    for names, compute in _FAMILIES:
        if not set(names).isdisjoint(functionals):
            values |= compute(contours)
    return np.stack([values[name] for name in functionals], axis=1)
