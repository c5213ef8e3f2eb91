"""Brier score and calibration error: known answers, then what no estimator may do."""

import numpy as np
import pytest

from reports import metrics
from reports.metrics.reliability_card import describe_reliability
from reports.plots.calibration import plot_reliability
from reports.significance import estimate, group_bootstrap_weights, without_bias


def make_calibrated(rng, n_samples, n_labels=1, *, sure=1.0):
    """Draw truth by its own probability; scores are that, made surer or less sure."""
    logits = rng.normal(-0.5, 1.5, (n_samples, n_labels))
    truth = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(int)
    return truth, 1 / (1 + np.exp(-sure * logits))


def test_the_brier_score_is_the_mean_squared_distance_of_known_cells():
    truth, scores = np.array([[1, 0, -1]]), np.array([[0.8, 0.4, 0.9]])
    assert metrics.brier(truth, scores) == pytest.approx((0.2**2 + 0.4**2) / 2)


def test_the_calibration_error_of_one_score_is_its_distance_from_the_share():
    truth = np.array([[1]] * 6 + [[0]] * 4 + [[-1]])
    scores = np.array([[0.7]] * 10 + [[0.1]])
    assert metrics.cell_ece(truth, scores) == pytest.approx(0.1)


def test_bins_hold_about_as_many_cells_and_as_many_as_the_cube_root_says(rng):
    truth, scores = make_calibrated(rng, 1000)
    bins = metrics.reliability_bins(truth, scores, top_label=False)
    assert bins.n.tolist() == [100] * 10
    by_hand = np.array_split(np.sort(scores[:, 0]), 10)
    assert bins.score == pytest.approx([part.mean() for part in by_hand])


def test_the_calibration_error_agrees_with_bins_cut_by_hand(rng):
    truth, scores = make_calibrated(rng, 1000, sure=2.0)
    order = np.argsort(scores[:, 0])
    expected = np.mean([abs((truth - scores)[rows].mean()) for rows in np.array_split(order, 10)])
    assert metrics.cell_ece(truth, scores) == pytest.approx(expected)


def test_too_sure_scores_have_the_error_that_integration_gives(rng):
    truth, scores = make_calibrated(rng, 200_000, sure=2.0)
    logits = rng.normal(-0.5, 1.5, 1_000_000)
    expected = np.abs(1 / (1 + np.exp(-logits)) - 1 / (1 + np.exp(-2 * logits))).mean()
    assert metrics.cell_ece(truth, scores) == pytest.approx(expected, abs=0.003)


def test_calibrated_scores_have_no_more_error_than_chance_leaves(rng):
    for n_samples in (100, 1000, 10_000):
        truth, scores = make_calibrated(rng, n_samples)
        assert metrics.cell_ece(truth, scores) < 0.6 * n_samples ** (-1 / 3)


def test_equal_scores_share_a_bin_whatever_the_order_of_rows(rng):
    truth = rng.integers(0, 2, (60, 2))
    scores = rng.integers(0, 3, (60, 2)) / 4
    again = rng.permutation(60)
    assert metrics.cell_ece(truth, scores) == pytest.approx(
        metrics.cell_ece(truth[again], scores[again])
    )
    assert len(metrics.reliability_bins(truth, scores, top_label=False).n) <= 3


def test_single_label_is_judged_by_its_highest_score():
    truth = np.eye(3, dtype=int)[[0, 0, 0, 1]]
    scores = np.tile([0.6, 0.3, 0.1], (4, 1))
    assert metrics.top_label_ece(truth, scores) == pytest.approx(0.75 - 0.6)
    bins = metrics.reliability_bins(truth, scores, top_label=True)
    assert (bins.score, bins.share, bins.n) == ([pytest.approx(0.6)], [0.75], [4])


def test_what_stands_in_unknown_cells_changes_nothing(rng):
    truth = rng.integers(-1, 2, (50, 3))
    scores = rng.random((50, 3))
    other = np.where(truth < 0, rng.random((50, 3)), scores)
    for name in ("cell_ece", "top_label_ece", "label_ece"):
        metric = getattr(metrics, name)
        np.testing.assert_array_equal(metric(truth, scores), metric(truth, other))


def test_the_error_of_a_label_is_that_of_its_column_and_undefined_where_it_never_occurs(rng):
    truth, scores = make_calibrated(rng, 80, n_labels=3)
    truth[:, 2] = 0
    found = metrics.label_ece(truth, scores)
    assert found[0] == metrics.cell_ece(truth[:, :1], scores[:, :1])
    assert np.isnan(found[2])
    assert np.isnan(metrics.label_brier(truth, scores)[2])


def test_replicates_are_what_each_gives_alone(rng):
    truth, scores = make_calibrated(rng, 60, n_labels=2)
    weights = group_bootstrap_weights(np.arange(60) // 3, n_boot=5)
    for name in ("cell_ece", "top_label_ece", "label_ece"):
        metric = getattr(metrics, name)
        alone = [metric(truth, scores, weights=row) for row in weights]
        np.testing.assert_allclose(metric(truth, scores, weights=weights), alone)


def test_rows_without_a_known_cell_give_no_number():
    truth, scores = np.full((3, 2), -1), np.full((3, 2), 0.5)
    assert np.isnan(metrics.cell_ece(truth, scores))
    assert np.isnan(metrics.top_label_ece(truth, scores))
    assert np.isnan(metrics.brier(truth, scores))


def test_the_interval_of_a_calibration_error_lies_around_its_value(rng):
    for _ in range(20):
        truth, scores = make_calibrated(rng, 300)
        weights = group_bootstrap_weights(np.arange(300) // 2, n_boot=200)
        found = estimate(metrics.cell_ece, truth, scores, weights=weights)
        # Drawing anew adds noise that does not cancel.
        assert found.replicates.mean() > found.value
        low, high = without_bias(found).interval()
        assert low < found.value < high


def test_a_card_holds_numbers_intervals_and_bins(rng):
    truth, scores = make_calibrated(rng, 400, n_labels=2, sure=2.0)
    weights = group_bootstrap_weights(np.arange(400) // 4, n_boot=50)
    card = describe_reliability(truth, scores, task="multi-label", weights=weights)
    assert card["brier"]["low"] < card["brier"]["value"] < card["brier"]["high"]
    assert sum(found["n"] for found in card["bins"]) == 800
    assert all(found["low"] <= found["share"] <= found["high"] for found in card["bins"])
    bare = describe_reliability(truth, scores, task="multi-label")
    assert bare["ece"] == {"value": card["ece"]["value"], "low": None, "high": None}


def test_a_picture_says_how_many_stand_behind_each_bin(rng):
    truth, scores = make_calibrated(rng, 1000, sure=2.0)
    bins = describe_reliability(truth, scores, task="multi-label")["bins"]
    figure = plot_reliability({"before": bins, "after": bins}, what="clips")
    named = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert named == ["as said", "before (n per bin: 100)", "after (n per bin: 100)"]
    assert figure.axes[1].get_ylabel().startswith("Clips")


@pytest.mark.parametrize("names", [["macro_f1", "f2"], []], ids=["unknown", "none"])
def test_unknown_metrics_are_refused_by_a_list_of_those_there_are(names):
    with pytest.raises(ValueError, match=r"metrics must be among macro_f1, .*lwlrap.*ece; got"):
        metrics.check_metrics(names)


def test_every_named_metric_is_measured_by_its_name(rng):
    truth, scores = make_calibrated(rng, 40, n_labels=3)
    decisions = (scores > 0.5).astype(int)
    for task in ("single-label", "multi-label"):
        for name in metrics.METRICS:
            found = metrics.measure(name, truth, scores=scores, decisions=decisions, task=task)
            assert np.isfinite(found), name
    single = metrics.measure("ece", truth, scores=scores, decisions=decisions, task="single-label")
    assert single == metrics.top_label_ece(truth, scores)
