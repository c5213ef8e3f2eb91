"""Which clips may be copies of one another: near neighbours among many fingerprints.

Windows of 0.2 s are points, and a few windows of each clip ask for their nearest. Points are dealt
into cells around some of them, drawn at random; a question looks into its nearest cells only, so
that work grows with n^1.5 rather than n^2. Vectors are made cell by cell and never kept. Clips
that share a window are then compared over all frames that they have in common.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.checking.fingerprint import HOP_S, MARGIN, N_BANDS, STEP_DB, Fingerprints
from features.checking.level_distance import level_distances, loudest_common_frame

# Frames of a window: 0.2 s, short enough for short notes, and half of it lies in a clip's margin.
WINDOW = 2 * MARGIN

# Every second frame begins a point: no question is more than half a frame off one.
POINT_STEP = 2

# Questions a clip; any one that finds the copy is enough. Each looks into its nearest cells for
# the nearest points of other clips.
QUESTIONS, CELLS_ASKED, NEIGHBOURS = 10, 2, 4

# Principal components: 0.96 of the variance of windows of single notes. They are found from a
# sample.
N_COMPONENTS, SAMPLE = 32, 20_000
MAX_CELLS = 8192

# Steps of k-means from drawn points, which halve the largest cells.
MEANS_STEPS = 3

# In steps. Below a window's loudest level, where lossy coding leaves things out; and below the
# clip's loudest, where a window is silence.
FLOOR, SILENCE = round(30.0 / STEP_DB), round(50.0 / STEP_DB)

# dB: root mean square over a window, and mean over all common frames. Copies are nearer.
MAX_WINDOW_DISTANCE, MAX_DISTANCE = 4.0, 2.0

# Lags of a pair that are looked into.
LAGS_TRIED = 3

# Windows, and pairs, that are worked on at a time; and products of questions and points.
CHUNK, MAX_PRODUCTS = 4096, 1 << 21

_NO_PAIRS = pd.DataFrame(
    {"left": np.zeros(0, int), "right": np.zeros(0, int), "lag": np.zeros(0, int),
     "distance": np.zeros(0, np.float32)}
)  # fmt: skip


@dataclass(frozen=True)
class _Windows:
    """Windows of clips: their first frames, and the clips they belong to; the kin of all clips."""

    fingerprints: Fingerprints
    kin: np.ndarray
    starts: np.ndarray
    owners: np.ndarray

    def take(self, rows: np.ndarray) -> _Windows:
        return _Windows(self.fingerprints, self.kin, self.starts[rows], self.owners[rows])

    def vectors(self) -> np.ndarray:
        """Give levels below the loudest, mean 0, (n_windows, n); distances are in RMS dB."""
        levels = self.fingerprints.levels[self.starts[:, np.newaxis] + np.arange(WINDOW)]
        vectors = levels.reshape(len(self.starts), WINDOW * N_BANDS).astype(np.float32)
        vectors = np.maximum(vectors, vectors.max(axis=1, keepdims=True) - FLOOR)
        vectors -= vectors.mean(axis=1, keepdims=True)
        return vectors * np.float32(STEP_DB / math.sqrt(WINDOW * N_BANDS))


@dataclass(frozen=True)
class _Space:
    """Where windows are points, and the points that cells are around."""

    mean: np.ndarray
    components: np.ndarray
    pivots: np.ndarray

    def place(self, windows: _Windows) -> np.ndarray:
        return (windows.vectors() - self.mean) @ self.components

    def nearest_cells(self, windows: _Windows, n_nearest: int, n_jobs: int) -> np.ndarray:
        """Give the nearest cells of windows, (n_windows, n_nearest)."""
        norms = (self.pivots**2).sum(axis=1)

        def find(rows: np.ndarray) -> np.ndarray:
            squares = norms - 2.0 * (self.place(windows.take(rows)) @ self.pivots.T)
            return _least(squares, n_nearest)[0]

        rows = np.arange(len(windows.starts))
        chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
        return np.concatenate(_in_threads(find, chunks, n_jobs))


def find_suspects(
    fingerprints: Fingerprints,
    *,
    among: np.ndarray | None = None,
    kin: np.ndarray | None = None,
    n_jobs: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Find pairs of clips that may be copies.

    Parameters
    ----------
    fingerprints : Fingerprints
        Those of all clips.
    among : np.ndarray of shape (n_samples,), bool, or None
        The clips to look at; None means all.
    kin : np.ndarray of shape (n_samples,), int, or None
        Clips of one number are not compared: windows of one recording, say, which would take the
        place of copies elsewhere. None compares all.
    n_jobs : int or None
        Threads; the result does not depend on it.
    seed : int
        Draws the points that cells are around.

    Returns
    -------
    pd.DataFrame
        One row a pair, by ascending `left` and `right`, the positions of its clips; `lag_s`, how
        much later the same sound comes in the left one; `distance`, the mean difference of their
        levels in dB; `moment_s`, when, in the left one, what they have in common is loudest.
    """
    kin = np.arange(len(fingerprints)) if kin is None else kin
    windows = _sounding_windows(fingerprints, kin)
    if among is not None:
        windows = windows.take(among[windows.owners])
    workers = joblib.effective_n_jobs(n_jobs or 1)
    candidates = _NO_PAIRS
    # One thread a product, here as in workers: BLAS may round otherwise with another number.
    with threadpool_limits(limits=1):
        if len(np.unique(windows.owners)) > 1:
            candidates = _candidates(windows, workers, np.random.default_rng(seed))
        return _compare(fingerprints, candidates, workers)


def _sounding_windows(fingerprints: Fingerprints, kin: np.ndarray) -> _Windows:
    """Give all unbroken windows whose middle sounds."""
    times, n_windows = fingerprints.times, max(len(fingerprints.times) - WINDOW + 1, 0)
    owners = np.repeat(np.arange(len(fingerprints), dtype=np.int32), np.diff(fingerprints.bounds))
    last = slice(WINDOW - 1, None)
    whole = (times[last] - times[:n_windows] == WINDOW - 1) & (owners[last] == owners[:n_windows])
    tops = fingerprints.levels.max(axis=1, initial=0).astype(np.int16)
    loudest = np.zeros(len(fingerprints), dtype=np.int16)
    np.maximum.at(loudest, owners, tops)
    middle = slice(WINDOW // 2, WINDOW // 2 + n_windows)
    sounds = (tops[middle] > 0) & (tops[middle] + SILENCE > loudest[owners[middle]])
    starts = np.flatnonzero(whole & sounds)
    return _Windows(fingerprints, kin, starts, owners[starts])


def _spread(owners: np.ndarray) -> np.ndarray:
    """Choose `QUESTIONS` windows evenly over each clip; all of them where there are fewer."""
    counts = np.bincount(owners)[owners]
    places = _places(owners)
    return np.flatnonzero(places * QUESTIONS // counts > (places - 1) * QUESTIONS // counts)


def _places(owners: np.ndarray) -> np.ndarray:
    """Count the windows of each clip, from 0."""
    counts = np.bincount(owners)
    return np.arange(len(owners)) - (np.cumsum(counts) - counts)[owners]


def _make_space(points: _Windows, rng: np.random.Generator) -> _Space:
    sample = rng.permutation(len(points.starts))[:SAMPLE]
    vectors = points.take(sample).vectors()
    mean = vectors.mean(axis=0)
    vectors -= mean
    _, components = np.linalg.eigh(vectors.T @ vectors)
    components = np.ascontiguousarray(components[:, ::-1][:, :N_COMPONENTS])
    n_cells = min(max(math.isqrt(len(points.starts)), 1), MAX_CELLS, len(sample))
    places = vectors @ components
    pivots = places[:n_cells]
    for _ in range(MEANS_STEPS):
        cells = _least((pivots**2).sum(axis=1) - 2.0 * (places @ pivots.T), 1)[0].ravel()
        # None is empty: a pivot that is no point's nearest stays where it is.
        sums, counts = pivots.copy(), np.ones((n_cells, 1), dtype=np.float32)
        np.add.at(sums, cells, places)
        np.add.at(counts, cells, 1.0)
        pivots = sums / counts
    return _Space(mean, components, pivots)


def _candidates(windows: _Windows, n_jobs: int, rng: np.random.Generator) -> pd.DataFrame:
    """Give the pairs of clips (`left`, `right`, `lag` in hops) that have near windows."""
    points = windows.take(np.flatnonzero(_places(windows.owners) % POINT_STEP == 0))
    asking = windows.take(_spread(windows.owners))
    space = _make_space(points, rng)
    n_cells = len(space.pivots)
    n_asked = min(CELLS_ASKED, n_cells)
    in_cells = _grouped(space.nearest_cells(points, 1, n_jobs).ravel(), n_cells)
    at_cells = _grouped(space.nearest_cells(asking, n_asked, n_jobs).ravel(), n_cells)

    def search(cell: int) -> pd.DataFrame:
        here = points.take(in_cells[cell])
        there = space.place(here)
        asked = at_cells[cell] // n_asked
        size = max(MAX_PRODUCTS // max(len(there), 1), 1)
        chunks = (asking.take(asked[k : k + size]) for k in range(0, len(asked), size))
        return pd.concat([_NO_PAIRS, *(_near(space, chunk, here, there) for chunk in chunks)])

    found = pd.concat(_in_threads(search, range(n_cells), n_jobs))
    found = found.sort_values(["left", "right", "distance", "lag"])
    found = found.drop_duplicates(["left", "right", "lag"])
    nearest = found.groupby(["left", "right"], sort=False).cumcount() < LAGS_TRIED
    return found[nearest]


def _near(space: _Space, asking: _Windows, points: _Windows, there: np.ndarray) -> pd.DataFrame:
    """Give the nearest points of clips of other kin, as pairs of clips; they lie at `there`."""
    here = space.place(asking)
    squares = (here**2).sum(axis=1)[:, np.newaxis] + (there**2).sum(axis=1)
    squares -= 2.0 * (here @ there.T)
    squares[asking.kin[asking.owners][:, np.newaxis] == points.kin[points.owners]] = np.inf
    nearest, kept = _least(squares, min(NEIGHBOURS, len(points.starts)))
    row, rank = np.nonzero(kept < MAX_WINDOW_DISTANCE**2)
    column = nearest[row, rank]
    times = asking.fingerprints.times
    left, right = (o.astype(np.int64) for o in (asking.owners[row], points.owners[column]))
    lag = (times[asking.starts[row]] - times[points.starts[column]]).astype(np.int64)
    swapped = left > right
    return pd.DataFrame(
        {
            "left": np.where(swapped, right, left),
            "right": np.where(swapped, left, right),
            "lag": np.where(swapped, -lag, lag),
            "distance": kept[row, rank],
        }
    )


def _least(values: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Give places and values of the n least of each row, ascending; overwrites them.

    For few of many, this is several times faster than a partition.
    """
    rows = np.arange(len(values))
    places, least = np.empty((len(values), n), np.intp), np.empty((len(values), n), values.dtype)
    for rank in range(n):
        places[:, rank] = values.argmin(axis=1)
        least[:, rank] = values[rows, places[:, rank]]
        values[rows, places[:, rank]] = np.inf
    return places, least


def _grouped(cells: np.ndarray, n_cells: int) -> list[np.ndarray]:
    """Give the positions of each cell."""
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.cumsum(np.bincount(cells, minlength=n_cells))[:-1])


def _compare(fingerprints: Fingerprints, candidates: pd.DataFrame, n_jobs: int) -> pd.DataFrame:
    """Measure candidates over all common frames; keep the near ones, each at its best lag."""
    left, right, lags = (candidates[name].to_numpy() for name in ("left", "right", "lag"))

    def measure(start: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(start, start + CHUNK)
        return level_distances(fingerprints, left[part], right[part], lags[part])

    found = _in_threads(measure, range(0, len(left), CHUNK), n_jobs)
    distances = np.concatenate([np.zeros(0), *(distance for distance, _ in found)])
    lags_s = np.concatenate([np.zeros(0), *(lag * HOP_S for _, lag in found)])
    table = pd.DataFrame({"left": left, "right": right, "lag_s": lags_s, "distance": distances})
    table = table[table["distance"] <= MAX_DISTANCE]
    table = table.sort_values(["left", "right", "distance", "lag_s"])
    table = table.drop_duplicates(["left", "right"]).reset_index(drop=True)
    table["moment_s"] = [
        HOP_S * loudest_common_frame(fingerprints, left, right, round(lag_s / HOP_S))
        for left, right, lag_s in zip(table["left"], table["right"], table["lag_s"], strict=True)
    ]
    return table.astype({"moment_s": np.float64})


def _in_threads(work: Callable[[Any], Any], parts: Iterable[Any], n_jobs: int) -> list[Any]:
    if n_jobs == 1:
        return [work(part) for part in parts]
    parallel = joblib.Parallel(n_jobs=n_jobs, backend="threading")
    return list(parallel(joblib.delayed(work)(part) for part in parts))
