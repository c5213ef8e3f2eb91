"""What is kept of a clip's sound to find it again: levels of frequency bands, frame by frame.

Conventions: levels are (n_frames, N_BANDS) in steps of `STEP_DB`; a frame is a row, 16 ms after
the one before unless `times` says otherwise. A change of gain adds a constant to all levels, a
shift in time moves rows; lossy coding and resampling change little above 30 dB below the loudest
band. They tell one take of a note from another only in part: `features.checking.listening` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft

# Speech and most sources lie below 7 kHz, and so does what 16 kHz files and strong coding keep.
SR = 16_000
LOWEST_HZ, HIGHEST_HZ = 120.0, 7_000.0
N_BANDS = 24

# 64 ms and 16 ms: frames overlap enough for levels between two of them to be interpolated.
FRAME_LENGTH, HOP_LENGTH = 1024, 256
HOP_S = HOP_LENGTH / SR

# One byte holds 127 dB: from far below the noise of 16-bit recordings to beyond full scale.
STEP_DB = 0.5
LOWEST_DB = -115.0

# Frames put around a clip, silent: 0.1 s, so that a window may lie half before its first sound.
MARGIN = 6

# Of a clip of more frames (2.6 s), the stretches (0.5 s) around its loudest moments are kept: the
# same ones in a copy, wherever it begins.
MAX_FRAMES = 160
STRETCH, MAX_STRETCHES = 32, 5

# Frames (80 ms) over which loudness is averaged: no single peak decides which moment is loudest.
LOUDNESS_FRAMES = 5


@dataclass(frozen=True)
class Fingerprint:
    """One clip's levels.

    Parameters
    ----------
    times : np.ndarray of shape (n_frames,), int32
        Each frame's place in hops from the clip's beginning, ascending; negative and beyond the
        end in the silence around it.
    levels : np.ndarray of shape (n_frames, N_BANDS), uint8
        In steps of `STEP_DB` above `LOWEST_DB`; 0 in digital silence.
    """

    times: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class Fingerprints:
    """Those of many clips, end to end.

    Parameters
    ----------
    times, levels : np.ndarray
        See `Fingerprint`.
    bounds : np.ndarray of shape (n_samples + 1,), int64
        Clip `k` has the frames from ``bounds[k]`` to ``bounds[k + 1]``; none where it has no sound.
    """

    times: np.ndarray
    levels: np.ndarray
    bounds: np.ndarray

    def __len__(self) -> int:
        return len(self.bounds) - 1


NO_SOUND = Fingerprint(np.zeros(0, np.int32), np.zeros((0, N_BANDS), np.uint8))
"""Of a clip that is silent or could not be read."""


def make_fingerprint(blocks: Iterable[np.ndarray]) -> Fingerprint:
    """Take a clip's fingerprint.

    Parameters
    ----------
    blocks : iterable of np.ndarray of shape (n_timepoints,), float32
        The waveform at `SR`, in one piece or in several whose lengths, but for the last, are
        multiples of `HOP_LENGTH`. Each is framed for itself.

    Returns
    -------
    Fingerprint
        With all frames of a short clip, of a long one those around its loudest moments.
    """
    found = [_levels(block) for block in blocks]
    # The frame at a block's end is the first of the next.
    inner = [levels[:-1] for levels in found[:-1]] + found[-1:]
    levels = np.pad(np.concatenate(inner), ((MARGIN, MARGIN), (0, 0)))
    kept = _loudest_stretches(levels) if len(levels) > MAX_FRAMES else np.arange(len(levels))
    return Fingerprint((kept - MARGIN).astype(np.int32), levels[kept])


def stack_fingerprints(fingerprints: Sequence[Fingerprint]) -> Fingerprints:
    """Lay the fingerprints of many clips end to end.

    Parameters
    ----------
    fingerprints : sequence of Fingerprint
        One a clip.

    Returns
    -------
    Fingerprints
        In the same order.
    """
    parts = [NO_SOUND, *fingerprints]
    bounds = np.cumsum([len(part.times) for part in parts], dtype=np.int64)
    return Fingerprints(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.levels for part in parts]),
        bounds,
    )


def _levels(waveform: np.ndarray) -> np.ndarray:
    """Give the levels of all frames, of which the first and the last are centred on the ends."""
    n_frames = -(-len(waveform) // HOP_LENGTH) + 1
    after = (n_frames - 1) * HOP_LENGTH + FRAME_LENGTH // 2 - len(waveform)
    padded = np.pad(waveform, (FRAME_LENGTH // 2, after))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_LENGTH)[::HOP_LENGTH]
    window, weights = _analysis()
    spectrum = scipy.fft.rfft(frames * window, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2) @ weights
    decibels = 10.0 * np.log10(np.maximum(power, 10.0 ** (LOWEST_DB / 10.0)))
    return np.clip(np.rint((decibels - LOWEST_DB) / STEP_DB), 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _analysis() -> tuple[np.ndarray, np.ndarray]:
    """Give the window, and triangular bands (n_bins, N_BANDS) of equal ratios.

    A sine of full scale has about 0 dB.
    """
    window = np.hanning(FRAME_LENGTH + 1)[:-1]
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, N_BANDS + 2)
    bins = np.fft.rfftfreq(FRAME_LENGTH, 1.0 / SR)[:, np.newaxis]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / window.sum()) ** 2
    return window.astype(np.float32), weights.astype(np.float32)


def _loudest_stretches(levels: np.ndarray) -> np.ndarray:
    """Give the places of the frames around the loudest moments, ascending."""
    power = (10.0 ** (levels * (STEP_DB / 10.0))).sum(axis=1)
    loudness = np.convolve(power, np.ones(LOUDNESS_FRAMES), mode="same")
    kept = np.zeros(len(levels), dtype=bool)
    for _ in range(MAX_STRETCHES):
        moment = int(np.argmax(loudness))
        start = int(np.clip(moment - STRETCH // 2, 0, len(levels) - STRETCH))
        kept[start : start + STRETCH] = True
        loudness[max(start - STRETCH // 2, 0) : start + STRETCH + STRETCH // 2] = 0.0
    return np.flatnonzero(kept)
