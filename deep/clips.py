"""The clips of a data set: checked input, and their waveforms kept where memory stays flat."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from features.audio import Clip, load_clip


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

    With a directory each file is decoded once and kept there as ``.npy``, read memory-mapped, so
    that memory does not grow with the corpus and folds share the work. Without one every access
    decodes. Waveforms given as arrays stay in memory.

    Parameters
    ----------
    clips : sequence of Clip, path or np.ndarray
        See `check_clips`.
    sr : int
        Sampling rate in Hz of what comes out.
    source_sr : int or None
        Sampling rate in Hz of arrays; None means `sr`.
    directory : path-like or None
        Where decoded clips are kept. Entries are keyed by path, size, modification time, segment
        and rate, so a changed file is decoded again; entries are never removed.
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
        self._files: dict[int, Path] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, row: int) -> np.ndarray:
        clip = self.clips[row]
        if self.directory is None or isinstance(clip, np.ndarray):
            return load_clip(clip, sr=self.sr, source_sr=self.source_sr)
        if row not in self._files:
            self._files[row] = _decoded_file(clip, self.sr, self.directory)
        return np.load(self._files[row], mmap_mode="r", allow_pickle=False)

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
        return len(self[row])


Waveforms = WaveformStore | Sequence[np.ndarray]


def _decoded_file(clip: Clip | str | os.PathLike[str], sr: int, directory: Path) -> Path:
    """Find a clip's decoded file, making it if it is not there."""
    key = _cache_key(clip if isinstance(clip, Clip) else Clip(os.fspath(clip)), sr)
    target = directory / f"{key}.npy"
    if not target.exists():
        waveform = load_clip(clip, sr=sr)
        directory.mkdir(parents=True, exist_ok=True)
        # Folds that run side by side may decode the same clip: each writes its own file and
        # renames it, so that a reader never sees half of one.
        with tempfile.NamedTemporaryFile(dir=directory, delete=False) as file:
            np.save(file, waveform, allow_pickle=False)
        os.replace(file.name, target)
    return target


def _cache_key(clip: Clip, sr: int) -> str:
    """Hash what a decoded waveform depends on."""
    path = Path(clip.path).absolute()
    try:
        stat = path.stat()
        state = f"{stat.st_size}|{stat.st_mtime_ns}"
    except OSError:
        state = "missing"  # decoding will say so, naming the path
    text = f"{path}|{state}|{clip.start_s}|{clip.end_s}|{sr}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
