"""Folds: groups whole, labels in proportion, the same for a seed, at home in scikit-learn."""

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
)

from features.folds import (
    GroupedStratifiedKFold,
    deal_groups,
    hash_folds,
    leave_one_group_out,
    make_folds,
)


def one_hot(classes):
    return (np.asarray(classes)[:, None] == np.unique(classes)).astype(np.int8)


def label_spread(labels, folds, n_folds):
    """Largest distance of any label's share in any fold from its share in all, by expectation."""
    counts = np.array([(labels[folds == fold] == 1).sum(axis=0) for fold in range(n_folds)])
    expected = (labels == 1).sum(axis=0) / n_folds
    return np.abs(counts / expected - 1).max()


@pytest.fixture
def skewed(rng):
    """Ten labels from common to rare, several a row, in 120 groups of uneven size that agree."""
    sizes = rng.integers(1, 15, 120)
    groups = np.repeat(np.arange(120), sizes)
    of_group = rng.random((120, 10)) < np.geomspace(0.5, 0.06, 10)
    noise = rng.random((len(groups), 10)) < 0.9
    return (of_group[groups] & noise).astype(np.int8), groups


def test_groups_stay_whole(skewed):
    labels, groups = skewed
    folds = make_folds(labels, groups, n_folds=5)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    assert sorted(set(folds)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("n_folds", [2, 3, 5])
@pytest.mark.parametrize("n_per_group", [1, 2])
def test_alike_groups_are_shared_out_within_one_group(n_folds, n_per_group):
    labels = one_hot(np.repeat([0, 1, 2], [30, 18, 7])).repeat(n_per_group, axis=0)
    groups = np.arange(55).repeat(n_per_group)
    folds = make_folds(labels, groups, n_folds=n_folds)
    counts = np.array([labels[folds == fold].sum(axis=0) for fold in range(n_folds)])
    assert (np.ptp(counts, axis=0) <= n_per_group).all()
    assert np.ptp(counts.sum(axis=1)) <= 2 * n_per_group


def test_skewed_labels_are_spread_far_better_than_by_chance(skewed):
    labels, groups = skewed
    spread = label_spread(labels, make_folds(labels, groups, n_folds=4), 4)
    by_chance = []
    for seed in range(20):
        of_group = np.random.default_rng(seed).permutation(np.arange(120) % 4)
        by_chance.append(label_spread(labels, of_group[groups], 4))
    assert spread < 0.5 * np.median(by_chance)
    assert spread < min(by_chance)


def test_single_labels_are_spread_no_worse_than_by_scikit_learn(rng):
    of_group = rng.permutation(np.repeat(np.arange(4), [36, 24, 12, 8]))
    groups = np.repeat(np.arange(80), rng.integers(1, 12, 80))
    classes = of_group[groups]
    labels = one_hot(classes)
    theirs = np.empty(len(groups), dtype=int)
    for fold, (_, test) in enumerate(StratifiedGroupKFold(4).split(labels, classes, groups)):
        theirs[test] = fold
    ours = make_folds(labels, groups, n_folds=4)
    assert label_spread(labels, ours, 4) <= label_spread(labels, theirs, 4)


def test_parts_have_the_shares_asked_for(skewed):
    labels, groups = skewed
    parts = deal_groups(labels, groups, shares=[6, 3, 1])
    np.testing.assert_allclose(np.bincount(parts) / len(parts), [0.6, 0.3, 0.1], atol=0.02)
    for label in labels.T:
        np.testing.assert_allclose(
            np.bincount(parts[label == 1], minlength=3) / label.sum(), [0.6, 0.3, 0.1], atol=0.1
        )


def test_the_same_seed_gives_the_same_folds_and_another_seed_others(skewed):
    labels, groups = skewed
    folds = make_folds(labels, groups, random_state=1)
    np.testing.assert_array_equal(make_folds(labels, groups, random_state=1), folds)
    assert (make_folds(labels, groups, random_state=2) != folds).any()


def test_folds_do_not_depend_on_the_order_of_the_rows(skewed, rng):
    labels, groups = skewed
    order = rng.permutation(len(groups))
    folds = make_folds(labels, groups)
    np.testing.assert_array_equal(make_folds(labels[order], groups[order]), folds[order])


@pytest.mark.parametrize("n_groups", [3, 4, 7])
def test_no_fold_is_empty_however_lopsided_the_groups(n_groups):
    groups = np.repeat(np.arange(n_groups), [50, *[1] * (n_groups - 1)])
    folds = make_folds(np.ones((len(groups), 1)), groups, n_folds=3)
    assert set(folds) == {0, 1, 2}


def test_a_label_in_fewer_groups_than_folds_still_gives_folds():
    labels = np.zeros((10, 2), dtype=np.int8)
    labels[0, 0] = labels[:, 1] = 1
    assert np.bincount(make_folds(labels, np.arange(10), n_folds=5)).tolist() == [2] * 5


@pytest.mark.parametrize("value", [0, -1], ids=["absent", "unknown"])
def test_rows_without_labels_are_shared_out_by_size(value):
    folds = make_folds(np.full((20, 3), value), np.arange(20), n_folds=4)
    assert np.bincount(folds).tolist() == [5] * 4


def test_rows_may_have_no_classes_at_all():
    folds = make_folds(np.zeros((6, 0)), np.arange(6), n_folds=3)
    assert np.bincount(folds).tolist() == [2] * 3


def test_labelled_and_unlabelled_rows_are_both_spread():
    labels = np.zeros((40, 1), dtype=np.int8)
    labels[:8] = 1
    folds = make_folds(labels, np.arange(40), n_folds=4)
    assert np.bincount(folds).tolist() == [10] * 4
    assert np.bincount(folds[:8]).tolist() == [2] * 4


@pytest.mark.parametrize("n_folds", [1, 0, -3])
def test_fewer_than_two_folds_are_refused(n_folds):
    with pytest.raises(ValueError, match=f"at least 2 folds, got {n_folds}"):
        make_folds(np.ones((4, 1)), np.arange(4), n_folds=n_folds)


def test_fewer_groups_than_folds_are_refused():
    with pytest.raises(ValueError, match="5 parts need at least as many groups, got 2"):
        make_folds(np.ones((20, 1)), np.arange(20) % 2, n_folds=5)


@pytest.mark.parametrize("shares", [[], [1, 0], [1, -1]], ids=str)
def test_shares_must_be_positive(shares):
    with pytest.raises(ValueError, match="every share must be positive"):
        deal_groups(np.ones((4, 1)), np.arange(4), shares=shares)


@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.lists(st.sampled_from([0, 1, -1]), min_size=2, max_size=2)),
        min_size=1,
    ),
    st.integers(2, 4),
)
def test_any_table_gives_whole_groups_and_full_folds(rows, n_folds):
    groups = np.array([group for group, _ in rows])
    labels = np.array([label for _, label in rows])
    if len(set(groups)) < n_folds:
        with pytest.raises(ValueError, match="at least as many groups"):
            make_folds(labels, groups, n_folds=n_folds)
        return
    folds = make_folds(labels, groups, n_folds=n_folds)
    assert set(folds) == set(range(n_folds))
    assert len(set(zip(groups, folds, strict=True))) == len(set(groups))


def test_leaving_one_group_out_makes_every_group_a_fold_in_sorted_order():
    assert leave_one_group_out(["b", "a", "b", "c"]).tolist() == [1, 0, 1, 2]


def test_the_hash_names_a_fold_table_whatever_its_order():
    ids, folds = ["a", "b", "c"], np.array([0, 1, 1])
    name = hash_folds(ids, folds)
    assert hash_folds(ids[::-1], folds[::-1]) == name
    assert hash_folds(ids, folds.astype(np.int8)) == name
    assert hash_folds(ids, [0, 1, 1]) == name
    assert hash_folds(ids, [0, 1, 0]) != name
    assert hash_folds(["a", "b", "d"], folds) != name
    assert len(name) == 64


def test_the_splitter_gives_the_fold_table(skewed):
    labels, groups = skewed
    splits = list(GroupedStratifiedKFold(3, random_state=5).split(labels, labels, groups))
    folds = make_folds(labels, groups, n_folds=3, random_state=5)
    for fold, (train, test) in enumerate(splits):
        np.testing.assert_array_equal(test, np.flatnonzero(folds == fold))
        np.testing.assert_array_equal(train, np.flatnonzero(folds != fold))


def test_the_splitter_takes_class_names_as_it_takes_an_indicator(skewed):
    _, groups = skewed
    classes = np.array(["cello", "flute", "oboe"])[groups % 3]
    ours = GroupedStratifiedKFold(3)
    by_name = [test.tolist() for _, test in ours.split(groups, classes, groups)]
    by_indicator = [test.tolist() for _, test in ours.split(groups, one_hot(classes), groups)]
    assert by_name == by_indicator


def test_without_groups_every_row_is_its_own():
    y = np.repeat([0, 1], 6)
    for _, test in GroupedStratifiedKFold(3).split(y, y):
        assert np.bincount(y[test]).tolist() == [2, 2]


@pytest.fixture
def grouped():
    """Twelve groups of five rows, and a label."""
    groups = np.repeat(np.arange(12), 5)
    return groups % 2, groups


class GroupMemoryClassifier(DummyClassifier):
    """Scores 0 if a group of the test part, the only column of X, was in the training part."""

    def fit(self, X, y, sample_weight=None):
        self.seen_ = set(X[:, 0])
        return super().fit(X, y, sample_weight)

    def score(self, X, y, sample_weight=None):
        return float(not self.seen_ & set(X[:, 0]))


def test_cross_val_score_keeps_groups_whole_without_metadata_routing(grouped):
    y, groups = grouped
    scores = cross_val_score(
        GroupMemoryClassifier(), groups[:, None], y, groups=groups, cv=GroupedStratifiedKFold(3)
    )
    assert scores.tolist() == [1.0, 1.0, 1.0]


def test_cross_val_score_keeps_groups_whole_with_metadata_routing(grouped):
    y, groups = grouped
    with sklearn.config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            GroupMemoryClassifier(),
            groups[:, None],
            y,
            params={"groups": groups},
            cv=GroupedStratifiedKFold(3),
        )
    assert scores.tolist() == [1.0, 1.0, 1.0]


def test_groups_reach_the_splitter_inside_a_search_with_metadata_routing(grouped):
    y, groups = grouped
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            GroupMemoryClassifier(), {"strategy": ["prior"]}, cv=GroupedStratifiedKFold(3)
        )
        search.fit(groups[:, None], y, groups=groups)
    assert search.best_score_ == 1.0


def test_a_splitter_that_ignores_groups_would_be_noticed(grouped):
    y, groups = grouped
    shuffled = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(GroupMemoryClassifier(), groups[:, None], y, cv=shuffled)
    assert scores.tolist() == [0.0, 0.0, 0.0]


def test_the_splitter_says_what_it_is():
    splitter = GroupedStratifiedKFold(4, random_state=7)
    assert splitter.get_n_splits() == 4
    assert repr(splitter) == "GroupedStratifiedKFold(n_splits=4, random_state=7)"


def test_a_small_part_gets_large_groups_and_small_ones_alike():
    """Sizes 1 to 40 of one label: the mean size of a group must not depend on its part."""
    sizes = np.arange(1, 41)
    groups = np.repeat(np.arange(40), sizes)
    parts = deal_groups(np.ones((len(groups), 1)), groups, shares=[0.85, 0.15])
    held = np.unique(groups[parts == 1])
    assert (parts == 1).mean() == pytest.approx(0.15, abs=0.03)
    assert sizes[held].mean() == pytest.approx(sizes.mean(), rel=0.25)
