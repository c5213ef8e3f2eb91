"""MFCC and derivatives: flat spectra, librosa, and too few frames."""

import librosa
import numpy as np
import pytest

from features.analysis import ClipAnalysis
from features.cepstral import delta, log_mel, mfcc

SR = 22050


def test_silence_has_the_floor_as_first_coefficient_and_zero_elsewhere():
    coefficients = mfcc(ClipAnalysis(np.zeros(5000), SR))
    np.testing.assert_allclose(coefficients[0], -100 * np.sqrt(40), rtol=1e-6)
    np.testing.assert_allclose(coefficients[1:], 0.0, atol=1e-4)  # float32 of -632


@pytest.mark.parametrize("n_mels", [40, 128])
def test_mfcc_is_librosas(rng, n_mels):
    signal = np.sin(np.arange(SR) ** 1.3 / 30) + 0.1 * rng.standard_normal(SR)
    analysis = ClipAnalysis(signal, SR, n_mels=n_mels)
    spectrum = np.abs(librosa.stft(analysis.waveform.astype(np.float64))) ** 2
    spectrum /= np.sum(librosa.filters.get_window("hann", 2048) ** 2)
    mel = librosa.feature.melspectrogram(S=spectrum, sr=SR, n_mels=n_mels)
    levels = librosa.power_to_db(mel, amin=1e-10, top_db=None)
    np.testing.assert_allclose(log_mel(analysis), levels, atol=1e-3)  # dB
    expected = librosa.feature.mfcc(S=levels, n_mfcc=20)
    np.testing.assert_allclose(mfcc(analysis, n_mfcc=20), expected, atol=1e-3)


def test_more_coefficients_than_bands_are_refused():
    analysis = ClipAnalysis(np.ones(100), SR, n_mels=10)
    with pytest.raises(ValueError, match="at most n_mels = 10, got 13"):
        mfcc(analysis, n_mfcc=13)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("n_frames", [9, 10, 57])
def test_delta_is_librosas(rng, order, n_frames):
    contours = rng.standard_normal((3, n_frames))
    expected = librosa.feature.delta(contours, order=order)
    np.testing.assert_allclose(delta(contours, order=order), expected, atol=2e-7)


@pytest.mark.parametrize("n_frames", [3, 4, 8, 9, 30])
def test_the_velocity_of_a_line_is_its_slope(n_frames):
    line = 2.5 * np.arange(n_frames)[np.newaxis]
    np.testing.assert_allclose(delta(line), 2.5, rtol=1e-6)


@pytest.mark.parametrize("n_frames", [3, 8, 30])
def test_the_acceleration_of_a_parabola_is_constant(n_frames):
    parabola = 2.0 * np.arange(n_frames)[np.newaxis] ** 2
    np.testing.assert_allclose(delta(parabola, order=2), 4.0, rtol=1e-4)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_too_few_frames_do_not_move(n_frames):
    assert not delta(np.full((2, n_frames), 7.0)).any()
