"""Descriptors of pitch class: which of the twelve semitones sound, whatever the octave."""

from __future__ import annotations

import numpy as np

from features.analysis import ClipAnalysis
from features.filterbanks import sparse_chroma_filterbank


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
