"""What comes back from a lossy codec: as long, in time, and less of it."""

import io

import numpy as np
import pytest
import soundfile

from features.synthesis.codec import CODECS, list_codecs, recode

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]
ODD_RATES = [1_000, 7_350, 12_345, 37_800, 88_200, 200_000, 384_000]


def make_noise(n_timepoints, sr, *, seed=0):
    """Noise below a quarter of the rate, but no higher than 1.5 kHz: what every codec keeps."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n_timepoints))
    spectrum[np.fft.rfftfreq(n_timepoints, 1 / sr) > min(sr / 4, 1_500)] = 0
    noise = np.fft.irfft(spectrum, n_timepoints)
    return (0.2 * noise / max(1e-9, noise.std())).astype(np.float32)


def measure_lag(recoded, waveform):
    """Samples by which `recoded` is late, by the peak of the cross-correlation."""
    n_fft = 2 * len(waveform)
    product = np.fft.rfft(recoded, n_fft) * np.fft.rfft(waveform, n_fft).conj()
    lag = int(np.fft.irfft(product, n_fft).argmax())
    return lag if lag < len(waveform) else lag - n_fft


@pytest.mark.parametrize("sr", RATES + ODD_RATES)
@pytest.mark.parametrize("codec", list_codecs())
def test_a_good_quality_gives_the_sound_back_in_time(codec, sr):
    waveform = make_noise(sr // 2, sr)
    recoded = recode(waveform, sr, codec=codec, quality=1)
    assert recoded.shape == waveform.shape
    assert recoded.dtype == np.float32
    assert measure_lag(recoded, waveform) == 0
    assert np.corrcoef(recoded, waveform)[0, 1] > 0.99


@pytest.mark.parametrize("quality", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("codec", list_codecs())
def test_no_quality_moves_the_sound_in_time(codec, quality):
    waveform = make_noise(44_100, 44_100)
    assert measure_lag(recode(waveform, 44_100, codec=codec, quality=quality), waveform) == 0


@pytest.mark.parametrize("sr", [8_000, 22_050, 44_100])
def test_an_mp3_too_small_to_tell_its_delay_comes_back_in_time_all_the_same(sr):
    waveform = make_noise(sr, sr)
    recoded = recode(waveform, sr, codec="mp3", quality=0)
    assert recoded.shape == waveform.shape
    assert measure_lag(recoded, waveform) == 0


@pytest.mark.parametrize("codec", list_codecs())
def test_an_onset_stays_where_it_was(codec):
    sr, onset = 44_100, 20_000
    waveform = np.zeros(sr, dtype=np.float32)
    waveform[onset:] = 0.5 * np.sin(2 * np.pi * 440 * np.arange(sr - onset) / sr)
    recoded = recode(waveform, sr, codec=codec, quality=0.8)
    first = np.flatnonzero(np.abs(recoded) > 0.25)[0]
    # The 440 Hz tone passes 0.25 after 8 samples; a frame of the codecs is 576 or more.
    assert abs(first - (onset + 8)) <= 30


@pytest.mark.parametrize("n_timepoints", [1, 2, 100, 1_151, 1_153])
@pytest.mark.parametrize("codec", list_codecs())
def test_a_clip_shorter_than_a_frame_keeps_its_length(codec, n_timepoints):
    waveform = np.full(n_timepoints, 0.1, dtype=np.float32)
    for sr in (16_000, 44_100, 12_345):
        recoded = recode(waveform, sr, codec=codec, quality=0.5)
        assert recoded.shape == (n_timepoints,)
        assert np.isfinite(recoded).all()


@pytest.mark.parametrize("codec", list_codecs())
def test_silence_stays_silence_and_nothing_stays_nothing(codec):
    silence = np.zeros(10_000, dtype=np.float32)
    assert np.abs(recode(silence, 22_050, codec=codec, quality=0.1)).max() < 1e-6
    assert recode(silence[:0], 22_050, codec=codec, quality=0.1).shape == (0,)


@pytest.mark.parametrize("codec", list_codecs())
def test_a_worse_quality_keeps_less(codec):
    rng = np.random.default_rng(1)
    waveform = (0.1 * rng.standard_normal(44_100)).astype(np.float32)
    losses = [
        np.square(recode(waveform, 44_100, codec=codec, quality=quality) - waveform).mean()
        for quality in (0, 0.5, 1)
    ]
    assert losses[0] > 1.5 * losses[1] > 1.5 * losses[2] > 0


@pytest.mark.parametrize("codec", list_codecs())
def test_the_same_input_gives_the_same_bits(codec):
    waveform = make_noise(16_000, 16_000)
    first = recode(waveform, 16_000, codec=codec, quality=0.3)
    np.testing.assert_array_equal(first, recode(waveform, 16_000, codec=codec, quality=0.3))


def test_minutes_of_sound_do_not_overrun_the_stack_of_vorbis():
    # Written at once, as many samples end the process.
    waveform = np.tile(make_noise(8_000, 8_000), 700)
    recoded = recode(waveform, 8_000, codec="vorbis", quality=0.5)
    assert recoded.shape == waveform.shape
    assert np.corrcoef(recoded, waveform)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("quality", "kbps"), [(1 / 9, 64), (1 / 3, 128), (1, 320)], ids=["64", "128", "320"]
)
def test_mp3_has_the_rate_that_its_quality_stands_for(monkeypatch, quality, kbps):
    streams = []

    class Kept(io.BytesIO):
        def __init__(self):
            super().__init__()
            streams.append(self)

    monkeypatch.setattr("features.synthesis.codec.io.BytesIO", Kept)
    recode(make_noise(10 * 44_100, 44_100), 44_100, codec="mp3", quality=quality)
    assert len(streams[0].getvalue()) * 8 / 10 / 1000 == pytest.approx(kbps, rel=0.01)


@pytest.mark.parametrize(
    ("name", "rate"), [(name, rate) for name, codec in CODECS.items() for rate in codec.rates]
)
def test_libsndfile_takes_every_rate_that_a_codec_names(name, rate):
    codec = CODECS[name]
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(100), rate, format=codec.format, subtype=codec.subtype)
    stream.seek(0)
    assert soundfile.info(stream).samplerate == rate


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codec": "aac"}, "codec must be one of mp3, vorbis, opus, got 'aac'"),
        ({"quality": 1.5}, "quality must be 0 to 1, got 1.5"),
        ({"sr": 10}, "sr must be 1000 to 768000 Hz, got 10"),
        ({"waveform": np.zeros((2, 5))}, r"got shape \(2, 5\)"),
        ({"waveform": np.array([0.0, np.nan])}, "one-dimensional and finite"),
    ],
    ids=["codec", "quality", "sr", "two_channels", "nan"],
)
def test_what_cannot_be_coded_is_refused(settings, message):
    given = {"waveform": np.zeros(100), "sr": 44_100, "codec": "mp3", "quality": 0.5, **settings}
    with pytest.raises(ValueError, match=message):
        recode(given.pop("waveform"), given.pop("sr"), **given)
