"""What training sees of a clip: windows at random, where it is loud, or all of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deep.training_data import TrainingData
from deep.weighting import weighted_loss
from deep.windows import (
    all_windows,
    count_covering,
    covering_windows,
    loud_starts,
    random_windows,
)


def make_data(sounds, **settings) -> TrainingData:
    n = len(sounds)
    defaults = {
        "store": sounds,
        "lengths": np.array([len(sound) for sound in sounds]),
        "targets": np.eye(2, dtype=np.float32)[np.arange(n) % 2],
        "training_rows": np.arange(n),
        "validation_rows": np.array([], dtype=np.int64),
        "multi_label": False,
    }
    return TrainingData(**defaults | settings)


def with_a_burst(length: int, start: int, stop: int) -> np.ndarray:
    sound = np.full(length, 1e-3, dtype=np.float32)
    sound[start:stop] = 0.5
    return sound


@given(length=st.integers(1, 500), max_length=st.integers(1, 100))
def test_covering_windows_leave_no_gap_and_overlap_by_half(length, max_length):
    windows = covering_windows(length, max_length)
    assert windows[0, 0] == 0
    assert windows[-1, 1] == length
    assert (windows[:, 1] - windows[:, 0] == min(length, max_length)).all()
    assert (np.diff(windows[:, 0]) <= max(1, -(-max_length // 2))).all()


def test_random_windows_lie_within_their_clips(rng):
    lengths = np.array([5, 50, 51, 500])
    windows = random_windows(lengths, 50, rng)
    assert (windows[:, 1] >= 0).all()
    assert (windows[:, 2] <= lengths).all()
    assert (windows[:, 2] - windows[:, 1] == [5, 50, 50, 50]).all()


@given(length=st.integers(1, 500), max_length=st.integers(1, 100))
def test_covering_windows_are_counted_without_making_them(length, max_length):
    counted = count_covering(np.array([length]), max_length)
    assert counted.tolist() == [len(covering_windows(length, max_length))]


def test_all_windows_are_those_of_each_clip_in_turn():
    windows = all_windows(np.array([3, 10]), 4)
    assert windows.tolist() == [[0, 0, 3], [1, 0, 4], [1, 2, 6], [1, 4, 8], [1, 6, 10]]


@given(st.data())
def test_loud_windows_are_within_the_range_of_the_loudest(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    max_length = data.draw(st.integers(1, 60))
    sound = rng.normal(size=data.draw(st.integers(max_length, 400)))
    sound *= np.repeat(10 ** rng.uniform(-3, 0, 40), 10)[: len(sound)]
    starts = loud_starts(sound, max_length, range_db=6)
    energies = np.convolve(sound**2, np.ones(max_length), mode="valid")
    assert (energies[starts] >= energies[starts].max() * 10**-0.6 * (1 - 1e-6)).all()
    assert (np.diff(starts) > 0).all()


def test_every_start_of_silence_and_of_a_steady_sound_is_loud():
    for sound in (np.zeros(100), np.ones(100)):
        starts = loud_starts(sound, 20, range_db=3)
        assert starts[0] == 0
        assert starts[-1] == 80
        assert np.diff(starts).max() <= 3


def test_the_loudest_choice_cuts_where_the_sound_is(rng):
    sounds = [with_a_burst(1000, 700, 800), with_a_burst(90, 0, 5), with_a_burst(1000, 0, 100)]
    data = make_data(sounds, windows="loudest", loud_range_db=3)
    starts = np.array([data.training_windows(100, rng)[:, 1] for _ in range(30)])
    assert (abs(starts[:, 0] - 700) <= 50).all()
    assert (starts[:, 1] == 0).all()
    assert (starts[:, 2] <= 50).all()
    assert len(np.unique(starts[:, 0])) > 3


def test_a_clip_is_looked_at_once_to_find_where_it_is_loud(rng):
    class Counting(list):
        asked = 0

        def __getitem__(self, row):
            Counting.asked += 1
            return super().__getitem__(row)

    data = make_data(Counting([with_a_burst(1000, 0, 9)] * 3), windows="loudest")
    for _ in range(4):
        data.training_windows(100, rng)
    assert Counting.asked == 3


def test_random_windows_see_all_of_a_clip_over_the_epochs(rng):
    data = make_data([np.ones(300, dtype=np.float32)] * 2)
    seen = np.zeros(300, dtype=bool)
    for _ in range(60):
        _, start, stop = data.training_windows(30, rng)[0]
        seen[start:stop] = True
    assert seen.mean() > 0.9


def test_all_windows_of_a_clip_weigh_as_much_as_one_short_clip(rng):
    sounds = [np.ones(n, dtype=np.float32) for n in (50, 100, 1000)]
    data = make_data(sounds, windows="all")
    windows = data.training_windows(100, rng)
    weights = data.window_weights(windows, 100)
    by_clip = np.bincount(windows[:, 0], weights)
    np.testing.assert_allclose(by_clip, len(windows) / 3, rtol=1e-6)
    assert weights.mean() == pytest.approx(1, rel=1e-6)


def test_a_clip_drawn_twice_counts_twice(rng):
    sounds = [np.ones(n, dtype=np.float32) for n in (300, 300, 300, 50)]
    targets = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]]
    data = make_data(sounds, windows="all", sampling="balanced", targets=targets)
    windows = data.training_windows(100, rng)
    by_clip = np.bincount(windows[:, 0], data.window_weights(windows, 100), minlength=4)
    assert by_clip[3] == pytest.approx(by_clip[:3].sum(), rel=1e-6)


@pytest.mark.parametrize("choice", ["random", "loudest"])
def test_one_window_a_clip_weighs_one(choice, rng):
    data = make_data([np.ones(300, dtype=np.float32)] * 3, windows=choice)
    assert data.window_weights(data.training_windows(100, rng), 100).tolist() == [1, 1, 1]


@pytest.mark.parametrize("sampling", ["all", "balanced", np.array([1.0, 2, 3, 4])])
@pytest.mark.parametrize("choice", ["random", "loudest", "all"])
def test_an_epoch_is_a_function_of_seed_and_epoch(choice, sampling):
    sounds = [np.sin(np.arange(n) ** 1.5).astype(np.float32) for n in (500, 80, 900, 1300)]
    targets = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]]

    def epoch(seed: int, number: int) -> list:
        # Other data each time: nothing may be left over from an epoch before.
        data = make_data(sounds, windows=choice, sampling=sampling, targets=targets)
        return data.training_windows(100, np.random.default_rng([seed, number])).tolist()

    assert epoch(0, 1) == epoch(0, 1)
    if (choice, sampling if isinstance(sampling, str) else "") != ("all", "all"):
        assert any(epoch(0, 1) != epoch(0, number) for number in range(2, 6))


def test_only_training_rows_are_cut(rng):
    sounds = [np.ones(n, dtype=np.float32) for n in (300, 400, 500, 600)]
    for choice in ("random", "loudest", "all"):
        for sampling in ("all", "balanced"):
            data = make_data(
                sounds, windows=choice, sampling=sampling, training_rows=np.array([3, 1])
            )
            windows = data.training_windows(100, rng)
            assert set(windows[:, 0]) <= {1, 3}
            assert (windows[:, 2] <= data.lengths[windows[:, 0]]).all()


def test_statistics_are_of_each_clip_once_whatever_is_drawn():
    sounds = [np.full(50, i, dtype=np.float32) for i in range(4)]
    data = make_data(sounds, windows="all", sampling=np.array([1.0, 0, 0, 0]))
    batches = data.statistics_batches(max_length=20, batch_size=3, rng=np.random.default_rng(0))
    assert sorted(float(line[0]) for waveforms, _ in batches for line in waveforms) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"windows": "loud"}, r"windows must be one of .*'all'.*, got 'loud'"),
        ({"sampling": "even"}, r"sampling must be one of .*got 'even'"),
        ({"sampling": [1.0]}, r"one for each of 3 clips, got shape \(1,\)"),
        ({"sampling": [1.0, -1, 0]}, "not negative"),
        ({"sampling": [0.0, 0, 0]}, "not all zero"),
    ],
    ids=["windows", "word", "shape", "negative", "zero"],
)
def test_choices_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_data([np.ones(5)] * 3, **settings)


def squared_error(logits, targets, embeddings):
    return (logits - targets).square().mean() + 0 * embeddings.sum()


def test_a_weighted_loss_is_the_weighted_mean_over_rows():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator, requires_grad=True)
    targets = torch.randn(6, 3, generator=generator)
    weights = torch.tensor([0.5, 1.5, 0.5, 1.0, 1.5, 1.0])
    value = weighted_loss(squared_error, logits, targets, logits, weights)
    expected = (weights[:, None] * (logits - targets).square()).mean()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v, logits)[0] for v in (value, expected)))


def test_equal_weights_leave_a_loss_as_it_is():
    logits, targets = torch.ones(4, 2), torch.zeros(4, 2)
    plain = squared_error(logits, targets, logits)
    assert weighted_loss(squared_error, logits, targets, logits, torch.ones(4)) == plain
