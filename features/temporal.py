"""Descriptors of the waveform itself: crossings, level, mobility and complexity.

Conventions: one row per value; one column per frame (zero crossings, level) or per segment
(mobility, complexity). All are 0 in silence.
"""

from __future__ import annotations

import numpy as np

from features.analysis import ClipAnalysis
from features.kernels.waveforms import difference_variances


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
    return (analysis.frame_sums[1] / analysis.n_fft)[np.newaxis]


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
    return np.sqrt(analysis.frame_sums[0] / analysis.n_fft)[np.newaxis]


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
    std, first_std, second_std = np.sqrt(difference_variances(analysis.segments))
    mobility = first_std / np.where(std > 0, std, np.inf)
    mobility_of_first = second_std / np.where(first_std > 0, first_std, np.inf)
    return np.stack([mobility, mobility_of_first / np.where(mobility > 0, mobility, np.inf)])
