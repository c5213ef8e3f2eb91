"""Folds, weights, constants: the parts all one-vs-rest classifiers share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classical.labels import check_labels
from classical.one_vs_rest import (
    balance_sides,
    count_rows,
    find_constants,
    make_inner_folds,
    normalize_rows,
)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60),
    st.integers(2, 5),
    st.integers(0, 99),
)
def test_groups_never_straddle_folds_and_every_fold_leaves_both_sides(rows, n_splits, seed):
    groups, target = np.array([group for group, _ in rows]), np.array([side for _, side in rows])
    folds = make_inner_folds(target, groups, n_splits=n_splits, random_state=seed)
    if folds is None:
        return
    assert all(len(set(folds[groups == group])) == 1 for group in groups)
    assert all(len(set(target[folds != fold])) == 2 for fold in folds)
    assert len(set(folds)) <= n_splits


def test_the_rarer_side_is_shared_out_evenly(rng):
    target = rng.permutation(np.r_[np.ones(10, int), np.zeros(50, int)])
    folds = make_inner_folds(target, n_splits=5, random_state=0)
    assert np.bincount(folds[target == 1]).tolist() == [2] * 5
    assert np.bincount(folds).tolist() == [12] * 5


def test_rare_negatives_are_shared_out_as_evenly_as_rare_positives():
    target = np.r_[np.zeros(4, int), np.ones(20, int)]
    folds = make_inner_folds(target, n_splits=4, random_state=0)
    assert np.bincount(folds[target == 0]).tolist() == [1] * 4


def test_there_are_no_more_folds_than_groups_with_positives():
    folds = make_inner_folds(
        np.array([1, 1, 0, 0, 0, 0]), list("abcdef"), n_splits=5, random_state=0
    )
    assert set(folds) == {0, 1}


@pytest.mark.parametrize(
    "target", [[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]], ids=["positives", "negatives"]
)
def test_a_side_in_a_single_group_has_no_folds(target):
    assert make_inner_folds(np.array(target), list("aabcd"), n_splits=3) is None


def test_folds_depend_on_the_seed_alone(rng):
    target = rng.integers(0, 2, 40)
    first, again, other = (
        make_inner_folds(target, n_splits=3, random_state=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_balanced_sides_weigh_the_same_and_unknown_rows_nothing():
    targets = np.array([[1], [0], [0], [0], [-1]])
    counts = count_rows(check_labels(targets), sample_weight=np.ones(5), class_weight="balanced")
    weights = balance_sides(targets, counts)
    np.testing.assert_allclose(weights[:, 0], [2, 2 / 3, 2 / 3, 2 / 3, 0])


def test_balancing_agrees_with_scikit_learn(rng):
    from sklearn.utils.class_weight import compute_sample_weight

    target = rng.integers(0, 4, 50) == 0
    weights = balance_sides(target[:, None].astype(int), np.ones((50, 1)))
    np.testing.assert_allclose(weights[:, 0], compute_sample_weight("balanced", target))


def test_a_mapping_weighs_the_rows_of_a_class_in_every_machine():
    labels = check_labels(["a", "b", "c"])
    counts = count_rows(labels, sample_weight=np.array([1, 1, 2]), class_weight={"a": 5, "c": 3})
    np.testing.assert_array_equal(counts, np.repeat([[5], [1], [6]], 3, axis=1))


def test_a_mapping_weighs_only_the_present_cells_of_an_indicator():
    labels = check_labels([[1, 1], [0, -1]])
    counts = count_rows(labels, sample_weight=np.ones(2), class_weight={0: 5})
    np.testing.assert_array_equal(counts, [[5, 1], [1, 0]])


def test_an_unknown_class_weight_is_refused():
    with pytest.raises(ValueError, match="got 'even'"):
        count_rows(check_labels([0, 1]), sample_weight=np.ones(2), class_weight="even")


@pytest.mark.parametrize(
    ("target", "constant", "message"),
    [
        pytest.param([0, 0, 0, -1], 1 / 5, "gong is absent from all of the 3 rows", id="absent"),
        pytest.param([1, 1, -1, -1], 3 / 4, "gong is present in all of the 2 rows", id="present"),
        pytest.param([-1, -1, -1, -1], 1 / 2, "gong is absent from all of the 0", id="unknown"),
    ],
)
def test_a_class_with_nothing_to_learn_gets_laplaces_estimate_and_a_warning(
    target, constant, message
):
    with pytest.warns(UserWarning, match=message):
        constants = find_constants(np.array(target)[:, None], names=["gong"])
    np.testing.assert_allclose(constants, [constant])


def test_rows_are_scaled_to_sum_one_and_zeros_become_uniform():
    rows = normalize_rows(np.array([[0.2, 0.2, 0.4], [0, 0, 0]]))
    np.testing.assert_allclose(rows, [[0.25, 0.25, 0.5], [1 / 3, 1 / 3, 1 / 3]])
