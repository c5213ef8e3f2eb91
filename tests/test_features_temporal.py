"""Zero crossings, level and Hjorth parameters: known signals, antropy and librosa."""

import antropy
import librosa
import numpy as np
import pytest

from features.analysis import ClipAnalysis
from features.temporal import hjorth_parameters, rms, zero_crossing_rate

SR = 22050
DESCRIPTORS = [hjorth_parameters, rms, zero_crossing_rate]


@pytest.fixture
def noisy(rng):
    signal = np.sin(np.arange(SR) ** 1.3 / 30) + 0.1 * rng.standard_normal(SR)
    return ClipAnalysis(signal * np.linspace(0.2, 1, SR), SR)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("n_timepoints", [1, 5000])
def test_silence_is_zero(descriptor, n_timepoints):
    assert not descriptor(ClipAnalysis(np.zeros(n_timepoints), SR)).any()


@pytest.mark.parametrize("descriptor", [hjorth_parameters, zero_crossing_rate])
def test_a_constant_does_not_move(descriptor):
    assert not descriptor(ClipAnalysis(np.full(4410, 0.3), SR)).any()


def test_a_tone_crosses_zero_twice_a_period():
    tone = np.sin(2 * np.pi * 1000 * np.arange(SR) / SR + 0.1)
    rate = zero_crossing_rate(ClipAnalysis(tone, SR))[0, 3:-3]
    np.testing.assert_allclose(rate, 2 * 1000 / SR, atol=2 / 2048)


def test_a_steady_tone_has_the_level_of_the_clip():
    tone = np.sin(2 * np.pi * 1000 * np.arange(SR) / SR)
    np.testing.assert_allclose(rms(ClipAnalysis(0.01 * tone, SR))[0, 3:-3], 1.0, rtol=1e-3)


def test_a_tone_has_its_angular_frequency_as_mobility_and_a_complexity_of_one():
    tone = np.sin(2 * np.pi * 200 * np.arange(SR) / SR)
    mobility, complexity = hjorth_parameters(ClipAnalysis(tone, SR))
    np.testing.assert_allclose(mobility, 2 * np.pi * 200 / SR, rtol=1e-3)
    np.testing.assert_allclose(complexity, 1.0, rtol=2e-3)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_blocks_joined_are_the_whole(noisy, descriptor):
    joined = np.concatenate([descriptor(block) for block in noisy.blocks(7)], axis=1)
    np.testing.assert_allclose(joined, descriptor(noisy), rtol=1e-6)


def test_hjorth_parameters_are_antropys(noisy):
    segments = noisy.segments.astype(np.float64)
    expected = np.transpose([antropy.hjorth_params(segment) for segment in segments])
    np.testing.assert_allclose(hjorth_parameters(noisy), expected, rtol=1e-9)


def test_rms_is_librosas(noisy):
    expected = librosa.feature.rms(y=noisy.waveform, pad_mode="constant")
    np.testing.assert_allclose(rms(noisy), expected, rtol=1e-5)


def test_zero_crossing_rate_is_librosas_away_from_the_ends(noisy):
    expected = librosa.feature.zero_crossing_rate(noisy.waveform)
    ours = zero_crossing_rate(noisy)
    np.testing.assert_array_equal(ours[:, 2:-2], expected[:, 2:-2])
    np.testing.assert_allclose(ours, expected, atol=1 / 2048)
