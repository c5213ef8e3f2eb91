"""Sounds inside a page: encoded in memory, and no longer than the page has room for."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

# Less than this tells nothing of a clip.
MIN_PLAYED_S = 1.0


def encode_flac(waveform: np.ndarray, sr: int) -> bytes:
    """Encode a sound without loss but for 16 bits; every browser plays it.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The sound; beyond full scale it is clipped.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    bytes
        A FLAC file.
    """
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, waveform, sr, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def encode_within(
    waveforms: Sequence[np.ndarray], rates: Sequence[int], *, max_bytes: int
) -> list[tuple[bytes, int]]:
    """Encode sounds so that they fit together; the longest lose their ends.

    Parameters
    ----------
    waveforms : sequence of np.ndarray of shape (n_timepoints,), float32
        The sounds.
    rates : sequence of int
        Their sampling rates in Hz.
    max_bytes : int
        Room for all of them.

    Returns
    -------
    list of (bytes, int)
        A FLAC file, and how many timepoints it holds.

    Raises
    ------
    ValueError
        If some sound would have to be cut below `MIN_PLAYED_S`.
    """
    encoded = [encode_flac(*sound) for sound in zip(waveforms, rates, strict=True)]
    limit = share_fairly([len(content) for content in encoded], max_bytes)
    found = []
    for waveform, sr, whole in zip(waveforms, rates, encoded, strict=True):
        kept, content = len(waveform), whole
        while len(content) > limit:
            # A little less than its share of the bytes, since bytes are not spread evenly.
            kept = int(kept * 0.97 * max(limit, 0) / len(content))
            if kept < MIN_PLAYED_S * sr:
                raise ValueError(
                    f"{len(encoded)} sounds must fit into {max_bytes:,} bytes with at least "
                    f"{MIN_PLAYED_S:g} s of each, they would have {sum(map(len, encoded)):,}; give "
                    "fewer of them"
                )
            content = encode_flac(waveform[:kept], sr)
        found.append((content, kept))
    return found


def share_fairly(sizes: Sequence[int], total: int) -> float:
    """Give the largest size that each may have if all are to fit together.

    Parameters
    ----------
    sizes : sequence of int
        What each would like to have.
    total : int
        What there is.

    Returns
    -------
    float
        The largest number ``x`` with ``sum(min(size, x)) <= total``; infinite if all fit.

    Examples
    --------
    >>> share_fairly([1, 8, 9], 11)
    5.0
    >>> share_fairly([1, 2], 3)
    inf
    """
    left = float(total)
    for place, size in enumerate(sorted(sizes)):
        share = left / (len(sizes) - place)
        if size > share:
            return share
        left -= size
    return float("inf")
