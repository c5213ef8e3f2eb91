"""Augmentations that mix clips, and what the mixes are labelled as."""

import pytest
import torch

from deep.augmentation import create_augmentation

SR = 1000


def mix(recipe, waveforms, targets, *, lengths=None, seed=440, multi_label=True):
    """Mix every clip."""
    recipe = {name: {"probability": 1.0, **options} for name, options in recipe.items()}
    if lengths is None:
        lengths = [waveforms.shape[1]] * len(waveforms)
    augmentation = create_augmentation(recipe, sr=SR, multi_label=multi_label)
    return augmentation.on_waveforms(
        waveforms, torch.tensor(lengths), targets, generator=torch.Generator().manual_seed(seed)
    )


def carriers(n_samples, size):
    """Clips that can be told apart in any sum: each sounds in samples of its own."""
    waveforms = torch.zeros(n_samples, size)
    for row in range(n_samples):
        waveforms[row, row::n_samples] = 1.0
    return waveforms


@pytest.mark.parametrize("kind", ["mixup", "cutmix", "sum", "concat"])
def test_a_clip_alone_has_nobody_to_be_mixed_with(kind):
    waveforms, targets = torch.randn(1, 50), torch.tensor([[1.0, 0.0]])
    changed, lengths, same = mix({kind: {}}, waveforms, targets)
    assert torch.equal(changed, waveforms)
    assert lengths.tolist() == [50]
    assert torch.equal(same, targets)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_single_label_targets_still_sum_to_one(kind):
    waveforms, targets = torch.randn(6, 100), torch.eye(6)
    _, _, soft = mix({kind: {}}, waveforms, targets, multi_label=False)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(6))
    assert ((soft > 0) & (soft < 1)).sum() >= 8


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_label_unknown_in_a_clip_that_takes_part_is_unknown(kind):
    targets = torch.tensor([[1.0, -1.0], [0.0, 1.0]])
    _, _, soft = mix({kind: {}}, torch.ones(2, 200), targets)
    assert soft[:, 1].tolist() == [-1, -1]
    assert ((soft[:, 0] > 0) & (soft[:, 0] < 1)).all()


def test_mixup_weights_clips_and_targets_alike():
    for seed in range(5):
        mixed, _, soft = mix({"mixup": {"alpha": 1.0}}, carriers(5, 5), torch.eye(5), seed=seed)
        torch.testing.assert_close(mixed, soft)
        assert (soft.diagonal() >= 0.5).all()
        assert ((soft > 0).sum(dim=1) <= 2).all()


def test_mixup_brings_the_other_clip_to_the_level_of_this_one():
    waveforms = carriers(2, 100) * torch.tensor([[1.0], [50.0]])
    mixed, _, soft = mix({"mixup": {"alpha": 1.0}}, waveforms, torch.eye(2))
    torch.testing.assert_close(mixed[0, :2], soft[0])
    torch.testing.assert_close(mixed[1, :2], 50 * soft[1])


def test_a_mixup_is_as_long_as_the_longer_clip():
    waveforms = torch.zeros(2, 50)
    waveforms[0, :10], waveforms[1] = 1.0, 1.0
    mixed, lengths, _ = mix({"mixup": {"alpha": 1.0}}, waveforms, torch.eye(2), lengths=[10, 50])
    assert lengths.tolist() == [50, 50]
    assert (mixed[0, 10:] != 0).all()


def test_alpha_tells_how_evenly_clips_are_mixed():
    waveforms, targets = torch.ones(400, 1), torch.eye(400)
    little, much = (
        mix({"mixup": {"alpha": alpha}}, waveforms, targets)[2].diagonal() for alpha in (0.1, 20.0)
    )
    assert (little > 0.99).float().mean() > 0.5
    assert (much < 0.7).float().mean() > 0.9


def test_a_silent_clip_is_mixed_with_one_that_is_not():
    waveforms = torch.zeros(2, 100)
    waveforms[1] = 2.0
    mixed, _, soft = mix({"mixup": {"alpha": 1.0}}, waveforms, torch.eye(2))
    torch.testing.assert_close(mixed[0], torch.full((100,), 2 * float(soft[0, 1])))
    assert torch.isfinite(mixed).all()


def test_cutmix_replaces_one_stretch_and_weights_targets_by_time():
    waveforms = torch.stack([torch.full((200,), 1.0), torch.full((200,), -1.0)])
    for seed in range(10):
        mixed, lengths, soft = mix({"cutmix": {}}, waveforms, torch.eye(2), seed=seed)
        assert lengths.tolist() == [200, 200]
        replaced = mixed[0] < 0
        assert int(replaced.int().diff().abs().sum()) <= 2
        assert float(soft[0, 1]) == pytest.approx(float(replaced.float().mean()))
        assert replaced.sum() <= 100


def test_cutmix_takes_no_more_than_the_other_clip_has():
    waveforms = torch.zeros(2, 100)
    waveforms[0], waveforms[1, :5] = 1.0, -1.0
    for seed in range(10):
        mixed, lengths, soft = mix(
            {"cutmix": {}}, waveforms, torch.eye(2), lengths=[100, 5], seed=seed
        )
        assert (mixed[0] != 0).all()
        assert (mixed[0] < 0).sum() <= 5
        assert float(soft[0, 1]) == pytest.approx(float((mixed[0] < 0).float().mean()))
        assert lengths.tolist() == [100, 5]


def test_a_sum_has_the_labels_of_all_that_is_heard_in_it_and_no_others():
    n_samples = 7
    options = {"max_clips": 4, "max_offset_s": 0}
    counts = set()
    for seed in range(6):
        waveforms, targets = carriers(n_samples, 70), torch.eye(n_samples)
        mixed, _, labels = mix({"sum": options}, waveforms, targets, seed=seed)
        heard = (mixed[:, :n_samples] > 0).float()
        assert torch.equal(heard, labels)
        assert (labels.diagonal() == 1).all()
        counts |= set(labels.sum(dim=1).tolist())
    assert counts == {2, 3, 4}


def test_other_clips_of_a_sum_have_the_wanted_level():
    waveforms = carriers(2, 100) * torch.tensor([[1.0], [50.0]])
    options = {"min_db": -6, "max_db": -6, "max_offset_s": 0}
    mixed, _, _ = mix({"sum": options}, waveforms, torch.eye(2))
    torch.testing.assert_close(mixed[0, :2], torch.tensor([1.0, 0.5011872]))
    torch.testing.assert_close(mixed[1, :2], torch.tensor([50 * 0.5011872, 50.0]))


def test_clips_of_a_sum_are_heard_whole_from_their_offset_on():
    waveforms = torch.zeros(2, 40)
    waveforms[0, :40], waveforms[1, :20] = 1.0, torch.arange(1.0, 21)
    offsets = set()
    for seed in range(20):
        options = {"min_db": 0, "max_db": 0, "max_offset_s": 0.03}
        mixed, lengths, _ = mix(
            {"sum": options}, waveforms, torch.eye(2), lengths=[40, 20], seed=seed
        )
        added = mixed[0] - torch.nn.functional.pad(waveforms[0], (0, mixed.shape[1] - 40))
        inside = added.abs() > 1e-6
        offset = int(inside.nonzero()[0])
        assert int(inside.sum()) == 20
        assert int(lengths[0]) == max(40, offset + 20)
        torch.testing.assert_close(
            added[offset : offset + 20] / added[offset], waveforms[1, :20], rtol=1e-4, atol=1e-4
        )
        offsets.add(offset)
    assert 0 <= min(offsets) < 6
    assert 24 < max(offsets) < 30


@pytest.mark.parametrize("kind", ["sum", "concat"])
def test_the_union_of_labels_knows_what_either_clip_knows_to_be_there(kind):
    targets = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    _, _, labels = mix({kind: {"max_clips": 2}}, torch.ones(2, 10), targets)
    assert labels.tolist() == [[1, -1, 0], [1, -1, 0]]


@pytest.mark.parametrize("kind", ["sum", "concat"])
def test_there_are_no_more_partners_than_other_clips(kind):
    _, _, labels = mix({kind: {"max_clips": 16}}, torch.ones(3, 10), torch.eye(3))
    assert (labels.sum(dim=1) >= 2).all()


def test_clips_are_concatenated_whole_with_the_labels_of_those_that_are_there():
    waveforms = torch.zeros(4, 30)
    sizes = [10, 20, 30, 5]
    for row, size in enumerate(sizes):
        waveforms[row, :size] = row + 1.0
    orders = set()
    for seed in range(10):
        changed, lengths, labels = mix(
            {"concat": {"max_clips": 3}}, waveforms, torch.eye(4), lengths=sizes, seed=seed
        )
        for row in range(4):
            sound = changed[row, : int(lengths[row])]
            # All are brought to the first one's level, so only the seams tell them apart: of
            # constants there are none, and lengths add up.
            torch.testing.assert_close(sound, torch.full_like(sound, row + 1.0))
            parts = [size for size, label in zip(sizes, labels[row], strict=True) if label]
            assert sum(parts) == int(lengths[row])
            assert labels[row, row] == 1
            orders.add(len(parts))
    assert orders == {2, 3}


def test_a_clip_that_does_not_fit_whole_is_left_out_with_its_labels():
    waveforms = torch.ones(3, 600)
    options = {"max_clips": 3, "max_seconds": 1.3}
    for seed in range(5):
        changed, lengths, labels = mix({"concat": options}, waveforms, torch.eye(3), seed=seed)
        assert lengths.tolist() == [1200] * 3
        assert changed.shape == (3, 1200)
        assert (labels.sum(dim=1) == 2).all()
    options = {"max_clips": 3, "max_seconds": 0.7}
    _, lengths, labels = mix({"concat": options}, waveforms, torch.eye(3))
    assert lengths.tolist() == [600] * 3
    assert torch.equal(labels, torch.eye(3))


def test_the_order_of_a_concatenation_is_this_clip_then_the_others():
    waveforms = torch.tensor([[1.0, 2, 3, 4], [4.0, 3, 2, 1]])
    changed, lengths, _ = mix({"concat": {"max_clips": 2}}, waveforms, torch.eye(2))
    assert lengths.tolist() == [8, 8]
    torch.testing.assert_close(changed[0], torch.tensor([1.0, 2, 3, 4, 4, 3, 2, 1]))


def test_partners_are_taken_as_they_were_before_any_was_mixed():
    waveforms = carriers(3, 30)
    options = {"max_clips": 2, "max_offset_s": 0, "min_db": 0, "max_db": 0}
    mixed, _, _ = mix({"sum": options}, waveforms, torch.eye(3))
    assert ((mixed[:, :3] > 0).sum(dim=1) == 2).all()
