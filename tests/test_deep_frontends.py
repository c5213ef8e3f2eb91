"""Fixed frontends: what all must keep, then each one's known answers and outside references."""

import librosa
import numpy as np
import pytest
import pywt
import torch
import torchaudio

from deep.frontends.delta import deltas
from deep.frontends.kaldi_fbank import KaldiFbankFrontend
from deep.frontends.log_mel import LogMelFrontend
from deep.frontends.mfcc import MfccFrontend
from deep.frontends.padding import valid_mask
from deep.frontends.registry import create_frontend
from deep.frontends.scalogram import WAVELETS, ScalogramFrontend
from deep.frontends.three_features import ThreeFeaturesFrontend
from deep.frontends.waveform import WaveformFrontend

SR = 8000
SMALL = {"n_fft": 512, "hop_length": 128, "n_mels": 24}

# Sizes that the tests can afford; every fixed frontend is here, with each of its kinds.
CASES = {
    "log-mel": ("log-mel", SMALL),
    "log-mel-reflect": ("log-mel", {**SMALL, "pad_mode": "reflect", "scale": "db"}),
    "log-mel-sample": ("log-mel", {**SMALL, "normalisation": "sample", "scale": "power"}),
    "mfcc": ("mfcc", {**SMALL, "n_mfcc": 13}),
    "mfcc-deltas": ("mfcc", {**SMALL, "n_mfcc": 13, "deltas": 2, "normalisation": "channel"}),
    "three-centroid": ("three-features", SMALL),
    "three-delta": ("three-features", {**SMALL, "third": "delta", "normalisation": "channel"}),
    "morlet": ("scalogram", {"n_scales": 16, "fmin": 100.0, "hop_length": 128}),
    "ricker": ("scalogram", {"n_scales": 16, "wavelet": "ricker", "hop_length": 125}),
    "kaldi-fbank": ("kaldi-fbank", {"n_mels": 24}),
    "waveform": ("waveform", {"remove_mean": True}),
}


def batch_of(*waveforms: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(np.asarray(waveform, dtype=np.float32))
    return batch, lengths


@pytest.fixture(params=CASES)
def frontend(request, rng):
    """Every fixed frontend, fitted as before a training."""
    name, options = CASES[request.param]
    made = create_frontend(name, sr=SR, **options)
    return made.fit_statistics([batch_of(rng.normal(size=4000), 0.1 * rng.normal(size=3000))])


def test_frames_have_four_axes_and_float32(frontend, rng):
    frames, n_frames = frontend(*batch_of(rng.normal(size=3000), rng.normal(size=1)))
    assert frames.shape == (2, frontend.n_channels, frontend.n_bands, n_frames.max())
    assert frames.dtype == torch.float32
    assert n_frames.dtype == torch.int64
    assert n_frames.device.type == "cpu"


def test_a_clip_has_the_same_frames_alone_and_in_a_batch(frontend, rng):
    clips = [rng.normal(size=n) for n in (377, 2501, 4000)]
    together, n_frames = frontend(*batch_of(*clips))
    for row, clip, n in zip(together, clips, n_frames, strict=True):
        alone, n_alone = frontend(*batch_of(clip))
        assert n_alone.item() == n
        torch.testing.assert_close(row[..., :n], alone[0], rtol=1e-6, atol=1e-5)
        assert (row[..., n:] == 0).all()


@pytest.mark.parametrize("n", [1, 2, 30, 799])
def test_any_length_has_finite_frames(frontend, rng, n):
    frames, n_frames = frontend(*batch_of(rng.normal(size=n)))
    assert frames.isfinite().all()
    assert n_frames.item() >= 1


def test_silence_is_finite_and_the_same_in_every_frame(frontend):
    frames, n_frames = frontend(*batch_of(np.zeros(2000), np.zeros(900)))
    assert frames.isfinite().all()
    first = frames[:, :, :, :1]
    for row, start, n in zip(frames, first, n_frames, strict=True):
        assert torch.equal(row[..., :n], start.expand_as(row[..., :n]))


def test_min_timepoints_is_the_shortest_clip_with_that_many_frames(frontend):
    for wanted in (2, 3, 17):
        shortest = frontend.min_timepoints(wanted)
        lengths = torch.tensor([shortest, shortest - 1])
        _, n_frames = frontend(torch.zeros(2, shortest), lengths)
        assert n_frames.tolist() == [wanted, wanted - 1]
    assert frontend.min_timepoints(1) == 1


def test_autocast_to_bfloat16_changes_nothing(frontend, rng):
    batch = batch_of(rng.normal(size=2000))
    expected, _ = frontend(*batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual, _ = frontend(*batch)
        again, _ = frontend(batch[0].bfloat16(), batch[1])
    assert actual.dtype == again.dtype == torch.float32
    assert torch.equal(actual, expected)


def test_frames_do_not_know_the_level_unless_told(frontend, rng):
    if isinstance(frontend, KaldiFbankFrontend):
        pytest.skip("a pretrained network expects the level")
    waveform = rng.normal(size=3000)
    frames, _ = frontend(*batch_of(waveform, 0.1 * waveform, 1e-6 * waveform))
    torch.testing.assert_close(frames[1:], frames[:1].expand(2, -1, -1, -1), rtol=0, atol=1e-4)


def test_statistics_standardise_every_band_of_every_channel(rng):
    frontend = ThreeFeaturesFrontend(sr=SR, **SMALL)
    batch = batch_of(rng.normal(size=2000), rng.normal(size=9000).cumsum())
    frames, n_frames = frontend.fit_statistics([batch])(*batch)
    valid = frames.permute(0, 3, 1, 2)[valid_mask(n_frames, frames.shape[-1])]
    assert valid.mean(dim=0).abs().max() < 1e-4
    torch.testing.assert_close(valid.std(dim=0, correction=0), torch.ones(3, 24), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("normalisation", "axes"), [("sample", (0, 1, 2)), ("channel", (1, 2))])
def test_clips_are_standardised_over_their_own_frames(rng, normalisation, axes):
    frontend = MfccFrontend(sr=SR, n_mfcc=13, deltas=1, normalisation=normalisation, **SMALL)
    frames, n_frames = frontend(*batch_of(rng.normal(size=2000), rng.normal(size=5000)))
    for row, n in zip(frames, n_frames, strict=True):
        valid = row[..., :n]
        assert valid.mean(dim=axes).abs().max() < 1e-5
        assert (valid.std(dim=axes, correction=0) - 1).abs().max() < 1e-4


def test_mfcc_equal_librosa_and_torchaudio_within_a_thousandth_of_a_decibel(rng):
    waveform = (0.1 * rng.normal(size=SR)).astype(np.float32)
    frontend = MfccFrontend(
        sr=SR, n_mfcc=13, floor=1e-10, normalisation="none", scale_level=False, **SMALL
    )
    frames, _ = frontend(*batch_of(waveform))
    settings = {"n_fft": 512, "hop_length": 128, "n_mels": 24, "pad_mode": "constant"}
    expected = librosa.feature.mfcc(y=waveform, sr=SR, n_mfcc=13, fmin=30.0, **settings)
    np.testing.assert_allclose(frames[0, 0], expected, rtol=0, atol=1e-3)
    transform = torchaudio.transforms.MFCC(
        SR,
        n_mfcc=13,
        melkwargs={**settings, "f_min": 30.0, "norm": "slaney", "mel_scale": "slaney"},
    )
    np.testing.assert_allclose(
        frames[0, 0], transform(torch.from_numpy(waveform)), rtol=0, atol=1e-3
    )


def test_mfcc_of_a_level_spectrum_is_all_in_the_first_coefficient():
    frontend = MfccFrontend(sr=SR, n_mfcc=13, normalisation="none", **SMALL)
    frames, _ = frontend(*batch_of(np.zeros(2000)))
    # Silence: -30 dB in each of 24 bands.
    np.testing.assert_allclose(frames[0, 0, 0], -30.0 * np.sqrt(24), rtol=1e-5)
    np.testing.assert_allclose(frames[0, 0, 1:], 0.0, atol=1e-4)


def test_deltas_of_a_ramp_are_its_slope_and_flatten_at_each_clips_own_ends():
    ramp = 3.0 * torch.arange(9.0).expand(2, 1, 4, 9)
    slopes = deltas(ramp, torch.tensor([9, 6]))
    assert slopes[0, 0, 0].tolist() == pytest.approx([1.5, 2.4, 3, 3, 3, 3, 3, 2.4, 1.5])
    assert slopes[1, 0, 0, :6].tolist() == pytest.approx([1.5, 2.4, 3, 3, 2.4, 1.5])


@pytest.mark.parametrize("n", [1, 3, 40])
def test_deltas_equal_torchaudio(rng, n):
    frames = torch.from_numpy(rng.normal(size=(1, 2, 5, n)).astype(np.float32))
    expected = torchaudio.functional.compute_deltas(frames, win_length=5)
    torch.testing.assert_close(deltas(frames, torch.tensor([n])), expected, rtol=0, atol=1e-6)


def test_deltas_equal_librosa_away_from_the_ends(rng):
    frames = torch.from_numpy(rng.normal(size=(1, 1, 5, 40)).astype(np.float32))
    actual = deltas(frames, torch.tensor([40]), reach=4)
    expected = librosa.feature.delta(frames[0, 0].numpy(), width=9)
    np.testing.assert_allclose(actual[0, 0, :, 4:-4], expected[:, 4:-4], atol=1e-6)


def make_chord(n: int, *, sr: int = SR) -> np.ndarray:
    t = np.arange(n) / sr
    return sum(np.sin(2 * np.pi * hz * t) / hz for hz in (440.0, 554.4, 659.3))


def test_chroma_and_centroid_equal_librosa(rng):
    waveform = (make_chord(SR) + 1e-4 * rng.normal(size=SR)).astype(np.float32)
    frontend = ThreeFeaturesFrontend(sr=SR, normalisation="none", **SMALL)
    frames, _ = frontend(*batch_of(waveform))
    settings = {"sr": SR, "n_fft": 512, "hop_length": 128, "pad_mode": "constant"}
    chroma = librosa.feature.chroma_stft(y=waveform, tuning=0, **settings)
    np.testing.assert_allclose(frames[0, 1], np.repeat(chroma, 2, axis=0), rtol=0, atol=1e-4)
    centroid = librosa.feature.spectral_centroid(y=waveform, **settings) / (SR / 2)
    np.testing.assert_allclose(frames[0, 2], np.repeat(centroid, 24, axis=0), rtol=0, atol=1e-4)


def test_a_tone_lights_up_its_pitch_class_and_its_centroid():
    frontend = ThreeFeaturesFrontend(sr=SR, normalisation="none", **SMALL)
    frames, _ = frontend(*batch_of(np.sin(2 * np.pi * 1760.0 * np.arange(SR) / SR)))
    middle = frames[0, :, :, 30]
    # A is the tenth of twelve classes, each in two of the 24 bands.
    assert middle[1].topk(2).indices.sort().values.tolist() == [18, 19]
    assert middle[2].mean().item() == pytest.approx(1760 / 4000, rel=0.01)


def test_the_third_channel_may_be_the_change_of_the_first(rng):
    frontend = ThreeFeaturesFrontend(sr=SR, third="delta", normalisation="none", **SMALL)
    mel = LogMelFrontend(sr=SR, normalisation="none", **SMALL)
    batch = batch_of(rng.normal(size=1000), rng.normal(size=3000))
    frames, n_frames = frontend(*batch)
    expected, _ = mel(*batch)
    torch.testing.assert_close(frames[:, :1], expected)
    shorter = expected[:1, ..., : n_frames[0]]
    change = torchaudio.functional.compute_deltas(shorter)
    torch.testing.assert_close(frames[0, 2, :, : n_frames[0]], change[0, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("wavelet", sorted(WAVELETS))
def test_a_tone_is_loudest_in_the_band_of_its_frequency(wavelet):
    frontend = ScalogramFrontend(
        sr=SR, wavelet=wavelet, n_scales=20, fmin=100.0, fmax=1600.0, normalisation="none"
    )
    centres = np.geomspace(100.0, 1600.0, 20)
    for band in (2, 9, 17):
        tone = np.sin(2 * np.pi * centres[band] * np.arange(SR // 2) / SR)
        frames, n_frames = frontend(*batch_of(tone))
        assert frames[0, 0, :, n_frames.item() // 2].argmax().item() == band


@pytest.mark.parametrize("wavelet", sorted(WAVELETS))
def test_white_noise_has_a_power_of_one_in_every_band(rng, wavelet):
    frontend = ScalogramFrontend(
        sr=SR, wavelet=wavelet, n_scales=12, fmin=200.0, scale="power", normalisation="none"
    )
    frames, _ = frontend(*batch_of(rng.normal(size=8 * SR)))
    means = frames[0, 0, :, 1:-1].mean(dim=1)
    np.testing.assert_allclose(means, 1.0, rtol=0, atol=0.15)


@pytest.mark.parametrize(
    ("wavelet", "theirs", "energy"),
    [
        # pywt's complex Morlet of bandwidth 2 is exp(-t^2 / 2) exp(6j t) / sqrt(2 pi).
        ("morlet", f"cmor2.0-{6 / (2 * np.pi)}", 1 / (2 * np.sqrt(np.pi))),
        ("ricker", "mexh", 1.0),
    ],
)
def test_scalogram_equals_pywt(rng, wavelet, theirs, energy):
    waveform = rng.normal(size=4000)
    frontend = ScalogramFrontend(
        sr=SR,
        wavelet=wavelet,
        n_scales=6,
        fmin=60.0,
        fmax=1200.0,
        hop_length=128,
        scale="power",
        normalisation="none",
        scale_level=False,
    )
    frames, _ = frontend(*batch_of(waveform))
    coefficients, _ = pywt.cwt(waveform, frontend.scales, theirs, precision=14)
    # It takes each sample for a step, as wide as the interval, whose spectrum falls off as a sinc.
    steps = np.sinc(frontend.band_hz / SR)[:, np.newaxis]
    power = np.abs(coefficients / steps) ** 2 / energy
    # The mean over the samples of each whole hop inside the clip.
    expected = power[:, 64 : 64 + 30 * 128].reshape(6, 30, 128).mean(axis=-1)
    actual = frames[0, 0, :, 1:31].numpy()
    # Ours averages a few points of each hop, as far apart as the wavelet is long.
    assert np.corrcoef(actual.ravel(), expected.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(actual.mean(axis=1), expected.mean(axis=1), rtol=0.02)


def test_scalogram_equals_a_correlation_written_out(rng):
    waveform = rng.normal(size=1500)
    frontend = ScalogramFrontend(
        sr=SR, n_scales=2, fmin=400.0, fmax=500.0, hop_length=100, scale="power",
        normalisation="none", scale_level=False,
    )  # fmt: skip
    frames, n_frames = frontend(*batch_of(waveform))
    scale = (6 + np.sqrt(38)) / (4 * np.pi) * SR / 400.0
    t = np.arange(-100, 101) / scale
    kernel = np.exp(6j * t - t**2 / 2) * (np.abs(t) <= 5)
    transform = np.correlate(np.pad(waveform, 400), kernel / np.linalg.norm(kernel), mode="same")
    (points,) = frontend.points
    assert points == 10  # every 10 samples: no further apart than the shorter scale, 15.5
    places = 400 + 100 * np.arange(n_frames.item())[:, None] - 45 + 10 * np.arange(points)
    expected = (np.abs(transform[places]) ** 2).mean(axis=1)
    np.testing.assert_allclose(frames[0, 0, 0], expected, rtol=1e-4)


def test_a_click_between_two_frames_is_not_lost():
    frontend = ScalogramFrontend(
        sr=SR, n_scales=12, hop_length=512, scale="power", normalisation="none", scale_level=False
    )
    energies = []
    for place in (2048, 2048 + 128, 2048 + 300):
        click = np.zeros(4096)
        click[place] = 1.0
        energies.append(frontend(*batch_of(click))[0][0, 0].sum(dim=-1))
    torch.testing.assert_close(energies[1], energies[0], rtol=0.05, atol=0)
    torch.testing.assert_close(energies[2], energies[0], rtol=0.05, atol=0)


@pytest.mark.parametrize("sr", [16000, 22050])
def test_kaldi_fbank_equals_torchaudio(rng, sr):
    short, long = 0.1 * rng.normal(size=1500), 0.1 * rng.normal(size=6000).cumsum()
    frontend = KaldiFbankFrontend(sr=sr, mean=0.0, std=0.5)
    batch, lengths = batch_of(short, long)
    frames, n_frames = frontend(batch, lengths)
    for waveform, length, actual, n in zip(batch, lengths, frames[:, 0], n_frames, strict=True):
        expected = torchaudio.compliance.kaldi.fbank(
            waveform[None, :length], num_mel_bins=128, sample_frequency=sr, window_type="hanning"
        )
        torch.testing.assert_close(actual[:, :n].T, expected, rtol=0, atol=2e-3)


def test_kaldi_fbank_equals_the_feature_extractor_of_ast(rng):
    transformers = pytest.importorskip("transformers")
    waveform = (0.1 * rng.normal(size=8000)).astype(np.float32)
    extractor = transformers.ASTFeatureExtractor()
    expected = extractor(waveform, sampling_rate=16000)["input_values"][0]
    frames, n_frames = KaldiFbankFrontend()(*batch_of(waveform))
    n = n_frames.item()
    np.testing.assert_allclose(frames[0, 0].T, expected[:n], rtol=0, atol=2e-4)
    # Past the end it has zeros before standardising, hence not zero after.
    assert expected[n:].min() == pytest.approx(4.2677393 / (2 * 4.5689974))


def test_bands_tell_their_frequencies():
    mel = 1127 * np.log1p(np.array([20.0, 8000.0]) / 700)
    middle = 700 * np.expm1(mel.mean() / 1127)
    assert KaldiFbankFrontend(n_mels=31).band_hz[15] == pytest.approx(middle)
    assert ScalogramFrontend(fmin=100.0, fmax=900.0, n_scales=3).band_hz[1] == pytest.approx(300.0)


def test_kaldi_fbank_of_silence_is_the_floor():
    frames, _ = KaldiFbankFrontend()(*batch_of(np.zeros(1000)))
    expected = (np.log(2.0**-23) + 4.2677393) / (2 * 4.5689974)
    np.testing.assert_allclose(frames, expected, rtol=1e-6)


def test_waveform_is_given_as_it_is_or_at_unit_level(rng):
    batch, lengths = batch_of(rng.normal(size=300), 0.01 * rng.normal(size=500))
    frames, n_frames = WaveformFrontend(sr=SR, scale_level=False)(batch, lengths)
    assert torch.equal(frames, batch[:, None, None, :])
    assert torch.equal(n_frames, lengths)
    scaled, _ = WaveformFrontend(sr=SR)(batch, lengths)
    power = scaled.square().sum(dim=(1, 2, 3)) / lengths
    torch.testing.assert_close(power, torch.ones(2))


def test_waveform_equals_the_feature_extractor_of_wav2vec2(rng):
    transformers = pytest.importorskip("transformers")
    waveform = (0.1 * rng.normal(size=3000) + 0.02).astype(np.float32)
    extractor = transformers.Wav2Vec2FeatureExtractor()
    expected = extractor(waveform, sampling_rate=16000)["input_values"][0]
    frames, _ = WaveformFrontend(remove_mean=True)(*batch_of(waveform))
    np.testing.assert_allclose(frames[0, 0, 0], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mfcc", {"n_mfcc": 65}, "n_mfcc must be 1 to n_mels = 64, got 65"),
        ("mfcc", {"deltas": 3}, "deltas must be 0, 1 or 2, got 3"),
        ("three-features", {"third": "flux"}, "third must be one of .*'centroid'.*, got 'flux'"),
        ("three-features", {"n_mels": 10}, "n_mels must be at least 12, one per pitch class"),
        ("scalogram", {"wavelet": "haar"}, "wavelet must be one of .*'morlet'.*, got 'haar'"),
        ("scalogram", {"fmax": 3900.0}, "at most 3200 Hz, 0.4 of the sampling rate, got 50"),
        ("scalogram", {"fmin": 0.0}, "rise from above 0 Hz"),
        ("kaldi-fbank", {"std": 0.0}, "std must be above 0, got 0.0"),
        ("waveform", {"n_fft": 512}, "no option .*n_fft"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        create_frontend(name, sr=SR, **options)
