"""How far the levels of two clips lie apart, over all frames that they have in common."""

from __future__ import annotations

import numpy as np

from features.checking.fingerprint import MAX_FRAMES, STEP_DB, Fingerprints
from features.compiled import compiled

# In steps: what lies 30 dB below the loudest band of a frame, lossy coding may leave out; frames
# 40 dB below the loudest one are as good as silent.
FLOOR, QUIET = 30.0 / STEP_DB, 40.0 / STEP_DB

# A lag is sought to a quarter of a hop: 4 ms.
N_FRACTIONS = 4

# Fewer common frames (0.1 s) tell nothing.
MIN_FRAMES = 6

# dB: pairs that are farther apart at whole hops are not looked into more closely.
HOPELESS = 5.0


def level_distances(
    fingerprints: Fingerprints, left: np.ndarray, right: np.ndarray, lags: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compare pairs of clips near given lags.

    Parameters
    ----------
    fingerprints : Fingerprints
        Those of all clips.
    left, right : np.ndarray of shape (n_pairs,), int
        Positions of the clips.
    lags : np.ndarray of shape (n_pairs,), int
        How many hops later the same sound comes in the left one, give or take one.

    Returns
    -------
    distances : np.ndarray of shape (n_pairs,), float64
        Mean absolute difference in dB, once the difference in gain is taken away; infinite where
        there are too few frames in common.
    lags : np.ndarray of shape (n_pairs,), float64
        Where it is least, in hops.
    """
    best = np.full(len(left), np.inf)
    best_lags = np.asarray(lags, dtype=np.float64)
    centres = np.asarray(lags, dtype=np.int64)
    quarters = [k for k in range(-N_FRACTIONS, N_FRACTIONS + 1) if k % N_FRACTIONS]
    for steps in ([-N_FRACTIONS, 0, N_FRACTIONS], quarters):
        rows = np.arange(len(left)) if steps is not quarters else np.flatnonzero(best < HOPELESS)
        for step in steps:
            whole, fraction = divmod(step, N_FRACTIONS)
            distances = _distances(
                fingerprints.times,
                fingerprints.levels,
                fingerprints.bounds,
                np.stack([left[rows], right[rows], centres[rows] + whole]).astype(np.int64),
                fraction / N_FRACTIONS,
                _POWERS,
            )
            better = distances < best[rows]
            best[rows[better]] = distances[better]
            best_lags[rows[better]] = centres[rows[better]] + step / N_FRACTIONS
        centres = np.rint(best_lags).astype(np.int64)
    best[best >= _TOO_FEW] = np.inf
    return best, best_lags


def loudest_common_frame(fingerprints: Fingerprints, left: int, right: int, lag: int) -> int:
    """Find where what two clips have in common is loudest.

    Parameters
    ----------
    fingerprints : Fingerprints
        Those of all clips.
    left, right : int
        Positions of the clips.
    lag : int
        How many hops later the same sound comes in the left one; they have frames in common.

    Returns
    -------
    int
        The frame's time in the left one, in hops.
    """
    bounds, times = fingerprints.bounds, fingerprints.times
    rows = np.arange(bounds[left], bounds[left + 1])
    rows = rows[np.isin(times[rows], times[bounds[right] : bounds[right + 1]] + lag)]
    return int(times[rows[fingerprints.levels[rows].max(axis=1).argmax()]])


# Power of each level, and what the kernel, which knows no infinity, gives instead of it.
_POWERS = (10.0 ** (np.arange(256) * (STEP_DB / 10.0))).astype(np.float32)
_TOO_FEW = 1e9


@compiled
def _distances(
    times: np.ndarray,
    levels: np.ndarray,
    bounds: np.ndarray,
    pairs: np.ndarray,
    fraction: float,
    powers: np.ndarray,
) -> np.ndarray:
    """Give the mean absolute difference of each pair (left, right, lag), in dB."""
    n_bands = levels.shape[1]
    found = np.full(pairs.shape[1], _TOO_FEW)
    # A margin beyond MAX_FRAMES, since stretches at the ends may overlap.
    a = np.empty((2 * MAX_FRAMES, n_bands), dtype=np.float32)
    b = np.empty((2 * MAX_FRAMES, n_bands), dtype=np.float32)
    tops = np.empty((2 * MAX_FRAMES, 2), dtype=np.float32)
    weight, scale = np.float32(fraction), np.float32(10.0 / STEP_DB)
    for p in range(pairs.shape[1]):
        i, stop = bounds[pairs[0, p]], bounds[pairs[0, p] + 1]
        n = 0
        loudest = np.zeros(2, dtype=np.float32)
        for j in range(bounds[pairs[1, p]], bounds[pairs[1, p] + 1]):
            wanted = times[j] + pairs[2, p]
            while i < stop and times[i] < wanted:
                i += 1
            if i >= stop:
                break
            after = min(i + 1, stop - 1)
            if times[i] != wanted or (fraction > 0.0 and times[after] != wanted + 1):
                continue
            tops[n] = 0.0
            for f in range(n_bands):
                a[n, f], b[n, f] = levels[i, f], levels[j, f]
                if fraction > 0.0:
                    power = powers[levels[i, f]]
                    power += weight * (powers[levels[after, f]] - power)
                    a[n, f] = scale * np.log10(power)
                tops[n, 0], tops[n, 1] = max(tops[n, 0], a[n, f]), max(tops[n, 1], b[n, f])
            # Digital silence is what lies around a clip: it says nothing of the other.
            if tops[n, 0] > 0.0 and tops[n, 1] > 0.0:
                loudest[0], loudest[1] = max(loudest[0], tops[n, 0]), max(loudest[1], tops[n, 1])
                n += 1
        total, n_used = 0.0, 0
        for t in range(n):
            high = max(tops[t, 0] - loudest[0], tops[t, 1] - loudest[1])
            if high < -QUIET:
                continue
            low = high - np.float32(FLOOR)
            for f in range(n_bands):
                a[n_used, f] = max(a[t, f] - loudest[0], low) - max(b[t, f] - loudest[1], low)
                total += a[n_used, f]
            n_used += 1
        if n_used >= MIN_FRAMES:
            mean, distance = np.float32(total / (n_used * n_bands)), 0.0
            for t in range(n_used):
                for f in range(n_bands):
                    distance += abs(a[t, f] - mean)
            found[p] = STEP_DB * distance / (n_used * n_bands)
    return found
