"""Augmentation: what each transform promises, and that draws repeat."""

import pytest
import torch

from deep.augmentation import Augmentation


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(440)


def test_noise_has_the_wanted_ratio(generator):
    clips = torch.sin(torch.arange(40000) / 5).repeat(3, 1)
    lengths = torch.tensor([40000] * 3)
    augmentation = Augmentation(noise_probability=1.0, min_snr_db=20, max_snr_db=20)
    clean = clips / clips.square().mean().sqrt()
    noise = augmentation.add_noise(clips, lengths, generator=generator) - clean
    ratio_db = -10 * torch.log10(noise.square().mean(dim=1))
    torch.testing.assert_close(ratio_db, torch.full((3,), 20.0), rtol=0, atol=0.2)


def test_noise_stays_within_the_clip(generator):
    clips, lengths = torch.zeros(2, 1000), torch.tensor([400, 1000])
    clips[0, :400] = clips[1] = 1.0
    augmentation = Augmentation(noise_probability=1.0)
    noisy = augmentation.add_noise(clips, lengths, generator=generator)
    assert (noisy[0, 400:] == 0).all()


def test_zero_probabilities_leave_level_normalised_clips_alone(generator):
    clips, lengths = torch.ones(4, 100), torch.full((4,), 100)
    targets = torch.eye(4)
    augmentation = Augmentation(noise_probability=0.0, mix_probability=0.0)
    noisy = augmentation.add_noise(clips, lengths, generator=generator)
    mixed, _, soft = augmentation.mix(noisy, lengths, targets, generator=generator)
    assert torch.equal(mixed, clips)
    assert torch.equal(soft, targets)


def test_mixing_weights_clips_and_targets_alike(generator):
    clips, targets = torch.eye(5), torch.eye(5)
    mixed, _, soft = Augmentation(mix_probability=1.0).mix(
        clips, torch.full((5,), 5), targets, generator=generator
    )
    torch.testing.assert_close(mixed, soft)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(5))
    assert (soft.diagonal() >= 0.5).all()


def test_a_mix_is_as_long_as_the_longer_clip(generator):
    lengths = torch.tensor([10, 50])
    for _ in range(20):
        clips = torch.zeros(2, 50)
        _, mixed_lengths, soft = Augmentation(mix_probability=1.0).mix(
            clips, lengths, torch.eye(2), generator=generator
        )
        expected = torch.where((soft == 1).any(dim=1), lengths, 50)
        assert torch.equal(mixed_lengths, expected)


def test_a_label_unknown_in_either_clip_is_unknown_in_the_mix(generator):
    targets = torch.tensor([[1.0, -1.0], [0.0, 1.0]])
    lengths = torch.full((2,), 10)
    outcomes = set()
    for _ in range(20):
        _, _, soft = Augmentation(mix_probability=1.0).mix(
            torch.ones(2, 10), lengths, targets, generator=generator
        )
        is_mixed = bool(0 < soft[0, 0] < 1)
        outcomes.add((is_mixed, soft[1, 1].item() == -1))
    assert outcomes == {(True, True), (False, False)}


def test_masks_hide_no_more_than_their_share(generator):
    frames, n_frames = torch.ones(50, 20, 40), torch.full((50,), 40)
    augmentation = Augmentation(max_time_mask=0.25, n_band_masks=1, max_band_mask=0.2)
    hidden = augmentation.mask(frames, n_frames, generator=generator) == 0
    assert hidden.any()
    assert hidden.all(dim=1).sum(dim=1).max() <= 10
    assert hidden.all(dim=2).sum(dim=1).max() <= 4


def test_the_same_generator_state_gives_the_same_batch():
    clips, lengths = torch.ones(8, 500), torch.full((8,), 500)
    augmentation = Augmentation(noise_probability=0.5)
    first, second = (
        augmentation.add_noise(clips, lengths, generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    assert torch.equal(first, second)


def test_the_input_is_not_changed(generator):
    clips, lengths = torch.ones(4, 100), torch.full((4,), 100)
    Augmentation(noise_probability=1.0).add_noise(clips, lengths, generator=generator)
    assert torch.equal(clips, torch.ones(4, 100))
