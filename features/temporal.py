"""Descriptors of the waveform itself: crossings, level, mobility and complexity.

Conventions: one row per value; one column per frame (zero crossings, level) or per segment
(mobility, complexity). All are 0 in silence.
"""

from __future__ import annotations

import numpy as np

from features.analysis import ClipAnalysis


def zero_crossing_rate(analysis: ClipAnalysis) -> np.ndarray:
    """Share of a frame's samples at which the sign changes.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        Crossings per sample, between 0 and 1; zero counts as positive. As
        ``librosa.feature.zero_crossing_rate``, except that the zeros beyond the clip's ends may
        add one crossing to the outermost frames.
    """
    negative = analysis.samples < 0
    crosses = np.zeros(len(negative), dtype=np.bool_)
    np.not_equal(negative[1:], negative[:-1], out=crosses[1:])
    # A change into a frame's first sample happens outside the frame.
    into_first = crosses[:: analysis.hop_length][: analysis.n_frames]
    return ((analysis.sum_over_frames(crosses) - into_first) / analysis.n_fft)[np.newaxis]


def rms(analysis: ClipAnalysis) -> np.ndarray:
    """Level of each frame relative to the clip's.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        ``sqrt(mean_i x[i]^2)``, with the whole clip's RMS as 1: ``librosa.feature.rms``.
    """
    squares = np.square(analysis.samples)
    return np.sqrt(analysis.sum_over_frames(squares) / analysis.n_fft)[np.newaxis]


def hjorth_parameters(analysis: ClipAnalysis) -> np.ndarray:
    """Mobility and complexity: the waveform's mean frequency and the breadth of its spectrum.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (2, n_segments), float64
        Mobility ``std(x') / std(x)`` (per sample), and complexity, the mobility of x' over that
        of x; x' is the difference of successive samples. As ``antropy.hjorth_params``. Both are
        0 for a constant segment.

    References
    ----------
    Hjorth, B. (1970). EEG analysis based on time domain properties. Electroencephalography and
    Clinical Neurophysiology 29(3).
    """
    x = analysis.segments.T.astype(np.float64)
    first = np.diff(x, axis=1)
    second = np.diff(first, axis=1)
    std, first_std, second_std = _std(x), _std(first), _std(second)
    mobility = first_std / np.where(std > 0, std, np.inf)
    mobility_of_first = second_std / np.where(first_std > 0, first_std, np.inf)
    return np.stack([mobility, mobility_of_first / np.where(mobility > 0, mobility, np.inf)])


def _std(x: np.ndarray) -> np.ndarray:
    # Faster than np.std, and exact enough in float64 unless the mean is 1e7 times the deviation.
    mean_square = np.einsum("ij,ij->i", x, x) / x.shape[1]
    return np.sqrt(np.maximum(0.0, mean_square - x.mean(axis=1) ** 2))
