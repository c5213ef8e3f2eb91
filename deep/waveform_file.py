"""One waveform in one file: an ordinary ``.npy``, so that anything can map it, then a checksum.

numpy reads such a file as it is and never sees the four bytes after its samples.
"""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import numpy as np

# What `numpy.save` writes before one-dimensional float32, whatever its length.
HEADER_BYTES = 128
CHECKSUM_BYTES = 4
SAMPLE_BYTES = 4

# What is read at once to be checked: memory stays flat however long the clip.
BLOCK_BYTES = 1 << 20


def _header(length: int) -> bytes:
    stream = io.BytesIO()
    layout = {"descr": "<f4", "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(stream, layout)
    return stream.getvalue()


def write_waveform(path: Path, waveform: np.ndarray) -> None:
    """Write a waveform and its checksum.

    Parameters
    ----------
    path : Path
        The file.
    waveform : np.ndarray of shape (n_timepoints,), float32
        What is kept.
    """
    samples = np.ascontiguousarray(waveform, dtype="<f4")
    with path.open("wb") as stream:
        stream.write(_header(len(samples)))
        stream.write(samples.data)
        stream.write(zlib.crc32(samples.data).to_bytes(CHECKSUM_BYTES, "little"))


def read_length(path: str | os.PathLike[str]) -> int | None:
    """Read how long a waveform is, from its file's size and header.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    int or None
        Samples; None if the file is missing, cut short or none of ours. Samples are not read:
        see `is_intact`.
    """
    try:
        with open(path, "rb", buffering=0) as stream:
            n_bytes = os.fstat(stream.fileno()).st_size - HEADER_BYTES - CHECKSUM_BYTES
            length, rest = divmod(n_bytes, SAMPLE_BYTES)
            whole = length > 0 and not rest and stream.read(HEADER_BYTES) == _header(length)
    except OSError:
        return None
    return length if whole else None


def is_intact(path: str | os.PathLike[str]) -> bool:
    """Read a waveform to its end and compare its checksum.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    bool
        False if the file is missing, cut short, changed or none of ours.
    """
    length = read_length(path)
    if length is None:
        return False
    checksum, missing = 0, length * SAMPLE_BYTES
    try:
        with open(path, "rb", buffering=0) as stream:
            stream.seek(HEADER_BYTES)
            while missing and (block := stream.read(min(BLOCK_BYTES, missing))):
                checksum, missing = zlib.crc32(block, checksum), missing - len(block)
            return not missing and stream.read() == checksum.to_bytes(CHECKSUM_BYTES, "little")
    except OSError:
        return False


def read_window(path: str | os.PathLike[str], start: int, window: np.ndarray) -> None:
    """Read a part of a waveform into an array.

    Parameters
    ----------
    path : path-like
        The file.
    start : int
        First sample.
    window : np.ndarray of shape (n_timepoints,), float32, contiguous
        Filled to its end.

    Raises
    ------
    EOFError
        If the file ends before.
    """
    # Opened for each window: 20 us, of which 6 us would be saved by one file for all clips;
    # mapping it costs 110 us. And neither handles nor maps add up over a corpus.
    with open(path, "rb", buffering=0) as stream:
        stream.seek(HEADER_BYTES + SAMPLE_BYTES * start)
        n_read = stream.readinto(window.view(np.uint8).data)
    if n_read != window.nbytes:
        raise EOFError(f"{path} ends before sample {start + len(window)}")


def map_waveform(path: str | os.PathLike[str], length: int) -> np.memmap:
    """Map a whole waveform into memory.

    Parameters
    ----------
    path : path-like
        The file.
    length : int
        From `read_length`.

    Returns
    -------
    np.memmap of shape (length,), float32
        Read-only; pages are read when they are touched.
    """
    return np.memmap(path, dtype="<f4", mode="r", offset=HEADER_BYTES, shape=(length,))
