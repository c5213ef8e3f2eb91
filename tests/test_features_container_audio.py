"""Sound inside containers: known signals by every coder, segments, blocks, gaps, broken files."""

import struct
import subprocess
import sys
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from features.audio import (
    AudioDecodeError,
    list_audio_files,
    load_audio,
    read_info,
    stream_audio,
)
from features.declared_length import is_mp4_ended, is_webm_ended

# Name -> (coder, rate in Hz, layout, settings); the name's ending tells the container.
SOUNDS = {
    "mono.m4a": ("aac", 44100, "mono", {}),
    "stereo.m4a": ("aac", 48000, "stereo", {}),
    "slow.m4a": ("aac", 8000, "mono", {}),
    "surround.m4a": ("aac", 48000, "5.1", {}),
    "cinema.m4a": ("aac", 48000, "7.1", {}),
    "lossless.m4a": ("alac", 44100, "stereo", {}),
    "opus.mp4": ("libopus", 48000, "stereo", {}),
    "fragments.mp4": ("aac", 44100, "mono", {"movflags": "frag_keyframe+empty_moov"}),
    "front.m4a": ("aac", 44100, "mono", {"movflags": "faststart"}),
    "browser.webm": ("libopus", 48000, "mono", {"live": "1"}),
    "stereo.webm": ("libopus", 48000, "stereo", {}),
    "aac.mkv": ("aac", 44100, "mono", {}),
    "slow.mkv": ("aac", 8000, "mono", {}),
    "pcm.mkv": ("pcm_s24le", 44100, "mono", {}),
    "integer.mov": ("pcm_s16le", 44100, "stereo", {}),
    "float.mov": ("pcm_f32le", 44100, "mono", {}),
    "byte.mov": ("pcm_u8", 44100, "mono", {}),
    "phone.3gp": ("libopencore_amrnb", 8000, "mono", {}),
    "phone.amr": ("libopencore_amrnb", 8000, "mono", {}),
    "raw.aac": ("aac", 44100, "mono", {}),
    "old.wma": ("wmav2", 44100, "stereo", {}),
}
BIT_RATES = {"libopencore_amrnb": 12200, "wmav2": 128000}
EXACT = {"lossless.m4a", "integer.mov", "float.mov", "pcm.mkv"}
# Of these the header tells neither delay nor end, or the decoder loses the first block.
LOOSE = {"fragments.mp4", "aac.mkv", "slow.mkv", "phone.amr", "raw.aac", "old.wma"}


def sine(sr, duration_s=1.5, frequency_hz=440.0, amplitude=0.5):
    """Give a pure tone."""
    time = np.arange(round(duration_s * sr)) / sr
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)


def lost(path, **segment):
    """Give the reason why a file cannot be decoded."""
    with pytest.raises(AudioDecodeError) as caught:
        load_audio(path, **segment)
    assert str(path) in str(caught.value)
    return caught.value.reason


def add_sound(av, container, coder, sr, layout):
    stream = container.add_stream(coder, rate=sr, layout=layout)
    stream.codec_context.format = stream.codec_context.codec.audio_formats[0].name
    if coder in BIT_RATES:
        stream.bit_rate = BIT_RATES[coder]
    return stream


def encode_sound(av, container, stream, waveform, first=0, step=8192):
    """Encode float32 (n_channels, n_timepoints), its first sample at a place of one's choice."""
    context = stream.codec_context
    layout, sr = context.layout.name, context.sample_rate
    resampler = av.AudioResampler(format=context.format.name, layout=layout, rate=sr)
    channels = np.broadcast_to(waveform, (context.layout.nb_channels, waveform.shape[-1]))
    for start in range(0, channels.shape[1], step):
        part = channels[:, start : start + step].T.astype(np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = sr, Fraction(1, sr), first + start
        for converted in resampler.resample(frame):
            container.mux(stream.encode(converted))
    container.mux(stream.encode(None))


@pytest.fixture
def av():
    return pytest.importorskip("av")


@pytest.fixture
def write_container(av, tmp_path):
    """Write a waveform as one of SOUNDS."""

    def write(name, waveform):
        coder, sr, layout, options = SOUNDS[name]
        path = tmp_path / name
        muxer = {"wma": "asf", "aac": "adts"}.get(path.suffix[1:])
        with av.open(str(path), "w", format=muxer, options=options) as container:
            stream = add_sound(av, container, coder, sr, layout)
            encode_sound(av, container, stream, waveform)
        return path

    return write


@pytest.fixture
def write_packets(av, tmp_path):
    """Write a tone's packets to mkv, their timestamps in seconds changed or None to lose one."""

    def write(change, name="gap.mkv", n_packets=None):
        path = tmp_path / name
        source = tmp_path / "source.mkv"
        with av.open(str(source), "w") as container:
            stream = add_sound(av, container, "pcm_s16le", 8000, "mono")
            encode_sound(av, container, stream, sine(8000, 2.0), step=80)
        with av.open(str(source)) as given, av.open(str(path), "w") as container:
            stream = container.add_stream_from_template(given.streams.audio[0])
            for packet in given.demux(audio=0):
                if packet.dts is None:
                    continue
                seconds = change(float(packet.pts * packet.time_base))
                if seconds is not None:
                    packet.pts = packet.dts = round(seconds / packet.time_base)
                    packet.stream = stream
                    container.mux_one(packet)
        return path

    return write


@pytest.fixture
def write_video(av, tmp_path):
    """Write pictures, with sounds of the given frequencies that begin at the given time."""

    def write(name, *frequencies_hz, first_s=0.0, default=None):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            pictures = container.add_stream("mpeg4", rate=10)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
            sounds = [add_sound(av, container, "aac", 44100, "mono") for _ in frequencies_hz]
            if default is not None:
                for number, sound in enumerate(sounds):
                    sound.disposition = av.stream.Disposition(int(number == default))
            for number in range(20):
                frame = av.VideoFrame(64, 48, "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(pictures.encode(frame))
            container.mux(pictures.encode(None))
            for sound, frequency_hz in zip(sounds, frequencies_hz, strict=True):
                waveform = sine(44100, 1.0, frequency_hz)
                encode_sound(av, container, sound, waveform, round(first_s * 44100))
        return path

    return write


def frequency_and_amplitude(waveform, sr):
    middle = waveform[len(waveform) // 8 : -len(waveform) // 8]
    window = np.hanning(len(middle))
    spectrum = np.abs(np.fft.rfft(middle * window, 8 * len(middle)))
    peak = spectrum.argmax()
    return peak * sr / (8 * len(middle)), 2 * spectrum[peak] / window.sum()


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sine_keeps_its_length_pitch_and_level(write_container, name):
    _, sr, layout, _ = SOUNDS[name]
    path = write_container(name, sine(sr))
    waveform, loaded_sr = load_audio(path)
    assert (waveform.dtype, waveform.ndim, loaded_sr) == (np.float32, 1, sr)
    frequency_hz, amplitude = frequency_and_amplitude(waveform, sr)
    assert frequency_hz == pytest.approx(440.0, abs=1.0)
    # The low-frequency channel has no 440 Hz.
    expected = 0.5 * {"5.1": 5 / 6, "7.1": 7 / 8}.get(layout, 1.0)
    decibels = 20 * np.log10(amplitude / expected)
    assert abs(decibels) < (2.0 if "amr" in SOUNDS[name][0] else 0.5)
    if name not in LOOSE:
        assert len(waveform) == round(1.5 * sr)
    # Two coded frames of AAC, WMA or AMR.
    assert len(waveform) == pytest.approx(
        1.5 * sr, abs=320 if sr == 8000 and "phone" in name else 2 * 2048
    )


@pytest.mark.parametrize("name", SOUNDS)
def test_the_info_agrees_with_what_is_decoded(write_container, name):
    _, sr, _, _ = SOUNDS[name]
    path = write_container(name, sine(sr))
    waveform, _ = load_audio(path)
    info = read_info(path)
    assert (info.sr, info.n_channels) == (
        sr,
        {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}[SOUNDS[name][2]],
    )
    assert info.duration_s == pytest.approx(len(waveform) / sr, abs=max(0.06, 2 * 1024 / sr))


@pytest.mark.parametrize("name", sorted(EXACT))
def test_lossless_coders_give_the_samples_back(write_container, rng, name):
    waveform = rng.uniform(-0.9, 0.9, 50_000).astype(np.float32)
    np.testing.assert_allclose(
        load_audio(write_container(name, waveform))[0], waveform, atol=2**-15
    )


@pytest.mark.parametrize("name", ["mono.m4a", "slow.m4a", "opus.mp4", "stereo.webm", "aac.mkv"])
def test_the_coders_delay_is_taken_away(write_container, rng, name):
    _, sr, _, _ = SOUNDS[name]
    click = np.zeros(sr, dtype=np.float32)
    click[sr // 2 : sr // 2 + 8] = 0.9
    assert abs(np.abs(load_audio(write_container(name, click))[0]).argmax() - sr // 2 - 4) < 12


def test_all_channels_are_averaged(write_container, rng):
    channels = rng.uniform(-0.9, 0.9, (2, 5000)).astype(np.float32)
    loaded, _ = load_audio(write_container("integer.mov", channels))
    np.testing.assert_allclose(loaded, channels.mean(axis=0), atol=2**-14)


@pytest.mark.parametrize("name", ["mono.m4a", "stereo.webm", "phone.3gp", "integer.mov"])
@pytest.mark.parametrize("sr", [None, 22050])
@pytest.mark.parametrize("block_s", [0.01, 0.1, 0.75])
def test_blocks_joined_are_the_whole_bit_for_bit(write_container, rng, name, sr, block_s):
    path = write_container(name, rng.uniform(-0.5, 0.5, SOUNDS[name][1]).astype(np.float32))
    blocks = list(stream_audio(path, sr=sr, block_s=block_s))
    assert all(len(block) for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), load_audio(path, sr=sr)[0])


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize(("start_s", "end_s"), [(0.3, None), (None, 0.3), (0.21, 0.9), (0.0, 0.5)])
def test_a_segment_is_that_part_of_the_whole(write_container, rng, name, start_s, end_s):
    path = write_container(name, rng.uniform(-0.5, 0.5, SOUNDS[name][1]).astype(np.float32))
    whole, sr = load_audio(path)
    segment, _ = load_audio(path, start_s=start_s, end_s=end_s)
    last = len(whole) if end_s is None else round(end_s * sr)
    np.testing.assert_array_equal(segment, whole[round((start_s or 0.0) * sr) : last])


@pytest.mark.parametrize(
    "name", ["slow.m4a", "opus.mp4", "phone.3gp", "integer.mov", "stereo.webm"]
)
def test_a_late_segment_is_sample_exact(write_container, rng, name):
    sr = SOUNDS[name][1]
    path = write_container(name, sine(sr, 40.0) + rng.normal(0, 0.1, 40 * sr).astype(np.float32))
    whole, _ = load_audio(path)
    for start_s in (35.0, 38.7654):
        segment, _ = load_audio(path, start_s=start_s, end_s=start_s + 0.5)
        first = round(start_s * sr)
        np.testing.assert_array_equal(segment, whole[first : first + len(segment)])


def test_a_late_segment_does_not_decode_what_comes_long_before(av, write_container, monkeypatch):
    from features.container_track import SoundTrack

    positions = []
    decode = SoundTrack.decode

    def watched(track):
        for samples in decode(track):
            positions.append(track.position)
            yield samples

    monkeypatch.setattr(SoundTrack, "decode", watched)
    path = write_container("slow.m4a", sine(8000, 60.0))
    load_audio(path, start_s=55.0, end_s=55.5)
    assert 24.0 < min(positions) / 8000 < 25.5
    assert max(positions) / 8000 < 56.0


@pytest.mark.parametrize("name", ["mono.m4a", "stereo.webm", "raw.aac", "old.wma"])
def test_a_segment_past_the_end_is_an_error(write_container, name):
    path = write_container(name, sine(SOUNDS[name][1]))
    assert "file ends at 1.5" in lost(path, start_s=5.0).replace("1.4", "1.5")
    assert "file ends at" in lost(path, start_s=1e200)
    assert "of 4.000 s" in lost(path, start_s=0.25, end_s=4.0)
    assert "0 <= start_s < end_s" in lost(path, start_s=0.5, end_s=0.25)


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_a_cut_file_is_an_error(write_container, rng, name, share):
    path = write_container(name, rng.uniform(-0.5, 0.5, 2 * SOUNDS[name][1]).astype(np.float32))
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    assert "truncated" in lost(path)


@pytest.mark.parametrize(("name", "is_ended"), [("a.m4a", is_mp4_ended), ("a.webm", is_webm_ended)])
@pytest.mark.parametrize("content", [b"", b"\x00", bytes(100), b"\xff" * 100, b"words " * 50])
def test_what_has_no_boxes_is_judged_without_harm(tmp_path, name, is_ended, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert is_ended(path) in (True, False)


def test_sound_missing_in_the_middle_is_filled_with_zeros(write_packets):
    whole, _ = load_audio(write_packets(lambda seconds: seconds))
    holed, _ = load_audio(write_packets(lambda s: None if 0.5 < s < 1.0 else s))
    assert len(holed) == len(whole)
    assert np.count_nonzero(holed == 0.0) > 2500
    late = slice(9000, None)
    shift = np.abs(holed[late] - whole[late]).max()
    assert shift < 0.5 * 2 * np.pi * 440 * 0.001  # timestamps of whole milliseconds


def test_too_much_missing_sound_is_an_error(write_packets):
    path = write_packets(lambda seconds: seconds + 1e5 * (seconds > 1.0))
    assert "sound is missing for" in lost(path)


def test_a_jitter_of_timestamps_changes_nothing(write_packets):
    whole, _ = load_audio(write_packets(lambda seconds: seconds))
    path = write_packets(lambda seconds: seconds + 0.009 * (round(seconds * 1000) % 3 == 1))
    np.testing.assert_array_equal(load_audio(path)[0], whole)


def test_the_sound_of_a_video_is_read_and_its_pictures_passed_over(write_video):
    for name in ("clip.mp4", "clip.mov", "clip.mkv"):
        waveform, sr = load_audio(write_video(name, 440.0))
        assert frequency_and_amplitude(waveform, sr)[0] == pytest.approx(440.0, abs=2.0)
        assert len(waveform) == pytest.approx(44100, abs=1024)


def test_a_video_without_sound_has_no_sound_stream(write_video):
    assert lost(write_video("dumb.mp4")) == "no sound stream"
    with pytest.raises(AudioDecodeError, match="no sound stream"):
        read_info(write_video("dumb.mkv"))


@pytest.mark.parametrize(("default", "expected"), [(None, 440.0), (0, 440.0), (1, 1000.0)])
def test_of_two_sounds_the_default_is_read_else_the_first(write_video, default, expected):
    waveform, sr = load_audio(write_video("two.mkv", 440.0, 1000.0, default=default))
    assert frequency_and_amplitude(waveform, sr)[0] == pytest.approx(expected, abs=2.0)


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_sound_that_begins_after_the_pictures_keeps_its_time(write_video, name):
    waveform, sr = load_audio(write_video(name, 440.0, first_s=0.5))
    assert len(waveform) / sr == pytest.approx(1.5, abs=0.05)
    assert np.abs(waveform[: round(0.45 * sr)]).max() == 0.0
    assert np.abs(waveform[round(0.55 * sr) : round(0.6 * sr)]).max() > 0.4


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38], ids=str)
def test_values_that_are_no_sound_are_counted_in_an_error(write_container, value):
    waveform = np.zeros(5000, dtype=np.float32)
    path = write_container("float.mov", waveform)
    content = bytearray(path.read_bytes())
    where = content.find(b"mdat") + 4 + 400
    content[where : where + 8] = struct.pack("<2f", value, value)
    path.write_bytes(content)
    assert "2 samples are NaN, infinite" in lost(path)


@pytest.mark.parametrize("suffix", [".m4a", ".webm", ".wma", ".amr", ".aac", ".MP4"])
def test_files_that_are_no_containers_say_so(av, tmp_path, suffix):
    path = tmp_path / f"sound{suffix}"
    assert lost(path) == "no such file"
    path.touch()
    assert "empty (zero bytes)" in lost(path)
    path.write_text("These are words. " * 100)
    assert "cannot be decoded" in lost(path) or "no samples" in lost(path)
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    assert "directory" in lost(folder)


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile good.m4a\n", "#EXTM3U\n#EXTINF:1,\ngood.m4a\n"]
)
def test_a_playlist_named_as_sound_opens_no_other_file(write_container, text):
    good = write_container("mono.m4a", sine(44100))
    good = good.rename(good.with_name("good.m4a"))
    path = good.with_name("list.m4a")
    path.write_text(text)
    assert "cannot be decoded" in lost(path)


def test_a_wav_never_goes_through_av(write_wav, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert len(load_audio(write_wav("tone.wav", sine(22050)))[0]) == 33075


@pytest.mark.parametrize("suffix", [".m4a", ".aac", ".webm", ".M4A", ".3gp", ".mov"])
def test_without_the_package_the_failure_names_the_extra(tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(sys.modules, "av", None)
    path = tmp_path / f"sound{suffix}"
    path.write_bytes(b"\x00\x00\x00\x20ftypM4A ")
    expected = (
        f'{suffix} needs the package av, which is not installed: pip install "timbrestack[av]"'
    )
    assert lost(path) == expected
    with pytest.raises(AudioDecodeError, match=r"timbrestack\[av\]"):
        read_info(path)
    assert list_audio_files(tmp_path) == [path]


def test_the_package_is_imported_late():
    code = "import sys, features, features.audio; print('av' in sys.modules)"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert completed.stdout == "False\n"


def test_a_long_sound_is_streamed_in_bounded_memory(write_container):
    path = write_container("phone.3gp", sine(8000, 120.0))
    load_audio(path, end_s=0.1)
    tracemalloc.start()
    for _ in stream_audio(path, block_s=1.0):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20  # of 3.8 MB


@pytest.mark.parametrize("name", SOUNDS)
def test_a_damaged_file_gives_an_error_or_a_sound_and_never_anything_else(
    write_container, rng, capfd, name
):
    path = write_container(name, rng.uniform(-0.5, 0.5, 4000).astype(np.float32))
    original = path.read_bytes()
    for _ in range(40):
        content = bytearray(original)
        reach = len(content) if rng.random() < 0.5 else min(len(content), 1000)
        where = int(rng.integers(reach))
        if rng.random() < 0.3:
            content[where : where + 4] = [b"\xff" * 4, bytes(4), b"\x7f" + b"\xff" * 3][
                rng.integers(3)
            ]
        else:
            for position in rng.integers(reach, size=rng.integers(1, 9)):
                content[position] = rng.integers(256)
        path.write_bytes(content)
        try:
            info = read_info(path)
            waveform, _ = load_audio(path, sr=16000)
        except AudioDecodeError:
            continue
        assert info.duration_s >= 0
        assert waveform.size
        assert np.isfinite(waveform).all()
    assert capfd.readouterr() == ("", "")
