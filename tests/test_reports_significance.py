"""Bootstrap by group: groups stay whole, differences are paired, few groups get no interval."""

import numpy as np
import pytest

from reports import metrics
from reports.comparison import group_scores
from reports.significance import (
    Difference,
    Estimate,
    as_leaves,
    describe_gain,
    estimate,
    group_bootstrap_weights,
    paired_difference,
    without_bias,
)


def test_a_group_is_drawn_whole_or_not_at_all(rng):
    groups = rng.integers(25, size=200)
    weights = group_bootstrap_weights(groups, n_boot=50)
    for group in np.unique(groups):
        of_group = weights[:, groups == group]
        assert (of_group == of_group[:, :1]).all()


def test_every_replicate_draws_as_many_groups_as_there_are():
    weights = group_bootstrap_weights(["a", "b", "c", "d"], n_boot=100)
    assert (weights.sum(axis=1) == 4).all()
    assert weights.mean() == pytest.approx(1.0)


def test_the_same_seed_draws_the_same_replicates():
    groups = np.arange(30)
    first, again = (group_bootstrap_weights(groups, n_boot=20, seed=7) for _ in range(2))
    other = group_bootstrap_weights(groups, n_boot=20, seed=8)
    assert (first == again).all()
    assert (first != other).any()


def test_a_model_against_itself_differs_by_exactly_nothing(rng):
    truth, decided = rng.integers(0, 2, size=(80, 3)), rng.integers(0, 2, size=(80, 3))
    weights = group_bootstrap_weights(np.arange(80) // 2, n_boot=200)
    own = estimate(metrics.macro_f1, truth, decided, weights=weights)
    assert paired_difference(own, own) == Difference(0.0, 0.0, 0.0, 0.0)


def test_an_interval_is_that_of_the_replicates():
    found = Estimate(np.float64(0.5), np.linspace(0, 1, 1001))
    assert found.interval() == pytest.approx((0.025, 0.975))


def test_an_interval_of_a_mean_has_the_width_theory_says(rng):
    right = rng.random(400) < 0.7
    truth = np.ones((400, 1))
    weights = group_bootstrap_weights(np.arange(400), n_boot=2000)
    low, high = estimate(metrics.accuracy, truth, right[:, None], weights=weights).interval()
    share = right.mean()
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 400), rel=0.1)


def test_a_label_that_only_few_groups_hold_gets_no_interval():
    groups = np.arange(100)
    truth = np.zeros((100, 2), dtype=int)
    truth[:3, 0] = 1
    truth[:50, 1] = 1
    weights = group_bootstrap_weights(groups, n_boot=1000)
    low, high = estimate(metrics.recall, truth, np.ones((100, 2)), weights=weights).interval()
    assert np.isnan([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()


def test_without_replicates_there_is_no_interval():
    low, high = Estimate(np.float64(0.5)).interval()
    assert np.isnan([low, high]).all()
    gain = paired_difference(Estimate(np.float64(0.5)), Estimate(np.float64(0.25)))
    assert gain.value == 0.25
    assert np.isnan([gain.low, gain.high, gain.share_above]).all()


def test_differences_of_other_replicates_are_refused():
    first, second = (Estimate(np.float64(0), np.zeros(n)) for n in (5, 6))
    with pytest.raises(ValueError, match="same replicates"):
        paired_difference(first, second)


def test_scores_of_groups_come_in_the_order_people_count():
    truth = np.ones((3, 1))
    decided = np.array([[1], [0], [1]])
    found = group_scores(metrics.accuracy, truth, decided, groups=["song 10", "song 9", "song 1"])
    assert found == {"song 1": 1.0, "song 9": 0.0, "song 10": 1.0}
    assert list(found) == ["song 1", "song 9", "song 10"]


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (
            Difference(0.012, 0.003, 0.021, 0.99),
            "The stack is better than its best member (svm) by 0.012 macro F1 "
            "(95 % interval 0.003 to 0.021, paired bootstrap over 412 groups).",
        ),
        (
            Difference(-0.02, -0.03, -0.01, 0.0),
            "The stack is worse than its best member (svm) by 0.020 macro F1 "
            "(95 % interval 0.010 to 0.030, paired bootstrap over 412 groups).",
        ),
        (
            Difference(0.004, -0.003, 0.011, 0.8),
            "The stack shows no gain over its best member (svm) beyond chance: +0.004 macro F1 "
            "(95 % interval -0.003 to 0.011, paired bootstrap over 412 groups).",
        ),
        (
            Difference(0.004, np.nan, np.nan, np.nan),
            "The stack is 0.004 macro F1 above its best member (svm); "
            "412 groups cannot tell whether by chance.",
        ),
        (
            Difference(np.nan, np.nan, np.nan, np.nan),
            "The stack cannot be compared with its best member (svm): macro F1 is undefined.",
        ),
    ],
    ids=["better", "worse", "nil", "few groups", "undefined"],
)
def test_a_gain_is_told_in_one_plain_sentence(gain, expected):
    words = {"first": "the stack", "second": "its best member (svm)"}
    assert describe_gain(gain, metric="macro F1", n_groups=412, **words) == expected


def test_of_an_error_below_is_better_also_where_chance_cannot_be_ruled_out():
    gain = Difference(0.02, np.nan, np.nan, np.nan)
    words = {"first": "the stack", "second": "svm", "metric": "Brier score", "n_groups": 4}
    assert "0.020 Brier score below svm" in describe_gain(gain, **words, lower_is_better=True)
    assert "0.020 Brier score above svm" in describe_gain(gain, **words)


def test_what_is_freed_of_its_bias_keeps_its_value_and_spread():
    given = Estimate(np.array([0.1, 0.5]), np.array([[0.2, 0.5], [0.4, 0.7], [np.nan, 0.3]]))
    freed = without_bias(given)
    np.testing.assert_array_equal(freed.value, given.value)
    np.testing.assert_allclose(np.nanmean(freed.replicates, axis=0), given.value)
    np.testing.assert_allclose(
        np.diff(freed.replicates[:2], axis=0), np.diff(given.replicates[:2], axis=0)
    )
    assert without_bias(Estimate(np.float64(0.1))).replicates is None


def test_leaves_are_what_json_can_hold():
    given = Estimate(np.array([0.1, np.nan]), np.array([[-0.2, np.nan]] * 3))
    assert as_leaves(given) == [
        {"value": 0.1, "low": 0.0, "high": pytest.approx(-0.2)},
        {"value": None, "low": None, "high": None},
    ]
