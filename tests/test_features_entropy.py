"""Entropies: order and disorder at their ends, antropy, and numpy's histogram."""

import antropy
import numpy as np
import pytest
import scipy.stats

from features.analysis import ClipAnalysis
from features.entropy import (
    approximate_entropy,
    permutation_entropy,
    sample_entropy,
    spectral_entropy,
    svd_entropy,
    waveform_entropy,
)

SR = 22050
OF_MATCHES = [approximate_entropy, sample_entropy]
DESCRIPTORS = [
    *OF_MATCHES,
    permutation_entropy,
    spectral_entropy,
    svd_entropy,
    waveform_entropy,
]


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


def test_denormal_samples_have_no_histogram():
    waveform = np.zeros(4410, dtype=np.float32)
    waveform[:2205] = np.sin(np.arange(2205))
    waveform[[3000, 3500]] = 1e-38, -5e-39
    assert waveform_entropy(ClipAnalysis(waveform, SR))[0, 1] == 0.0


def test_waveform_entropy_is_that_of_numpys_histogram(noisy):
    counts = [np.histogram(segment, bins=32)[0] for segment in noisy.segments]
    expected = scipy.stats.entropy(np.array(counts), axis=1) / np.log(32)
    # A sample within rounding of a bin's edge may fall on its other side.
    np.testing.assert_allclose(waveform_entropy(noisy)[0], expected, atol=1e-3)


@pytest.mark.parametrize("descriptor", OF_MATCHES)
def test_noise_is_more_surprising_than_a_tone(rng, descriptor):
    noise = descriptor(ClipAnalysis(rng.standard_normal(SR), SR))
    tone = descriptor(ClipAnalysis(np.sin(np.arange(SR) / 10), SR))
    assert noise.min() > 3 * tone.max()


def test_sample_entropy_of_white_noise_is_that_of_independent_samples(rng):
    # The third sample of normal noise is within 0.2 of another by chance: P(|x - y| < 0.2).
    entropy = sample_entropy(ClipAnalysis(rng.standard_normal(10 * SR), SR))
    by_chance = 2 * scipy.stats.norm.cdf(0.2 / np.sqrt(2)) - 1
    assert np.mean(entropy) * np.log(510 * 509 / 2) == pytest.approx(-np.log(by_chance), rel=0.02)


@pytest.mark.parametrize("n_points", [100, 128, 129, 512, 2205])
@pytest.mark.parametrize("kind", ["sweep", "steps"])
def test_entropies_of_matches_are_antropys(noisy, rng, n_points, kind):
    # Steps have many equal samples.
    clip = noisy if kind == "sweep" else ClipAnalysis(rng.integers(-2, 3, SR), SR)
    skipped = (2205 - n_points) // 2
    middles = clip.segments[:, skipped : skipped + n_points].astype(np.float64)
    expected = np.array([antropy.sample_entropy(middle) for middle in middles])
    ours = sample_entropy(clip, n_points=n_points)[0] * np.log((n_points - 2) * (n_points - 3) / 2)
    np.testing.assert_allclose(ours, expected, atol=1e-12)
    expected = np.array([antropy.app_entropy(middle) for middle in middles])
    ours = approximate_entropy(clip, n_points=n_points)[0] * np.log(n_points - 2)
    np.testing.assert_allclose(ours, expected, atol=1e-12)


def test_three_samples_that_never_recur_are_the_largest_surprise(rng):
    clip = ClipAnalysis(rng.standard_normal(50 * 16), SR, segment_s=16 / SR)
    expected = np.array([antropy.sample_entropy(x.astype(np.float64)) for x in clip.segments])
    assert np.isinf(expected).any()
    assert np.isnan(expected).any()
    ours = sample_entropy(clip)[0]
    np.testing.assert_array_equal(ours[~np.isfinite(expected)], 1.0)
    known = np.isfinite(expected)
    np.testing.assert_allclose(ours[known] * np.log(14 * 13 / 2), expected[known], atol=1e-12)


@pytest.mark.parametrize("descriptor", OF_MATCHES)
@pytest.mark.parametrize(
    "waveform",
    [
        np.ones(1),
        np.eye(1, 9000, 4000)[0],
        (-1.0) ** np.arange(6000),
        np.float32(1e-30) * np.linspace(1, 0, 9000, dtype=np.float32) ** 9,
    ],
    ids=["one sample", "impulse", "highest frequency", "vanishing"],
)
def test_odd_waveforms_have_entropies_between_zero_and_one(descriptor, waveform):
    with np.errstate(all="raise"):
        entropy = descriptor(ClipAnalysis(waveform, SR))
    assert entropy.min() >= 0.0
    assert entropy.max() <= 1.0


@pytest.mark.parametrize("descriptor", OF_MATCHES)
def test_three_points_have_no_matches_to_count(descriptor):
    with pytest.raises(ValueError, match="n_points must be at least 4, got 3"):
        descriptor(ClipAnalysis(np.ones(5000), SR), n_points=3)
