"""Log-mel frontend: known answers, invariances, and librosa as the outside reference."""

import librosa
import numpy as np
import pytest
import torch

from deep.frontends.log_mel import LogMelFrontend, scale_to_peak, valid_mask

SR = 22050


def batch_of(*waveforms: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform.astype(np.float32))
    return batch, lengths


@pytest.fixture
def frontend() -> LogMelFrontend:
    return LogMelFrontend(sr=SR, n_fft=1024, hop_length=256, n_mels=40)


def test_mel_power_equals_librosa_within_a_ten_thousandth(frontend, rng):
    waveform = rng.normal(size=SR // 2).astype(np.float32)
    scaled = waveform / np.sqrt(np.mean(waveform**2))
    expected = librosa.feature.melspectrogram(
        y=scaled, sr=SR, n_fft=1024, hop_length=256, n_mels=40, fmin=30.0, pad_mode="constant"
    )
    actual = frontend.mel_power(*batch_of(waveform))[0].numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_silence_gives_exactly_the_floor(frontend):
    frames = frontend.log_mel(*batch_of(np.zeros(SR)))
    assert torch.equal(frames, torch.full_like(frames, np.log(frontend.floor)))


def test_a_pure_tone_is_loudest_in_the_band_that_holds_its_frequency(frontend):
    tone = np.sin(2 * np.pi * 3000 * np.arange(SR) / SR)
    band = frontend.log_mel(*batch_of(tone))[0].mean(dim=1).argmax().item()
    centres = librosa.mel_frequencies(n_mels=42, fmin=30.0, fmax=SR / 2)[1:-1]
    assert band == np.abs(centres - 3000).argmin()


def test_frames_are_the_same_alone_and_beside_a_longer_clip(frontend, rng):
    short, long = rng.normal(size=3001), 100 * rng.normal(size=9000)
    alone, n_alone = frontend(*batch_of(short))
    together, n_together = frontend(*batch_of(short, long))
    assert n_alone[0] == n_together[0] == 1 + 3001 // 256
    torch.testing.assert_close(together[0, :, : n_alone[0]], alone[0], rtol=0, atol=1e-5)
    assert (together[0, :, n_alone[0] :] == 0).all()


@pytest.mark.parametrize("gain", [1e-20, 1e-4, 0.1, 30.0])
def test_gain_does_not_change_the_frames(frontend, rng, gain):
    waveform = rng.normal(size=4000)
    frames, _ = frontend(*batch_of(waveform, gain * waveform))
    torch.testing.assert_close(frames[1], frames[0], rtol=0, atol=1e-4)


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
    torch.testing.assert_close(frames[0], expected, rtol=0, atol=1e-4)


def test_statistics_standardise_valid_frames_and_skip_padding(frontend, rng):
    batch = batch_of(rng.normal(size=2000), rng.normal(size=9000))
    frontend.fit_statistics([batch])
    frames, n_frames = frontend(*batch)
    mask = valid_mask(n_frames, frames.shape[-1])
    valid = frames.permute(0, 2, 1)[mask]
    torch.testing.assert_close(valid.mean(dim=0), torch.zeros(40), rtol=0, atol=1e-4)
    torch.testing.assert_close(valid.std(dim=0, correction=0), torch.ones(40), rtol=0, atol=1e-3)


def test_statistics_of_silence_alone_keep_the_output_finite(frontend, rng):
    frontend.fit_statistics([batch_of(np.zeros(2000))])
    assert frontend(*batch_of(rng.normal(size=2000)))[0].isfinite().all()


def test_bfloat16_autocast_does_not_touch_the_transform(frontend, rng):
    batch = batch_of(rng.normal(size=4000))
    expected, _ = frontend(*batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual, _ = frontend(*batch)
    assert torch.equal(actual, expected)
