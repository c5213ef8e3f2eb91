"""Log-mel frontend: known answers, invariances, and librosa and CLAP as outside references."""

import librosa
import numpy as np
import pytest
import torch

from deep.frontends.level import scale_to_peak
from deep.frontends.log_mel import LogMelFrontend
from deep.frontends.padding import reflect_ends, valid_mask
from deep.frontends.power_scale import check_scale

SR = 22050


def batch_of(*waveforms: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform.astype(np.float32))
    return batch, lengths


def make_frontend(**options) -> LogMelFrontend:
    return LogMelFrontend(**{"sr": SR, "n_fft": 1024, "hop_length": 256, "n_mels": 40, **options})


@pytest.fixture
def frontend() -> LogMelFrontend:
    return make_frontend()


def test_mel_power_equals_librosa_within_a_ten_thousandth(frontend, rng):
    waveform = rng.normal(size=SR // 2).astype(np.float32)
    scaled = waveform / np.sqrt(np.mean(waveform**2))
    expected = librosa.feature.melspectrogram(
        y=scaled, sr=SR, n_fft=1024, hop_length=256, n_mels=40, fmin=30.0, pad_mode="constant"
    )
    actual = frontend.mel_power(*batch_of(waveform))[0].numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
def test_decibels_equal_librosa_within_a_thousandth(rng, pad_mode):
    frontend = make_frontend(
        scale="db", normalisation="none", scale_level=False, floor=1e-10, pad_mode=pad_mode
    )
    short, long = 0.1 * rng.normal(size=3000), 0.1 * rng.normal(size=9000)
    frames, n_frames = frontend(*batch_of(short, long))
    for waveform, actual, n in zip((short, long), frames[:, 0], n_frames, strict=True):
        mel = librosa.feature.melspectrogram(
            y=waveform, sr=SR, n_fft=1024, hop_length=256, n_mels=40, fmin=30.0, pad_mode=pad_mode
        )
        expected = librosa.power_to_db(mel, top_db=None)
        np.testing.assert_allclose(actual[:, :n], expected, rtol=0, atol=1e-3)


def test_clap_sees_the_same_mel_spectrogram(rng):
    transformers = pytest.importorskip("transformers")
    extractor = transformers.ClapFeatureExtractor(
        truncation="rand_trunc", padding="pad", max_length_s=1
    )
    waveform = 0.1 * rng.normal(size=48_000)
    expected = extractor(waveform, sampling_rate=48_000)["input_features"][0][0]
    frontend = LogMelFrontend(
        sr=48_000,
        n_fft=1024,
        hop_length=480,
        n_mels=64,
        fmin=0.0,
        fmax=14_000.0,
        floor=1e-10,
        scale="db",
        normalisation="none",
        scale_level=False,
        pad_mode="reflect",
    )
    actual, _ = frontend(*batch_of(waveform))
    np.testing.assert_allclose(actual[0, 0].T, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3, 700, 2000])
def test_ends_are_mirrored_as_numpy_mirrors_each_clip_alone(rng, n):
    clip = rng.normal(size=n).astype(np.float32)
    mirrored = reflect_ends(*batch_of(clip, rng.normal(size=2000)), 512)[0].numpy()
    expected = np.pad(clip, 512, mode="reflect") if n > 1 else np.repeat(clip, 1025)
    np.testing.assert_array_equal(mirrored[: n + 1024], expected)
    assert (mirrored[n + 1024 :] == 0).all()


@pytest.mark.parametrize(
    ("scale", "silence"),
    [("log", np.log(1e-3)), ("db", 10 * np.log10(1e-3)), ("power", 0.0)],
)
def test_silence_gives_exactly_the_floor(scale, silence):
    frontend = make_frontend(scale=scale, normalisation="none")
    frames, _ = frontend(*batch_of(np.zeros(SR)))
    assert torch.equal(frames, torch.full_like(frames, silence))


def test_a_pure_tone_is_loudest_in_the_band_that_holds_its_frequency(frontend):
    tone = np.sin(2 * np.pi * 3000 * np.arange(SR) / SR)
    band = frontend(*batch_of(tone))[0][0, 0].mean(dim=1).argmax().item()
    centres = librosa.mel_frequencies(n_mels=42, fmin=30.0, fmax=SR / 2)[1:-1]
    assert band == np.abs(centres - 3000).argmin()


def test_frames_are_the_same_alone_and_beside_a_longer_clip(frontend, rng):
    short, long = rng.normal(size=3001), 100 * rng.normal(size=9000)
    alone, n_alone = frontend(*batch_of(short))
    together, n_together = frontend(*batch_of(short, long))
    assert n_alone[0] == n_together[0] == 1 + 3001 // 256
    torch.testing.assert_close(together[0, ..., : n_alone[0]], alone[0], rtol=0, atol=1e-5)
    assert (together[0, ..., n_alone[0] :] == 0).all()


@pytest.mark.parametrize("gain", [1e-20, 1e-4, 0.1, 30.0])
def test_gain_does_not_change_the_frames(frontend, rng, gain):
    waveform = rng.normal(size=4000)
    frames, _ = frontend(*batch_of(waveform, gain * waveform))
    torch.testing.assert_close(frames[1], frames[0], rtol=0, atol=1e-4)


def test_without_scaling_the_level_stays_in_the_frames(rng):
    frontend = make_frontend(scale="db", normalisation="none", scale_level=False, floor=1e-10)
    waveform = rng.normal(size=4000)
    frames, _ = frontend(*batch_of(waveform, 0.1 * waveform))
    torch.testing.assert_close(frames[1], frames[0] - 20, rtol=0, atol=1e-3)


def test_level_is_taken_over_valid_samples_only(rng):
    batch, lengths = batch_of(rng.normal(size=500), rng.normal(size=2000))
    scaled, rms = scale_to_peak(batch, lengths)
    assert scaled.abs().amax(dim=1).tolist() == [1, 1]
    expected = scaled[0, :500].square().mean().sqrt().item()
    assert rms[0].item() == pytest.approx(expected, rel=1e-5)


def test_frames_are_those_of_a_waveform_scaled_to_unit_level(frontend, rng):
    waveform = np.concatenate([rng.normal(size=3000), 1e-3 * rng.normal(size=2000)])
    frames, _ = frontend(*batch_of(0.01 * waveform))
    scaled = torch.tensor(waveform / np.sqrt((waveform**2).mean()), dtype=torch.float32)
    spectrum = torch.stft(
        scaled,
        frontend.n_fft,
        frontend.hop_length,
        window=frontend.window,
        pad_mode="constant",
        return_complex=True,
    )
    expected = torch.log(frontend.filters @ spectrum.abs().square() + frontend.floor)
    torch.testing.assert_close(frames[0, 0], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", ["log", "db", "power"])
def test_statistics_standardise_valid_frames_and_skip_padding(rng, scale):
    frontend = make_frontend(scale=scale)
    batch = batch_of(rng.normal(size=2000), rng.normal(size=9000))
    frontend.fit_statistics([batch])
    frames, n_frames = frontend(*batch)
    mask = valid_mask(n_frames, frames.shape[-1])
    valid = frames[:, 0].permute(0, 2, 1)[mask]
    torch.testing.assert_close(valid.mean(dim=0), torch.zeros(40), rtol=0, atol=1e-4)
    torch.testing.assert_close(valid.std(dim=0, correction=0), torch.ones(40), rtol=0, atol=1e-3)


def test_statistics_of_silence_alone_keep_the_output_finite(frontend, rng):
    frontend.fit_statistics([batch_of(np.zeros(2000))])
    assert frontend(*batch_of(rng.normal(size=2000)))[0].isfinite().all()


@pytest.mark.parametrize(
    ("normalisation", "kept"),
    [("dataset", {"mean": (40,), "std": (40,)}), ("sample", {}), ("channel", {}), ("none", {})],
)
def test_only_fitted_statistics_are_kept_with_the_weights(normalisation, kept):
    state = make_frontend(normalisation=normalisation).state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == kept


def test_bfloat16_autocast_does_not_touch_the_transform(frontend, rng):
    batch = batch_of(rng.normal(size=4000))
    expected, _ = frontend(*batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual, _ = frontend(*batch)
    assert torch.equal(actual, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "dB"}, "scale must be one of .*'db'.*, got 'dB'"),
        ({"normalisation": "batch"}, "normalisation must be one of .*'dataset'.*, got 'batch'"),
        ({"pad_mode": "edge"}, "pad_mode must be one of .*'reflect'.*, got 'edge'"),
        ({"floor": 0.0}, "floor must be above 0, got 0.0"),
        ({"n_fft": 401}, "n_fft must be even, .*got 401"),
        ({"hop_length": 0}, "hop_length must be at least 1 sample, got 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_setting_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_frontend(**options)


def test_a_scale_of_powers_counts_smaller_changes_than_a_scale_of_logarithms():
    assert check_scale("log", 1e-3) == pytest.approx(1e-3)
    assert check_scale("power", 1e-3) == pytest.approx(1e-6)
