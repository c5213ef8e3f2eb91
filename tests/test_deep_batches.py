"""Batches by length: little padding, as random as that leaves them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep.batches import collate, length_batches, load_batch, padding_share
from deep.holdout import hold_out
from deep.targets import encode_labels


@given(lengths=st.lists(st.integers(1, 1000), min_size=1, max_size=300), seed=st.integers(0, 9))
def test_every_position_is_in_one_batch_of_at_most_the_size(lengths, seed):
    batches = length_batches(np.array(lengths), 8, rng=np.random.default_rng(seed))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) <= 8


@given(
    lengths=st.lists(st.integers(1, 1000), min_size=1, max_size=300),
    seed=st.integers(0, 9),
    batch_size=st.integers(2, 40),
)
def test_no_window_is_left_alone(lengths, seed, batch_size):
    batches = length_batches(np.array(lengths), batch_size, rng=np.random.default_rng(seed))
    sizes = [len(batch) for batch in batches]
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert min(sizes) >= min(2, len(lengths))
    assert max(sizes) <= max(batch_size, 3)


CORPORA = {
    "uniform": lambda rng, n: rng.uniform(1, 20, n),
    "log-uniform": lambda rng, n: np.exp(rng.uniform(0, np.log(20), n)),
    "mostly-short": lambda rng, n: np.clip(1 + rng.exponential(2, n), 1, 20),
    "mostly-long": lambda rng, n: np.clip(20 - rng.exponential(2, n), 1, 20),
    "two-lengths": lambda rng, n: rng.choice([1.0, 20.0], n),
    "few-long": lambda rng, n: np.where(rng.random(n) < 0.05, 20.0, 1.0),
}


@pytest.mark.parametrize("batch_size", [16, 32, 64])
@pytest.mark.parametrize("corpus", CORPORA)
def test_padding_is_under_15_percent_of_clips_of_1_to_20_seconds(corpus, batch_size, rng):
    lengths = (22050 * CORPORA[corpus](rng, 2000)).astype(int)
    for epoch in range(3):
        batches = length_batches(lengths, batch_size, rng=np.random.default_rng([0, epoch]))
        assert padding_share(lengths, batches) < 0.15


@given(
    lengths=st.lists(st.integers(100, 2000), min_size=100, max_size=400),
    copies=st.integers(1, 30),
    seed=st.integers(0, 9),
)
def test_padding_is_under_15_percent_of_any_lengths_once_there_are_enough(lengths, copies, seed):
    lengths = np.repeat(lengths, copies)
    batches = length_batches(lengths, 8, rng=np.random.default_rng(seed))
    share = padding_share(lengths, batches)
    # All sorted, no batch pads by more than its own span, and the spans add up to the whole one.
    bound = 8 * (lengths.max() - lengths.min()) / lengths.sum()
    assert share <= max(0.1, bound)
    assert share < 0.15 or lengths.sum() < 7 * 8 * (lengths.max() - lengths.min())


def test_neighbours_in_a_batch_differ_between_epochs(rng):
    lengths = np.exp(rng.uniform(0, 3, 1000))
    together = []
    for epoch in range(2):
        batches = length_batches(lengths, 16, rng=np.random.default_rng([0, epoch]))
        pairs = {(i, j) for batch in batches for i in batch for j in batch if i < j}
        together.append(pairs)
    assert len(together[0] & together[1]) < 0.25 * len(together[0])


def test_batches_repeat_for_a_seed_and_differ_between_epochs():
    lengths = np.arange(1, 100)
    first, again, other = (
        np.concatenate(length_batches(lengths, 8, rng=np.random.default_rng(seed)))
        for seed in ([1, 1], [1, 1], [1, 2])
    )
    assert (first == again).all()
    assert (first != other).any()


def test_collate_pads_with_zeros():
    batch, lengths = collate([np.ones(2), np.ones(4)])
    assert batch.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert lengths.tolist() == [2, 4]


def test_a_batch_holds_windows_as_they_were_cut():
    sounds = [np.arange(5, dtype=np.float64), np.arange(10, 18, dtype=np.float32)]
    batch, lengths = load_batch(sounds, np.array([[1, 2, 6], [0, 0, 3]]))
    assert batch.tolist() == [[12, 13, 14, 15], [0, 1, 2, 0]]
    assert lengths.tolist() == [4, 3]


def test_the_validation_part_keeps_groups_whole_and_classes_in_proportion(rng):
    codes = rng.integers(0, 4, 600)
    groups = codes * 100 + rng.integers(0, 30, 600)
    held = hold_out(np.eye(4)[codes], groups, fraction=0.15, rng=rng)
    assert not set(groups[held]) & set(groups[~held])
    np.testing.assert_allclose(np.bincount(codes[held]) / np.bincount(codes), 0.15, atol=0.03)


def test_the_last_group_of_a_label_stays_in_training(rng):
    targets = np.eye(2)[[0] * 10 + [1] * 10]
    groups = np.r_[np.zeros(10), np.arange(1, 11)]
    held = hold_out(targets, groups, fraction=0.3, rng=rng)
    assert held.any()
    assert not held[:10].any()


@pytest.mark.parametrize("n_groups", [1, 2])
def test_nothing_is_held_out_where_no_group_can_be_spared(n_groups, rng):
    codes = np.array([0, 0, 1, 1])
    groups = codes if n_groups == 2 else np.zeros(4)
    assert not hold_out(np.eye(2)[codes], groups, fraction=0.5, rng=rng).any()


def test_single_labels_become_one_hot_rows_in_the_order_of_their_classes():
    targets = encode_labels(["b", "a", "b"], n_samples=3)
    assert targets.classes.tolist() == ["a", "b"]
    assert targets.values.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert not targets.multi_label


def test_a_dataframe_of_labels_names_the_classes():
    targets = encode_labels(pd.DataFrame({"x": [1, -1], "y": [0, 1]}), n_samples=2)
    assert targets.classes.tolist() == ["x", "y"]
    assert targets.values.tolist() == [[1, 0], [-1, 1]]
    assert targets.multi_label


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"], "as many rows, got 2 and 1"),
        (["a", "a"], "at least two classes"),
        ([[2, 0], [0, 1]], "1, 0 or -1"),
        ([1.0, np.nan], "NaN"),
    ],
    ids=["rows", "one-class", "indicator", "nan"],
)
def test_labels_that_cannot_be_learned_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        encode_labels(y, n_samples=2)
