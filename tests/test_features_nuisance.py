"""Nuisance descriptors: known levels and flaws, the filters of the recommendation, blocks."""

import numpy as np
import pytest
import scipy.signal

from features.analysis import ClipAnalysis
from features.functionals import SILENCES, summarise
from features.level import measure_level
from features.nuisance import (
    K_WEIGHTING,
    bandwidth_hz,
    clipped_share,
    dc_offset,
    duration,
    integrated_loudness,
    level_dbfs,
    loudness_lufs,
)

SR = 22050
DESCRIPTORS = [bandwidth_hz, clipped_share, dc_offset, duration, level_dbfs, loudness_lufs]
IN_SILENCE = {level_dbfs: -120.0, loudness_lufs: -120.0, duration: 5000 / SR}


def tone(frequency, n_timepoints=SR, sr=SR):
    return np.sin(2 * np.pi * frequency * np.arange(n_timepoints) / sr)


@pytest.fixture
def noisy(rng):
    n = 3 * SR + 777
    signal = np.sin(np.arange(n) ** 1.3 / 30) + 0.1 * rng.standard_normal(n)
    return ClipAnalysis(0.3 * np.clip(signal * np.linspace(0.1, 1, n), -0.9, 0.9) + 0.01, SR)


def test_a_sine_of_full_scale_has_three_decibels_less():
    level = level_dbfs(ClipAnalysis(tone(1000.0), SR))
    np.testing.assert_allclose(level[0, 2:-2], -3.01, atol=0.02)


@pytest.mark.parametrize(
    ("sr", "tolerance"), [(48000, 0.001), (44100, 0.002), (96000, 0.005), (SR, 0.03), (16000, 0.05)]
)
def test_the_recommendations_tone_has_its_loudness_at_any_rate(sr, tolerance):
    clip = ClipAnalysis(tone(997.0, 3 * sr, sr), sr)
    momentary = loudness_lufs(clip)
    assert momentary.shape == (1, 30)
    # The recommendation says -3.01 LUFS; other rates bend the shelf a little.
    assert integrated_loudness(momentary) == pytest.approx(-3.01, abs=tolerance)


@pytest.mark.parametrize("descriptor", [level_dbfs, loudness_lufs])
def test_half_the_amplitude_has_six_decibels_less(noisy, descriptor):
    half = ClipAnalysis(0.5 * noisy.waveform * np.float32(noisy.level.rms), SR)
    np.testing.assert_allclose(descriptor(half), descriptor(noisy) - 6.0206, atol=1e-3)


def test_loudness_is_that_of_scipys_filters_in_the_last_400_milliseconds(rng):
    sr = 48000
    waveform = rng.standard_normal(sr).astype(np.float32)
    sections = np.array(K_WEIGHTING).reshape(2, 6)
    squares = scipy.signal.sosfilt(sections, waveform.astype(np.float64)) ** 2
    stops = np.maximum(4800 * np.arange(1, 11), 19200)
    power = [squares[stop - 19200 : stop].mean() for stop in stops]
    loudness = loudness_lufs(ClipAnalysis(waveform, sr))
    np.testing.assert_allclose(loudness[0], -0.691 + 10 * np.log10(power), atol=1e-5)


@pytest.mark.parametrize("sr", [8000, SR, 44100, 96000])
def test_the_weighting_keeps_its_shape_at_any_rate(sr):
    low, high = (tone(frequency, sr, sr) for frequency in (60.0, 1500.0))
    difference = loudness_lufs(ClipAnalysis(high, sr)) - loudness_lufs(ClipAnalysis(low, sr))
    sections = np.array(K_WEIGHTING).reshape(2, 6)
    _, response = scipy.signal.freqz_sos(sections, [60.0, 1500.0], fs=48000)
    expected = 20 * np.log10(np.abs(response[1] / response[0]))
    np.testing.assert_allclose(difference[0, -1], expected, atol=0.15)


def test_quiet_parts_do_not_count_for_the_loudness_of_the_whole():
    # Blocks at -20 LUFS among silence, and among blocks more than 10 LU below the mean.
    momentary = np.full(103, -20.0)
    assert integrated_loudness(momentary) == pytest.approx(-20.0)
    assert integrated_loudness(np.append(momentary, np.full(900, -71.0))) == pytest.approx(-20.0)
    assert integrated_loudness(np.append(momentary, np.full(100, -35.0))) == pytest.approx(-20.0)
    both = integrated_loudness(np.append(momentary, np.full(100, -25.0)))
    assert both == pytest.approx(10 * np.log10((0.01 + 10**-2.5) / 2))


@pytest.mark.parametrize("n", [1, 3, 4, 10])
def test_the_loudness_of_nothing_is_that_of_silence(n):
    assert integrated_loudness(np.full((1, n), -120.0)) == -120.0


def test_a_clip_shorter_than_a_block_has_one_loudness():
    short = ClipAnalysis(tone(997.0, SR // 4), SR)
    np.testing.assert_allclose(loudness_lufs(short), np.full((1, 3), -3.0), atol=0.1)
    assert integrated_loudness(loudness_lufs(short)) == pytest.approx(-3.0, abs=0.1)


@pytest.mark.parametrize("cut_off", [4000.0, 8000.0])
def test_a_cut_off_is_found(rng, cut_off):
    spectrum = np.fft.rfft(rng.standard_normal(3 * SR))
    spectrum[round(3 * cut_off) :] = 0.0
    bandwidth = bandwidth_hz(ClipAnalysis(np.fft.irfft(spectrum), SR))
    # The window's side lobes are 60 dB down within ten bins.
    np.testing.assert_allclose(bandwidth[0, 3:-3], cut_off, atol=10 * SR / 2048)


def test_white_noise_reaches_half_the_rate(rng):
    bandwidth = bandwidth_hz(ClipAnalysis(rng.standard_normal(SR), SR))
    np.testing.assert_allclose(bandwidth, SR / 2, rtol=0.01)


def test_an_offset_is_found_in_full_scale(rng):
    offset = dc_offset(ClipAnalysis(0.02 + 0.1 * tone(1000.0), SR))
    np.testing.assert_allclose(offset, 0.02, atol=1e-4)


def test_a_clipped_share_is_that_of_the_samples_at_the_limits():
    waveform = np.clip(1.5 * tone(200.0), -1.0, 1.0)
    share = clipped_share(ClipAnalysis(0.7 * waveform, SR))
    expected = [np.mean(np.abs(part) == 1.0) for part in np.split(waveform, 10)]
    np.testing.assert_allclose(share[0], expected, atol=1e-12)
    assert share.min() > 0.4


def test_limits_of_16_bits_are_both_found():
    coded = np.clip(np.round(1.5 * tone(200.0) * 32768), -32768, 32767) / 32768
    assert clipped_share(ClipAnalysis(coded, SR)).min() > 0.4


@pytest.mark.parametrize("frequency", [100.0, 1000.0])
def test_a_whole_tone_is_not_clipped(frequency):
    coded = np.round(0.9 * tone(frequency) * 32767) / 32768
    assert clipped_share(ClipAnalysis(coded, SR)).max() < 0.01


def test_samples_at_the_ends_of_a_segment_are_counted():
    waveform = np.tile([1.0, 1.0, 0.2, 0.3, -0.2, 0.5, -1.0, -1.0], 400)
    clip = ClipAnalysis(waveform, SR, segment_s=8 / SR)
    np.testing.assert_allclose(clipped_share(clip), 0.5)


def test_duration_is_in_seconds():
    np.testing.assert_array_equal(duration(ClipAnalysis(np.ones(33075), SR)), np.full((1, 65), 1.5))


def test_silence_around_a_sound_is_a_functional_of_its_level(rng):
    sound = np.concatenate([np.zeros(SR), rng.standard_normal(SR), np.zeros(2 * SR)])
    shares = summarise(level_dbfs(ClipAnalysis(sound, SR)), SILENCES)[0]
    # Frames of 93 ms see the sound before it begins and after it ends.
    np.testing.assert_allclose(shares, [0.25, 0.5], atol=0.02)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_silence_has_no_level_no_bandwidth_and_no_flaws(descriptor):
    contours = descriptor(ClipAnalysis(np.zeros(5000), SR))
    np.testing.assert_allclose(contours, IN_SILENCE.get(descriptor, 0.0))


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize(
    "waveform",
    [
        np.full(3000, 0.3),
        np.ones(1),
        np.eye(1, 9000, 4000)[0],
        (-1.0) ** np.arange(6000),
        np.float32(1e-30) * np.linspace(1, 0, 9000, dtype=np.float32) ** 9,
        np.float32(3e38) * np.float32(-1.0) ** np.arange(6000),
    ],
    ids=["constant", "one sample", "impulse", "highest frequency", "vanishing", "largest"],
)
def test_odd_waveforms_have_finite_contours(descriptor, waveform):
    with np.errstate(all="raise"):
        contours = descriptor(ClipAnalysis(waveform, SR)).astype(np.float32)
    assert contours.shape[0] == 1
    assert np.isfinite(contours).all()


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
@pytest.mark.parametrize("n_frames", [1, 7])
def test_blocks_joined_are_the_whole(noisy, descriptor, n_frames):
    joined = np.concatenate([descriptor(block) for block in noisy.blocks(n_frames)], axis=1)
    np.testing.assert_allclose(joined, descriptor(noisy), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_a_stream_has_the_contours_of_the_whole(rng, descriptor):
    waveform = 0.1 * rng.standard_normal(10 * SR, dtype=np.float32)
    blocks = ClipAnalysis.stream([waveform], measure_level([waveform]), SR, max_frames=50)
    joined = np.concatenate([descriptor(block) for block in blocks], axis=1)
    whole = descriptor(ClipAnalysis(waveform, SR))
    np.testing.assert_allclose(joined, whole, rtol=1e-6, atol=1e-6)


def test_a_rate_too_low_for_the_weighting_is_refused():
    with pytest.raises(ValueError, match="sampling rate above 3364 Hz, got 3000"):
        loudness_lufs(ClipAnalysis(np.ones(100), 3000))
