"""Augmentations of frames: what is hidden and what is drawn out."""

import pytest
import torch

from deep.augmentation import create_augmentation


def apply(recipe, frames, *, n_frames=None, seed=440):
    """Augment every clip's frames."""
    recipe = {name: {"probability": 1.0, **options} for name, options in recipe.items()}
    if n_frames is None:
        n_frames = [frames.shape[-1]] * len(frames)
    changed, _, _ = create_augmentation(recipe).on_frames(
        frames,
        torch.tensor(n_frames),
        torch.zeros(len(frames), 1),
        generator=torch.Generator().manual_seed(seed),
    )
    return changed


def is_one_run(marks):
    return int(marks.int().diff().abs().sum()) <= 2


def test_a_time_mask_hides_one_stretch_of_all_bands_and_no_more_than_its_share():
    hidden = apply({"time_mask": {"max_share": 0.25}}, torch.ones(200, 6, 40)) == 0
    times = hidden.all(dim=1)
    assert torch.equal(hidden.any(dim=1), times)
    sizes = times.sum(dim=1)
    assert sizes.min() == 0
    assert sizes.max() == 10
    assert all(is_one_run(row) for row in times)
    assert times.any(dim=0).all()


def test_a_time_mask_is_a_share_of_the_clip_not_of_the_batch():
    frames = torch.ones(100, 2, 40)
    n_frames = [8] * 100
    frames[:, :, 8:] = 0
    hidden = apply({"time_mask": {"max_share": 0.5}}, frames, n_frames=n_frames)[:, 0, :8] == 0
    assert hidden.sum(dim=1).max() == 4


def test_a_band_mask_hides_one_range_over_the_whole_clip():
    hidden = apply({"band_mask": {"max_share": 0.2}}, torch.ones(200, 20, 7)) == 0
    bands = hidden.all(dim=2)
    assert torch.equal(hidden.any(dim=2), bands)
    assert bands.sum(dim=1).max() == 4
    assert all(is_one_run(row) for row in bands)
    assert bands.any(dim=0).all()


@pytest.mark.parametrize("kind", ["time_mask", "band_mask"])
def test_several_masks_hide_several_stretches(kind):
    hidden = apply({kind: {"n_masks": 4}}, torch.ones(50, 60, 60)) == 0
    dim = 1 if kind == "time_mask" else 2
    runs = [int(row.int().diff().clamp_min(0).sum()) for row in hidden.all(dim=dim)]
    assert max(runs) > 1


def test_erasing_hides_one_rectangle_of_the_wanted_share():
    options = {"min_share": 0.1, "max_share": 0.3}
    hidden = apply({"random_erasing": options}, torch.ones(300, 50, 80)) == 0
    shares = hidden.float().mean(dim=(1, 2))
    # Sides are whole numbers of bands and frames.
    assert 0.09 < shares.min() < 0.13
    assert 0.27 < shares.max() < 0.32
    in_bands, in_time = hidden.any(dim=2), hidden.any(dim=1)
    assert torch.equal(hidden, in_bands[:, :, None] & in_time[:, None, :])
    assert all(map(is_one_run, in_bands))
    assert all(map(is_one_run, in_time))
    elongations = in_time.float().mean(dim=1) / in_bands.float().mean(dim=1)
    assert 0.3 < elongations.min() < 0.4
    assert 2.5 < elongations.max() < 3.3


def test_a_rectangle_that_would_be_too_long_is_higher_instead():
    options = {"min_share": 0.9, "max_share": 0.9, "max_elongation": 20}
    hidden = apply({"random_erasing": options}, torch.ones(50, 50, 50)) == 0
    shares = hidden.float().mean(dim=(1, 2))
    torch.testing.assert_close(shares, torch.full((50,), 0.9), rtol=0, atol=0.03)


def test_a_resized_crop_of_everything_is_everything():
    frames = torch.randn(3, 8, 20)
    options = {"min_time_share": 1.0, "min_band_share": 1.0}
    torch.testing.assert_close(apply({"random_resized_crop": options}, frames), frames)


def test_a_resized_crop_draws_a_part_of_the_time_out():
    frames = torch.arange(40.0).repeat(100, 3, 1)
    options = {"min_time_share": 0.5, "min_band_share": 1.0}
    changed = apply({"random_resized_crop": options}, frames)
    steps = changed.diff(dim=2)[:, 0, 5:-5]
    # A ramp is drawn out to a flatter one, over a part of its values.
    assert (steps.std(dim=1) < 1e-3).all()
    assert 0.5 <= steps.mean(dim=1).min() < 0.55
    assert 0.95 < steps.mean(dim=1).max() <= 1.0
    assert changed.min() >= 0
    assert changed.max() <= 39
    assert changed[:, 0, 0].max() > 10


def test_a_resized_crop_draws_a_part_of_the_bands_out():
    frames = torch.arange(40.0)[:, None].repeat(100, 1, 3)
    options = {"min_time_share": 1.0, "min_band_share": 0.5}
    changed = apply({"random_resized_crop": options}, frames)
    steps = changed.diff(dim=1)[:, 5:-5, 0].mean(dim=1)
    assert 0.5 <= steps.min() < 0.55
    assert 0.95 < steps.max() <= 1.0


def test_a_resized_crop_never_reads_the_padding():
    frames = torch.zeros(50, 4, 30)
    frames[:, :, :12] = 1.0
    changed = apply({"random_resized_crop": {}}, frames, n_frames=[12] * 50)
    torch.testing.assert_close(changed[:, :, :12], torch.ones(50, 4, 12))
    assert (changed[:, :, 12:] == 0).all()
