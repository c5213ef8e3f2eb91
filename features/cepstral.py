"""Descriptors of the spectral envelope: mel bands, their cepstrum, and how contours move."""

from __future__ import annotations

from functools import lru_cache
from math import factorial

import numpy as np
import scipy.fft

from features.analysis import ClipAnalysis
from features.kernels import weighted_neighbours


def log_mel(analysis: ClipAnalysis) -> np.ndarray:
    """Level of each mel band.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (n_mels, n_frames), float32
        Decibels; -100 in silence.
    """
    return analysis.log_mel


def mfcc(analysis: ClipAnalysis, *, n_mfcc: int = 20) -> np.ndarray:
    """Mel-frequency cepstral coefficients.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_mfcc : int
        Number of coefficients, at most the analysis's `n_mels`.

    Returns
    -------
    np.ndarray of shape (n_mfcc, n_frames), float32
        Decibels. In silence the first is -100 * sqrt(n_mels), the others are 0.

    Raises
    ------
    ValueError
        If there are fewer mel bands than coefficients.

    Notes
    -----
    The orthonormal DCT-II of the log-mel levels, from the lowest: ``librosa.feature.mfcc`` with
    ``top_db=None``.

    References
    ----------
    Davis, S. and Mermelstein, P. (1980). Comparison of parametric representations for monosyllabic
    word recognition in continuously spoken sentences. IEEE Transactions on Acoustics, Speech, and
    Signal Processing 28(4).
    """
    if n_mfcc > analysis.n_mels:
        raise ValueError(f"n_mfcc must be at most n_mels = {analysis.n_mels}, got {n_mfcc}")
    return scipy.fft.dct(analysis.log_mel, type=2, norm="ortho", axis=0)[:n_mfcc]


def delta(contours: np.ndarray, *, order: int = 1, width: int = 9) -> np.ndarray:
    """Local derivative of contours: how fast they move at each frame.

    Parameters
    ----------
    contours : np.ndarray of shape (n_values, n_frames)
        One contour a row, of any unit.
    order : int
        1 for the velocity, 2 for the acceleration.
    width : int
        Odd number of frames that the derivative is taken over. A shorter clip takes as many as
        it has.

    Returns
    -------
    np.ndarray of shape (n_values, n_frames), float32
        Unit of the contours per frame to the power of `order`; 0 if there are too few frames for
        a derivative.

    Notes
    -----
    The derivative of the polynomial of degree `order` that fits best over `width` frames around
    each frame (Savitzky and Golay, 1964), and over the first and last `width` frames at the ends:
    ``librosa.feature.delta``.
    """
    contours = np.asarray(contours, dtype=np.float32)
    n_frames = contours.shape[1]
    width = min(width, n_frames - 1 + n_frames % 2)
    if width <= order:
        return np.zeros_like(contours)
    # A polynomial of degree `order` has the same derivative everywhere: the ends, which share
    # the outermost fits, repeat the outermost values.
    return weighted_neighbours(contours, _derivative_weights(width, order))


@lru_cache(maxsize=16)
def _derivative_weights(width: int, order: int) -> np.ndarray:
    positions = np.arange(width) - width // 2
    powers = np.vander(positions, order + 1, increasing=True)
    return (np.linalg.pinv(powers)[order] * factorial(order)).astype(np.float32)
