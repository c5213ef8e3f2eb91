"""Entropies: order and disorder at their ends, antropy, and numpy's histogram."""

import antropy
import numpy as np
import pytest
import scipy.stats

from features.analysis import ClipAnalysis
from features.entropy import (
    permutation_entropy,
    spectral_entropy,
    svd_entropy,
    waveform_entropy,
)

SR = 22050
DESCRIPTORS = [permutation_entropy, spectral_entropy, svd_entropy, waveform_entropy]


@pytest.fixture
def noisy(rng):
    signal = np.sin(np.arange(SR) ** 1.3 / 30) + 0.1 * rng.standard_normal(SR)
    return ClipAnalysis(signal * np.linspace(0.2, 1, SR), SR)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_one_value_per_tenth_of_a_second_between_zero_and_one(noisy, descriptor):
    entropy = descriptor(noisy)
    assert entropy.shape == (1, 10)
    assert entropy.min() >= 0
    assert entropy.max() <= 1


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("n_timepoints", [1, 5000])
def test_silence_has_no_entropy(descriptor, n_timepoints):
    assert not descriptor(ClipAnalysis(np.zeros(n_timepoints), SR)).any()


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_a_constant_has_no_entropy(descriptor):
    entropy = descriptor(ClipAnalysis(np.full(4410, 0.3), SR))
    np.testing.assert_allclose(entropy, 0.0, atol=1e-6)


@pytest.mark.parametrize("descriptor", [permutation_entropy, spectral_entropy, svd_entropy])
def test_white_noise_is_near_one(rng, descriptor):
    assert descriptor(ClipAnalysis(rng.standard_normal(SR), SR)).min() > 0.93


def test_uniform_amplitudes_fill_the_histogram(rng):
    assert waveform_entropy(ClipAnalysis(rng.uniform(-1, 1, SR), SR)).min() > 0.99


def test_a_tone_has_a_spectral_entropy_near_zero():
    whole_periods = np.sin(2 * np.pi * 1000 * np.arange(SR) / SR)
    assert spectral_entropy(ClipAnalysis(whole_periods, SR)).max() < 1e-4


def test_a_rising_line_knows_one_order_only():
    assert not permutation_entropy(ClipAnalysis(np.linspace(-1, 1, 4410), SR)).any()


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_blocks_joined_are_the_whole(noisy, descriptor):
    joined = np.concatenate([descriptor(block) for block in noisy.blocks(7)], axis=1)
    np.testing.assert_allclose(joined, descriptor(noisy), rtol=1e-6)


@pytest.mark.parametrize(
    ("descriptor", "reference", "tolerance"),
    [
        (permutation_entropy, lambda x: antropy.perm_entropy(x, normalize=True), 1e-12),
        (svd_entropy, lambda x: antropy.svd_entropy(x, normalize=True), 1e-6),
        (spectral_entropy, lambda x: antropy.spectral_entropy(x, SR, normalize=True), 1e-5),
    ],
    ids=["permutation", "svd", "spectral"],
)
def test_entropy_is_antropys(noisy, descriptor, reference, tolerance):
    expected = [reference(segment) for segment in noisy.segments.astype(np.float64)]
    np.testing.assert_allclose(descriptor(noisy)[0], expected, atol=tolerance)


def test_spectral_entropy_of_an_even_length_is_antropys(rng):
    analysis = ClipAnalysis(rng.standard_normal(1600), 16000)
    expected = antropy.spectral_entropy(analysis.segments[0], 16000, normalize=True)
    assert spectral_entropy(analysis)[0, 0] == pytest.approx(expected, abs=1e-5)


def test_waveform_entropy_is_that_of_numpys_histogram(noisy):
    counts = [np.histogram(segment, bins=32)[0] for segment in noisy.segments]
    expected = scipy.stats.entropy(np.array(counts), axis=1) / np.log(32)
    # A sample within rounding of a bin's edge may fall on its other side.
    np.testing.assert_allclose(waveform_entropy(noisy)[0], expected, atol=1e-3)
