"""How long and how loud a clip is: what must be known of the whole before its parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from features.kernels.waveforms import sum_of_squares

# Samples whose squares are summed at once: a clip read in pieces has the level of the whole.
LEVEL_CHUNK = 2**20


@dataclass(frozen=True)
class Level:
    """How long and how loud a clip is.

    Parameters
    ----------
    n_timepoints : int
        Samples.
    peak : float
        Largest absolute sample.
    sum_of_squares : float
        Of the samples.
    """

    n_timepoints: int
    peak: float
    sum_of_squares: float

    @property
    def rms(self) -> float:
        """Root of the mean square."""
        return float(np.sqrt(self.sum_of_squares / self.n_timepoints))

    @property
    def gain(self) -> float:
        """What brings the RMS to 1.

        0 if no sample passes the smallest normal float32 number (1.2e-38), below which a waveform
        has lost its shape.
        """
        return 1.0 / self.rms if self.peak > np.finfo(np.float32).tiny else 0.0


def measure_level(pieces: Iterable[np.ndarray]) -> Level:
    """Measure a clip that comes in pieces.

    Parameters
    ----------
    pieces : iterable of np.ndarray of shape (n,), float32
        The clip; how it is cut does not matter.

    Returns
    -------
    Level
        Of the whole.

    Raises
    ------
    ValueError
        If there are no samples, or some are not finite.
    """
    n_timepoints, peak, squares = 0, 0.0, 0.0
    for chunk in _rechunk(pieces, LEVEL_CHUNK):
        n_timepoints += len(chunk)
        chunk_peak = max(float(chunk.max()), -float(chunk.min()))
        if not np.isfinite(chunk_peak):
            n_bad = np.count_nonzero(~np.isfinite(chunk))
            raise ValueError(f"a waveform must be finite, got {n_bad} NaN or inf samples")
        peak = max(peak, chunk_peak)
        squares += sum_of_squares(chunk)
    if n_timepoints == 0:
        raise ValueError("a waveform must have at least one sample, got none")
    return Level(n_timepoints, peak, squares)


def _rechunk(pieces: Iterable[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Cut what comes in pieces into chunks of one length; the last is shorter."""
    held: list[np.ndarray] = []
    n_held = 0
    for piece in pieces:
        held.append(piece)
        n_held += len(piece)
        if n_held >= length:
            whole = held[0] if len(held) == 1 else np.concatenate(held)
            n_chunks = n_held // length
            for k in range(n_chunks):
                yield whole[k * length : (k + 1) * length]
            held = [whole[n_chunks * length :]]
            n_held = len(held[0])
    if n_held:
        yield held[0] if len(held) == 1 else np.concatenate(held)
