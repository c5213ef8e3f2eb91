"""Descriptors of disorder, one value per segment (0.1 s), all between 0 and 1.

Conventions: one row per value, one column per segment. Each entropy is divided by its largest
possible value. A segment without variation has an entropy of 0.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

from features.analysis import ClipAnalysis


def _shannon_entropy(weights: np.ndarray, *, n_states: int) -> np.ndarray:
    """Entropy over the first axis of non-negative weights, 1 if all `n_states` weigh the same."""
    total = weights.sum(axis=0)
    share = weights * (1.0 / np.where(total > 0, total, np.inf)).astype(weights.dtype)
    terms = share * np.log(np.maximum(share, np.finfo(weights.dtype).tiny))
    return np.abs(terms.sum(axis=0, dtype=np.float64)[np.newaxis]) / np.log(n_states)


def waveform_entropy(analysis: ClipAnalysis, *, n_bins: int = 32) -> np.ndarray:
    """Entropy of the waveform's amplitude histogram.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    n_bins : int
        Number of equal bins from the segment's smallest to its largest sample.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``-sum_b p[b] log p[b] / log n_bins`` (Shannon, 1948); 0 for a constant segment.
    """
    segments = analysis.segments
    lowest = segments.min(axis=0)
    spread = segments.max(axis=0) - lowest
    position = (segments - lowest) * (n_bins / np.where(spread > 0, spread, np.inf))
    # One count serves all segments: each has its own range of bins.
    bins = np.minimum(position, n_bins - 1).astype(np.intp)
    bins += n_bins * np.arange(analysis.n_segments)
    counts = np.bincount(bins.ravel(order="K"), minlength=n_bins * analysis.n_segments)
    counts = counts.reshape(analysis.n_segments, n_bins).T
    return _shannon_entropy(counts.astype(np.float64), n_states=n_bins)


def spectral_entropy(analysis: ClipAnalysis) -> np.ndarray:
    """Entropy of the power spectrum of a segment.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``-sum_f p[f] log p[f] / log n_bins``, with p the share of each bin in the power of the
        whole segment without its mean (no window); 0 for a constant segment. It is
        ``antropy.spectral_entropy(method="fft", normalize=True)``.

    References
    ----------
    Inouye, T. et al. (1991). Quantification of EEG irregularity by use of the entropy of the power
    spectrum. Electroencephalography and Clinical Neurophysiology 79(3).
    """
    segments = analysis.segments
    centred = segments - segments.mean(axis=0)
    spectrum = scipy.fft.rfft(centred.T, axis=1).T
    power = spectrum.real**2 + spectrum.imag**2
    if len(segments) % 2 == 0:
        power[-1] *= 0.5  # the highest bin of an even length has no mirror image
    return _shannon_entropy(power, n_states=len(power))


def permutation_entropy(analysis: ClipAnalysis) -> np.ndarray:
    """Entropy of the orders in which three successive samples can stand.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``-sum_k p[k] log p[k] / log 6`` over the six orders: ``antropy.perm_entropy`` of order 3
        and delay 1, normalised. Equal samples count as rising. 0 for a constant segment.

    References
    ----------
    Bandt, C. and Pompe, B. (2002). Permutation entropy: a natural complexity measure for time
    series. Physical Review Letters 88(17).
    """
    segments = analysis.segments
    rises = (segments[:-1] <= segments[1:]).view(np.uint8)
    rises_over_two = (segments[:-2] <= segments[2:]).view(np.uint8)
    # Three comparisons tell the six orders apart; codes 1 and 6 contradict themselves.
    codes = 4 * rises[:-1] + 2 * rises[1:] + rises_over_two
    counts = [np.count_nonzero(codes == code, axis=0) for code in (0, 2, 3, 4, 5, 7)]
    return _shannon_entropy(np.array(counts, dtype=np.float64), n_states=6)


def svd_entropy(analysis: ClipAnalysis) -> np.ndarray:
    """Entropy of the singular values of a segment embedded in three dimensions.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.

    Returns
    -------
    np.ndarray of shape (1, n_segments), float64
        ``-sum_k s[k] log s[k] / log 3``, with s the shares of the singular values of the matrix
        of rows ``(x[i], x[i + 1], x[i + 2])``: ``antropy.svd_entropy`` of order 3 and delay 1,
        normalised. 0 for a silent segment.

    References
    ----------
    Roberts, S. J. et al. (1999). Temporal and spatial complexity measures for electroencephalogram
    based brain-computer interfacing. Medical and Biological Engineering and Computing 37(1).
    """
    x = analysis.segments.T.astype(np.float64)  # squares need it: eigenvalues may be tiny
    n_rows = x.shape[1] - 2
    gram = np.empty((len(x), 3, 3))
    for i in range(3):
        for j in range(i, 3):
            gram[:, i, j] = np.einsum("si,si->s", x[:, i : n_rows + i], x[:, j : n_rows + j])
            gram[:, j, i] = gram[:, i, j]
    # Singular values are the square roots of the 3 x 3 Gram matrix's eigenvalues.
    singular_values = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0))
    return _shannon_entropy(singular_values.T, n_states=3)
