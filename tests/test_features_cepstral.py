"""Cepstra and derivatives: flat spectra, librosa, and too few frames."""

import librosa
import numpy as np
import pytest
import scipy.fft

from features.analysis import ClipAnalysis
from features.cepstral import delta, gtcc, lfcc, log_mel, mfcc
from features.filterbanks import gammatone_filterbank, linear_filterbank

SR = 22050
CEPSTRA = [gtcc, lfcc, mfcc]


@pytest.fixture
def noisy(rng):
    signal = np.sin(np.arange(SR) ** 1.3 / 30) + 0.1 * rng.standard_normal(SR)
    return ClipAnalysis(signal * np.linspace(0.2, 1, SR), SR)


@pytest.mark.parametrize("cepstrum", CEPSTRA)
def test_silence_has_the_floor_as_first_coefficient_and_zero_elsewhere(cepstrum):
    coefficients = cepstrum(ClipAnalysis(np.zeros(5000), SR))
    np.testing.assert_allclose(coefficients[0], -100 * np.sqrt(40), rtol=1e-6)
    np.testing.assert_allclose(coefficients[1:], 0.0, atol=1e-4)  # float32 of -632


@pytest.mark.parametrize("cepstrum", CEPSTRA)
def test_white_noise_has_its_level_as_first_coefficient_and_hardly_anything_else(rng, cepstrum):
    # A filter of an area of 1 gathers the power of 2048 / SR bins, and levels in decibels scatter
    # more below their mean than above, most in the narrow bands of the bass.
    means = cepstrum(ClipAnalysis(rng.standard_normal(20 * SR), SR)).mean(axis=1)
    assert means[0] == pytest.approx(10 * np.log10(2048 / SR) * np.sqrt(40), abs=2.0)
    np.testing.assert_allclose(means[1:], 0.0, atol=1.5)  # dB


@pytest.mark.parametrize("cepstrum", CEPSTRA)
@pytest.mark.parametrize(
    "waveform",
    [np.ones(1), np.full(5000, 0.3), np.eye(1, 5000, 2500)[0], (-1.0) ** np.arange(5000)],
    ids=["one_sample", "constant", "impulse", "nyquist"],
)
def test_cepstra_of_degenerate_sounds_are_finite(cepstrum, waveform):
    with np.errstate(all="raise"):
        coefficients = cepstrum(ClipAnalysis(waveform, SR))
    assert coefficients.shape == (20, 1 + len(waveform) // 512)
    assert coefficients.flags.c_contiguous
    assert np.isfinite(coefficients).all()


@pytest.mark.parametrize("cepstrum", CEPSTRA)
def test_blocks_joined_are_the_whole(noisy, cepstrum):
    joined = np.concatenate([cepstrum(block) for block in noisy.blocks(7)], axis=1)
    np.testing.assert_allclose(joined, cepstrum(noisy), atol=1e-3)  # dB


@pytest.mark.parametrize("cepstrum", CEPSTRA)
def test_cepstra_do_not_depend_on_gain(noisy, cepstrum):
    tenth = ClipAnalysis(0.1 * noisy.waveform, SR)
    np.testing.assert_allclose(cepstrum(tenth), cepstrum(noisy), atol=1e-2)  # dB


@pytest.mark.parametrize(
    ("cepstrum", "filterbank"), [(gtcc, gammatone_filterbank), (lfcc, linear_filterbank)]
)
@pytest.mark.parametrize("n_bands", [20, 64])
def test_gtcc_and_lfcc_are_the_cosine_transform_of_their_bands_levels(
    noisy, cepstrum, filterbank, n_bands
):
    bands = filterbank(SR, n_fft=2048, n_bands=n_bands) @ noisy.power.astype(np.float64)
    levels = librosa.power_to_db(bands, amin=1e-10, top_db=None)
    expected = scipy.fft.dct(levels, norm="ortho", axis=0)[:20]
    np.testing.assert_allclose(cepstrum(noisy, n_bands=n_bands), expected, atol=1e-3)  # dB


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
    with pytest.raises(ValueError, match="n_gtcc must be at most n_bands = 10, got 13"):
        gtcc(analysis, n_gtcc=13, n_bands=10)
    with pytest.raises(ValueError, match="n_lfcc must be at most n_bands = 10, got 13"):
        lfcc(analysis, n_lfcc=13, n_bands=10)


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
