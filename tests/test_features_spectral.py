"""Spectral descriptors: known spectra, silence, blocks, and librosa."""

import librosa
import numpy as np
import pytest
import scipy.stats

from features.analysis import ClipAnalysis
from features.spectral import (
    onset_strength,
    spectral_contrast,
    spectral_crest,
    spectral_flatness,
    spectral_flux,
    spectral_irregularity,
    spectral_moments,
    spectral_polynomial,
    spectral_rolloff,
    spectral_slope,
)

SR = 22050
DESCRIPTORS = [
    onset_strength,
    spectral_contrast,
    spectral_crest,
    spectral_flatness,
    spectral_flux,
    spectral_irregularity,
    spectral_moments,
    spectral_polynomial,
    spectral_rolloff,
    spectral_slope,
]


def tone(frequency, n_timepoints=SR):
    return np.sin(2 * np.pi * frequency * np.arange(n_timepoints) / SR)


@pytest.fixture
def noisy(rng):
    """Give a sweep in noise, its power spread over all bins and far above the floor."""
    signal = np.sin(np.arange(SR) ** 1.3 / 30) + 0.1 * rng.standard_normal(SR)
    return ClipAnalysis(signal * np.linspace(0.2, 1, SR), SR)


def inner(contours):
    """Leave out the frames that see the clip's ends."""
    return contours[:, 3:-3]


def reference(analysis):
    """Give librosa's magnitude spectrum in our scale."""
    window_energy = np.sum(librosa.filters.get_window("hann", 2048) ** 2)
    return np.abs(librosa.stft(analysis.waveform.astype(np.float64))) / np.sqrt(window_energy)


@pytest.mark.parametrize("frequency", [440.0, 1000.0, 5000.0])
def test_a_tone_has_its_frequency_as_centroid_and_hardly_any_bandwidth(frequency):
    centroid, bandwidth = inner(spectral_moments(ClipAnalysis(tone(frequency), SR)))[:2]
    np.testing.assert_allclose(centroid, frequency, rtol=0.005)
    assert bandwidth.max() < 60  # Hz: a few bins of 10.8 Hz and the window's side lobes


def test_a_tone_rolls_off_at_its_frequency():
    rolloff = inner(spectral_rolloff(ClipAnalysis(tone(1000.0), SR)))
    np.testing.assert_allclose(rolloff, 1000.0, atol=2 * SR / 2048)


def test_a_tone_is_not_flat():
    assert inner(spectral_flatness(ClipAnalysis(tone(1000.0), SR))).max() < 1e-4


def test_white_noise_has_the_flatness_of_exponential_power(rng):
    flatness = inner(spectral_flatness(ClipAnalysis(rng.standard_normal(5 * SR), SR)))
    assert flatness.mean() == pytest.approx(np.exp(-np.euler_gamma), abs=0.01)


def test_the_spectrum_of_an_impulse_is_flat():
    impulse = np.zeros(2048 * 4)
    impulse[4096] = 1.0
    analysis = ClipAnalysis(impulse, SR)
    assert spectral_flatness(analysis)[0, 8] == pytest.approx(1.0, abs=1e-5)
    assert spectral_crest(analysis)[0, 8] == pytest.approx(0.0, abs=1e-4)
    assert spectral_moments(analysis)[0, 8] == pytest.approx(SR / 4, rel=1e-4)


def test_white_noise_has_no_slope(rng):
    slope = spectral_slope(ClipAnalysis(rng.standard_normal(20 * SR), SR))
    assert abs(slope.mean()) < 0.2  # dB per octave


def test_differentiated_noise_rises_by_six_decibels_per_octave(rng):
    blue = np.diff(rng.standard_normal(20 * SR))
    assert spectral_slope(ClipAnalysis(blue, SR)).mean() == pytest.approx(6.0, abs=0.5)


def test_a_change_of_tone_is_a_flux_and_an_onset():
    both = np.concatenate([tone(500.0), tone(3000.0)])
    analysis = ClipAnalysis(both, SR)
    flux, onset = spectral_flux(analysis)[0], onset_strength(analysis)[0]
    change = SR // 512
    assert abs(int(flux[3:-3].argmax()) + 3 - change) <= 2
    assert flux[10:30].max() < 1e-4
    assert abs(int(onset[3:-3].argmax()) + 3 - change) <= 3


def test_an_entry_out_of_silence_is_a_flux_of_one():
    analysis = ClipAnalysis(np.concatenate([np.zeros(4096), tone(500.0, 4096)]), SR)
    flux = spectral_flux(analysis)[0]
    assert not flux[:6].any()
    assert flux[7] == pytest.approx(1.0) or flux[6] == pytest.approx(1.0)


def test_the_spectrum_of_an_impulse_is_regular_and_that_of_clicks_is_not():
    impulse = np.zeros(2048 * 4)
    impulse[4096] = 1.0
    assert spectral_irregularity(ClipAnalysis(impulse, SR))[0, 8] < 0.01
    # Every 32nd bin sounds, and its neighbours by half; the first and the last have one neighbour.
    clicks = np.tile(np.eye(1, 64)[0], 128)
    irregularity = inner(spectral_irregularity(ClipAnalysis(clicks, SR)))
    np.testing.assert_allclose(irregularity, (31 + 2 * 0.5) / (31 * 1.5 + 2 * 1.25), rtol=1e-5)


def test_irregularity_is_the_formula(noisy):
    magnitude = noisy.magnitude.astype(float)
    expected = (np.diff(magnitude, axis=0) ** 2).sum(axis=0) / (magnitude**2).sum(axis=0)
    np.testing.assert_allclose(spectral_irregularity(noisy)[0], expected, rtol=1e-3)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_polynomials_are_librosas(noisy, order):
    share = reference(noisy)
    share /= share.sum(axis=0)
    frequencies = np.fft.rfftfreq(2048, 1 / SR) / 1000
    expected = librosa.feature.poly_features(S=share, sr=SR, order=order, freq=frequencies)
    np.testing.assert_allclose(
        spectral_polynomial(noisy, order=order), expected, rtol=1e-4, atol=1e-9
    )


@pytest.mark.parametrize("order", [-1, 1025])
def test_a_polynomial_needs_bins_to_fit(noisy, order):
    with pytest.raises(ValueError, match=f"order must be from 0 to 1024, got {order}"):
        spectral_polynomial(noisy, order=order)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_silence_has_zeros_except_a_flatness_of_one(descriptor):
    contours = descriptor(ClipAnalysis(np.zeros(5000), SR))
    expected = 1.0 if descriptor is spectral_flatness else 0.0
    np.testing.assert_allclose(contours, expected, atol=1e-9)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_blocks_joined_are_the_whole(noisy, descriptor):
    joined = np.concatenate([descriptor(block) for block in noisy.blocks(7)], axis=1)
    np.testing.assert_allclose(joined, descriptor(noisy), rtol=1e-6, atol=1e-6)


def test_centroid_and_bandwidth_are_librosas(noisy):
    spectrum = reference(noisy)
    centroid, bandwidth, *_ = spectral_moments(noisy)
    expected = librosa.feature.spectral_centroid(S=spectrum, sr=SR)[0]
    np.testing.assert_allclose(centroid, expected, rtol=1e-5)
    expected = librosa.feature.spectral_bandwidth(S=spectrum, sr=SR)[0]
    np.testing.assert_allclose(bandwidth, expected, rtol=1e-5)


def test_skewness_and_kurtosis_are_those_of_the_spectrum_as_a_distribution(noisy):
    spectrum = reference(noisy)[:, 10]
    distribution = scipy.stats.rv_discrete(values=(np.arange(1025), spectrum / spectrum.sum()))
    skewness, excess = distribution.stats(moments="sk")
    ours = spectral_moments(noisy)[2:, 10]
    np.testing.assert_allclose(ours, [skewness, excess + 3], rtol=1e-4)


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.85, 0.95])
def test_rolloff_is_librosas_up_to_a_bin(noisy, fraction):
    expected = librosa.feature.spectral_rolloff(S=reference(noisy), sr=SR, roll_percent=fraction)
    ours = spectral_rolloff(noisy, fractions=(fraction,))
    # A running sum in float32 may reach the fraction one bin sooner or later.
    assert np.abs(ours - expected).max() < 1.01 * SR / 2048
    assert (ours == expected).mean() > 0.9


def test_rolloff_of_the_whole_is_the_last_bin_with_energy(rng):
    analysis = ClipAnalysis(rng.standard_normal(SR), SR)
    np.testing.assert_array_equal(spectral_rolloff(analysis, fractions=(1.0,)), SR / 2)


def test_flatness_is_librosas(noisy):
    expected = librosa.feature.spectral_flatness(S=reference(noisy))
    np.testing.assert_allclose(spectral_flatness(noisy), expected, rtol=1e-4)


def test_contrast_is_librosas(noisy):
    expected = librosa.feature.spectral_contrast(S=reference(noisy), sr=SR)
    np.testing.assert_allclose(spectral_contrast(noisy), expected, atol=1e-2)  # dB


def test_onset_strength_is_librosas(noisy):
    levels = noisy.log_mel
    expected = librosa.onset.onset_strength(S=levels, sr=SR, center=False)
    np.testing.assert_allclose(onset_strength(noisy)[0], expected, atol=1e-5)


def test_a_contrast_band_above_half_the_rate_is_refused():
    with pytest.raises(ValueError, match=r"below sr / 2 = 4000.0 Hz, got one at 6400.0 Hz"):
        spectral_contrast(ClipAnalysis(np.ones(100), 8000))
