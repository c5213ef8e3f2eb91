"""Levelling: sounds brought to one loudness, and their sum below full scale.

Loudness is that of Recommendation ITU-R BS.1770-4, in LUFS: see `features.nuisance`.
"""

from __future__ import annotations

import numpy as np

from features.analysis import ClipAnalysis
from features.nuisance import SILENCE_LEVEL, integrated_loudness, loudness_lufs

# Resampling and lossy coding of a mix raise its peaks by some tenths of a decibel.
HIGHEST_PEAK_DBFS = -1.0


def measure_loudness(waveform: np.ndarray, *, sr: int) -> float:
    """Loudness of a whole sound.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        One channel, at least one sample.
    sr : int
        Sampling rate in Hz, above 3364.

    Returns
    -------
    float
        LUFS, quiet stretches left out; of one shorter than 0.4 s the loudness of all of it. -120
        where nothing is above -70.
    """
    return integrated_loudness(loudness_lufs(ClipAnalysis(waveform, sr)))


def check_loudness(loudness: float) -> float:
    """Check that a sound can be levelled.

    Parameters
    ----------
    loudness : float
        LUFS.

    Returns
    -------
    float
        The same.

    Raises
    ------
    ValueError
        If it is that of silence.
    """
    if loudness <= SILENCE_LEVEL:
        raise ValueError("silent: nothing in it is above -70 LUFS, so that it cannot be levelled")
    return loudness


def safe_gain(waveform: np.ndarray) -> float:
    """Gain that keeps a mix from clipping.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,)
        The mix.

    Returns
    -------
    float
        dB, 0 if no sample passes -1 dBFS, else what brings the largest there.
    """
    peak = float(np.abs(waveform).max(initial=0.0))
    return min(0.0, HIGHEST_PEAK_DBFS - 20.0 * np.log10(peak)) if peak > 0.0 else 0.0
