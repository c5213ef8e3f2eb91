"""Constant-Q transform: tones, its definition, blocks and streams, silence, librosa."""

import librosa
import numpy as np
import pytest

from features.analysis import ClipAnalysis
from features.constant_q import constant_q
from features.level import measure_level

SR = 22050


def tone(frequency, n_timepoints=3 * SR):
    return np.sin(2 * np.pi * frequency * np.arange(n_timepoints) / SR)


def frequency_of(k, bins_per_octave=36):
    return librosa.note_to_hz("C1") * 2 ** (k / bins_per_octave)


def window_length(frequency, bins_per_octave=36):
    return SR / frequency / np.tanh(np.log(2) / bins_per_octave)


def by_definition(waveform, k, bins_per_octave):
    """Sum the windowed products around each frame's centre, in float64."""
    frequency = frequency_of(k, bins_per_octave)
    length = window_length(frequency, bins_per_octave)
    m = np.arange(-int(length / 2), int(length / 2) + 1)
    window = 1 + np.cos(2 * np.pi * m / length)
    kernel = window / window.sum() * np.exp(-2j * np.pi * frequency * m / SR)
    padded = np.pad(waveform.astype(np.float64), 20000)
    centres = range(20000, 20000 + len(waveform) + 1, 512)
    sums = [padded[c + m[0] :][: len(m)] @ kernel for c in centres]
    return np.sqrt(length) * np.abs(sums)


@pytest.mark.parametrize("k", [36, 100, 181, 251])
def test_a_tone_is_strongest_in_its_bin_with_half_its_amplitude(k):
    magnitude = constant_q(ClipAnalysis(tone(frequency_of(k)), SR))[:, 60]
    assert magnitude.argmax() == k
    amplitude = np.sqrt(2)  # at an RMS of 1
    expected = np.sqrt(window_length(frequency_of(k))) * amplitude / 2
    assert magnitude[k] == pytest.approx(expected, rel=2e-3)


def test_neighbouring_semitones_of_the_bass_are_told_apart():
    both = tone(frequency_of(36)) + tone(frequency_of(42))
    magnitude = constant_q(ClipAnalysis(both, SR))[:, 60]
    assert magnitude[39] < 0.1 * min(magnitude[36], magnitude[42])


@pytest.mark.parametrize(("bins_per_octave", "n_octaves"), [(36, 7), (12, 5)])
def test_it_is_what_its_definition_says(rng, bins_per_octave, n_octaves):
    analysis = ClipAnalysis(rng.standard_normal(2 * SR), SR)
    magnitude = constant_q(analysis, bins_per_octave=bins_per_octave, n_octaves=n_octaves)
    for k in np.linspace(0, len(magnitude) - 1, 5, dtype=int):
        expected = by_definition(analysis.waveform, k, bins_per_octave)
        # Magnitudes are around 1; the cut of the responses costs 6e-4.
        np.testing.assert_allclose(magnitude[k], expected, atol=3e-3)


def test_white_noise_has_an_expected_square_of_one_and_a_half(rng):
    magnitude = constant_q(ClipAnalysis(rng.standard_normal(20 * SR), SR))
    assert np.mean(magnitude[:, 60:-60] ** 2) == pytest.approx(1.5, rel=0.03)


@pytest.mark.parametrize(("bins_per_octave", "n_octaves"), [(36, 7), (12, 5)])
def test_it_is_librosas(rng, bins_per_octave, n_octaves):
    analysis = ClipAnalysis(rng.standard_normal(3 * SR), SR)
    ours = constant_q(analysis, bins_per_octave=bins_per_octave, n_octaves=n_octaves)
    expected = librosa.cqt(
        analysis.waveform.astype(np.float64),
        sr=SR,
        n_bins=bins_per_octave * n_octaves,
        bins_per_octave=bins_per_octave,
    )
    # librosa leaves out 1 % of each filter, and resamples: it is that far from the definition.
    error = ours - np.abs(expected)
    assert np.sqrt(np.mean(error**2)) < 0.02
    assert np.abs(error).max() < 0.15


@pytest.mark.parametrize(
    ("n_timepoints", "max_frames"),
    [(1, 1), (511, 1), (512, 1), (5000, 1), (5000, 7), (100_001, 7), (100_001, 150)],
)
def test_blocks_joined_are_the_whole(rng, n_timepoints, max_frames):
    analysis = ClipAnalysis(rng.standard_normal(n_timepoints), SR)
    whole = constant_q(analysis)
    assert whole.shape == (252, analysis.n_frames)
    joined = np.concatenate([constant_q(block) for block in analysis.blocks(max_frames)], axis=1)
    # A filter that is cut in frequency hears a little of what is far away.
    np.testing.assert_allclose(joined, whole, atol=1e-5 * max(1.0, whole.max()))


def test_a_stream_has_the_blocks_of_the_whole_to_the_bit(rng):
    waveform = rng.standard_normal(400_000).astype(np.float32)
    pieces = np.array_split(waveform, 9)
    streamed = ClipAnalysis.stream(pieces, measure_level(pieces), SR, max_frames=100)
    for block, expected in zip(streamed, ClipAnalysis(waveform, SR).blocks(100), strict=True):
        np.testing.assert_array_equal(constant_q(block), constant_q(expected))


def test_gain_does_not_matter(rng):
    waveform = rng.standard_normal(SR)
    quiet = constant_q(ClipAnalysis(0.1 * waveform, SR))
    np.testing.assert_allclose(quiet, constant_q(ClipAnalysis(waveform, SR)), atol=1e-5)


def test_silence_has_no_magnitude():
    assert not constant_q(ClipAnalysis(np.zeros(5000), SR)).any()


def test_a_bin_above_half_the_rate_is_refused():
    with pytest.raises(ValueError, match=r"below sr / 2 = 4000.0 Hz, got one at 4106.2 Hz"):
        constant_q(ClipAnalysis(np.ones(100), 8000))


def test_a_window_longer_than_a_stream_holds_is_refused():
    with pytest.raises(
        ValueError, match=r"no farther than 65536 samples, got 114.* 96000 Hz and 3"
    ):
        constant_q(ClipAnalysis(np.ones(100), 96000))
