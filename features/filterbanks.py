"""Filterbanks: weights that gather the bins of a power spectrum into bands or pitch classes.

Conventions: one filter a row, one bin a column. Filters of bands have an area of 1 when summed over
Hz, so that white noise has about the same power in all bands of all filterbanks.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.sparse

# Weights below this are a pitch class's far Gaussian tail: they cannot change a float32 sum.
NEGLIGIBLE_WEIGHT = 1e-7

# Gammatone weights 60 dB below their filter's largest are left out: nearly three quarters of all,
# and two millionths of the filter's area.
GAMMATONE_RANGE = 1e-6


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
    return _triangles(mel_edges(sr, n_mels=n_mels), sr, n_fft)


def _triangles(edges: np.ndarray, sr: float, n_fft: int) -> np.ndarray:
    """Give filters of an area of 1, rising from each edge to the next and falling to the third."""
    edges = edges[:, np.newaxis]
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


def linear_filterbank(sr: float, *, n_fft: int, n_bands: int) -> np.ndarray:
    """Give triangular filters of one width, equally spaced from 0 to sr / 2.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_fft : int
        Length of the Fourier transform in samples.
    n_bands : int
        Number of bands.

    Returns
    -------
    np.ndarray of shape (n_bands, 1 + n_fft // 2), float64
        Triangles of equal area (1 when summed over Hz): those of
        ``torchaudio.functional.linear_fbanks``, which have a height of 1, over their half width.
    """
    return _triangles(np.linspace(0.0, sr / 2, n_bands + 2), sr, n_fft)


@lru_cache(maxsize=16)
def sparse_linear_filterbank(sr: float, n_fft: int, n_bands: int) -> scipy.sparse.csr_array:
    """Give `linear_filterbank` as float32 without its zeros, cached.

    Parameters
    ----------
    sr, n_fft, n_bands
        See `linear_filterbank`.

    Returns
    -------
    scipy.sparse.csr_array of shape (n_bands, 1 + n_fft // 2), float32
        The weights.
    """
    filterbank = linear_filterbank(sr, n_fft=n_fft, n_bands=n_bands)
    return scipy.sparse.csr_array(filterbank, dtype=np.float32)


def erb_centres(sr: float, *, n_bands: int, lowest_hz: float = 50.0) -> np.ndarray:
    """Centre frequencies that are equally spaced to the ear.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_bands : int
        Number of bands.
    lowest_hz : float
        First centre in Hz.

    Returns
    -------
    np.ndarray of shape (n_bands,)
        Frequencies in Hz, equally spaced in equivalent rectangular bandwidths (ERB); the one after
        the last would be sr / 2.

    Raises
    ------
    ValueError
        If the lowest centre is not below half the sampling rate.

    Notes
    -----
    The number of bandwidths below f Hz is ``21.4 log10(1 + 0.00437 f)``.

    References
    ----------
    Glasberg, B. R. and Moore, B. C. J. (1990). Derivation of auditory filter shapes from
    notched-noise data. Hearing Research 47(1-2).
    """
    if lowest_hz >= sr / 2:
        raise ValueError(f"lowest_hz must be below sr / 2 = {sr / 2} Hz, got {lowest_hz}")
    # Any logarithm of 1 + 0.00437 f is spaced alike.
    low, high = np.log1p(0.00437 * np.array([lowest_hz, sr / 2]))
    return np.expm1(np.linspace(low, high, n_bands, endpoint=False)) / 0.00437


def gammatone_filterbank(
    sr: float, *, n_fft: int, n_bands: int, lowest_hz: float = 50.0
) -> np.ndarray:
    """Give the power responses of gammatone filters, a model of the ear's.

    Parameters
    ----------
    sr : float
        Sampling rate in Hz.
    n_fft : int
        Length of the Fourier transform in samples.
    n_bands : int
        Number of bands.
    lowest_hz : float
        See `erb_centres`.

    Returns
    -------
    np.ndarray of shape (n_bands, 1 + n_fft // 2), float64
        Filters of equal area (1 when summed over Hz), 0 more than 60 dB below their largest weight.

    Notes
    -----
    The impulse response is ``t^3 exp(-2 pi b t) cos(2 pi c t)``, with c from `erb_centres` and
    ``b = 1.019 * 24.7 (1 + 0.00437 c)`` Hz; so the weights are
    ``|(b + i (f - c))^-4 + (b + i (f + c))^-4|^2``, up to a factor.

    References
    ----------
    Patterson, R. D. et al. (1992). Complex sounds and auditory images. Auditory Physiology and
    Perception.

    Glasberg, B. R. and Moore, B. C. J. (1990). Derivation of auditory filter shapes from
    notched-noise data. Hearing Research 47(1-2).
    """
    centres = erb_centres(sr, n_bands=n_bands, lowest_hz=lowest_hz)[:, np.newaxis]
    frequencies = scipy.fft.rfftfreq(n_fft, 1.0 / sr)
    bandwidths = 1.019 * 24.7 * (1.0 + 0.00437 * centres)
    # In bandwidths: a response to a complex tone is of the order of 1 then.
    offset, mirrored = (frequencies - centres) / bandwidths, (frequencies + centres) / bandwidths
    weights = np.abs((1.0 + 1j * offset) ** -4 + (1.0 + 1j * mirrored) ** -4) ** 2
    weights[weights < GAMMATONE_RANGE * weights.max(axis=1, keepdims=True)] = 0.0
    return weights / (weights.sum(axis=1, keepdims=True) * sr / n_fft)


@lru_cache(maxsize=16)
def sparse_gammatone_filterbank(sr: float, n_fft: int, n_bands: int) -> scipy.sparse.csr_array:
    """Give `gammatone_filterbank` as float32 without its zeros, cached.

    Parameters
    ----------
    sr, n_fft, n_bands
        See `gammatone_filterbank`.

    Returns
    -------
    scipy.sparse.csr_array of shape (n_bands, 1 + n_fft // 2), float32
        The weights.
    """
    filterbank = gammatone_filterbank(sr, n_fft=n_fft, n_bands=n_bands)
    return scipy.sparse.csr_array(filterbank, dtype=np.float32)


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
