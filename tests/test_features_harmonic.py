"""Running medians and the harmonic and percussive parts: known sounds, blocks, scipy, librosa."""

import librosa
import numpy as np
import pytest
import scipy.ndimage

from features.analysis import ClipAnalysis
from features.harmonic import harmonic_percussive, running_median
from features.level import measure_level

SR = 22050


def tone(n_timepoints=3 * SR, frequency=440.0):
    return np.sin(2 * np.pi * frequency * np.arange(n_timepoints) / SR)


def impulses(n_timepoints=3 * SR, period=8192):
    """Clicks so far apart that most of any 31 frames have none."""
    signal = np.zeros(n_timepoints)
    signal[period // 2 :: period] = 1.0
    return signal


@pytest.fixture
def noisy(rng):
    """Give chords and clicks in noise."""
    signal = tone() + tone(frequency=1234.5) + 20 * impulses() + 0.1 * rng.standard_normal(3 * SR)
    return ClipAnalysis(signal * np.linspace(0.2, 1, 3 * SR), SR)


def test_a_steady_tone_is_harmonic():
    harmonic, percussive, ratio = harmonic_percussive(ClipAnalysis(tone(), SR))[:, 3:-3]
    assert harmonic.min() > 0.99
    assert percussive.max() < 1e-3
    assert ratio.min() > 30  # dB


def test_clicks_are_percussive():
    analysis = ClipAnalysis(impulses(), SR)
    harmonic, percussive, ratio = harmonic_percussive(analysis)
    sounding = analysis.energy > 0.01 * analysis.energy.max()
    assert sounding.sum() > 20
    assert harmonic[sounding].max() < 1e-3
    assert percussive[sounding].min() > 0.99
    assert ratio[sounding].max() < -30  # dB


def test_white_noise_is_neither(rng):
    contours = harmonic_percussive(ClipAnalysis(rng.standard_normal(3 * SR), SR))
    np.testing.assert_allclose(contours[:2].mean(axis=1), 0.25, atol=0.03)
    assert abs(contours[2].mean()) < 0.5  # dB


def test_lines_of_a_spectrum_are_told_apart_exactly():
    analysis = ClipAnalysis(np.ones(99 * 512), SR)
    magnitude = np.zeros((1025, 100), dtype=np.float32)
    magnitude[200] = 3.0
    magnitude[:, 50] = 4.0
    magnitude[100, 10] = 1e4  # neither: both medians are 0 there
    analysis.magnitude = magnitude
    contours = harmonic_percussive(analysis)
    np.testing.assert_allclose(contours[:2, 20], [1.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(contours[:2, 10], 0.25, rtol=1e-6)
    # The bin that both lines cross goes to them as the squares of 3 and 4.
    squares = np.array([9.0, 16.0])
    parts = 16.0 * (squares / squares.sum()) ** 2 + [0.0, 1024 * 16.0]
    np.testing.assert_allclose(contours[:2, 50], parts / (1025 * 16.0), rtol=1e-5)
    assert contours[2, 50] == pytest.approx(10 * np.log10(parts[0] / parts[1]), rel=1e-5)


@pytest.mark.parametrize("n_timepoints", [1, 5000])
def test_silence_has_zeros(n_timepoints):
    contours = harmonic_percussive(ClipAnalysis(np.zeros(n_timepoints), SR))
    assert contours.shape == (3, 1 + n_timepoints // 512)
    assert not contours.any()


@pytest.mark.parametrize(
    "waveform",
    [
        np.ones(1),
        np.full(5000, 0.3),
        impulses(5000),
        (-1.0) ** np.arange(5000),
        np.r_[np.zeros(20000), 1.0, np.full(20000, 1e-12)],
        np.exp(-np.arange(3 * SR) / 1000),
    ],
    ids=["one_sample", "constant", "impulse", "nyquist", "faint_after_loud", "decay"],
)
def test_degenerate_sounds_have_finite_values_within_bounds(waveform):
    with np.errstate(all="raise"):
        contours = harmonic_percussive(ClipAnalysis(waveform, SR)).astype(np.float32)
    assert contours.flags.c_contiguous
    assert np.isfinite(contours).all()
    assert contours[:2].min() >= 0
    assert contours[:2].max() <= 1


@pytest.mark.parametrize("gain", [0.1, 1e-20, 1e30], ids=["tenth", "tiny", "huge"])
def test_gain_does_not_matter(noisy, gain):
    contours = harmonic_percussive(ClipAnalysis(noisy.waveform * np.float32(gain), SR))
    np.testing.assert_allclose(contours, harmonic_percussive(noisy), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("max_frames", [1, 7, 50])
@pytest.mark.parametrize("n_frames", [10, 20, 40, 130])
def test_blocks_joined_are_the_whole(noisy, n_frames, max_frames):
    clip = ClipAnalysis(noisy.waveform[: (n_frames - 1) * 512], SR)
    joined = np.concatenate([harmonic_percussive(block) for block in clip.blocks(max_frames)], 1)
    np.testing.assert_allclose(joined, harmonic_percussive(clip), rtol=1e-4, atol=1e-5)


def test_a_stream_has_the_contours_of_the_whole(noisy):
    pieces = np.array_split(noisy.waveform, 7)
    blocks = ClipAnalysis.stream(pieces, measure_level(pieces), SR, max_frames=10)
    joined = np.concatenate([harmonic_percussive(block) for block in blocks], axis=1)
    np.testing.assert_allclose(joined, harmonic_percussive(noisy), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 40), (40, 1), (7, 9), (16, 31), (47, 30), (145, 300), (1025, 130)],
    ids=str,
)
def test_running_medians_are_scipys_to_the_bit(rng, shape):
    spectrum = rng.exponential(size=shape).astype(np.float32)
    spectrum[rng.random(shape) < 0.1] = 0.0  # equal values
    for axis, size in enumerate([(31, 1), (1, 31)]):
        expected = scipy.ndimage.median_filter(spectrum, size=size, mode="reflect")
        np.testing.assert_array_equal(running_median(spectrum, axis=axis), expected)


# Not two frames, which scipy 1.17 mirrors in the wrong order.
@pytest.mark.parametrize("n_timepoints", [1, 2 * 512, 10 * 512, 31 * 512, 3 * SR])
def test_the_parts_are_librosas(noisy, n_timepoints):
    analysis = ClipAnalysis(noisy.waveform[:n_timepoints], SR)
    spectrum = analysis.magnitude.astype(np.float64)
    parts = [np.sum(part**2, axis=0) for part in librosa.decompose.hpss(spectrum)]
    shares = parts / np.sum(spectrum**2, axis=0)
    contours = harmonic_percussive(analysis)
    np.testing.assert_allclose(contours[:2], shares, rtol=1e-4)
    np.testing.assert_allclose(contours[2], 10 * np.log10(parts[0] / parts[1]), atol=1e-3)  # dB
