"""The shared spectra: level, shapes, edges and blocks."""

import librosa
import numpy as np
import pytest

from features.analysis import ClipAnalysis, normalise_level

SR = 22050


def test_level_is_an_rms_of_one(rng):
    waveform = normalise_level(0.01 * rng.standard_normal(5000))
    assert waveform.dtype == np.float32
    assert np.sqrt(np.mean(waveform.astype(float) ** 2)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("gain", [0.1, 1e-20, 1e30], ids=["tenth", "tiny", "huge"])
def test_gain_changes_the_normalised_waveform_by_rounding_only(rng, gain):
    waveform = rng.standard_normal(5000).astype(np.float32)
    scaled = waveform * np.float32(gain)
    np.testing.assert_allclose(normalise_level(scaled), normalise_level(waveform), rtol=5e-7)


@pytest.mark.parametrize("value", [0.0, 1e-42], ids=["zeros", "denormal"])
def test_digital_silence_stays_zero(value):
    assert not normalise_level(np.full(100, value, dtype=np.float32)).any()


def test_white_noise_has_unit_power_in_every_bin(rng):
    analysis = ClipAnalysis(rng.standard_normal(20 * SR), SR)
    assert analysis.power[1:-1].mean() == pytest.approx(1.0, rel=0.01)


def test_power_is_librosas_up_to_the_window_energy(rng):
    analysis = ClipAnalysis(rng.standard_normal(SR), SR)
    expected = np.abs(librosa.stft(analysis.waveform)) ** 2 / np.sum(np.hanning(2049)[:-1] ** 2)
    np.testing.assert_allclose(analysis.power, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_timepoints", [1, 511, 512, 2047, 2048, 2049, 30000])
def test_frames_are_centred_and_padded_with_zeros(rng, n_timepoints):
    analysis = ClipAnalysis(rng.standard_normal(n_timepoints), SR)
    padded = np.pad(analysis.waveform, 1024)
    expected = librosa.util.frame(padded, frame_length=2048, hop_length=512)
    np.testing.assert_array_equal(analysis.frames, expected)
    assert analysis.n_frames == expected.shape[1]


def test_sum_over_frames_is_the_sum_of_each_frame(rng):
    analysis = ClipAnalysis(rng.standard_normal(9000), SR)
    sums = analysis.sum_over_frames(analysis.samples)
    np.testing.assert_allclose(sums, analysis.frames.sum(axis=0, dtype=float), atol=1e-4)


def test_segments_lie_end_to_end_and_the_last_ends_with_the_clip(rng):
    analysis = ClipAnalysis(rng.standard_normal(5000), SR)
    x = analysis.waveform
    expected = np.stack([x[:2205], x[2205:4410], x[5000 - 2205 :]], axis=1)
    np.testing.assert_array_equal(analysis.segments, expected)


def test_a_clip_shorter_than_a_segment_is_filled_with_zeros(rng):
    analysis = ClipAnalysis(rng.standard_normal(100), SR)
    assert analysis.segments.shape == (2205, 1)
    np.testing.assert_array_equal(analysis.segments[:100, 0], analysis.waveform)
    assert not analysis.segments[100:].any()


@pytest.mark.parametrize("max_frames", [1, 3, 10, 1000])
@pytest.mark.parametrize(
    "attribute", ["frames", "segments", "power", "distribution", "log_power", "log_mel"]
)
def test_blocks_joined_are_the_whole(rng, max_frames, attribute):
    analysis = ClipAnalysis(rng.standard_normal(20001), SR)
    blocks = list(analysis.blocks(max_frames))
    assert max(block.n_frames for block in blocks) <= max_frames
    joined = np.concatenate([getattr(block, attribute) for block in blocks], axis=1)
    np.testing.assert_allclose(joined, getattr(analysis, attribute), rtol=1e-6, atol=1e-6)


def test_a_block_knows_the_frame_before_it(rng):
    analysis = ClipAnalysis(rng.standard_normal(20001), SR)
    first, second, *_ = analysis.blocks(10)
    assert first.before is None
    np.testing.assert_array_equal(second.before.power[:, 0], first.power[:, -1])


def test_a_hop_that_does_not_divide_the_frame_is_refused():
    with pytest.raises(ValueError, match="multiple of hop_length, got 2048 and 500"):
        ClipAnalysis(np.ones(10), SR, hop_length=500)
