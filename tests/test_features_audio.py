"""Decoding: known signals in every format, segments and blocks, and files that are broken."""

import pickle
import struct

import numpy as np
import pytest
import soundfile
import soxr

from features.audio import (
    AudioDecodeError,
    Clip,
    is_silent,
    list_audio_files,
    load_audio,
    load_clip,
    read_info,
    resample,
    stream_audio,
)

FORMATS = {
    "wav": {},
    "wav-float": {"subtype": "FLOAT"},
    "wav-24-bit": {"subtype": "PCM_24"},
    "wav-rf64": {"format": "RF64"},
    "flac": {},
    "ogg": {},
    "mp3": {},
    "aiff": {},
    "au": {},
}
LOSSY = {"ogg", "mp3"}


def sine(frequency_hz=440.0, *, sr=22050, duration_s=0.5, amplitude=0.5):
    """Give a pure tone."""
    time = np.arange(round(duration_s * sr)) / sr
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)


def frequency_and_amplitude(waveform, sr):
    """Measure the strongest partial in the middle of a waveform, its edges left out."""
    middle = waveform[len(waveform) // 8 : -len(waveform) // 8]
    window = np.hanning(len(middle))
    spectrum = np.abs(np.fft.rfft(middle * window, 8 * len(middle)))
    peak = spectrum.argmax()
    return peak * sr / (8 * len(middle)), 2 * spectrum[peak] / window.sum()


def without_length_header(mp3):
    """Cut the first frame off an MP3: the Xing or Info header, which tells the length."""
    tag = max(mp3.find(b"Xing"), mp3.find(b"Info"))
    assert 0 < tag < 64
    return mp3[mp3.find(mp3[:2], tag) :]


def lost(path, **segment):
    """Give the reason why a file cannot be decoded."""
    with pytest.raises(AudioDecodeError) as caught:
        load_audio(path, **segment)
    assert str(path) in str(caught.value)
    return caught.value.reason


@pytest.fixture
def write_sound(write_wav):
    """Write a waveform in one of FORMATS."""

    def write(kind, waveform, sr=22050, name="sound"):
        return write_wav(f"{name}.{kind.split('-')[0]}", waveform, sr, **FORMATS[kind])

    return write


@pytest.mark.parametrize("kind", FORMATS)
def test_a_sine_keeps_its_length_pitch_and_level(write_sound, kind):
    path = write_sound(kind, sine(sr=44100), 44100)
    waveform, sr = load_audio(path)
    assert (waveform.dtype, waveform.shape, sr) == (np.float32, (22050,), 44100)
    frequency_hz, amplitude = frequency_and_amplitude(waveform, sr)
    assert frequency_hz == pytest.approx(440.0, abs=1.0)
    assert amplitude == pytest.approx(0.5, abs=0.02 if kind in LOSSY else 1e-3)


@pytest.mark.parametrize("kind", ["wav", "wav-float", "wav-24-bit", "flac", "aiff", "au"])
def test_lossless_formats_give_the_samples_back(write_sound, rng, kind):
    waveform = rng.uniform(-0.9, 0.9, 1000).astype(np.float32)
    loaded, _ = load_audio(write_sound(kind, waveform))
    np.testing.assert_allclose(loaded, waveform, atol=2**-15)


@pytest.mark.parametrize("n_channels", [1, 2, 8])
def test_all_channels_are_averaged(write_wav, rng, n_channels):
    channels = rng.uniform(-0.9, 0.9, (500, n_channels)).astype(np.float32)
    path = write_wav("channels.wav", channels, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(path)[0], channels.mean(axis=1), atol=1e-6)
    assert read_info(path).n_channels == n_channels


def test_opposite_channels_cancel_out(write_wav):
    tone = sine()
    waveform, _ = load_audio(write_wav("phase.wav", np.column_stack([tone, -tone])))
    assert is_silent(waveform)


@pytest.mark.parametrize("sr", [8000, 11025, 44100, 48000, 96000])
def test_a_sine_stays_a_sine_at_another_rate(write_wav, sr):
    path = write_wav("rate.wav", sine(sr=sr), sr, subtype="FLOAT")
    waveform, new_sr = load_audio(path, sr=22050)
    assert new_sr == 22050
    assert len(waveform) == pytest.approx(11025, abs=1)
    np.testing.assert_allclose(
        waveform[500:-500], sine(sr=22050)[500 : len(waveform) - 500], atol=1e-3
    )


@pytest.mark.parametrize("sr", [8000, 11025, 44100, 48000, 96000])
def test_resampling_is_soxrs_high_quality(write_wav, rng, sr):
    waveform = rng.uniform(-0.5, 0.5, sr // 4).astype(np.float32)
    path = write_wav("noise.wav", waveform, sr, subtype="FLOAT")
    expected = soxr.resample(waveform, sr, 22050, quality="HQ")
    np.testing.assert_array_equal(load_audio(path, sr=22050)[0], expected)
    np.testing.assert_array_equal(resample(waveform, from_sr=sr, to_sr=22050), expected)


def test_what_lies_above_half_the_new_rate_is_gone():
    resampled = resample(sine(9000.0, sr=44100), from_sr=44100, to_sr=16000)
    assert np.abs(resampled[500:-500]).max() < 1e-5


def test_a_single_sample_survives_resampling_downwards():
    shortened = resample(np.ones(1, dtype=np.float32), from_sr=96000, to_sr=1000)
    assert (shortened.shape, shortened.dtype) == ((1,), np.float32)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(
    ("start_s", "end_s"), [(0.2, None), (None, 0.3), (0.1, 0.4), (0.0, 0.5), (0.25, 0.25001)]
)
def test_a_segment_is_that_part_of_the_whole(write_sound, rng, kind, start_s, end_s):
    path = write_sound(kind, rng.uniform(-0.5, 0.5, 22050).astype(np.float32), 44100)
    whole, sr = load_audio(path)
    if (start_s, end_s) == (0.25, 0.25001):
        end_s = 0.25 + 1 / sr  # one sample
    segment, _ = load_audio(path, start_s=start_s, end_s=end_s)
    first = round((start_s or 0.0) * sr)
    last = len(whole) if end_s is None else round(end_s * sr)
    np.testing.assert_array_equal(segment, whole[first:last])


def test_a_segment_may_pass_the_end_by_an_encoders_padding(write_wav):
    path = write_wav("short.wav", sine(duration_s=0.5))
    assert len(load_audio(path, start_s=0.25, end_s=0.55)[0]) == 11025 - round(0.25 * 22050)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_a_segment_past_the_end_is_an_error(write_sound, kind):
    path = write_sound(kind, sine(duration_s=0.5))
    assert "file ends at 0.500 s" in lost(path, start_s=2.0, end_s=3.0)
    assert "file ends at 0.500 s" in lost(path, start_s=0.5)
    assert "stops at 0.500 s of 0.600 s" in lost(path, start_s=0.25, end_s=0.6)


@pytest.mark.parametrize("kind", ["wav", "mp3"])
@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [
        (-0.1, None),
        (0.3, 0.3),
        (0.3, 0.2),
        (0.3, 0.3 + 1e-9),
        (float("nan"), None),
        (0.0, float("nan")),
        (0.0, float("inf")),
        (float("inf"), None),
        (1e308, None),
    ],
)
def test_an_impossible_segment_is_an_error(write_sound, kind, start_s, end_s):
    path = write_sound(kind, sine())
    assert "0 <= start_s < end_s" in lost(path, start_s=start_s, end_s=end_s)


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_an_absurdly_late_segment_is_an_error(write_sound, kind):
    path = write_sound(kind, sine())
    assert "file ends at 0.500 s" in lost(path, start_s=1e200)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("sr", [None, 22050, 48000])
@pytest.mark.parametrize("block_s", [0.01, 0.1, 0.25, 30.0])
def test_blocks_joined_are_the_whole_bit_for_bit(write_sound, rng, kind, sr, block_s):
    path = write_sound(kind, rng.uniform(-0.5, 0.5, (22050, 2)), 44100)
    blocks = list(stream_audio(path, sr=sr, block_s=block_s))
    assert all(len(block) for block in blocks)
    assert len(blocks) >= min(0.5 / block_s, 3)
    np.testing.assert_array_equal(np.concatenate(blocks), load_audio(path, sr=sr)[0])


def test_blocks_of_a_segment_joined_are_the_segment(write_sound, rng):
    path = write_sound("flac", rng.uniform(-0.5, 0.5, 44100), 44100)
    segment = {"sr": 16000, "start_s": 0.11, "end_s": 0.77}
    blocks = np.concatenate(list(stream_audio(path, block_s=0.1, **segment)))
    np.testing.assert_array_equal(blocks, load_audio(path, **segment)[0])


def test_a_file_longer_than_one_block_has_no_seams(write_wav, rng):
    waveform = rng.uniform(-0.5, 0.5, round(30.5 * 8000)).astype(np.float32)
    path = write_wav("long.wav", waveform, 8000, subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(path)[0], waveform)
    expected = soxr.resample(waveform, 8000, 4000, quality="HQ")
    np.testing.assert_array_equal(load_audio(path, sr=4000)[0], expected)


@pytest.mark.parametrize("kind", ["wav", "wav-rf64", "flac", "ogg", "mp3", "aiff", "au"])
def test_a_file_cut_at_half_is_an_error(write_sound, rng, kind):
    path = write_sound(kind, rng.uniform(-0.5, 0.5, 44100), 44100)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert any(sign in lost(path) for sign in ("truncated", "cannot be decoded", "no samples"))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_an_ogg_file_of_many_pages_that_was_cut_is_an_error(write_sound, rng, share):
    path = write_sound("ogg", rng.uniform(-0.5, 0.5, 5 * 44100), 44100)
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    assert "truncated" in lost(path)
    assert len(load_audio(path, end_s=1.0)[0]) == 44100


@pytest.mark.parametrize("sr", [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000])
@pytest.mark.parametrize("n_timepoints", [1, 1000, 4000, 4321, 5000])
def test_a_whole_mp3_of_any_rate_and_length_is_not_called_truncated(
    write_wav, rng, sr, n_timepoints
):
    path = write_wav("whole.mp3", rng.uniform(-0.5, 0.5, n_timepoints), sr)
    assert len(load_audio(path)[0]) == n_timepoints


@pytest.mark.parametrize("loud_first", [True, False], ids=["loud-first", "loud-last"])
@pytest.mark.parametrize("n_tag_bytes", [0, 50_000], ids=["bare", "tagged"])
def test_an_mp3_without_a_length_header_is_read_to_its_end(write_wav, rng, loud_first, n_tag_bytes):
    # The estimate from the first frame's bit rate is much too short or much too long here.
    loud, quiet = rng.uniform(-0.9, 0.9, 44100), np.zeros(3 * 44100)
    waveform = np.concatenate([loud, quiet] if loud_first else [quiet, loud])
    path = write_wav("v.mp3", waveform, 44100, bitrate_mode="VARIABLE", compression_level=0.5)
    whole, _ = load_audio(path)
    size = b"".join(bytes([n_tag_bytes >> shift & 0x7F]) for shift in (21, 14, 7, 0))
    tag = b"ID3\x04\x00\x00" + size + bytes(n_tag_bytes) if n_tag_bytes else b""
    path.write_bytes(tag + without_length_header(path.read_bytes()))
    estimate = soundfile.info(path).frames
    assert abs(estimate - len(whole)) > 2 * 1152
    bare, _ = load_audio(path)
    # The header was a frame of its own, which told how much padding to take away.
    padding = len(bare) - len(whole)
    assert 0 <= padding < 3 * 1152
    np.testing.assert_array_equal(np.concatenate(list(stream_audio(path, block_s=0.5))), bare)
    np.testing.assert_array_equal(load_audio(path, start_s=2.0, end_s=2.5)[0], bare[88200:110250])


def test_an_mp3_may_end_in_a_tag(write_sound):
    path = write_sound("mp3", sine(sr=44100), 44100)
    path.write_bytes(without_length_header(path.read_bytes()) + b"TAG" + bytes(125))
    assert len(load_audio(path)[0]) > 22050


def test_a_flac_may_end_in_a_tag(write_sound):
    path = write_sound("flac", sine())
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))
    np.testing.assert_allclose(load_audio(path)[0], sine(), atol=2**-15)


def test_a_flac_stream_of_unknown_length_is_read_to_its_end(write_sound):
    path = write_sound("flac", sine())
    content = bytearray(path.read_bytes())
    # The length: 36 bits in the stream's description, which follows 8 bytes of marker and header.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    np.testing.assert_allclose(load_audio(path)[0], sine(), atol=2**-15)
    np.testing.assert_allclose(load_audio(path, start_s=0.25)[0], sine()[5512:], atol=2**-15)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 0x80000000])
def test_a_wav_from_a_pipe_whose_length_was_unknown_is_whole(write_sound, length):
    path = write_sound("wav", sine())
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", length)
    path.write_bytes(content)
    np.testing.assert_allclose(load_audio(path)[0], sine(), atol=2**-15)


@pytest.mark.parametrize("name", ["empty.wav", "empty.mp3", "empty.flac", "empty"])
def test_a_file_of_zero_bytes_is_said_to_be_empty(tmp_path, name):
    path = tmp_path / name
    path.touch()
    assert "empty (zero bytes)" in lost(path)


@pytest.mark.parametrize("kind", ["wav", "aiff", "au"])
def test_a_header_without_samples_has_no_samples(write_sound, kind):
    assert lost(write_sound(kind, np.zeros(0))) == "no samples"


@pytest.mark.parametrize("name", ["text.wav", "text.mp3", "text.flac", "text.ogg", "text"])
def test_text_is_not_recognised_as_sound(tmp_path, name):
    path = tmp_path / name
    path.write_text("These are words. " * 100)
    assert "cannot be decoded" in lost(path)
    assert "not exist" not in lost(path)


def test_an_mp3_named_wav_is_decoded_by_what_it_holds(write_wav):
    path = write_wav("sound.mp3", sine())
    path = path.rename(path.with_suffix(".wav"))
    assert len(load_audio(path)[0]) == 11025
    assert read_info(path).codec == "MP3 MPEG_LAYER_III"


def test_one_sample_is_a_sound(write_wav):
    path = write_wav("one.wav", np.array([0.5]), subtype="FLOAT")
    np.testing.assert_array_equal(load_audio(path)[0], [0.5])
    assert load_audio(path, sr=8000)[0].shape == (1,)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e300], ids=str)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_values_that_are_no_sound_are_counted_in_an_error(write_wav, value, n_channels):
    waveform = np.zeros((1000, n_channels))
    waveform[[10, 20], -1] = value
    path = write_wav("bad.wav", waveform, subtype="DOUBLE")
    assert "2 samples are NaN, infinite" in lost(path)
    assert "2 samples are NaN, infinite" in lost(path, sr=8000)


def test_a_bad_value_outside_the_segment_does_no_harm(write_wav):
    waveform = sine()
    waveform[-1] = np.nan
    path = write_wav("late.wav", waveform, subtype="FLOAT")
    assert len(load_audio(path, end_s=0.25)[0]) == 5512


def test_silence_is_loaded_and_told(write_wav):
    waveform, _ = load_audio(write_wav("silent.wav", np.zeros(1000)))
    assert len(waveform) == 1000
    assert is_silent(waveform)


@pytest.mark.parametrize(("peak", "silent"), [(0.0, True), (0.9e-4, True), (1.1e-4, False)])
def test_silent_means_below_80_decibels_under_full_scale(peak, silent):
    assert is_silent(np.array([0.0, -peak, 0.0])) is silent


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    assert lost(tmp_path / "missing.wav") == "no such file"
    with pytest.raises(AudioDecodeError, match="no such file"):
        read_info(tmp_path / "missing.wav")


def test_a_directory_is_said_to_be_one(tmp_path):
    folder = tmp_path / "folder.wav"
    folder.mkdir()
    assert "directory" in lost(folder)


def test_an_unreadable_file_gives_the_systems_reason(write_wav, monkeypatch):
    path = write_wav("locked.wav", sine())

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(soundfile.SoundFile, "__init__", refuse)
    assert lost(path) == "Permission denied"


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2**31 - 1])
def test_an_absurd_rate_in_the_header_is_refused(write_wav, rate):
    path = write_wav("rate.wav", sine())
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate)
    path.write_bytes(content)
    assert f"sampling rate must be 1000 to 768000 Hz, got {rate}" in lost(path, sr=22050)


def test_raw_samples_are_refused_for_want_of_a_header(tmp_path):
    path = tmp_path / "sound.raw"
    path.write_bytes(bytes(1000))
    assert "no header" in lost(path)


def test_an_error_survives_pickling():
    error = pickle.loads(pickle.dumps(AudioDecodeError("a/b.wav", "no samples")))
    assert (error.path, error.reason, str(error)) == (
        "a/b.wav",
        "no samples",
        "a/b.wav: no samples",
    )


def test_info_is_what_the_header_says(write_wav):
    info = read_info(write_wav("stereo.wav", np.zeros((4000, 2)), 8000, subtype="PCM_24"))
    assert (info.sr, info.n_channels, info.duration_s, info.codec) == (8000, 2, 0.5, "WAV PCM_24")


def test_a_clip_may_be_a_path_a_segment_or_a_waveform(write_wav):
    tone = sine()
    path = write_wav("tone.wav", tone, subtype="FLOAT")
    for clip in (path, str(path), Clip(str(path)), tone, tone.astype(np.float64)):
        np.testing.assert_array_equal(load_clip(clip, sr=22050), tone)
    np.testing.assert_array_equal(load_clip(Clip(str(path), 0.1, 0.2), sr=22050), tone[2205:4410])


def test_a_waveform_is_resampled_from_its_own_rate():
    tone = sine(sr=44100)
    expected = soxr.resample(tone, 44100, 22050, quality="HQ")
    np.testing.assert_array_equal(load_clip(tone, sr=22050, source_sr=44100), expected)


def test_a_waveform_of_integers_is_taken_as_it_is():
    waveform = load_clip(np.array([1, -2, 3], dtype=np.int16), sr=8000)
    assert waveform.dtype == np.float32
    np.testing.assert_array_equal(waveform, [1, -2, 3])


@pytest.mark.parametrize(
    ("waveform", "reason"),
    [
        (np.zeros((2, 100)), r"one-dimensional .* shape \(2, 100\)"),
        (np.zeros(0), r"non-empty .* shape \(0,\)"),
        (np.array(["a"]), "array of numbers"),
        (np.array([True]), "array of numbers"),
        (np.array([0.0, np.nan, np.inf]), "finite .* got 2 samples"),
        (np.array([1e300]), "finite .* got 1 samples"),
    ],
    ids=["two-dimensional", "empty", "text", "truth", "nan", "too-large"],
)
def test_an_array_that_is_no_waveform_is_refused(waveform, reason):
    with pytest.raises(ValueError, match=reason):
        load_clip(waveform, sr=22050)


@pytest.mark.parametrize("clip", [[0.0, 0.1], None, 3])
def test_what_is_no_clip_at_all_is_refused(clip):
    with pytest.raises(
        TypeError, match=f"a path or a 1-D waveform array, got {type(clip).__name__}"
    ):
        load_clip(clip, sr=22050)


def test_sound_files_are_listed_in_order_of_their_paths_and_hidden_ones_passed_over(tmp_path):
    names = ["b/2.wav", "b/10.WAV", "a.flac", "c.m4a", "b/deep/er/x.mp3", "B.ogg"]
    for name in [*names, ".hidden.wav", ".git/x.wav", "b/._2.wav", "notes.txt", "labels.csv"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.wav").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in list_audio_files(tmp_path)]
    assert found == sorted(names)


def test_a_hidden_folder_above_the_root_hides_nothing(tmp_path):
    root = tmp_path / ".cache" / "corpus"
    root.mkdir(parents=True)
    (root / "a.wav").touch()
    assert list_audio_files(root) == [root / "a.wav"]


def test_listing_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        list_audio_files(tmp_path / "missing")


def mutate(content, rng):
    """Damage a file: wrong bytes, a hole, a cut, an extreme number; mostly near its header."""
    content = bytearray(content)
    reach = len(content) if rng.random() < 0.5 else min(len(content), 120)
    where = int(rng.integers(reach))
    damage = rng.integers(4)
    if damage == 0:
        for position in rng.integers(reach, size=rng.integers(1, 9)):
            content[position] = rng.integers(256)
    elif damage == 1:
        del content[int(rng.integers(len(content))) :]
    elif damage == 2:
        content[where : where + int(rng.integers(1, 60))] = rng.bytes(int(rng.integers(60)))
    else:
        extremes = [bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"]
        content[where : where + 4] = extremes[rng.integers(4)]
    return bytes(content)


@pytest.mark.parametrize("kind", [*FORMATS, "mp3-bare"])
def test_a_damaged_file_gives_an_error_or_a_sound_and_never_anything_else(tmp_path, rng, kind):
    suffix = kind.split("-")[0]
    path = tmp_path / f"sound.{suffix}"
    soundfile.write(path, rng.uniform(-0.5, 0.5, (3000, 2)), 22050, **FORMATS.get(kind, {}))
    content = path.read_bytes()
    if kind == "mp3-bare":
        content = without_length_header(content)
    n_errors = 0
    for _ in range(30):
        path.write_bytes(mutate(content, rng))
        try:
            waveform = load_clip(path, sr=16000)
        except AudioDecodeError:
            n_errors += 1
        else:
            assert waveform.size
            assert np.isfinite(waveform).all()
    assert n_errors
