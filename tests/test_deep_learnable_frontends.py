"""Learnable frontends: what they start as, what they learn, and how far they have moved."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.signal
import torch

from deep.classifier import AudioBackboneClassifier
from deep.frontends.learnable_stft import LearnableStftFrontend
from deep.frontends.log_mel import LogMelFrontend
from deep.frontends.movement import read_filters
from deep.frontends.registry import create_frontend
from deep.frontends.sinc import SincFrontend
from deep.runs.recipes import read_recipe, read_trials, replace_settings
from reports.filter_pictures import make_filter_pictures

SR = 8000
RECIPE = Path(__file__).resolve().parents[1] / "examples/recipes/adaptive-stft-gtzan.yaml"
STFT = {"sr": SR, "n_fft": 256, "hop_length": 128, "n_mels": 20}
PLAIN = {"n_mels": None, "scale": "magnitude", "scale_level": False, "normalisation": "none"}
SINC = {"sr": SR, "n_filters": 12}


def batch_of(*waveforms: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    batch = torch.zeros(len(waveforms), int(lengths.max()))
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = torch.from_numpy(waveform.astype(np.float32))
    return batch, lengths


def tone(hz: float, *, seconds: float = 0.5) -> np.ndarray:
    return np.cos(2 * np.pi * hz * np.arange(round(seconds * SR)) / SR)


def moved(frontend: LearnableStftFrontend) -> LearnableStftFrontend:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for change in (frontend.window_change, frontend.kernel_change):
            change += 0.1 * torch.randn(change.shape, generator=generator)
    return frontend


every_frontend = pytest.mark.parametrize(
    "make",
    [
        lambda: LearnableStftFrontend(**STFT),
        lambda: LearnableStftFrontend(**STFT, learn_kernels=True, n_stfts=3),
        lambda: moved(LearnableStftFrontend(**STFT, learn_window=False, scale="log")),
        lambda: SincFrontend(**SINC),
        lambda: SincFrontend(**SINC, scale="log", floor=1e-2),
    ],
    ids=["window", "three-kernels", "moved", "samples", "log-magnitude"],
)


@pytest.mark.parametrize("window", ["hann", "blackman", "boxcar", ["kaiser", 8.0], 6.0], ids=str)
def test_frozen_it_is_the_magnitude_of_torch_stft(window, rng):
    frontend = LearnableStftFrontend(**STFT | PLAIN, window=window, learn_window=False)
    batch, lengths = batch_of(0.1 * rng.normal(size=3000))
    known = window if isinstance(window, str | float) else tuple(window)
    values = torch.from_numpy(scipy.signal.get_window(known, 256).astype(np.float32))
    expected = torch.stft(
        batch, 256, 128, window=values, pad_mode="constant", return_complex=True
    ).abs()
    frames, n_frames = frontend(batch, lengths)
    torch.testing.assert_close(frames[:, 0], expected, rtol=0, atol=1e-5)
    assert n_frames.tolist() == [expected.shape[-1]]


def test_kernels_that_have_not_moved_yet_are_those_of_the_fourier_transform(rng):
    frontend = LearnableStftFrontend(**STFT | PLAIN, n_stfts=2)
    batch = batch_of(0.1 * rng.normal(size=3000))
    by_fft, _ = frontend(*batch)
    frontend.learn_kernels = True
    torch.testing.assert_close(frontend(*batch)[0], by_fft, rtol=0, atol=1e-5)


def test_a_tone_has_the_same_magnitude_in_every_frame_whatever_its_phase():
    frontend = LearnableStftFrontend(**STFT | PLAIN)
    frames, _ = frontend(*batch_of(tone(1015.0)))
    inside = frames[0, 0, round(1015 * 256 / SR), 2:-2].detach()
    assert float(inside.std() / inside.mean()) < 1e-3


def test_mel_bands_and_scale_are_those_of_the_source(rng):
    frontend = LearnableStftFrontend(**STFT, scale_level=False)
    waveform = 0.1 * rng.normal(size=3000)
    filters = librosa.filters.mel(sr=SR, n_fft=256, n_mels=20)
    spectrum = librosa.stft(waveform, n_fft=256, hop_length=128, pad_mode="constant")
    expected = np.log10(1 + 10 * filters @ np.abs(spectrum))
    frames, _ = frontend(*batch_of(waveform))
    np.testing.assert_allclose(frames[0, 0].detach(), expected, rtol=1e-4, atol=1e-5)


@every_frontend
def test_silence_is_finite_and_so_are_its_gradients(make):
    frontend = make()
    frames, _ = frontend(*batch_of(np.zeros(2000)))
    assert frames.isfinite().all()
    if frames.requires_grad:
        frames.sum().backward()
    gradients = [each.grad for each in frontend.parameters() if each.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_frontend
@pytest.mark.parametrize("length", [1, 127, 3001])
def test_frames_are_the_same_alone_and_beside_a_longer_clip(make, length, rng):
    frontend = make()
    short, long = rng.normal(size=length), 100 * rng.normal(size=5000)
    alone, n_alone = frontend(*batch_of(short))
    together, n_together = frontend(*batch_of(short, long))
    assert n_alone[0] == n_together[0] == alone.shape[-1]
    torch.testing.assert_close(together[0, ..., : n_alone[0]], alone[0], rtol=0, atol=1e-4)
    assert (together[0, ..., n_alone[0] :] == 0).all()


@every_frontend
def test_gain_does_not_change_the_frames(make, rng):
    waveform = rng.normal(size=3000)
    frames, _ = make()(*batch_of(waveform, 1e-3 * waveform))
    torch.testing.assert_close(frames[1], frames[0], rtol=0, atol=1e-4)


@every_frontend
def test_bfloat16_autocast_does_not_touch_the_filters(make, rng):
    frontend, batch = make(), batch_of(rng.normal(size=3000))
    expected, _ = frontend(*batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(frontend(*batch)[0], expected)


@every_frontend
def test_the_shortest_clip_of_so_many_frames_has_them(make):
    frontend = make()
    lengths = torch.tensor([frontend.min_timepoints(n_frames) for n_frames in (1, 2, 7)])
    assert frontend.n_frames(lengths).tolist() == [1, 2, 7]
    assert lengths[0] == 1
    assert frontend.n_frames(lengths[1:] - 1).tolist() == [1, 6]


@every_frontend
def test_training_clips_standardise_each_band(make, rng):
    frontend, batch = make(), batch_of(rng.normal(size=3000), rng.normal(size=4000))
    frames, n_frames = frontend.fit_statistics([batch])(*batch)
    valid = torch.cat([row[..., :count] for row, count in zip(frames, n_frames, strict=True)], -1)
    assert valid.mean(dim=-1).abs().max() < 1e-3
    assert (valid.std(dim=-1, correction=0) - 1).abs().max() < 1e-2


def test_each_is_learned_when_it_is_told_to_be(rng):
    frontend = LearnableStftFrontend(**STFT, learn_window=False)
    batch = batch_of(rng.normal(size=2000))
    assert not frontend(*batch)[0].requires_grad
    for learn_window, learn_kernels in [(True, False), (False, True), (True, True)]:
        frontend.learn_window, frontend.learn_kernels = learn_window, learn_kernels
        frontend.zero_grad()
        frontend(*batch)[0].square().sum().backward()
        found = [frontend.window_change.grad is not None, frontend.kernel_change.grad is not None]
        assert found == [learn_window, learn_kernels]
        wanted = [frontend.window_change.requires_grad, frontend.kernel_change.requires_grad]
        assert wanted == [learn_window, learn_kernels]


def test_what_is_not_learned_gets_no_gradient_when_all_of_a_network_is_thawed(rng):
    stft = LearnableStftFrontend(**STFT, learn_kernels=False)
    sinc = SincFrontend(**SINC, learn_edges=False)
    for frontend in (stft, sinc):
        frontend.requires_grad_(True)
        frames, _ = frontend(*batch_of(rng.normal(size=2000)))
        if frames.requires_grad:
            frames.sum().backward()
    learned = [name for name, each in stft.named_parameters() if each.grad is not None]
    assert learned == ["window_change"]
    assert all(each.grad is None for each in sinc.parameters())


def test_what_was_learned_stays_when_learning_stops_and_travels_in_the_weights(rng):
    frontend, batch = moved(LearnableStftFrontend(**STFT)), batch_of(rng.normal(size=2000))
    frontend.learn_kernels = True
    expected, _ = frontend(*batch)
    frontend.learn_window = frontend.learn_kernels = False
    assert torch.equal(frontend(*batch)[0], expected)
    other = LearnableStftFrontend(**STFT)
    other.load_state_dict(frontend.state_dict())
    assert torch.equal(other(*batch)[0], expected)


def test_one_transform_repeated_gives_three_equal_channels_and_three_learn_apart(rng):
    batch = batch_of(rng.normal(size=2000))
    frames, _ = LearnableStftFrontend(**STFT, repeat=3)(*batch)
    assert frames.shape[1] == 3
    assert torch.equal(frames[:, 0], frames[:, 2])
    three = LearnableStftFrontend(**STFT, n_stfts=3)
    frames, _ = three(*batch)
    frames[:, 1].square().sum().backward()
    assert [bool(row.any()) for row in three.window_change.grad] == [False, True, False]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("learnable-stft", {"window": "round"}, "scipy.signal.get_window knows.*'round'"),
        ("learnable-stft", {"scale": "db"}, "scale must be one of .*got 'db'"),
        ("learnable-stft", {"n_stfts": 0}, "n_stfts and repeat at least 1, got 1024, 0 and 1"),
        ("learnable-stft", {"n_fft": 401}, "n_fft must be even and at least 2, .*got 401"),
        ("learnable-stft", {"floor": 0.0}, "floor must be above 0, got 0"),
        ("sinc", {"scale": "power"}, "scale must be one of .*got 'power'"),
        ("sinc", {"min_low_hz": 5000.0}, "leave room below half of 8000 Hz, got 5000"),
        ("sinc", {"kernel_ms": 0.1}, "filters, of 3 samples or more, got .*kernel_ms=0.1"),
        ("sinc", {"kernels": 3}, r"no option \['kernels'\]"),
    ],
)
def test_settings_that_cannot_work_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        create_frontend(kind, sr=SR, **options)


def test_sinc_filters_are_those_of_irnet_unless_told_otherwise():
    frontend = SincFrontend()
    assert (frontend.sr, frontend.kernel_size, frontend.hop_length) == (16000, 801, 192)
    assert frontend.n_frames(torch.tensor([16000])).tolist() == [84]
    assert sum(each.numel() for each in frontend.parameters()) == 2 * 128
    lower, upper = frontend.edges_hz().detach().numpy().astype(float)
    # Parameters start evenly in mel; the least edge and width of 5 Hz come on top of them.
    mels = 2595 * np.log10(1 + (lower - 5) / 700)
    np.testing.assert_allclose(np.diff(mels), np.diff(mels).mean(), rtol=1e-3)
    np.testing.assert_allclose(upper[:-1], lower[1:] + 5, rtol=1e-4)
    assert lower[0] == pytest.approx(10)
    assert upper[-1] == pytest.approx(8000)


@pytest.mark.parametrize("scale", ["samples", "magnitude"])
def test_a_sinc_filter_passes_its_band_halves_at_the_edges_and_stops_the_rest(scale):
    frontend = SincFrontend(sr=SR, n_filters=1, kernel_ms=50.0, scale=scale)
    with torch.no_grad():
        frontend.low.copy_(torch.tensor([0.995]))
        frontend.band.copy_(torch.tensor([0.995]))
    np.testing.assert_allclose(frontend.edges_hz().detach()[:, 0], [1000, 2000], rtol=1e-4)
    found = read_filters(frontend)
    hz, response = found.frequencies_hz, found.responses()[1][0, 0]
    # The transform of sinc(b n) is 1 / b within the band; half of a cosine's amplitude is there.
    within = 0.5 * SR / 1000 / (np.sqrt(2) if scale == "samples" else 1)
    # A Hamming window of 50 ms blurs edges by 40 Hz.
    np.testing.assert_allclose(response[(hz > 1100) & (hz < 1900)], within, rtol=0.01)
    edges = [np.interp(edge, hz, response) for edge in (1000, 2000)]
    np.testing.assert_allclose(edges, within / 2, rtol=0.05)
    assert response[(hz < 900) | (hz > 2100)].max() < within / 100


def test_a_sinc_magnitude_does_not_flicker_with_the_phase_as_samples_do():
    batch = batch_of(tone(1003.0))
    spreads = []
    for scale in ("magnitude", "samples"):
        frames, _ = SincFrontend(**SINC, scale=scale)(*batch)
        band = frames[0, 0, frames[0, 0].square().sum(dim=1).argmax(), 6:-6].detach()
        spreads.append(float(band.std() / band.square().mean().sqrt()))
    assert spreads[0] < 0.01
    assert spreads[1] > 0.5


@pytest.mark.parametrize("value", [-1e3, -0.1, 0.0, 1e3], ids=str)
def test_edges_stay_in_order_and_below_half_the_sampling_rate(value, rng):
    frontend = SincFrontend(**SINC, scale="magnitude")
    with torch.no_grad():
        frontend.low.fill_(value)
        frontend.band.fill_(value)
    lower, upper = frontend.edges_hz()
    assert (lower >= 5).all()
    assert (upper - lower >= 4.99).all()
    assert (upper <= SR / 2).all()
    assert frontend(*batch_of(rng.normal(size=1000)))[0].isfinite().all()


@pytest.mark.parametrize("name", ["low", "band"])
def test_gradients_of_edges_are_those_of_finite_differences(name, rng):
    frontend = SincFrontend(**SINC).double()
    weights = torch.from_numpy(rng.normal(size=frontend.filters().shape))
    (frontend.filters() * weights).sum().backward()
    parameter = getattr(frontend, name)
    with torch.no_grad():
        sums = []
        for step in (1e-6, -2e-6):
            parameter[5] += step
            sums.append(float((frontend.filters() * weights).sum()))
    assert parameter.grad[5].item() == pytest.approx((sums[0] - sums[1]) / 2e-6, rel=1e-4)


def test_filters_of_a_fourier_transform_respond_most_to_their_own_frequency():
    found = read_filters(LearnableStftFrontend(**STFT, n_stfts=2))
    before, after = found.responses()
    np.testing.assert_array_equal(before, after)
    assert before.shape == (2, 129, 257)
    peaks = found.frequencies_hz[before.argmax(axis=2)]
    np.testing.assert_allclose(peaks, np.tile(np.arange(129) * SR / 256, (2, 1)), atol=1e-9)
    # Half the amplitude, times the sum of a Hann window.
    assert before[0, 40].max() == pytest.approx(0.5 * 128, rel=1e-3)


def test_the_response_is_what_a_tone_gives_however_kernels_have_moved():
    frontend = moved(LearnableStftFrontend(**STFT | PLAIN))
    found = read_filters(frontend)
    # From frame to frame this frequency goes on by a quarter of a period, so four are all phases.
    number = 65
    frames, _ = frontend(*batch_of(tone(found.frequencies_hz[number])))
    expected = frames[0, 0, :, 4:12].detach().square().mean(dim=1).sqrt()
    np.testing.assert_allclose(found.responses()[1][0, :, number], expected, rtol=1e-3)


def test_movement_tells_how_far_each_window_and_kernel_is_from_its_start():
    frontend = LearnableStftFrontend(**STFT, n_stfts=2)
    with torch.no_grad():
        frontend.window_change[1] += 0.5 * frontend.start_windows[1]
        frontend.kernel_change[0, :, 7] = (
            frontend.start_kernels[:, 50] - frontend.start_kernels[:, 7]
        )
    table = read_filters(frontend).as_table().set_index(["stft", "part", "number"])
    assert len(table) == 2 * (1 + 129)
    assert table.loc[(1, "window", 1), "relative"] == 0
    assert table.loc[(2, "window", 1), "relative"] == pytest.approx(0.5)
    assert table.loc[(2, "kernel", 8), "change"] == 0
    kernel = table.loc[(1, "kernel", 8)]
    assert kernel["relative"] == pytest.approx(np.sqrt(2), rel=1e-3)
    assert kernel["change"] == pytest.approx(np.sqrt(2 * 256), rel=1e-3)
    assert kernel["peak_before_hz"] == pytest.approx(7 * SR / 256)
    assert kernel["peak_after_hz"] == pytest.approx(50 * SR / 256)


def test_only_what_learns_filters_has_moved():
    with pytest.raises(ValueError, match=r"only the frontends .* got LogMelFrontend"):
        read_filters(LogMelFrontend())


@pytest.mark.parametrize(
    ("frontend", "names"),
    [
        (LearnableStftFrontend(**STFT), ["windows", "filter_responses"]),
        (
            moved(LearnableStftFrontend(**STFT, n_stfts=3)),
            ["windows", "filter_responses", "most_moved_filters"],
        ),
        (SincFrontend(**SINC, scale="log"), ["filter_responses"]),
    ],
    ids=["unmoved", "three", "sinc"],
)
def test_pictures_are_of_what_there_is_and_has_moved(frontend, names):
    found = read_filters(frontend)
    pictures = list(
        make_filter_pictures(
            found.responses(), frequencies_hz=found.frequencies_hz, windows=found.windows
        )
    )
    assert [picture.name for picture in pictures] == names
    for picture in pictures:
        picture.figure.draw_without_rendering()
        texts = [ax.get_xlabel() for ax in picture.figure.axes]
        assert any(unit in text for text in texts for unit in ("(kHz)", "(Hz)"))


def test_training_moves_what_is_learned_and_nothing_else(rng):
    clips = [tone(hz) + 0.1 * rng.normal(size=SR // 2) for hz in (400, 1500) * 4]
    classifier = AudioBackboneClassifier(
        "resnet",
        backbone_params={"width": 4, "image_frames": 16},
        frontend="learnable-stft",
        frontend_params={name: STFT[name] for name in ("n_fft", "hop_length", "n_mels")},
        sr=SR,
        epochs=2,
        batch_size=4,
        validation_fraction=0,
        random_state=0,
    ).fit(clips, ["low", "high"] * 4)
    frontend = classifier.network_.frontend
    assert frontend.window_change.any()
    assert not frontend.kernel_change.any()


def test_the_recipe_holds_the_seven_trials_of_the_source():
    settings, trials = read_recipe(RECIPE), read_trials(RECIPE)
    made = {}
    for name, others in trials.items():
        options = replace_settings(settings, others)["frontend_params"]
        frontend = create_frontend("learnable-stft", sr=SR, **options)
        assert frontend.n_channels == 3
        made[name] = (frontend.n_stfts, frontend.learn_window, frontend.learn_kernels)
    assert made == {
        "basic": (1, False, False),
        "window": (1, True, False),
        "kernels": (1, False, True),
        "window-and-kernels": (1, True, True),
        "three-windows": (3, True, False),
        "three-kernels": (3, False, True),
        "three-windows-and-kernels": (3, True, True),
    }


def test_only_what_is_learned_is_a_parameter_under_the_same_names():
    fixed = LearnableStftFrontend(n_fft=64, n_mels=None, learn_window=False)
    learned = LearnableStftFrontend(n_fft=64, n_mels=None, learn_window=True, learn_kernels=True)
    assert list(fixed.parameters()) == []
    assert sum(each.numel() for each in learned.parameters()) == 64 + 2 * 33 * 64
    assert fixed.state_dict().keys() == learned.state_dict().keys()
    learned.learn_kernels = False
    assert [name for name, _ in learned.named_parameters()] == ["window_change"]
