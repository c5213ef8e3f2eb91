"""Descriptors of the spectral envelope: bands, their cepstra, and how contours move.

Conventions: a cepstrum is the orthonormal DCT-II of the bands' levels in decibels, from the lowest
coefficient up. In silence the first is -100 * sqrt(number of bands), the others are 0.
"""

from __future__ import annotations

from functools import lru_cache
from math import factorial

import numpy as np
import scipy.fft

from features.analysis import ClipAnalysis
from features.filterbanks import sparse_gammatone_filterbank, sparse_linear_filterbank
from features.kernels.spectra import filter_sums, weighted_neighbours


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
    return _cepstrum(analysis.log_mel, n_mfcc)


def gtcc(analysis: ClipAnalysis, *, n_gtcc: int = 20, n_bands: int = 40) -> np.ndarray:
    """Gammatone cepstral coefficients: the cepstrum of bands shaped as the ear's.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_gtcc : int
        Number of coefficients, at most `n_bands`.
    n_bands : int
        Number of bands, from 50 Hz up: see `features.filterbanks.gammatone_filterbank`.

    Returns
    -------
    np.ndarray of shape (n_gtcc, n_frames), float32
        Decibels.

    Raises
    ------
    ValueError
        If there are fewer bands than coefficients, or half the sampling rate is not above 50 Hz.

    References
    ----------
    Valero, X. and Alias, F. (2012). Gammatone cepstral coefficients: biologically inspired features
    for non-speech audio classification. IEEE Transactions on Multimedia 14(6).
    """
    if n_gtcc > n_bands:
        raise ValueError(f"n_gtcc must be at most n_bands = {n_bands}, got {n_gtcc}")
    filterbank = sparse_gammatone_filterbank(analysis.sr, analysis.n_fft, n_bands)
    return _cepstrum(analysis.levels(filterbank), n_gtcc)


def lfcc(analysis: ClipAnalysis, *, n_lfcc: int = 20, n_bands: int = 40) -> np.ndarray:
    """Linear-frequency cepstral coefficients: as fine in the treble as in the bass.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_lfcc : int
        Number of coefficients, at most `n_bands`.
    n_bands : int
        Number of bands: see `features.filterbanks.linear_filterbank`.

    Returns
    -------
    np.ndarray of shape (n_lfcc, n_frames), float32
        Decibels.

    Raises
    ------
    ValueError
        If there are fewer bands than coefficients.

    References
    ----------
    Zhou, X. et al. (2011). Linear versus mel frequency cepstral coefficients for speaker
    recognition. IEEE Workshop on Automatic Speech Recognition and Understanding.
    """
    if n_lfcc > n_bands:
        raise ValueError(f"n_lfcc must be at most n_bands = {n_bands}, got {n_lfcc}")
    filterbank = sparse_linear_filterbank(analysis.sr, analysis.n_fft, n_bands)
    return _cepstrum(analysis.levels(filterbank), n_lfcc)


def _cepstrum(levels: np.ndarray, n: int) -> np.ndarray:
    return filter_sums(levels, *_cosines(n, len(levels)))


@lru_cache(maxsize=16)
def _cosines(n: int, n_bands: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the first rows of the orthonormal DCT-II as `filter_sums` takes filters."""
    matrix = scipy.fft.dct(np.eye(n_bands), type=2, norm="ortho", axis=0)[:n]
    bins = np.tile(np.arange(n_bands, dtype=np.int32), n)
    starts = n_bands * np.arange(n + 1, dtype=np.int32)
    return matrix.astype(np.float32).ravel(), bins, starts


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
