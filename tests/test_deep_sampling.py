"""Rows of an epoch: every class as often as another, every row nearly as often as its weight."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep.sampling import balanced_sampling_weights, check_sampling, rarest_labels, sample_rows


def single_label(counts: list[int]) -> np.ndarray:
    return np.eye(len(counts), dtype=np.float32)[np.repeat(np.arange(len(counts)), counts)]


def test_all_takes_each_row_once(rng):
    assert sample_rows(single_label([3, 1]), "all", rng).tolist() == [0, 1, 2, 3]


@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=8),
    seed=st.integers(0, 99),
)
def test_balanced_draws_each_class_equally_often(counts, seed):
    targets = single_label(counts)
    rows = sample_rows(targets, "balanced", np.random.default_rng(seed))
    drawn = targets[rows].sum(axis=0)
    assert len(rows) == sum(counts)
    assert np.ptp(drawn) <= 1


@given(
    weights=st.lists(st.floats(0, 10), min_size=1, max_size=80).filter(lambda w: sum(w) > 1e-3),
    seed=st.integers(0, 99),
)
def test_a_row_is_drawn_as_often_as_its_weight_up_to_one(weights, seed):
    weights = np.array(weights)
    rows = sample_rows(np.ones((len(weights), 1)), weights, np.random.default_rng(seed))
    drawn = np.bincount(rows, minlength=len(weights))
    expected = weights / weights.sum() * len(weights)
    assert drawn.sum() == len(weights)
    assert (abs(drawn - expected) < 1 + 1e-9).all()


def test_no_row_is_preferred_over_the_epochs():
    targets = single_label([90, 10])
    drawn = np.zeros(100)
    for epoch in range(200):
        rows = sample_rows(targets, "balanced", np.random.default_rng([0, epoch]))
        drawn += np.bincount(rows, minlength=100)
    np.testing.assert_allclose(drawn[:90] / 200, 50 / 90, atol=0.15)
    np.testing.assert_allclose(drawn[90:] / 200, 5.0, atol=0.15)


def test_the_rarest_label_of_a_clip_decides():
    targets = np.array([[1, 0, 0], [1, 1, 0], [1, -1, 0], [1, 1, 1], [0, -1, 0]])
    assert rarest_labels(targets).tolist() == [0, 1, 0, 2, 3]
    assert balanced_sampling_weights(targets).tolist() == [1 / 4, 1 / 2, 1 / 4, 1, 1]


def test_balanced_multi_label_rows_bring_the_rare_label_up(rng):
    targets = (rng.random((500, 4)) < [0.6, 0.3, 0.1, 0.02]).astype(np.float32)
    drawn = targets[sample_rows(targets, "balanced", rng)].sum(axis=0)
    before = targets.sum(axis=0)
    # The most frequent label comes along with the others, and stays what it was.
    assert drawn[0] == pytest.approx(before[0], rel=0.1)
    assert drawn[2] > 3 * before[2]
    assert drawn[3] > 10 * before[3]


def test_a_row_of_weight_zero_is_never_drawn(rng):
    weights = np.array([0.0, 1.0, 0.0, 2.0])
    rows = np.concatenate([sample_rows(np.ones((4, 1)), weights, rng) for _ in range(20)])
    assert set(rows) == {1, 3}


def test_an_epoch_repeats_for_its_generator_and_differs_from_the_next():
    targets = single_label([40, 7])
    first, again, other = (
        sample_rows(targets, "balanced", np.random.default_rng(seed)).tolist()
        for seed in ([3, 1], [3, 1], [3, 2])
    )
    assert first == again
    assert first != other


def test_weights_are_taken_from_any_sequence():
    assert check_sampling([1, 2], n_samples=2).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "weights", [[1.0, np.nan], [1.0, np.inf], [1.0, -2.0], [0.0, 0.0]], ids=str
)
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match="finite, not negative and not all zero"):
        check_sampling(weights, n_samples=2)
