"""Augmentations of single sounds: known answers of each kind."""

import math

import numpy as np
import pytest
import torch
from scipy import signal

from deep.augmentation import create_augmentation
from deep.augmentation.batch import Batch, take_windows
from deep.augmentation.filters import SHAPES
from deep.augmentation.vocoder import hop_length, vocode

SR = 8000


def apply(recipe, waveforms, *, lengths=None, sr=SR, seed=440):
    """Augment every clip; waveforms and lengths come back."""
    recipe = {name: {"probability": 1.0, **options} for name, options in recipe.items()}
    waveforms = torch.as_tensor(waveforms, dtype=torch.float32)
    if lengths is None:
        lengths = [waveforms.shape[1]] * len(waveforms)
    changed, changed_lengths, _ = create_augmentation(recipe, sr=sr).on_waveforms(
        waveforms,
        torch.tensor(lengths),
        torch.zeros(len(waveforms), 1),
        generator=torch.Generator().manual_seed(seed),
    )
    return changed, changed_lengths


def tone(frequency, *, seconds=1.0, sr=SR):
    return torch.sin(2 * math.pi * frequency * torch.arange(round(seconds * sr)) / sr)


def measure_hz(waveform, sr=SR):
    """Frequency of a tone, by the parabola through the logarithms around the highest bin."""
    middle = np.asarray(waveform)[len(waveform) // 5 : -len(waveform) // 5]
    n_fft = 8 * len(middle)
    magnitudes = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), n_fft))
    k = magnitudes.argmax()
    low, top, high = np.log(magnitudes[k - 1 : k + 2])
    return (k + 0.5 * (low - high) / (low - 2 * top + high)) * sr / n_fft


def cents(one, two):
    return 1200 * math.log2(one / two)


def power_db(waveforms):
    return 10 * torch.log10(waveforms.square().mean(dim=-1))


def test_a_gain_is_that_many_decibels():
    changed, _ = apply({"gain": {"min_db": -6, "max_db": -6}}, torch.ones(3, 10))
    torch.testing.assert_close(changed, torch.full((3, 10), 0.5011872))


def test_gains_stay_within_their_range_and_differ():
    changed, _ = apply({"gain": {"min_db": -20, "max_db": 10}}, torch.ones(200, 1))
    gains_db = 20 * torch.log10(changed)
    assert -20 <= gains_db.min() < -18
    assert 8 < gains_db.max() <= 10


def test_polarity_turns_the_waveform_upside_down():
    waveforms = torch.randn(3, 50)
    assert torch.equal(apply({"polarity": {}}, waveforms)[0], -waveforms)


@pytest.mark.parametrize("colour", ["white", "pink", "brown", "any"])
def test_noise_has_the_wanted_ratio_over_the_clip_not_over_its_padding(colour):
    waveforms = tone(440).repeat(4, 1)
    waveforms[1, 3000:] = 0
    options = {"colour": colour, "min_snr_db": 20, "max_snr_db": 20}
    changed, _ = apply({"noise": options}, waveforms, lengths=[8000, 3000, 8000, 8000])
    noise = changed - waveforms
    for row, size in enumerate((8000, 3000, 8000, 8000)):
        ratio_db = power_db(waveforms[row, :size]) - power_db(noise[row, :size])
        assert ratio_db == pytest.approx(20, abs=0.01)
    assert (noise[1, 3000:] == 0).all()
    assert abs(np.corrcoef(noise[0], noise[2])[0, 1]) < 0.9


@pytest.mark.parametrize(("colour", "slope"), [("white", 0), ("pink", -1), ("brown", -2)])
def test_the_power_of_noise_falls_with_frequency_as_its_colour_says(colour, slope):
    quiet = torch.full((1, 2**17), 1e-3)
    options = {"colour": colour, "min_snr_db": 0, "max_snr_db": 0}
    noise = (apply({"noise": options}, quiet)[0] - quiet)[0].numpy()
    frequencies, power = signal.welch(noise, SR, nperseg=2048)
    inside = (frequencies > 50) & (frequencies < 3500)
    found = np.polyfit(np.log(frequencies[inside]), np.log(power[inside]), 1)[0]
    assert found == pytest.approx(slope, abs=0.1)


@pytest.mark.parametrize("n_timepoints", [1, 2**19 + 5, 2**20 + 7], ids=str)
def test_noise_is_as_long_as_any_clip(n_timepoints):
    changed, _ = apply({"noise": {"min_snr_db": 0, "max_snr_db": 0}}, torch.ones(1, n_timepoints))
    assert (changed != 1).float().mean() > 0.99


@pytest.fixture
def noises(tmp_path, write_wav):
    """A folder of two recordings: a low tone and a high one, at another sampling rate."""
    for name, frequency in (("low.wav", 300), ("street/high.wav", 2500)):
        write_wav(f"noises/{name}", 0.2 * tone(frequency, seconds=0.4, sr=16000).numpy(), 16000)
    return tmp_path / "noises"


def test_recordings_are_mixed_in_at_the_wanted_ratio_and_go_round(noises):
    waveforms = tone(1000).repeat(20, 1)
    options = {"folder": str(noises), "min_snr_db": 12, "max_snr_db": 12}
    changed, _ = apply({"recorded_noise": options}, waveforms)
    noise = changed - waveforms
    torch.testing.assert_close(power_db(waveforms) - power_db(noise), torch.full((20,), 12.0))
    heard = {round(measure_hz(row), -1) for row in noise}
    assert heard == {300, 2500}
    assert len({float(row[0]) for row in noise}) > 5


def test_recordings_that_cannot_be_read_or_are_silent_are_told_and_left_out(noises, write_wav):
    (noises / "broken.wav").write_text("no sound")
    write_wav("noises/silent.wav", np.zeros(100, dtype="f4"), SR)
    options = {"folder": str(noises)}
    with pytest.warns(UserWarning, match=r"2 of 4 recordings.*broken.wav.*silent.wav: silent"):
        changed, _ = apply({"recorded_noise": options}, torch.ones(2, 100))
    assert not torch.equal(changed, torch.ones(2, 100))


def test_a_folder_without_any_good_recording_is_refused(tmp_path, write_wav):
    with pytest.raises(ValueError, match=r"folder must hold sound files, .* has none"):
        create_augmentation({"recorded_noise": {"folder": str(tmp_path)}})
    write_wav("silent.wav", np.zeros(100, dtype="f4"), SR)
    with pytest.raises(ValueError, match="that can be read and is not silent, got 1"):
        apply({"recorded_noise": {"folder": str(tmp_path)}}, torch.ones(1, 100))


def test_only_the_beginning_of_recordings_is_kept_in_memory(tmp_path, write_wav):
    begins_low = torch.cat([tone(300, seconds=0.6), tone(3000, seconds=2)]).numpy()
    write_wav("noises/long.wav", begins_low, SR)
    options = {"folder": str(tmp_path / "noises"), "max_minutes": 0.01, "max_snr_db": 6}
    waveforms = tone(1000, seconds=3).repeat(4, 1)
    noise = apply({"recorded_noise": options}, waveforms)[0] - waveforms
    assert all(measure_hz(row) == pytest.approx(300, abs=5) for row in noise)


def test_a_rolled_clip_holds_the_same_samples_further_on():
    lengths = [10, 7, 1, 10]
    valid = torch.arange(10) < torch.tensor(lengths)[:, None]
    waveforms, firsts = torch.arange(1.0, 11).repeat(4, 1) * valid, set()
    for seed in range(40):
        options = {"max_share": 0.3}
        changed, _ = apply({"time_shift": options}, waveforms, lengths=lengths, seed=seed)
        for row, size in enumerate(lengths):
            shift = int(changed[row, 0]) - 1
            assert torch.equal(changed[row, :size], waveforms[row, :size].roll(-shift))
        firsts.add(int(changed[0, 0]))
    assert firsts == {1, 2, 3, 4, 8, 9, 10}


def test_a_shift_with_silence_loses_what_leaves():
    waveforms = torch.arange(1.0, 11).repeat(2, 1)
    both = set()
    for seed in range(10):
        options = {"max_share": 0.5, "fill": "silence"}
        changed, _ = apply({"time_shift": options}, waveforms, seed=seed)
        kept = changed[0][changed[0] > 0]
        assert torch.equal(kept.diff(), torch.ones(len(kept) - 1))
        assert len(kept) >= 5
        both |= {"earlier"} if kept[0] > 1 else set()
        both |= {"later"} if kept[-1] < 10 else set()
    assert both == {"earlier", "later"}


def test_a_crop_is_a_stretch_of_the_clip_and_as_long_as_it_says():
    waveforms, lengths = torch.arange(1.0, 101).repeat(30, 1), [100] * 30
    options = {"min_share": 0.3, "max_share": 0.6}
    changed, new_lengths = apply({"crop": options}, waveforms, lengths=lengths)
    assert 30 <= int(new_lengths.min()) < int(new_lengths.max()) <= 60
    for row, size in zip(changed, new_lengths, strict=True):
        assert torch.equal(row[:size].diff(), torch.ones(int(size) - 1))
    assert changed[:, 0].max() > 40 > changed[:, 0].min()


@pytest.mark.parametrize("sr", [8000, 22050, 44100])
@pytest.mark.parametrize("semitones", [-12, -2, -0.37, 0.5, 2, 7])
def test_a_tone_is_shifted_to_within_five_cents(semitones, sr):
    frequencies = [110, 440, 1234.5]
    waveforms = torch.stack([tone(hz, sr=sr) for hz in frequencies])
    options = {"min_semitones": semitones, "max_semitones": semitones}
    changed, lengths = apply({"pitch_shift": options}, waveforms, sr=sr)
    assert lengths.tolist() == [sr] * 3
    for row, hz in zip(changed, frequencies, strict=True):
        assert abs(cents(measure_hz(row, sr), hz * 2 ** (semitones / 12))) < 5


def test_pitches_are_drawn_within_their_range():
    changed, _ = apply({"pitch_shift": {}}, tone(440, seconds=0.5).repeat(40, 1), seed=1)
    semitones = [cents(measure_hz(row), 440) / 100 for row in changed]
    assert -2.05 < min(semitones) < -1.5
    assert 1.5 < max(semitones) < 2.05


@pytest.mark.parametrize("rate", [0.5, 0.8, 1.25, 3.0])
def test_a_stretched_tone_keeps_its_pitch_and_level(rate):
    waveforms = tone(440, seconds=2).repeat(2, 1)
    waveforms[1, 10000:] = 0
    options = {"min_rate": rate, "max_rate": rate}
    changed, lengths = apply({"time_stretch": options}, waveforms, lengths=[16000, 10000])
    assert lengths.tolist() == [round(16000 / rate), round(10000 / rate)]
    for row, size in zip(changed, lengths, strict=True):
        assert abs(cents(measure_hz(row[:size]), 440)) < 5
        assert power_db(row[:size]) == pytest.approx(power_db(waveforms[0]), abs=0.5)


def test_what_happens_at_a_time_happens_at_that_time_over_the_rate():
    click = torch.zeros(2, 16000)
    click[:, 8000] = 1.0
    options = {"min_rate": 0.8, "max_rate": 0.8}
    changed, _ = apply({"time_stretch": options}, click)
    assert abs(int(changed[0].abs().argmax()) - 10000) <= hop_length(SR)


def test_neither_tempo_nor_pitch_changed_is_the_clip_itself():
    waveforms = torch.randn(2, 3000, generator=torch.Generator().manual_seed(0))
    batch = Batch(waveforms, torch.tensor([3000, 3000]), torch.zeros(2, 1), SR)
    ones = torch.ones(2, dtype=torch.float64)
    same = vocode(batch, rates=ones, ratios=ones).waveforms[:, :3000]
    # Where bins are voted for by their neighbours phases are not quite those of noise.
    rest = (same - waveforms)[:, 500:-500]
    assert power_db(rest).max() < power_db(waveforms).min() - 3


def test_two_tones_keep_their_ratio_when_shifted():
    chord = (tone(400) + tone(1000))[None]
    changed = apply({"pitch_shift": {"min_semitones": 2, "max_semitones": 2}}, chord)[0][0]
    for hz in (400, 1000):
        wanted = hz * 2 ** (2 / 12)
        sos = signal.butter(4, [wanted * 0.8, wanted * 1.2], "bandpass", fs=SR, output="sos")
        assert abs(cents(measure_hz(signal.sosfiltfilt(sos, changed.numpy())), wanted)) < 5


def test_what_is_shifted_past_half_the_sampling_rate_does_not_fold_back():
    options = {"min_semitones": 12, "max_semitones": 12}
    changed, _ = apply({"pitch_shift": options}, tone(3000)[None])
    assert power_db(changed[0, 1000:-1000]) < -30


def test_the_direct_sound_stays_in_place_in_a_room():
    impulse = torch.zeros(4, 8000)
    impulse[:, 500] = 1.0
    changed, _ = apply({"reverb": {"min_direct_db": 6, "max_direct_db": 6}}, impulse)
    torch.testing.assert_close(changed[:, 500], torch.ones(4), rtol=0, atol=1e-5)
    assert changed[:, :500].abs().max() < 1e-5
    tails = changed[:, 501:]
    ratios_db = -10 * torch.log10(tails.square().sum(dim=1))
    torch.testing.assert_close(ratios_db, torch.full((4,), 6.0), rtol=0, atol=0.01)
    assert not torch.equal(tails[0], tails[1])


@pytest.mark.parametrize("rt60_s", [0.2, 0.6])
def test_a_tail_falls_by_60_db_in_the_reverberation_time(rt60_s):
    impulse = torch.zeros(1, SR)
    impulse[:, 0] = 1.0
    tail = apply({"reverb": {"min_rt60_s": rt60_s, "max_rt60_s": rt60_s}}, impulse)[0][0, 1:]
    # Schroeder's backward integral, over its fall from -5 to -35 dB.
    energy = tail.flip(0).square().cumsum(0).flip(0)
    level_db = (10 * torch.log10(energy / energy[0])).numpy()
    inside = (level_db < -5) & (level_db > -35)
    slope = np.polyfit(np.flatnonzero(inside) / SR, level_db[inside], 1)[0]
    assert -60 / slope == pytest.approx(rt60_s, rel=0.1)


def test_what_rings_past_the_end_does_not_come_round_to_the_start():
    late = torch.zeros(1, 4000)
    late[:, 3990] = 1.0
    options = {"min_rt60_s": 0.8, "max_rt60_s": 0.8, "min_direct_db": -10, "max_direct_db": -10}
    assert apply({"reverb": options}, late)[0][:, :3990].abs().max() < 1e-5


RANGES = {
    "low_pass": {"min_low_pass_hz": 1000, "max_low_pass_hz": 1000},
    "high_pass": {"min_high_pass_hz": 1000, "max_high_pass_hz": 1000},
}


@pytest.mark.parametrize(
    ("shape", "low_db", "middle_db", "high_db"),
    [("low_pass", 0, -3, -24), ("high_pass", -24, -3, 0), ("peak", 0, None, 0),
     ("low_shelf", None, None, 0), ("high_shelf", 0, None, None)],
)  # fmt: skip
def test_filters_do_what_their_shape_says(shape, low_db, middle_db, high_db):
    sr = 44100
    options = {"shape": shape, "min_hz": 1000, "max_hz": 1000, **RANGES.get(shape, {})}
    gains_db = []
    for hz in (250, 1000, 4000):
        waveforms = tone(hz, sr=sr)[None]
        changed, _ = apply({"filters": options}, waveforms, sr=sr)
        inside = slice(sr // 4, 3 * sr // 4)
        gains_db.append(float(power_db(changed[:, inside]) - power_db(waveforms[:, inside])))
    for found, wanted in zip(gains_db, (low_db, middle_db, high_db), strict=True):
        if wanted is not None:
            assert found == pytest.approx(wanted, abs=1.6)
    drawn = [found for found, wanted in zip(gains_db, (low_db, middle_db, high_db), strict=True)
             if wanted is None]  # fmt: skip
    assert all(abs(found) <= 9.1 for found in drawn)
    assert len(drawn) == 0 or max(map(abs, drawn)) > 0.5


def test_a_filter_is_that_of_the_cookbook():
    impulse = torch.zeros(1, 4096)
    impulse[:, 0] = 1.0
    options = {"shape": "low_pass", **RANGES["low_pass"]}
    found = apply({"filters": options}, impulse)[0][0].numpy()
    angle = 2 * np.pi * 1000 / SR
    alpha = np.sin(angle) / (2 * np.sqrt(0.5))
    b = (1 - np.cos(angle)) / 2 * np.array([1, 2, 1])
    a = [1 + alpha, -2 * np.cos(angle), 1 - alpha]
    np.testing.assert_allclose(found, signal.lfilter(b, a, impulse[0].numpy()), atol=1e-4)


def test_any_filter_may_be_drawn_and_none_tuned_past_the_sampling_rate_breaks():
    options = {"min_low_pass_hz": 90_000, "max_low_pass_hz": 100_000, "min_hz": 50_000,
               "max_hz": 60_000}  # fmt: skip
    impulse = torch.zeros(40, 2000)
    impulse[:, 0] = 1.0
    changed, _ = apply({"filters": options}, impulse)
    assert torch.isfinite(changed).all()
    assert len({round(float(row.abs().sum()), 4) for row in changed}) > len(SHAPES)


def test_windows_lie_anywhere_with_silence_around():
    waveforms = torch.tensor([[1.0, 2, 3], [4, 5, 6]])
    starts = torch.tensor([[-2, 0], [1, 5]])
    windows = take_windows(waveforms, starts, 3)
    assert windows.tolist() == [[[0, 0, 1], [1, 2, 3]], [[5, 6, 0], [0, 0, 0]]]
    assert take_windows(waveforms, starts[:, 0], 2).tolist() == [[0, 0], [5, 6]]
