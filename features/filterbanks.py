"""Filterbanks: weights that gather the bins of a spectrum into mel bands or pitch classes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.sparse

# Weights below this are a pitch class's far Gaussian tail: they cannot change a float32 sum.
NEGLIGIBLE_WEIGHT = 1e-7


def _hz_to_mel(frequencies: np.ndarray) -> np.ndarray:
    """Slaney's mel: linear up to 1 kHz (15 mel), then 27 mel for a factor of 6.4."""
    log_part = 15.0 + 27.0 * np.log(np.maximum(frequencies, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(frequencies < 1000.0, frequencies * 0.015, log_part)


def _mel_to_hz(mels: np.ndarray) -> np.ndarray:
    return np.where(mels < 15.0, mels / 0.015, 1000.0 * 6.4 ** ((mels - 15.0) / 27.0))


def mel_edges(sr: float, *, n_mels: int) -> np.ndarray:
    """Corner frequencies of the mel bands: band m rises from edge m to m + 1, falls to m + 2.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_mels : int
        Number of bands.

    Returns
    -------
    np.ndarray of shape (n_mels + 2,)
        Frequencies in Hz, equally spaced in mel from 0 to sr / 2.
    """
    return _mel_to_hz(np.linspace(0.0, _hz_to_mel(np.array(sr / 2)), n_mels + 2))


def mel_filterbank(sr: float, *, n_fft: int, n_mels: int) -> np.ndarray:
    """Give the triangular mel filters of Slaney's Auditory Toolbox (1998).

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_fft : int
        Length of the Fourier transform in samples.
    n_mels : int
        Number of bands.

    Returns
    -------
    np.ndarray of shape (n_mels, 1 + n_fft // 2), float64
        Triangles of equal area (1 when summed over Hz), as in librosa's default.
    """
    edges = mel_edges(sr, n_mels=n_mels)[:, np.newaxis]
    frequencies = scipy.fft.rfftfreq(n_fft, 1.0 / sr)
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])


@lru_cache(maxsize=16)
def sparse_mel_filterbank(sr: float, n_fft: int, n_mels: int) -> scipy.sparse.csr_array:
    """Give `mel_filterbank` as float32 without its zeros, cached.

    Parameters
    ----------
    sr, n_fft, n_mels
        See `mel_filterbank`.

    Returns
    -------
    scipy.sparse.csr_array of shape (n_mels, 1 + n_fft // 2), float32
        The weights.
    """
    return scipy.sparse.csr_array(mel_filterbank(sr, n_fft=n_fft, n_mels=n_mels), dtype=np.float32)


def chroma_filterbank(sr: float, *, n_fft: int, n_chroma: int = 12) -> np.ndarray:
    """Give the weights that fold a spectrum onto pitch classes.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_fft : int
        Length of the Fourier transform in samples.
    n_chroma : int
        Pitch classes per octave.

    Returns
    -------
    np.ndarray of shape (n_chroma, 1 + n_fft // 2), float64
        Row 0 is C; A4 is 440 Hz. Each bin spreads over pitch classes as a Gaussian about as wide
        as the bin (at least one pitch class), with unit Euclidean norm, and counts by a second
        Gaussian over octaves around A4 + 1 octave: ``librosa.filters.chroma`` without tuning.

    References
    ----------
    Ellis, D. P. W. (2007). Chroma feature analysis and synthesis. LabROSA, Columbia University.
    """
    frequencies = scipy.fft.rfftfreq(n_fft, 1.0 / sr)[1:]
    octaves = np.log2(frequencies / 27.5)  # above A0
    # The bin of 0 Hz has no pitch; it is put one and a half octaves below the next.
    octaves = np.concatenate([[octaves[0] - 1.5], octaves])
    position = n_chroma * octaves
    next_position = n_chroma * np.log2((1 + np.arange(len(octaves))) * sr / n_fft / 27.5)
    width = np.maximum(next_position - position, 1.0)
    distance = position - np.arange(n_chroma)[:, np.newaxis]
    half = round(n_chroma / 2)
    distance = (distance + half) % n_chroma - half  # to the nearest octave
    weights = np.exp(-0.5 * (2.0 * distance / width) ** 2)
    weights /= np.linalg.norm(weights, axis=0)
    weights *= np.exp(-0.5 * ((octaves - 5.0) / 2.0) ** 2)
    return np.roll(weights, -3 * (n_chroma // 12), axis=0)  # from A to C


@lru_cache(maxsize=16)
def sparse_chroma_filterbank(sr: float, n_fft: int, n_chroma: int) -> scipy.sparse.csr_array:
    """Give `chroma_filterbank` as float32 without its negligible weights, cached.

    Parameters
    ----------
    sr, n_fft, n_chroma
        See `chroma_filterbank`.

    Returns
    -------
    scipy.sparse.csr_array of shape (n_chroma, 1 + n_fft // 2), float32
        The weights above 1e-7.
    """
    filterbank = chroma_filterbank(sr, n_fft=n_fft, n_chroma=n_chroma)
    filterbank[filterbank < NEGLIGIBLE_WEIGHT] = 0.0
    return scipy.sparse.csr_array(filterbank, dtype=np.float32)
