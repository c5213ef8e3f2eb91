"""How a sound looks: power in mel bands over time, in decibels, as a small picture."""

from __future__ import annotations

import io

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# Long enough to part the partials of low notes, short enough to show when a note begins.
WINDOW_S = 0.05
N_BANDS = 80
# A picture a card wide has no more columns than this.
MAX_COLUMNS = 480
# What lies further below the loudest is drawn as silence.
RANGE_DB = 80.0
# Frames transformed at a time: tens of megabytes for a window of 44.1 kHz.
_BLOCK = 512


def hz_to_mel(frequency: float | np.ndarray) -> float | np.ndarray:
    """Give the pitch of a frequency on the mel scale.

    Parameters
    ----------
    frequency : float or np.ndarray
        In Hz.

    Returns
    -------
    float or np.ndarray
        ``2595 log10(1 + f / 700)``.

    References
    ----------
    D. O'Shaughnessy, Speech Communication: Human and Machine, 1987, p. 150.
    """
    return 2595.0 * np.log10(1.0 + frequency / 700.0)


def compute_log_mel(waveform: np.ndarray, sr: int) -> np.ndarray:
    """Compute the level of a sound in mel bands over time.

    Parameters
    ----------
    waveform : np.ndarray of shape (n_timepoints,), float32
        The sound, at least one sample.
    sr : int
        Sampling rate in Hz.

    Returns
    -------
    np.ndarray of shape (N_BANDS, n_columns), float64
        In dB relative to the loudest cell, from ``-RANGE_DB`` (all of it for silence) to 0; bands
        evenly spaced in mel from 0 Hz to half of `sr`. A column is the mean power of its frames,
        so that in long sounds nothing falls between columns.
    """
    window = max(2 ** round(np.log2(WINDOW_S * sr)), 16)
    hop = window // 4
    padded = np.pad(waveform.astype(np.float64), (window // 2, window // 2 + hop))
    frames = sliding_window_view(padded, window)[::hop][: len(waveform) // hop + 1]
    # Twice as many bins as the window asks for, so that low bands are not without one.
    bands = _triangles(2 * window, sr)
    taper = np.hanning(window + 1)[:-1]
    power = np.concatenate(
        [
            np.abs(np.fft.rfft(frames[start : start + _BLOCK] * taper, 2 * window)) ** 2 @ bands.T
            for start in range(0, len(frames), _BLOCK)
        ]
    )
    starts = np.unique(np.linspace(0, len(power), min(MAX_COLUMNS, len(power)), endpoint=False)
                       .astype(int))  # fmt: skip
    sizes = np.diff(starts, append=len(power))
    columns = np.add.reduceat(power, starts, axis=0) / sizes[:, None]
    loudest = columns.max()
    if loudest <= 0:
        return np.full(columns.T.shape, -RANGE_DB)
    floor = loudest * 10 ** (-RANGE_DB / 10)
    return 10 * np.log10(np.maximum(columns.T, floor) / loudest)


def _triangles(n_fft: int, sr: int) -> np.ndarray:
    """Give mel bands as triangles over the bins of a power spectrum, each of the same height."""
    bins = hz_to_mel(np.fft.rfftfreq(n_fft, 1 / sr))
    corners = np.linspace(0.0, hz_to_mel(sr / 2), N_BANDS + 2)
    rise = (bins - corners[:-2, None]) / (corners[1] - corners[0])
    return np.clip(np.minimum(rise, 2.0 - rise), 0.0, None)


def render_png(log_mel: np.ndarray) -> bytes:
    """Give a log-mel spectrogram as a picture without axes, low bands below.

    Parameters
    ----------
    log_mel : np.ndarray of shape (n_bands, n_columns)
        From `compute_log_mel`.

    Returns
    -------
    bytes
        A PNG of one pixel a cell, in colours whose lightness rises with the level.
    """
    from matplotlib.image import imsave

    picture = io.BytesIO()
    imsave(picture, log_mel[::-1], vmin=-RANGE_DB, vmax=0.0, cmap="magma", format="png")
    return picture.getvalue()
