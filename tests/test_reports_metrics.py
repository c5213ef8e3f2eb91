"""Metrics: hand-computed first, then scikit-learn, then masks and weights."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as outside

from reports import metrics

TRUTH = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]])
DECISIONS = np.array([[1, 0, 0], [0, 1, 1], [1, 0, 0], [0, 0, 0]])
SCORES = np.array([[0.9, 0.2, 0.4], [0.1, 0.8, 0.6], [0.7, 0.3, 0.2], [0.3, 0.3, 0.1]])

DECISION_METRICS = ["macro_f1", "micro_f1", "samples_f1", "accuracy", "hamming_loss",
                    "micro_precision", "micro_recall", "precision", "recall", "f1"]  # fmt: skip
SCORE_METRICS = ["average_precision", "roc_auc", "mean_average_precision", "macro_roc_auc", "lrap",
                 "lwlrap", "label_lwlrap", "map_at_3", "brier", "label_brier"]  # fmt: skip


@st.composite
def random_case(draw, n_labels=3, masked=False):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_samples = draw(st.integers(6, 30))
    truth = rng.integers(0, 2, size=(n_samples, n_labels))
    # Every label has both answers, where scikit-learn and we agree on what is defined.
    truth[0], truth[1] = 1, 0
    if masked:
        truth[2:][rng.random((n_samples - 2, n_labels)) < 0.2] = -1
    # Few different scores, so that there are ties.
    scores = rng.integers(0, 6, size=truth.shape) / 5
    return truth, scores, (scores > 0.5).astype(int), rng.integers(0, 4, size=n_samples) + 1


def test_scores_of_four_clips_match_those_worked_out_by_hand():
    assert metrics.precision(TRUTH, DECISIONS) == pytest.approx([1.0, 1.0, 0.0])
    assert metrics.recall(TRUTH, DECISIONS) == pytest.approx([1.0, 0.5, 0.0])
    assert metrics.f1(TRUTH, DECISIONS) == pytest.approx([1.0, 2 / 3, 0.0])
    assert metrics.macro_f1(TRUTH, DECISIONS) == pytest.approx(5 / 9)
    # 3 hits, 4 decisions, 5 true labels.
    assert metrics.micro_precision(TRUTH, DECISIONS) == pytest.approx(3 / 4)
    assert metrics.micro_recall(TRUTH, DECISIONS) == pytest.approx(3 / 5)
    assert metrics.micro_f1(TRUTH, DECISIONS) == pytest.approx(6 / 9)
    # Rows: 2/3, 2/3, 2/3 and an empty one that is right.
    assert metrics.samples_f1(TRUTH, DECISIONS) == pytest.approx(3 / 4)
    assert metrics.accuracy(TRUTH, DECISIONS) == pytest.approx(1 / 4)
    assert metrics.hamming_loss(TRUTH, DECISIONS) == pytest.approx(3 / 12)


def test_a_tie_counts_half_in_the_area_under_the_curve():
    truth, scores = np.array([[1], [0], [0]]), np.array([[0.5], [0.5], [0.1]])
    assert metrics.roc_auc(truth, scores) == pytest.approx([0.75])
    assert metrics.average_precision(truth, scores) == pytest.approx([0.5])


def test_label_ranking_asks_whether_a_rows_labels_are_on_top():
    truth, scores = np.array([[1, 0, 0], [0, 0, 1]]), np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]])
    assert metrics.lrap(truth, scores) == pytest.approx((1 + 1 / 3) / 2)


def test_every_true_label_counts_the_same_in_lwlrap():
    truth, scores = np.array([[1, 0, 0], [0, 1, 1]]), np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]])
    # Ranks 1 of the first row, 2 and 3 of the second: 1, then 1/2 and 2/3.
    assert metrics.label_lwlrap(truth, scores) == pytest.approx([1.0, 1 / 2, 2 / 3])
    assert metrics.lwlrap(truth, scores) == pytest.approx((1 + 1 / 2 + 2 / 3) / 3)
    assert metrics.lrap(truth, scores) == pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2)


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        ([1, 0, 0, 0, 0], 1.0),
        ([0, 0, 1, 0, 0], 1 / 3),
        ([0, 0, 0, 1, 0], 0.0),
        ([1, 0, 0, 1, 0], 1 / 2),
        ([0, 1, 1, 0, 0], (1 / 2 + 2 / 3) / 2),
        ([1, 1, 1, 1, 0], 1.0),
        ([-1, 0, 1, 0, 0], 1 / 2),
    ],
    ids=["first", "third", "too late", "one of two", "two", "more than three", "first unknown"],
)
def test_three_names_a_row_score_as_in_the_challenge(truth, expected):
    scores = np.array([[0.9, 0.8, 0.7, 0.6, 0.5]])
    assert metrics.map_at_3(np.array([truth]), scores) == pytest.approx(expected)


def test_a_tied_label_takes_the_last_of_its_places():
    truth, scores = np.array([[0, 1, 0]]), np.array([[0.5, 0.5, 0.1]])
    for truth_, scores_ in ((truth, scores), (truth[:, ::-1], scores[:, ::-1])):
        assert metrics.map_at_k(truth_, scores_, k=1) == 0.0
        assert metrics.map_at_k(truth_, scores_, k=2) == pytest.approx(1 / 2)


def test_fewer_than_one_name_a_row_is_refused():
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        metrics.map_at_k(TRUTH, SCORES, k=0)


def brute_lwlrap(truth, scores, weights):
    """Go through every true label of every row, as the definition says."""
    shares, labels, counts = [], [], []
    for row, (present, chance) in enumerate(zip(truth, scores, strict=True)):
        known = np.flatnonzero(present >= 0)
        for label in np.flatnonzero(present == 1):
            above = [other for other in known if chance[other] >= chance[label]]
            shares.append(np.mean([present[other] == 1 for other in above]))
            labels.append(label)
            counts.append(weights[row])
    shares, labels, counts = map(np.array, (shares, labels, counts))
    per_label = [
        np.average(shares[labels == k], weights=counts[labels == k]) if (labels == k).any()
        else np.nan
        for k in range(truth.shape[1])
    ]  # fmt: skip
    return np.average(shares, weights=counts), per_label


@given(random_case(n_labels=5, masked=True))
def test_lwlrap_agrees_with_its_definition(case):
    truth, scores, _, weights = case
    overall, per_label = brute_lwlrap(truth, scores, weights)
    assert metrics.lwlrap(truth, scores, weights=weights) == pytest.approx(overall)
    found = metrics.label_lwlrap(truth, scores, weights=weights)
    assert found == pytest.approx(per_label, nan_ok=True)


@given(random_case(n_labels=5))
def test_lwlrap_is_scikit_learns_lrap_of_rows_weighted_by_their_labels(case):
    truth, scores, _, weights = case
    n_true = truth.sum(axis=1)
    expected = outside.label_ranking_average_precision_score(
        truth, scores, sample_weight=weights * n_true
    )
    assert metrics.lwlrap(truth, scores, weights=weights) == pytest.approx(expected)
    # Weighted by how often each label occurs, the labels' own make up the whole.
    own = metrics.label_lwlrap(truth, scores, weights=weights)
    assert np.average(own, weights=weights @ truth) == pytest.approx(expected)


def test_of_rows_with_one_label_lwlrap_is_lrap(rng):
    truth, scores = np.eye(6)[rng.integers(6, size=50)], rng.random((50, 6))
    assert metrics.lwlrap(truth, scores) == pytest.approx(metrics.lrap(truth, scores))
    assert metrics.map_at_k(truth, scores, k=6) == pytest.approx(metrics.lrap(truth, scores))


@given(random_case())
def test_per_label_scores_agree_with_scikit_learn(case):
    truth, scores, decisions, weights = case
    given_ = {"zero_division": np.nan, "average": None, "sample_weight": weights}
    close = {"abs": 1e-12, "nan_ok": True}
    expected = outside.precision_score(truth, decisions, **given_)
    assert metrics.precision(truth, decisions, weights=weights) == pytest.approx(expected, **close)
    expected = outside.recall_score(truth, decisions, **given_)
    assert metrics.recall(truth, decisions, weights=weights) == pytest.approx(expected, **close)
    expected = outside.f1_score(truth, decisions, **given_)
    assert metrics.f1(truth, decisions, weights=weights) == pytest.approx(expected, **close)
    given_ = {"average": None, "sample_weight": weights}
    expected = outside.average_precision_score(truth, scores, **given_)
    found = metrics.average_precision(truth, scores, weights=weights)
    assert found == pytest.approx(expected, **close)
    expected = outside.roc_auc_score(truth, scores, **given_)
    assert metrics.roc_auc(truth, scores, weights=weights) == pytest.approx(expected, **close)
    expected = [
        outside.brier_score_loss(truth[:, k], scores[:, k], sample_weight=weights) for k in range(3)
    ]
    assert metrics.label_brier(truth, scores, weights=weights) == pytest.approx(expected)
    assert metrics.brier(truth, scores, weights=weights) == pytest.approx(np.mean(expected))


@given(random_case())
def test_averages_agree_with_scikit_learn(case):
    truth, scores, decisions, weights = case
    given_ = {"sample_weight": weights}
    pairs = {
        "macro_f1": outside.f1_score(truth, decisions, average="macro", **given_),
        "micro_f1": outside.f1_score(truth, decisions, average="micro", **given_),
        "samples_f1": outside.f1_score(
            truth, decisions, average="samples", zero_division=1.0, **given_
        ),
        "accuracy": outside.accuracy_score(truth, decisions, **given_),
        "hamming_loss": outside.hamming_loss(truth, decisions, **given_),
    }
    for name, expected in pairs.items():
        found = getattr(metrics, name)(truth, decisions, weights=weights)
        assert found == pytest.approx(expected, abs=1e-12), name
    expected = outside.label_ranking_average_precision_score(truth, scores, **given_)
    assert metrics.lrap(truth, scores, weights=weights) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", [*DECISION_METRICS, *SCORE_METRICS])
@given(case=random_case(masked=True))
def test_a_weight_is_a_repetition_of_its_row(name, case):
    truth, scores, decisions, weights = case
    predicted = decisions if name in DECISION_METRICS else scores
    metric = getattr(metrics, name)
    weighted = metric(truth, predicted, weights=weights)
    repeated = metric(np.repeat(truth, weights, axis=0), np.repeat(predicted, weights, axis=0))
    assert weighted == pytest.approx(repeated, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", [*DECISION_METRICS, *SCORE_METRICS])
def test_many_weights_give_what_each_gives_alone(name, rng):
    truth = rng.integers(-1, 2, size=(40, 4))
    scores = rng.random((40, 4)).round(1)
    predicted = (scores > 0.5).astype(int) if name in DECISION_METRICS else scores
    # More replicates than are handled together.
    weights = rng.integers(0, 3, size=(150, 40))
    metric = getattr(metrics, name)
    together = metric(truth, predicted, weights=weights)
    alone = np.array([metric(truth, predicted, weights=row) for row in weights])
    np.testing.assert_allclose(together, alone, atol=1e-12)


@pytest.mark.parametrize("name", [*DECISION_METRICS, *SCORE_METRICS])
def test_what_is_predicted_in_unknown_cells_changes_nothing(name, rng):
    truth = rng.integers(-1, 2, size=(30, 3))
    scores = rng.random((30, 3))
    other = np.where(truth < 0, rng.random((30, 3)), scores)
    metric = getattr(metrics, name)
    if name in DECISION_METRICS:
        scores, other = (scores > 0.5).astype(int), (other > 0.5).astype(int)
    np.testing.assert_array_equal(metric(truth, scores), metric(truth, other))


def test_a_row_without_a_known_cell_counts_nowhere():
    truth = np.array([[1, 0], [-1, -1]])
    decided = np.array([[1, 0], [1, 1]])
    for name in ("accuracy", "samples_f1", "micro_f1"):
        assert getattr(metrics, name)(truth, decided) == 1.0
    assert metrics.lrap(truth, decided) == 1.0


def test_a_label_without_a_positive_row_is_undefined_and_in_no_average():
    truth, decided = TRUTH.copy(), DECISIONS
    truth[:, 2] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("precision", "recall", "f1"):
            assert np.isnan(getattr(metrics, name)(truth, decided)[2])
        for name in ("average_precision", "roc_auc"):
            assert np.isnan(getattr(metrics, name)(truth, SCORES)[2])
        assert metrics.macro_f1(truth, decided) == pytest.approx((1 + 2 / 3) / 2)
        assert np.isfinite(metrics.mean_average_precision(truth, SCORES))


def test_precision_is_undefined_where_nothing_was_decided():
    silent = np.zeros_like(DECISIONS)
    assert np.isnan(metrics.precision(TRUTH, silent)).all()
    assert metrics.macro_f1(TRUTH, silent) == 0.0


def test_accuracy_is_micro_f1_where_every_row_has_one_label(rng):
    truth, decided = np.eye(4)[rng.integers(4, size=50)], np.eye(4)[rng.integers(4, size=50)]
    assert metrics.accuracy(truth, decided) == pytest.approx(metrics.micro_f1(truth, decided))


def test_cooccurrence_of_one_hot_rows_is_the_confusion_matrix(rng):
    truth, decided = rng.integers(3, size=40), rng.integers(3, size=40)
    expected = outside.confusion_matrix(truth, decided)
    np.testing.assert_array_equal(
        metrics.cooccurrence(np.eye(3)[truth], np.eye(3)[decided]), expected
    )


def test_arrays_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"same shape .* got \(4, 3\) and \(4, 2\)"):
        metrics.macro_f1(TRUTH, DECISIONS[:, :2])


def test_truth_other_than_yes_no_and_unknown_is_refused():
    with pytest.raises(ValueError, match="only 1, 0 and -1"):
        metrics.macro_f1(TRUTH * 2, DECISIONS)


def test_weights_of_the_wrong_length_are_refused():
    with pytest.raises(ValueError, match=r"weights must have the shape \(4,\)"):
        metrics.macro_f1(TRUTH, DECISIONS, weights=[1, 2])
