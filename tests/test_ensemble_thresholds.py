import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ensemble.thresholds import OBJECTIVES, decide, fit_thresholds
from reports import metrics


def test_the_threshold_lies_half_way_between_the_two_classes():
    y_true = np.array([[1], [1], [0], [0]])
    scores = np.array([[0.9], [0.6], [0.4], [0.1]])
    assert fit_thresholds(y_true, scores)[0] == pytest.approx(0.5)


def test_no_other_threshold_gives_a_higher_f1(rng):
    y_true = (rng.random((200, 1)) < 0.3).astype(int)
    scores = np.clip(0.4 * y_true + rng.normal(0.3, 0.2, (200, 1)), 0, 1)
    found = f1_score(y_true[:, 0], decide(scores, fit_thresholds(y_true, scores))[:, 0])
    tried = [float(metrics.f1(y_true, scores >= t)[0]) for t in np.linspace(0, 1, 1001)]
    assert found >= max(tried) - 1e-12


def test_unknown_cells_do_not_count():
    y_true = np.array([[1], [0], [-1], [-1]])
    scores = np.array([[0.8], [0.2], [0.9], [0.1]])
    assert fit_thresholds(y_true, scores)[0] == pytest.approx(0.5)


def test_few_positives_pull_the_threshold_towards_the_common_one(rng):
    many = np.repeat([1, 0], 500)
    few = np.zeros(1000, dtype=int)
    few[:2] = 1
    y_true = np.column_stack([many, few])
    scores = np.column_stack([np.where(many, 0.7, 0.3), np.where(few, 0.21, 0.19)])
    own = fit_thresholds(y_true, scores, shrinkage=0.0)
    shrunk = fit_thresholds(y_true, scores, shrinkage=10.0)
    assert own[1] == pytest.approx(0.2)
    assert shrunk[1] > own[1]
    assert abs(shrunk[0] - own[0]) < 0.02


def test_without_any_positive_the_threshold_is_one_half():
    assert fit_thresholds(np.zeros((3, 2), dtype=int), np.zeros((3, 2))).tolist() == [0.5, 0.5]


def test_a_label_without_positives_takes_the_common_threshold():
    y_true = np.array([[1, 0], [1, 0], [0, 0], [0, 0]])
    scores = np.array([[0.9, 0.5], [0.7, 0.5], [0.3, 0.5], [0.1, 0.5]])
    common = fit_thresholds(y_true.reshape(-1, 1), scores.reshape(-1, 1), shrinkage=0.0)
    assert fit_thresholds(y_true, scores)[1] == pytest.approx(common[0])


def make_scores(rng, n_samples=300, n_labels=6):
    """Scores of labels between frequent and rare, each off by its own shift."""
    truth = (rng.random((n_samples, n_labels)) < np.linspace(0.5, 0.05, n_labels)).astype(int)
    logits = 2.0 * truth - 1.0 + np.linspace(-1, 1, n_labels) + rng.normal(0, 1, truth.shape)
    return truth, 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("n_positives", [0, 1, 3, 10, 100])
def test_a_label_moves_to_its_own_threshold_as_its_positives_grow(n_positives):
    truth = np.zeros((1000, 2), dtype=int)
    truth[:500, 0], truth[:n_positives, 1] = 1, 1
    # Alone, the first label is cut best at 0.5, the second at 0.2.
    scores = np.where(truth == 1, [0.7, 0.21], [0.3, 0.19])
    common = fit_thresholds(truth.reshape(-1, 1), scores.reshape(-1, 1), shrinkage=0.0)[0]
    weight = n_positives / (n_positives + 10)
    expected = weight * 0.2 + (1 - weight) * common
    assert fit_thresholds(truth, scores)[1] == pytest.approx(expected)


def test_clips_of_one_group_count_as_one_positive(rng):
    truth, scores = make_scores(rng)
    groups = np.arange(300) // 30
    thrice = (np.repeat(values, 3, axis=0) for values in (truth, scores))
    found = fit_thresholds(*thrice, groups=np.repeat(groups, 3))
    np.testing.assert_allclose(found, fit_thresholds(truth, scores, groups=groups))


@pytest.mark.parametrize("average", ["macro", "micro", "samples"])
def test_no_other_shared_threshold_serves_the_objective_better(average, rng):
    truth, scores = make_scores(rng)
    cuts = fit_thresholds(truth, scores, objective=f"{average}_f1", shared=True)
    assert len(np.unique(cuts)) == 1
    settings = {"average": average, "zero_division": 1.0 if average == "samples" else 0.0}
    found = f1_score(truth, decide(scores, cuts), **settings)
    tried = [f1_score(truth, scores >= cut, **settings) for cut in np.linspace(0, 1, 101)]
    # Not all of 1,800 cuts are tried.
    assert found >= max(tried) - 0.002


def test_micro_f1_is_as_high_as_trying_all_thresholds_of_two_labels_makes_it(rng):
    truth, scores = make_scores(rng, n_samples=30, n_labels=2)
    cuts = fit_thresholds(truth, scores, objective="micro_f1", shrinkage=0.0)
    found = f1_score(truth, decide(scores, cuts), average="micro")
    tries = [np.append(np.unique(column), 1.1) for column in scores.T]
    best = max(
        metrics.micro_f1(truth, scores >= np.array([first, second]))
        for first in tries[0]
        for second in tries[1]
    )
    assert found == pytest.approx(best)


def test_each_objective_is_served_best_by_its_own_thresholds(rng):
    truth, scores = make_scores(rng, n_samples=2000)
    reached = {
        objective: decide(scores, fit_thresholds(truth, scores, objective=objective, shrinkage=0))
        for objective in ("macro_f1", "micro_f1")
    }
    for average in ("macro", "micro"):
        other = "micro" if average == "macro" else "macro"
        own = f1_score(truth, reached[f"{average}_f1"], average=average)
        assert own > f1_score(truth, reached[f"{other}_f1"], average=average)


def make_calibrated(rng, n_samples, n_labels=8):
    """Labels between frequent and rare, scored by their true probability."""
    prior = np.linspace(0.4, 0.04, n_labels)
    truth = (rng.random((n_samples, n_labels)) < prior).astype(int)
    heard = 1.5 * truth + rng.normal(0, 1, truth.shape)
    return truth, 1 / (1 + np.exp(-(1.5 * (heard - 0.75) + np.log(prior / (1 - prior)))))


def test_thresholds_fitted_on_few_rows_hold_better_for_being_shrunk():
    reached = {0.0: [], 10.0: []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        few, fresh = make_calibrated(rng, 120), make_calibrated(rng, 2000)
        for shrinkage, found in reached.items():
            cuts = fit_thresholds(*few, shrinkage=shrinkage)
            found.append(metrics.macro_f1(fresh[0], decide(fresh[1], cuts)))
    assert np.mean(reached[10.0]) > np.mean(reached[0.0]) + 0.005


def test_an_unknown_objective_is_refused():
    with pytest.raises(ValueError, match=r"objective must be one of .*samples_f1.*, got 'f2'"):
        fit_thresholds(np.ones((2, 1), dtype=int), np.ones((2, 1)), objective="f2")


def test_single_label_decides_for_the_highest_score():
    scores = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    assert decide(scores, None).tolist() == [[0, 1, 0], [1, 0, 0]]


@given(
    st.lists(st.tuples(st.integers(-1, 1), st.floats(0, 1)), min_size=2, max_size=30),
    st.sampled_from(OBJECTIVES),
    st.booleans(),
)
def test_any_scores_give_thresholds_from_0_to_1(cells, objective, shared):
    half = len(cells) // 2
    y_true, scores = (
        np.array([values[:half], values[half : 2 * half]]).T for values in zip(*cells, strict=True)
    )
    thresholds = fit_thresholds(y_true, scores, objective=objective, shared=shared)
    assert ((thresholds >= 0) & (thresholds <= 1)).all()
