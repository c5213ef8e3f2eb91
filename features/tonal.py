"""Descriptors of pitch class: which of the twelve semitones sound, whatever the octave."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse

from features.analysis import ClipAnalysis
from features.constant_q import constant_q
from features.filterbanks import sparse_chroma_filterbank
from features.kernels.spectra import filter_sums

# Mean magnitude of a pitch class, where white noise of the clip's level has 1.1: float32 transforms
# leave some 4e-5 of a loud bass note in the silence before and after it.
QUIETEST = 1e-4

# Harte's circles of fifths, minor thirds and major thirds: turns per semitone, and radii.
TURNS = (7 / 12, 3 / 4, 1 / 3)
RADII = (1.0, 1.0, 0.5)


def chroma(analysis: ClipAnalysis, *, n_chroma: int = 12) -> np.ndarray:
    """Strength of each pitch class.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_chroma : int
        Pitch classes per octave.

    Returns
    -------
    np.ndarray of shape (n_chroma, n_frames), float64
        From C upwards, relative to the strongest of the frame, which is 1; 0 in silence. As
        ``librosa.feature.chroma_stft(tuning=0)``.

    References
    ----------
    Fujishima, T. (1999). Realtime chord recognition of musical sound: a system using Common Lisp
    Music. International Computer Music Conference.
    """
    filterbank = sparse_chroma_filterbank(analysis.sr, analysis.n_fft, n_chroma)
    raw = analysis.project(filterbank).astype(np.float64)
    strongest = raw.max(axis=0)
    return raw / np.where(strongest > 0, strongest, 1.0)


def chroma_cqt(
    analysis: ClipAnalysis,
    *,
    n_chroma: int = 12,
    bins_per_octave: int = 36,
    n_octaves: int = 7,
) -> np.ndarray:
    """Strength of each pitch class in the constant-Q transform.

    It tells the semitones of low notes apart, which a short-time spectrum cannot.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_chroma : int
        Pitch classes per octave.
    bins_per_octave : int
        Bins of the transform per octave, a multiple of `n_chroma`.
    n_octaves : int
        Octaves from C1 (32.7 Hz) upwards.

    Returns
    -------
    np.ndarray of shape (n_chroma, n_frames), float64
        From C upwards, relative to the strongest of the frame, which is 1; 0 in silence, where
        none is as strong as in white noise 81 dB below the clip's level. As
        ``librosa.feature.chroma_cqt(tuning=0)``. Not to be written to: `tonnetz` shares it.

    Raises
    ------
    ValueError
        If `bins_per_octave` is not a multiple of `n_chroma`, or `constant_q` refuses the bins.

    Notes
    -----
    The magnitudes of the bins nearest to a pitch class, summed over octaves.

    References
    ----------
    Brown, J. C. (1991). Calculation of a constant Q spectral transform. Journal of the Acoustical
    Society of America 89(1).
    """

    def compute() -> np.ndarray:
        classes = _class_filterbank(n_chroma, bins_per_octave, n_octaves)
        magnitude = constant_q(analysis, bins_per_octave=bins_per_octave, n_octaves=n_octaves)
        means = filter_sums(magnitude, classes.data, classes.indices, classes.indptr)
        strongest = means.max(axis=0).astype(np.float64)
        return means / np.where(strongest > QUIETEST, strongest, np.inf)

    return analysis.shared((chroma_cqt, n_chroma, bins_per_octave, n_octaves), compute)


@lru_cache(maxsize=16)
def _class_filterbank(
    n_chroma: int, bins_per_octave: int, n_octaves: int
) -> scipy.sparse.csr_array:
    """Give the weights that average a constant-Q transform's bins by pitch class."""
    if bins_per_octave % n_chroma:
        raise ValueError(
            f"bins_per_octave must be a multiple of n_chroma, got {bins_per_octave} and {n_chroma}"
        )
    width = bins_per_octave // n_chroma
    bins = np.arange(n_octaves * bins_per_octave)
    classes = (bins + width // 2) // width % n_chroma
    weights = np.full(len(bins), 1.0 / (n_octaves * width), dtype=np.float32)
    return scipy.sparse.csr_array((weights, (classes, bins)), shape=(n_chroma, len(bins)))


def tonnetz(analysis: ClipAnalysis) -> np.ndarray:
    """Place of the harmony in the net of fifths and thirds.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (6, n_frames), float64
        Sine and cosine on the circle of fifths, of minor thirds and of major thirds; at most the
        circle's radius (1, 1, 0.5) in size. 0 in silence. As ``librosa.feature.tonnetz`` of
        `chroma_cqt`.

    Notes
    -----
    With p the pitch classes' shares in the sum of `chroma_cqt`:
    ``sum_c p[c] r sin(2 pi u c)`` and ``sum_c p[c] r cos(2 pi u c)``, with turns a semitone
    ``u = 7/12, 3/4, 1/3`` and radii ``r = 1, 1, 0.5``.

    References
    ----------
    Harte, C., Sandler, M. and Gasser, M. (2006). Detecting harmonic change in musical audio. ACM
    Workshop on Audio and Music Computing Multimedia.
    """
    strengths = chroma_cqt(analysis)
    total = strengths.sum(axis=0)
    sums = np.einsum("pc,ct->pt", _tonal_circles(), strengths)
    return sums / np.where(total > 0, total, 1.0)


@lru_cache(maxsize=1)
def _tonal_circles() -> np.ndarray:
    """Give each pitch class's place on the three circles, (6, 12)."""
    angles = 2.0 * np.pi * np.outer(TURNS, np.arange(12))
    circles = np.stack([np.sin(angles), np.cos(angles)], axis=1) * np.reshape(RADII, (3, 1, 1))
    return circles.reshape(6, 12)
