"""The shared spectra: level, shapes, edges and blocks."""

import librosa
import numpy as np
import pytest

from features.analysis import ClipAnalysis
from features.level import Level, measure_level

SR = 22050


def normalised(waveform):
    return ClipAnalysis(waveform, SR).waveform


def test_level_is_an_rms_of_one(rng):
    waveform = normalised(0.01 * rng.standard_normal(5000))
    assert waveform.dtype == np.float32
    assert np.sqrt(np.mean(waveform.astype(float) ** 2)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("gain", [0.1, 1e-20, 1e30], ids=["tenth", "tiny", "huge"])
def test_gain_changes_the_normalised_waveform_by_rounding_only(rng, gain):
    waveform = rng.standard_normal(5000).astype(np.float32)
    scaled = waveform * np.float32(gain)
    np.testing.assert_allclose(normalised(scaled), normalised(waveform), rtol=5e-7)


@pytest.mark.parametrize("value", [0.0, 1e-42], ids=["zeros", "denormal"])
def test_digital_silence_stays_zero(value):
    assert not normalised(np.full(100, value, dtype=np.float32)).any()


def test_the_level_before_normalising_is_known():
    level = ClipAnalysis(np.array([0.5, -1.0, 0.5, 0.0]), SR).level
    assert level == Level(n_timepoints=4, peak=1.0, sum_of_squares=1.5)
    assert level.rms == pytest.approx(np.sqrt(1.5 / 4))


@pytest.mark.parametrize("sizes", [(5000,), (1, 4999), (2500, 0, 2500), (512,) * 9 + (392,)])
def test_the_level_does_not_depend_on_how_a_clip_is_cut(rng, monkeypatch, sizes):
    monkeypatch.setattr("features.level.LEVEL_CHUNK", 700)
    waveform = rng.standard_normal(5000).astype(np.float32)
    pieces = np.split(waveform, np.cumsum(sizes)[:-1])
    assert measure_level(pieces) == measure_level([waveform])


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([], "at least one sample, got none"),
        ([np.array([0.0, np.nan, -np.inf], np.float32)], "finite, got 2 NaN or inf"),
    ],
    ids=["nothing", "nan"],
)
def test_a_level_needs_finite_samples(pieces, message):
    with pytest.raises(ValueError, match=message):
        measure_level(pieces)


@pytest.mark.parametrize("piece_length", [100, 7000, 10**6])
@pytest.mark.parametrize("attribute", ["power", "segments", "frame_sums", "log_mel"])
def test_a_stream_has_the_blocks_of_the_whole_to_the_bit(rng, monkeypatch, piece_length, attribute):
    monkeypatch.setattr("features.analysis.MARGIN", 4096)
    waveform = rng.standard_normal(50_000).astype(np.float32)
    whole = ClipAnalysis(waveform, SR)

    pieces = [waveform[k : k + piece_length] for k in range(0, len(waveform), piece_length)]
    streamed = ClipAnalysis.stream(pieces, measure_level(pieces), SR, max_frames=10)
    for block, expected in zip(streamed, whole.blocks(10), strict=True):
        np.testing.assert_array_equal(getattr(block, attribute), getattr(expected, attribute))


def test_a_stretch_is_zero_beyond_the_ends():
    analysis = ClipAnalysis(np.ones(100), SR)
    stretch = analysis.stretch(-3000, 200)
    np.testing.assert_array_equal(stretch, np.r_[np.zeros(3000), np.ones(100), np.zeros(100)])


def test_a_widened_analysis_has_the_frames_around(rng):
    analysis = ClipAnalysis(rng.standard_normal(20001), SR)
    blocks = list(analysis.blocks(10))
    for block in blocks:
        wider, inner = block.widened(7)
        np.testing.assert_array_equal(wider.power[:, inner], block.power)
    assert [block.widened(7)[0].n_frames for block in blocks] == [17, 24, 24, 17]
    assert analysis.widened(7)[0] is analysis


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


def test_frame_sums_are_those_of_each_frame(rng):
    analysis = ClipAnalysis(rng.standard_normal(9000), SR)
    squares, changes = analysis.frame_sums
    frames = analysis.frames.astype(float)
    np.testing.assert_allclose(squares, (frames**2).sum(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(changes, (np.diff(frames < 0, axis=0)).sum(axis=0))


def test_segments_lie_end_to_end_and_the_last_ends_with_the_clip(rng):
    analysis = ClipAnalysis(rng.standard_normal(5000), SR)
    x = analysis.waveform
    expected = np.stack([x[:2205], x[2205:4410], x[5000 - 2205 :]])
    np.testing.assert_array_equal(analysis.segments, expected)


def test_a_clip_shorter_than_a_segment_is_filled_with_zeros(rng):
    analysis = ClipAnalysis(rng.standard_normal(100), SR)
    assert analysis.segments.shape == (1, 2205)
    np.testing.assert_array_equal(analysis.segments[0, :100], analysis.waveform)
    assert not analysis.segments[0, 100:].any()


@pytest.mark.parametrize("max_frames", [1, 3, 10, 1000])
@pytest.mark.parametrize("attribute", ["frames", "power", "magnitude", "frame_sums", "log_mel"])
def test_blocks_joined_are_the_whole(rng, max_frames, attribute):
    analysis = ClipAnalysis(rng.standard_normal(20001), SR)
    blocks = list(analysis.blocks(max_frames))
    assert max(block.n_frames for block in blocks) <= max_frames
    joined = np.concatenate([getattr(block, attribute) for block in blocks], axis=1)
    np.testing.assert_allclose(joined, getattr(analysis, attribute), rtol=1e-6, atol=1e-6)


def test_segments_of_blocks_joined_are_those_of_the_whole(rng):
    analysis = ClipAnalysis(rng.standard_normal(20001), SR)
    joined = np.concatenate([block.segments for block in analysis.blocks(3)])
    np.testing.assert_array_equal(joined, analysis.segments)


def test_a_block_knows_the_frame_before_it(rng):
    analysis = ClipAnalysis(rng.standard_normal(20001), SR)
    first, second, *_ = analysis.blocks(10)
    assert first.before is None
    np.testing.assert_array_equal(second.before.power[:, 0], first.power[:, -1])


def test_a_hop_that_does_not_divide_the_frame_is_refused():
    with pytest.raises(ValueError, match="multiple of hop_length, got 2048 and 500"):
        ClipAnalysis(np.ones(10), SR, hop_length=500)
