"""Augmentation: what all kinds promise, and what recipes may say."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch

from deep.augmentation import (
    RECIPES,
    create_augmentation,
    get_augmentation,
    list_augmentations,
    register_augmentation,
)
from deep.augmentation.draws import Draws, draw_seeds
from deep.augmentation.label_mixing import join_targets, weigh_targets
from deep.augmentation.step import FrameStep, MixingStep, WaveformStep

SR = 8000
WAVEFORM_KINDS = [n for n in list_augmentations() if issubclass(get_augmentation(n), WaveformStep)]
FRAME_KINDS = [n for n in list_augmentations() if issubclass(get_augmentation(n), FrameStep)]
MIXING_KINDS = [n for n in list_augmentations() if issubclass(get_augmentation(n), MixingStep)]
LONE_KINDS = [n for n in WAVEFORM_KINDS if n not in MIXING_KINDS]
LENGTH_CHANGING = {"concat", "crop", "mixup", "sum", "time_stretch"}


@pytest.fixture
def make(tmp_path, write_wav):
    """Give augmentations of one kind that changes every clip."""

    def create(name, *, sr=SR, **options):
        if name == "recorded_noise":
            hiss = np.random.default_rng(1).standard_normal(sr).astype("f4") * 0.1
            write_wav("noises/hiss.wav", hiss, sr)
            options["folder"] = str(tmp_path / "noises")
        recipe = {name: {"probability": 1.0, **options}}
        return create_augmentation(recipe, sr=sr, multi_label=True)

    return create


def seeded(seed=440):
    return torch.Generator().manual_seed(seed)


def clips(lengths, seed=0):
    """Clips of noise, zero past their ends, with multi-label targets."""
    lengths = torch.tensor(lengths)
    generator = seeded(seed)
    waveforms = torch.randn(len(lengths), int(lengths.max()), generator=generator) * 0.1
    waveforms *= torch.arange(waveforms.shape[1]) < lengths[:, None]
    targets = (torch.rand(len(lengths), 4, generator=generator) < 0.4).float()
    return waveforms, lengths, targets


def test_every_kind_is_a_registered_dataclass_whose_options_say_what_they_are():
    assert len(list_augmentations()) == 18
    for name in list_augmentations():
        kind = get_augmentation(name)
        assert kind.name == name
        assert all(field.metadata["about"] for field in fields(kind))


@pytest.mark.parametrize("name", WAVEFORM_KINDS)
def test_padding_stays_zero_and_lengths_stay_within(make, name):
    waveforms, lengths, targets = clips([3000, 1, 2500, 4000])
    for seed in range(5):
        changed, changed_lengths, _ = make(name).on_waveforms(
            waveforms, lengths, targets, generator=seeded(seed)
        )
        assert changed.shape == (4, int(changed_lengths.max()))
        assert (changed_lengths >= 1).all()
        past = torch.arange(changed.shape[1]) >= changed_lengths[:, None]
        assert (changed[past] == 0).all()
        assert torch.isfinite(changed).all()
        if name not in LENGTH_CHANGING:
            assert torch.equal(changed_lengths, lengths)


@pytest.mark.parametrize("name", LONE_KINDS)
def test_kinds_that_do_not_mix_leave_targets_alone(make, name):
    waveforms, lengths, targets = clips([900, 1000])
    targets[0, 0] = -1.0
    changed = make(name).on_waveforms(waveforms, lengths, targets, generator=seeded())
    assert torch.equal(changed[2], targets)


@pytest.mark.parametrize("name", WAVEFORM_KINDS)
def test_what_was_given_is_left_as_it_was(make, name):
    waveforms, lengths, targets = clips([900, 1000, 700])
    kept = waveforms.clone(), lengths.clone(), targets.clone()
    make(name).on_waveforms(waveforms, lengths, targets, generator=seeded())
    for now, before in zip((waveforms, lengths, targets), kept, strict=True):
        assert torch.equal(now, before)


@pytest.mark.parametrize("name", WAVEFORM_KINDS)
def test_the_same_generator_state_gives_the_same_batch_and_another_another(make, name):
    batch = clips([2000] * 6)
    first, again, other = (
        make(name).on_waveforms(*batch, generator=seeded(seed))[0] for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    if name != "polarity":
        assert first.shape != other.shape or not torch.equal(first, other)


@pytest.mark.parametrize("name", LONE_KINDS)
def test_a_row_is_changed_alike_alone_and_beside_others(make, name):
    waveforms, lengths, targets = clips([2000, 1500, 3000])
    seeds = draw_seeds(3, generator=seeded())
    together, together_lengths, _ = make(name).on_waveforms(
        waveforms, lengths, targets, generator=seeded(), seeds=seeds
    )
    for row in range(3):
        size = int(lengths[row])
        alone, alone_lengths, _ = make(name).on_waveforms(
            waveforms[[row], :size],
            lengths[[row]],
            targets[[row]],
            generator=seeded(),
            seeds=seeds[[row]],
        )
        assert alone_lengths[0] == together_lengths[row]
        torch.testing.assert_close(
            alone[0], together[row, : int(alone_lengths[0])], rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("name", WAVEFORM_KINDS)
def test_silence_stays_silent_where_nothing_is_mixed_in(make, name):
    silence = torch.zeros(3, 1000)
    changed, _, _ = make(name).on_waveforms(
        silence, torch.tensor([1000, 500, 1]), torch.zeros(3, 2), generator=seeded()
    )
    assert (changed == 0).all()


@pytest.mark.parametrize("level", [1e-30, 1e25], ids=["quiet", "loud"])
@pytest.mark.parametrize("name", WAVEFORM_KINDS)
def test_absurd_levels_stay_finite(make, name, level):
    waveforms, lengths, targets = clips([1000, 800])
    changed, _, _ = make(name).on_waveforms(waveforms * level, lengths, targets, generator=seeded())
    assert torch.isfinite(changed).all()


@pytest.mark.parametrize("name", FRAME_KINDS)
def test_frames_keep_their_shape_padding_and_targets(make, name):
    n_frames = torch.tensor([40, 1, 17])
    frames = torch.randn(3, 20, 40, generator=seeded()) + 3
    frames *= torch.arange(40) < n_frames[:, None, None]
    kept = frames.clone()
    for seed in range(5):
        changed, counts, targets = make(name).on_frames(
            frames, n_frames, torch.eye(3), generator=seeded(seed)
        )
        assert changed.shape == frames.shape
        assert torch.equal(counts, n_frames)
        assert torch.equal(targets, torch.eye(3))
        past = torch.arange(40) >= n_frames[:, None]
        assert (changed.transpose(1, 2)[past] == 0).all()
        assert torch.isfinite(changed).all()
    assert torch.equal(frames, kept)


@pytest.mark.parametrize("name", FRAME_KINDS)
def test_channels_of_frames_are_changed_alike(make, name):
    frames = torch.randn(3, 1, 20, 40, generator=seeded()).repeat(1, 2, 1, 1)
    changed, _, _ = make(name).on_frames(
        frames, torch.full((3,), 40), torch.eye(3), generator=seeded()
    )
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert not torch.equal(changed, frames)


@pytest.mark.parametrize("name", list_augmentations())
def test_a_probability_of_zero_changes_nothing(make, name):
    augmentation = make(name, probability=0.0)
    batch = clips([500, 400])
    for now, before in zip(augmentation.on_waveforms(*batch, generator=seeded()), batch,
                           strict=True):  # fmt: skip
        assert torch.equal(now, before)
    frames = torch.ones(2, 4, 10)
    changed, _, _ = augmentation.on_frames(
        frames, torch.tensor([10, 10]), batch[2], generator=seeded()
    )
    assert torch.equal(changed, frames)


def test_about_as_many_clips_are_changed_as_the_probability_says():
    augmentation = create_augmentation({"polarity": {"probability": 0.3}})
    changed, _, _ = augmentation.on_waveforms(
        torch.ones(2000, 1), torch.ones(2000, dtype=torch.int64), torch.zeros(2000, 1),
        generator=seeded(),
    )  # fmt: skip
    assert 0.27 < (changed < 0).double().mean() < 0.33


def test_other_kinds_in_a_recipe_do_not_change_what_a_kind_draws():
    batch = clips([800, 900])
    alone = create_augmentation({"gain": {"probability": 1.0}})
    beside = create_augmentation({"polarity": {"probability": 1.0}, "gain": {"probability": 1.0}})
    first = alone.on_waveforms(*batch, generator=seeded())[0]
    second = beside.on_waveforms(*batch, generator=seeded())[0]
    torch.testing.assert_close(first, -second)


def test_kinds_of_sounds_are_applied_in_the_order_of_the_recipe(make):
    ones = torch.ones(1, 1000)
    gain = {"gain": {"probability": 1.0, "min_db": 20, "max_db": 20}}
    noise = {"noise": {"probability": 1.0, "min_snr_db": 0, "max_snr_db": 0}}
    rest = torch.tensor([1000]), torch.zeros(1, 1)
    softer = create_augmentation(noise | gain).on_waveforms(ones, *rest, generator=seeded())[0]
    after = create_augmentation(gain | noise).on_waveforms(ones, *rest, generator=seeded())[0]
    torch.testing.assert_close(softer, after)


def test_bfloat16_arithmetic_of_a_step_does_not_reach_the_sound(make):
    batch = clips([1000, 900])
    plain = make("filters").on_waveforms(*batch, generator=seeded())[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = make("filters").on_waveforms(*batch, generator=seeded())[0]
    assert torch.equal(plain, mixed)


def test_the_default_is_one_short_time_mask():
    augmentation = create_augmentation("default")
    assert augmentation.recipe == {
        "time_mask": {"probability": 1.0, "n_masks": 1, "max_share": 0.15}
    }
    waveforms, lengths, targets = clips([100, 90])
    same, _, _ = augmentation.on_waveforms(waveforms, lengths, targets, generator=seeded())
    assert same is waveforms


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_made_again_from_what_it_says_of_itself(name):
    augmentation = create_augmentation(name, sr=SR)
    assert create_augmentation(augmentation.recipe, sr=SR) == augmentation


@pytest.mark.parametrize("options", [None, True, {}], ids=str)
def test_a_kind_without_options_has_its_defaults(options):
    assert create_augmentation({"gain": options}).recipe["gain"]["min_db"] == -12


@pytest.mark.parametrize("recipe", [None, {}, {"gain": False}], ids=str)
def test_nothing_may_be_asked_for(recipe):
    assert create_augmentation(recipe).steps == ()


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("loud", r"must be one of \['default', 'rough'\].*got 'loud'"),
        (["gain"], "must map kinds to options, got list"),
        ({"gian": {}}, r"no augmentation 'gian'; there are \['band_mask'"),
        ({"gain": 3}, "gain must have a mapping of options, got 3"),
        ({"gain": {"db": 3}}, "gain has no option 'db'; its options are probability, min_db"),
        ({"gain": {"min_db": 100}}, "gain.min_db must be a number from -60 to 60, got 100"),
        ({"gain": {"min_db": math.nan}}, "gain.min_db must be a number from -60 to 60, got nan"),
        ({"gain": {"min_db": True}}, "gain.min_db must be a number from -60 to 60, got True"),
        ({"gain": {"min_db": "3"}}, "gain.min_db must be a number from -60 to 60, got '3'"),
        ({"time_mask": {"n_masks": 1.5}}, "n_masks must be a whole number from 1 to 20, got 1.5"),
        ({"gain": {"min_db": 9}}, "gain.min_db must be at most gain.max_db, got 9 and 6.0"),
        ({"noise": {"colour": "red"}}, "colour must be one of white, pink, brown, any, got 'red'"),
        ({"recorded_noise": {}}, "recorded_noise.folder must be a folder of recordings, got ''"),
        ({"sum": {}}, "sum joins the labels of several clips.*use mixup or cutmix"),
        ({"concat": {}}, "concat joins the labels of several clips"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_recipe_may_not_say(recipe, message):
    with pytest.raises(ValueError, match=message):
        create_augmentation(recipe)


def test_all_that_is_wrong_with_a_recipe_is_said_at_once():
    with pytest.raises(ValueError, match=r"(?s)gian.*min_db.*colour"):
        create_augmentation({"gian": {}, "gain": {"min_db": 99}, "noise": {"colour": "red"}})


def test_kinds_have_names_of_their_own():
    with pytest.raises(ValueError, match="'gain' is registered twice"):
        register_augmentation("gain")(get_augmentation("gain"))
    with pytest.raises(ValueError, match="must be one of"):
        get_augmentation("gian")


def test_a_seed_depends_on_the_rows_number_alone():
    few, many = (draw_seeds(n, generator=seeded()) for n in (5, 40))
    np.testing.assert_array_equal(few, many[:5])


def test_draws_are_uniform_and_of_rows_of_their_own():
    seeds = draw_seeds(20000, generator=seeded())
    first = Draws(seeds, "one")
    values, further = first.uniform(), first.uniform()
    other = Draws(seeds, "two").uniform()
    for drawn in (values, further, other):
        assert drawn.min() >= 0
        assert drawn.max() < 1
        counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
        assert np.abs(counts - 1000).max() < 150
    for pair in ((values, further), (values, other), (values[1:], values[:-1])):
        assert abs(np.corrcoef(*pair)[0, 1]) < 0.03
    integers = Draws(seeds, "one").integers(2, 4)
    assert sorted(set(integers.tolist())) == [2, 3, 4]


def test_rows_that_are_chosen_go_on_drawing_what_they_would_have_drawn():
    seeds = draw_seeds(6, generator=seeded())
    whole, rows = Draws(seeds, "one"), torch.tensor([1, 4])
    whole.uniform()
    part = whole.narrow(rows)
    assert torch.equal(part.uniform(), whole.uniform()[rows])


@pytest.mark.parametrize(
    ("one", "two", "joined"),
    [(1, 1, 1), (1, 0, 1), (0, 0, 0), (1, -1, 1), (0, -1, -1), (-1, -1, -1), (0.3, 0.6, 0.6),
     (0.5, -1, -1)],
)  # fmt: skip
def test_the_union_of_labels(one, two, joined):
    for pair in ((one, two), (two, one)):
        first, second = (torch.tensor([[float(value)]]) for value in pair)
        assert join_targets(first, second).item() == pytest.approx(joined)


@pytest.mark.parametrize(
    ("one", "two", "share", "mean"),
    [(1, 0, 0.7, 0.7), (0, 1, 0.7, 0.3), (1, -1, 0.7, -1), (-1, 1, 0.7, -1), (1, -1, 1.0, 1)],
)
def test_the_weighted_mean_of_labels(one, two, share, mean):
    first, second, share = (torch.tensor([[float(value)]]) for value in (one, two, share))
    assert weigh_targets(first, second, share).item() == pytest.approx(mean)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", list_augmentations())
def test_a_batch_is_augmented_alike_on_the_gpu(make, name):
    waveforms, lengths, targets = clips([4000, 3000, 3500])
    frames, n_frames = torch.randn(3, 20, 40, generator=seeded()), torch.tensor([40, 30, 1])
    on_cpu, on_gpu = (
        (
            make(name).on_waveforms(
                waveforms.to(device), lengths, targets.to(device), generator=seeded()
            ),
            make(name).on_frames(frames.to(device), n_frames, targets, generator=seeded()),
        )
        for device in ("cpu", "cuda")
    )
    for here, there in zip(on_cpu, on_gpu, strict=True):
        for one, two in zip(here, there, strict=True):
            torch.testing.assert_close(one, two.cpu(), rtol=1e-3, atol=1e-4)
