import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from ensemble.thresholds import decide, fit_thresholds


def test_the_threshold_lies_half_way_between_the_two_classes():
    y_true = np.array([[1], [1], [0], [0]])
    scores = np.array([[0.9], [0.6], [0.4], [0.1]])
    assert fit_thresholds(y_true, scores)[0] == pytest.approx(0.5)


def test_no_other_threshold_gives_a_higher_f1(rng):
    y_true = (rng.random((200, 1)) < 0.3).astype(int)
    scores = np.clip(0.4 * y_true + rng.normal(0.3, 0.2, (200, 1)), 0, 1)
    found = f1_score(y_true[:, 0], decide(scores, fit_thresholds(y_true, scores))[:, 0])
    tried = [f1_score(y_true[:, 0], scores[:, 0] >= t) for t in np.linspace(0, 1, 1001)]
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


def test_single_label_decides_for_the_highest_score():
    scores = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    assert decide(scores, None).tolist() == [[0, 1, 0], [1, 0, 0]]


@given(st.lists(st.tuples(st.integers(-1, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_any_scores_give_thresholds_from_0_to_1(cells):
    y_true = np.array([[truth] for truth, _ in cells])
    scores = np.array([[score] for _, score in cells])
    thresholds = fit_thresholds(y_true, scores)
    assert ((thresholds >= 0) & (thresholds <= 1)).all()
