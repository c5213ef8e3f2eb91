"""The clips of a data set: checked input, and their waveforms kept where memory stays flat."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from deep.waveform_cache import WaveformCache
from deep.waveform_file import is_intact, map_waveform, read_window
from features.audio import AudioDecodeError, Clip, load_clip


def check_clips(X: Any) -> list[Any]:
    """Give the clips of any accepted input as a list.

    Parameters
    ----------
    X : sequence, DataFrame with one column, or np.ndarray of shape (n,), (n, 1) or (n, t)
        Each entry a `Clip`, a path or a waveform; a numeric matrix holds a waveform a row.

    Returns
    -------
    list
        One entry per row.

    Raises
    ------
    ValueError
        If there are no clips, or more than one column of them.
    TypeError
        If `X` is a single clip.
    """
    if isinstance(X, Clip | str | os.PathLike):
        raise TypeError(f"X must be a sequence of clips, got a single {type(X).__name__}")
    if hasattr(X, "to_numpy"):
        X = X.to_numpy()
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUT" and X.ndim == 2:
        if X.shape[1] != 1:
            raise ValueError(f"X must have one column of clips, got {X.shape[1]} columns")
        X = X[:, 0]
    if isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "fiu":
        raise TypeError("X must be a sequence of clips, got a single waveform; wrap it in a list")
    clips = list(X)
    if not clips:
        raise ValueError("X must hold at least one clip, got none")
    return clips


class WaveformStore:
    """Waveforms of clips by row number.

    With a directory each file is decoded once and kept there (see `WaveformCache`), so that
    memory does not grow with the corpus and folds share the work; what is found damaged is
    decoded again. Without one every access decodes. Waveforms given as arrays stay in memory,
    unless they are at another rate and there is a directory.

    Parameters
    ----------
    clips : sequence of Clip, path or np.ndarray
        See `check_clips`.
    sr : int
        Sampling rate in Hz of what comes out.
    source_sr : int or None
        Sampling rate in Hz of arrays; None means `sr`.
    directory : path-like or None
        Where decoded clips are kept; several processes may share it.
    """

    def __init__(
        self,
        clips: Sequence[Any],
        *,
        sr: int,
        source_sr: int | None = None,
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        self.clips, self.sr, self.source_sr = clips, sr, source_sr
        self.directory = None if directory is None else Path(directory)
        self._cache = None
        if self.directory is not None:
            self._cache = WaveformCache(self.directory, sr=sr, source_sr=source_sr)
        # A few bytes a clip, and arrays rather than objects: this is all that grows with a corpus.
        self._names = np.zeros(len(clips), dtype="S32")
        self._lengths = np.zeros(len(clips), dtype=np.int64)
        self._checked = np.zeros(len(clips), dtype=bool)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, row: int) -> np.ndarray:
        cache = self._cache_of(row)
        if cache is None:
            return np.ascontiguousarray(self._waveform(row), dtype=np.float32)
        return map_waveform(self._file(row, cache), int(self._lengths[row]))

    def read_window(self, row: int, start: int, window: np.ndarray) -> None:
        """Copy a part of a clip into an array.

        Parameters
        ----------
        row : int
            The clip.
        start : int
            First sample.
        window : np.ndarray of shape (n_timepoints,), float32, contiguous
            Filled to its end.

        Raises
        ------
        AudioDecodeError
            If the clip cannot be decoded.
        ValueError or EOFError
            If the clip ends before the window does.
        """
        cache = self._cache_of(row)
        if cache is None:
            window[:] = self._waveform(row)[start : start + len(window)]
            return
        try:
            read_window(self._file(row, cache), start, window)
        except (OSError, EOFError):
            # Somebody has cleared the folder, or cut the file, while it was in use.
            self._find(row, cache, anew=True)
            read_window(self._file(row, cache), start, window)

    def lengths(self, *, n_jobs: int | None = None) -> np.ndarray:
        """Give the length of every clip, decoding what is not decoded yet.

        Parameters
        ----------
        n_jobs : int or None
            Threads that decode.

        Returns
        -------
        np.ndarray of shape (n_samples,), int64
            Lengths in samples at `sr`.
        """
        with Parallel(n_jobs=n_jobs, backend="threading") as parallel:
            lengths = parallel(delayed(self._length)(row) for row in range(len(self)))
        return np.array(lengths, dtype=np.int64)

    def _length(self, row: int) -> int:
        cache = self._cache_of(row)
        if cache is None:
            return len(self._waveform(row))
        if not self._lengths[row]:
            self._find(row, cache)
        return int(self._lengths[row])

    def _cache_of(self, row: int) -> WaveformCache | None:
        """Give where a clip is kept; None if it is not kept on disk."""
        return None if self._is_ready(row) else self._cache

    def _is_ready(self, row: int) -> bool:
        return isinstance(self.clips[row], np.ndarray) and self.source_sr in (None, self.sr)

    def _waveform(self, row: int) -> np.ndarray:
        """Decode a clip, or give one that came as an array, whose samples are looked at once."""
        if self._is_ready(row) and self._checked[row]:
            return self.clips[row]
        waveform = load_clip(self.clips[row], sr=self.sr, source_sr=self.source_sr)
        self._checked[row] = self._is_ready(row)
        return waveform

    def _find(self, row: int, cache: WaveformCache, *, anew: bool = False) -> None:
        self._names[row], self._lengths[row] = cache.find(self.clips[row], anew=anew)

    def _file(self, row: int, cache: WaveformCache) -> str:
        """Give a clip's file, whose checksum is compared once."""
        if not self._lengths[row]:
            self._find(row, cache)
        if not self._checked[row]:
            if not is_intact(cache.path(self._names[row].decode())):
                self._find(row, cache, anew=True)
            self._checked[row] = True
        return cache.path(self._names[row].decode())


Waveforms = WaveformStore | Sequence[np.ndarray]


def find_lengths(
    store: WaveformStore,
    *,
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, dict[int, str]]:
    """Decode all clips, and say which cannot be.

    Parameters
    ----------
    store : WaveformStore
        The clips.
    n_jobs : int or None
        Threads that decode.
    progress : callable or None
        Called as `progress(done, total)`.

    Returns
    -------
    lengths : np.ndarray of shape (n_samples,), int64
        In samples; 0 for a clip that cannot be decoded.
    reasons : dict of int to str
        Row -> why it cannot.
    """
    lengths, reasons = np.zeros(len(store), dtype=np.int64), {}
    with Parallel(n_jobs=n_jobs, backend="threading", return_as="generator") as parallel:
        found = parallel(delayed(_find_length)(store, row) for row in range(len(store)))
        for row, (length, reason) in enumerate(found):
            lengths[row] = length
            if reason:
                reasons[row] = reason
            if progress is not None:
                progress(row + 1, len(store))
    return lengths, reasons


def _find_length(store: WaveformStore, row: int) -> tuple[int, str]:
    try:
        return len(store[row]), ""
    except AudioDecodeError as exc:
        return 0, exc.reason
