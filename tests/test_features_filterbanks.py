"""Filterbanks: librosa's, torchaudio's and scipy's, areas, and sparse forms."""

import librosa
import numpy as np
import pytest
import scipy.signal

from features.filterbanks import (
    chroma_filterbank,
    erb_centres,
    gammatone_filterbank,
    linear_filterbank,
    mel_edges,
    mel_filterbank,
    sparse_chroma_filterbank,
    sparse_gammatone_filterbank,
    sparse_linear_filterbank,
    sparse_mel_filterbank,
)

SR = 22050


@pytest.mark.parametrize("n_mels", [40, 128])
def test_mel_filterbank_is_librosas(n_mels):
    expected = librosa.filters.mel(sr=SR, n_fft=2048, n_mels=n_mels, dtype=np.float64)
    ours = mel_filterbank(SR, n_fft=2048, n_mels=n_mels)
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_mel_edges_are_librosas():
    expected = librosa.mel_frequencies(42, fmin=0.0, fmax=SR / 2)
    np.testing.assert_allclose(mel_edges(SR, n_mels=40), expected, rtol=1e-12)


def test_filters_of_bands_have_an_area_of_one():
    filterbanks = [
        mel_filterbank(SR, n_fft=2**16, n_mels=40),
        linear_filterbank(SR, n_fft=2**16, n_bands=40),
        gammatone_filterbank(SR, n_fft=2**16, n_bands=40),
    ]
    areas = np.sum(filterbanks, axis=2) * SR / 2**16
    np.testing.assert_allclose(areas, 1.0, rtol=1e-3)


@pytest.mark.parametrize("n_bands", [20, 40])
def test_linear_filterbank_is_torchaudios_over_its_half_width(n_bands):
    functional = pytest.importorskip("torchaudio.functional")
    expected = functional.linear_fbanks(1025, 0.0, SR / 2, n_bands, SR).numpy().T
    half_width = SR / 2 / (n_bands + 1)
    ours = linear_filterbank(SR, n_fft=2048, n_bands=n_bands) * half_width
    np.testing.assert_allclose(ours, expected, atol=1e-4)  # torchaudio's frequencies are float32


def test_centres_are_equally_spaced_in_equivalent_rectangular_bandwidths():
    centres = erb_centres(SR, n_bands=40)
    assert centres[0] == pytest.approx(50.0)
    n_bandwidths = 21.4 * np.log10(1 + 0.00437 * np.append(centres, SR / 2))
    np.testing.assert_allclose(np.diff(n_bandwidths, 2), 0.0, atol=1e-12)


def test_a_lowest_centre_above_half_the_rate_is_refused():
    with pytest.raises(ValueError, match=r"below sr / 2 = 4000.0 Hz, got 5000"):
        gammatone_filterbank(8000, n_fft=256, n_bands=10, lowest_hz=5000)


@pytest.mark.parametrize("band", [0, 1, 5, 20, 39])
def test_gammatone_filters_are_scipys(band):
    # Sampled eight times as fast: near half the rate, a digital filter folds what an ear does not.
    centre = erb_centres(SR, n_bands=40)[band]
    taps, _ = scipy.signal.gammatone(centre, "fir", fs=8 * SR, numtaps=2**15)
    _, response = scipy.signal.freqz(taps, worN=np.arange(1025) * SR / 2048, fs=8 * SR)
    expected = np.abs(response) ** 2
    ours = gammatone_filterbank(SR, n_fft=2048, n_bands=40)[band]
    ours *= expected.sum() / ours.sum()
    kept = ours > 0
    np.testing.assert_allclose(ours[kept], expected[kept], rtol=1e-3)
    assert expected[~kept].max(initial=0.0) < 1.001e-6 * expected.max()


def test_gammatone_filters_peak_at_their_centres():
    filterbank = gammatone_filterbank(SR, n_fft=2**16, n_bands=40)
    peaks = filterbank.argmax(axis=1) * SR / 2**16
    # The mirror image at negative frequencies draws the lowest filters down.
    np.testing.assert_allclose(peaks[4:], erb_centres(SR, n_bands=40)[4:], rtol=2e-3)


@pytest.mark.parametrize("sr", [16000, 22050])
def test_chroma_filterbank_is_librosas(sr):
    expected = librosa.filters.chroma(sr=sr, n_fft=2048, dtype=np.float64)
    np.testing.assert_allclose(chroma_filterbank(sr, n_fft=2048), expected, atol=1e-12)


def test_sparse_filterbanks_are_the_dense_ones():
    mel = sparse_mel_filterbank(SR, 2048, 40).toarray()
    np.testing.assert_allclose(mel, mel_filterbank(SR, n_fft=2048, n_mels=40), rtol=1e-6)
    chroma = sparse_chroma_filterbank(SR, 2048, 12).toarray()
    np.testing.assert_allclose(chroma, chroma_filterbank(SR, n_fft=2048), rtol=1e-6, atol=1e-7)
    linear = sparse_linear_filterbank(SR, 2048, 40).toarray()
    np.testing.assert_allclose(linear, linear_filterbank(SR, n_fft=2048, n_bands=40), rtol=1e-6)
    gammatone = sparse_gammatone_filterbank(SR, 2048, 40)
    dense = gammatone_filterbank(SR, n_fft=2048, n_bands=40)
    np.testing.assert_allclose(gammatone.toarray(), dense, rtol=1e-6)
    assert gammatone.nnz < 0.3 * dense.size
