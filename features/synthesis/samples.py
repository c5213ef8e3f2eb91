"""The recorded samples of a soundfont: 16-bit numbers, or Ogg Vorbis streams.

References: SoundFont Technical Specification 2.04 (Creative/E-mu, 2006), section 7.10;
https://www.fluidsynth.org/wiki/SoundFont3Format/.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import soundfile

from features.synthesis.playing import make_tape

# A bit of a sample's kind, beside mono, left and right: start and end count the bytes of an Ogg
# Vorbis stream, and the loop is counted from its first time point.
VORBIS = 0x10


class Samples:
    """The samples of one soundfont, read when they are first played.

    Parameters
    ----------
    path : Path
        The soundfont, for errors.
    headers : np.ndarray of shape (n_samples,)
        Its records ``shdr``.
    smpl : np.ndarray of shape (n_bytes,), uint8
        What the headers point into.
    """

    def __init__(self, path: Path, headers: np.ndarray, smpl: np.ndarray) -> None:
        self._path, self._headers, self._smpl = path, headers, smpl

    def find(
        self, index: int, *, start: int, end: int, loop_start: int, loop_end: int, loops: bool
    ) -> Callable[[], tuple[np.ndarray, int]]:
        """Say where a sample and its loop are, without reading it.

        Parameters
        ----------
        index : int
            Number of the sample.
        start, end, loop_start, loop_end : int
            By how many time points a region moves what the header says.
        loops : bool
            Whether it has a loop.

        Returns
        -------
        callable
            Reads it: see `features.synthesis.region.Region`.

        Raises
        ------
        IndexError
            If it is not inside the file.
        """
        header = self._headers[index]
        if header["kind"] & VORBIS:
            inside = header["start"] < header["end"] <= len(self._smpl)
        else:
            start, end = start + int(header["start"]), end + int(header["end"])
            inside = 0 <= start < end <= len(self._smpl) // 2
        if not (inside and header["sr"] > 0):
            raise IndexError(
                f"sample {header['name']!r}: {header['start']} to {header['end']} of "
                f"{len(self._smpl)} bytes, {header['sr']} Hz"
            )
        first, last = int(header["loop_start"]) + loop_start, int(header["loop_end"]) + loop_end
        return partial(self._read, index, start, end, (first - start, last - start), loops=loops)

    @lru_cache(maxsize=512)  # noqa: B019 - one soundfont lives as long as the rendering
    def _read(
        self, index: int, start: int, end: int, loop: tuple[int, int], *, loops: bool
    ) -> tuple[np.ndarray, int]:
        """Read a sample between two time points: of all samples, or from its stream's two ends."""
        if self._headers[index]["kind"] & VORBIS:
            decoded = self._decode(index)
            waveform = decoded[max(start, 0) : len(decoded) + min(end, 0)]
        else:
            waveform = self._smpl[2 * start : 2 * end].view("<i2").astype(np.float32) / 32768
        first, last = loop[0], min(loop[1], len(waveform))
        if loops and 0 <= first < last:
            return make_tape(waveform, (first, last)), last - first
        return make_tape(waveform, None), 0

    def _decode(self, index: int) -> np.ndarray:
        header = self._headers[index]
        stream = io.BytesIO(bytes(self._smpl[header["start"] : header["end"]]))
        try:
            waveform, _ = soundfile.read(stream, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as exc:
            raise ValueError(
                f"soundfont {self._path} is damaged: sample {header['name']!r} must be an Ogg "
                f"Vorbis stream ({exc.error_string})"
            ) from exc
        return waveform[:, 0]
