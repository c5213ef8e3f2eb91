"""Decoded waveforms on disk, found by what their source holds.

Every waveform has two names, hard links to one file. ``content/<key>.npy`` is keyed by the digest
of the source file's bytes, the segment and the rate: a moved, copied or merely touched file is
not decoded again. ``<key>.npy`` is keyed by path, size and modification time in the digest's
place, which two microseconds tell: a digest reads the whole file, and would do so for every clip
of every fit. So only a file that is new, moved or changed is digested, once, and then it costs
little beside its decoding.
"""

from __future__ import annotations

import errno
import hashlib
import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from deep.waveform_file import is_intact, read_length, write_waveform
from features.audio import Clip, load_clip
from features.replacing import unfinished

# Part of every key: another decoder, resampler or file format is another version.
VERSION = 2

CONTENT_FOLDER = "content"


class WaveformCache:
    """Decoded and resampled waveforms; safe to use from several processes and threads.

    Files appear whole or not at all. Two that decode the same clip at once both write it, and one
    of the two equal files stays. Nothing is ever removed: a cache is done with when its folder is
    deleted.

    Parameters
    ----------
    folder : Path
        Where they lie; made when missing.
    sr : int
        Sampling rate in Hz of what is kept.
    source_sr : int or None
        Sampling rate in Hz of clips given as arrays; None means `sr`.
    """

    def __init__(self, folder: Path, *, sr: int, source_sr: int | None = None) -> None:
        self.folder, self.sr, self.source_sr = folder, sr, source_sr

    def path(self, name: str) -> str:
        """Give the place of a waveform.

        Parameters
        ----------
        name : str
            From `find`.

        Returns
        -------
        str
            Its file.
        """
        return f"{self.folder}/{name}.npy"

    def find(
        self, clip: Clip | str | os.PathLike[str] | np.ndarray, *, anew: bool = False
    ) -> tuple[str, int]:
        """Find a clip's waveform, decoding it if it is not there.

        Parameters
        ----------
        clip : Clip, path or np.ndarray
            The clip.
        anew : bool
            Whether to decode it in any case, because what is kept is damaged.

        Returns
        -------
        name : str
            See `path`.
        length : int
            Samples.

        Raises
        ------
        AudioDecodeError
            If the clip cannot be decoded.
        OSError
            If the folder cannot be written to or is full.
        """
        if not isinstance(clip, Clip | np.ndarray):
            clip = Clip(os.fspath(clip))
        name = self._name(_state(clip), clip)
        length = None if anew else read_length(self.path(name))
        if length is None:
            try:
                self._keep(clip, Path(self.path(name)), anew=anew)
            except OSError as exc:
                raise _explained(exc, self.folder) from exc
            length = read_length(self.path(name))
        if length is None:
            raise OSError(f"{self.path(name)} was removed or changed as soon as it was written")
        return name, length

    def _name(self, state: str, clip: Clip | np.ndarray) -> str:
        """Hash what a waveform depends on."""
        part = (clip.start_s, clip.end_s) if isinstance(clip, Clip) else ("array", self.source_sr)
        text = f"{VERSION}|{state}|{part}|{self.sr}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _keep(self, clip: Clip | np.ndarray, target: Path, *, anew: bool) -> None:
        """Decode a clip, unless another name leads to its waveform already."""
        digest = _digest(clip)
        content = self.folder / CONTENT_FOLDER / f"{self._name(digest, clip)}.npy"
        if not anew and digest and is_intact(content) and _link(content, target):
            return
        waveform = load_clip(clip, sr=self.sr, source_sr=self.source_sr)
        content.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(content) as partial:
            write_waveform(partial, waveform)
            # Linked while it is this call's own: no other process can replace it in between.
            os.replace(partial, content if _link(partial, target) else target)


def _link(path: Path, name: Path) -> bool:
    """Give a file another name; False where there are no hard links, or too many of this file."""
    with unfinished(name) as partial:
        try:
            os.link(path, partial)
        except OSError:
            return False
        os.replace(partial, name)
    return True


def _explained(exc: OSError, folder: Path) -> OSError:
    """Say what to do about a cache that cannot be written."""
    full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "no room for more decoded sound in" if full else "decoded sound cannot be kept in"
    return OSError(
        exc.errno,
        f"{what} {folder} ({exc.strerror or exc}): make room, or name another folder as cache_dir",
    )


def _state(clip: Clip | np.ndarray) -> str:
    """Tell one state of a source from another, without reading a file."""
    if isinstance(clip, np.ndarray):
        return _digest(clip)
    path = os.path.abspath(clip.path)
    try:
        stat = os.stat(path)
    except OSError:
        return f"{path}|missing"  # decoding will say so, naming the path
    return f"{path}|{stat.st_size}|{stat.st_mtime_ns}"


def _digest(clip: Clip | np.ndarray) -> str:
    """Hash the bytes of a source; empty if they cannot be read."""
    if isinstance(clip, np.ndarray):
        samples = np.ascontiguousarray(clip)
        return f"{samples.dtype.str}{hashlib.sha256(samples.data).hexdigest()}"
    try:
        stat = os.stat(clip.path)
        return _digest_file(os.path.abspath(clip.path), stat.st_size, stat.st_mtime_ns)
    except OSError:
        return ""


# Segments of one recording follow each other, and must not digest it anew each.
@lru_cache(maxsize=64)
def _digest_file(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
