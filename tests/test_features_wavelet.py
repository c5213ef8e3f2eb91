"""Wavelet descriptors: tones in their bands, silence, blocks, PyWavelets, the plain transform."""

import numpy as np
import pytest
import pywt
import scipy.stats

from features.analysis import ClipAnalysis
from features.level import measure_level
from features.wavelet import scalogram, wavelet_energies, wavelet_entropies

SR = 22050
DESCRIPTORS = [scalogram, wavelet_energies, wavelet_entropies]
DISCRETE = [wavelet_energies, wavelet_entropies]


def tone(frequency, n_timepoints=SR):
    return np.sin(2 * np.pi * frequency * np.arange(n_timepoints) / SR)


@pytest.fixture
def noisy(rng):
    n = SR + 777
    signal = np.sin(np.arange(n) ** 1.3 / 30) + 0.1 * rng.standard_normal(n)
    return ClipAnalysis(signal * np.linspace(0.2, 1, n), SR)


def reference(analysis, wavelet="db4", level=8):
    """Give PyWavelets' coefficients and the positions of their filters' centres, band by band."""
    waveform = analysis.waveform.astype(np.float64)
    bands = pywt.wavedec(waveform, wavelet, mode="zero", level=level)
    n_taps = pywt.Wavelet(wavelet).dec_len
    for band, j in zip(bands, [level, *range(level, 0, -1)], strict=True):
        ends = 2**j * np.arange(1, len(band) + 1) - 1
        yield band, ends - (n_taps - 1) * (2**j - 1) / 2


def segment_bounds(analysis):
    length = analysis.segment_length
    starts = np.arange(analysis.n_segments) * length
    starts[-1] = analysis.level.n_timepoints - length
    return zip(starts, starts + length, strict=True)


@pytest.mark.parametrize("k", range(15))
def test_a_tone_is_loudest_at_its_scale(k):
    levels = scalogram(ClipAnalysis(tone(62.5 * 2 ** (k / 2)), SR))
    assert levels.shape == (15, 44)
    assert (levels[:, 3:-3].argmax(axis=0) == k).all()


@pytest.mark.parametrize(
    ("frequency", "band"), [(20.0, 0), (65.0, 1), (125.0, 2), (1000.0, 5), (8000.0, 8)]
)
def test_a_tone_is_loudest_in_its_octave(frequency, band):
    levels = wavelet_energies(ClipAnalysis(tone(frequency), SR))
    assert levels.shape == (9, 10)
    assert (levels[:, 1:-1].argmax(axis=0) == band).all()


@pytest.mark.parametrize("descriptor", [scalogram, wavelet_energies])
def test_white_noise_has_the_same_level_in_all_bands(rng, descriptor):
    levels = descriptor(ClipAnalysis(rng.standard_normal(20 * SR), SR))
    np.testing.assert_allclose(10 * np.log10(np.mean(10 ** (levels / 10), axis=1)), 0.0, atol=0.7)


def test_a_segment_has_its_energy_spread_over_the_bands(rng):
    # An orthonormal transform keeps the energy; a long segment has nearly all its own filters.
    analysis = ClipAnalysis(rng.standard_normal(SR), SR, segment_s=1.0)
    widths = 2.0 ** -np.array([8, *range(8, 0, -1)])
    power = widths @ 10 ** (wavelet_energies(analysis) / 10)
    np.testing.assert_allclose(power, 1.0, rtol=0.02)


def test_a_click_is_concentrated_and_noise_is_spread(rng):
    click = np.zeros(SR)
    click[SR // 2] = 1.0
    entropies = wavelet_entropies(ClipAnalysis(click, SR))
    # The highest octave sees the click in four coefficients of 1100 at most.
    assert entropies[-1].max() < np.log(4) / np.log(1100)
    noise = wavelet_entropies(ClipAnalysis(rng.standard_normal(SR), SR))
    # Energies of a normal distribution lose 0.73 of log n.
    np.testing.assert_allclose(noise[-1], 1 - 0.73 / np.log(1102), atol=0.01)


@pytest.mark.parametrize("n_timepoints", [1, 5000])
def test_silence_has_the_lowest_level_and_no_entropy(n_timepoints):
    silence = ClipAnalysis(np.zeros(n_timepoints), SR)
    np.testing.assert_allclose(wavelet_energies(silence), -100.0)
    np.testing.assert_allclose(scalogram(silence), -100.0)
    assert not wavelet_entropies(silence).any()


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize(
    "waveform",
    [
        np.full(3000, 0.3),
        np.ones(1),
        np.eye(1, 9000, 4000)[0],
        (-1.0) ** np.arange(6000),
        np.float32(1e-30) * np.linspace(1, 0, 9000, dtype=np.float32) ** 9,
    ],
    ids=["constant", "one sample", "impulse", "highest frequency", "vanishing"],
)
def test_odd_waveforms_have_finite_contours(descriptor, waveform):
    with np.errstate(all="raise"):
        contours = descriptor(ClipAnalysis(waveform, SR))
    assert np.isfinite(contours).all()
    assert contours.min() >= (0.0 if descriptor is wavelet_entropies else -100.001)


@pytest.mark.parametrize("descriptor", DISCRETE)
def test_segments_shorter_than_a_filters_step_have_values(rng, descriptor):
    contours = descriptor(ClipAnalysis(rng.standard_normal(90), SR, segment_s=0.001))
    assert contours.shape == (9, 5)
    assert np.isfinite(contours).all()


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_the_clips_level_does_not_matter(noisy, descriptor):
    quiet = ClipAnalysis(0.1 * noisy.waveform, SR)
    np.testing.assert_allclose(descriptor(quiet), descriptor(noisy), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("n_frames", [1, 7])
def test_blocks_joined_are_the_whole(noisy, descriptor, n_frames):
    joined = np.concatenate([descriptor(block) for block in noisy.blocks(n_frames)], axis=1)
    np.testing.assert_allclose(joined, descriptor(noisy), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_a_stream_has_the_contours_of_the_whole(rng, descriptor):
    waveform = rng.standard_normal(10 * SR, dtype=np.float32)
    blocks = ClipAnalysis.stream([waveform], measure_level([waveform]), SR, max_frames=50)
    joined = np.concatenate([descriptor(block) for block in blocks], axis=1)
    np.testing.assert_allclose(joined, descriptor(ClipAnalysis(waveform, SR)), atol=1e-5)


@pytest.mark.parametrize("wavelet", ["haar", "db4", "sym8"])
def test_energies_are_those_of_pywavelets(noisy, wavelet):
    expected = [
        [
            np.mean(band[(centres >= start) & (centres < stop)] ** 2)
            for start, stop in segment_bounds(noisy)
        ]
        for band, centres in reference(noisy, wavelet)
    ]
    ours = wavelet_energies(noisy, wavelet=wavelet)
    np.testing.assert_allclose(ours, 10 * np.log10(expected), atol=1e-3)  # dB


def test_entropies_are_scipys_of_pywavelets_coefficients(noisy):
    for ours, (band, centres) in zip(wavelet_entropies(noisy), reference(noisy), strict=True):
        inside = [
            band[(centres >= start) & (centres < stop)] ** 2
            for start, stop in segment_bounds(noisy)
        ]
        expected = [scipy.stats.entropy(energies) / np.log(len(energies)) for energies in inside]
        np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_a_scalogram_is_the_power_of_the_frame_convolved_with_each_wavelet(noisy):
    frame = 20
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    windowed = noisy.frames[:, frame] * window / np.sqrt(np.sum(window**2))
    # Around the frame there is silence, in which the longest wavelet may ring out.
    spectrum = np.fft.fft(windowed, 2**16)
    frequencies = np.fft.fftfreq(2**16, 1 / SR)
    for k, level in enumerate(scalogram(noisy)[:, frame]):
        centre = 62.5 * 2 ** (k / 2)
        wavelet = np.exp(-0.5 * (6.0 * (frequencies / centre - 1.0)) ** 2)
        transformed = np.fft.ifft(spectrum * wavelet)
        power = np.sum(np.abs(transformed) ** 2) / np.mean(wavelet**2)
        # The bins of a frame are coarse for the longest wavelets: their sum is not the integral.
        assert level == pytest.approx(10 * np.log10(power), abs=1.0 if k < 4 else 0.02)


@pytest.mark.parametrize(("level", "wavelet"), [(0, "db4"), (13, "db4"), (11, "db20")])
def test_too_long_a_filter_and_no_octave_are_refused(level, wavelet):
    with pytest.raises(ValueError, match=f"got level {level} and .* of '{wavelet}'"):
        wavelet_energies(ClipAnalysis(np.ones(100), SR), wavelet=wavelet, level=level)


def test_a_wavelet_above_half_the_rate_is_refused():
    with pytest.raises(ValueError, match=r"below sr / 2 = 4000.0 Hz, got one at 8000.0 Hz"):
        scalogram(ClipAnalysis(np.ones(100), 8000))
