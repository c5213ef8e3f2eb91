"""Filterbanks: librosa's, areas, and sparse forms."""

import librosa
import numpy as np
import pytest

from features.filterbanks import (
    chroma_filterbank,
    mel_edges,
    mel_filterbank,
    sparse_chroma_filterbank,
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


def test_mel_filters_have_an_area_of_one():
    areas = mel_filterbank(SR, n_fft=2**16, n_mels=40).sum(axis=1) * SR / 2**16
    np.testing.assert_allclose(areas, 1.0, rtol=1e-3)


@pytest.mark.parametrize("sr", [16000, 22050])
def test_chroma_filterbank_is_librosas(sr):
    expected = librosa.filters.chroma(sr=sr, n_fft=2048, dtype=np.float64)
    np.testing.assert_allclose(chroma_filterbank(sr, n_fft=2048), expected, atol=1e-12)


def test_sparse_filterbanks_are_the_dense_ones():
    mel = sparse_mel_filterbank(SR, 2048, 40).toarray()
    np.testing.assert_allclose(mel, mel_filterbank(SR, n_fft=2048, n_mels=40), rtol=1e-6)
    chroma = sparse_chroma_filterbank(SR, 2048, 12).toarray()
    np.testing.assert_allclose(chroma, chroma_filterbank(SR, n_fft=2048), rtol=1e-6, atol=1e-7)
