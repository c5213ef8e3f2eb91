"""Masked labels and exactly two labels, beside numbers worked out on paper, for every classifier.

One feature of 0 and 1, two labels. Rows known for the first label: of four with 0 one has it, of
four with 1 three. For the second the other way round, with two more rows that are unknown to the
first and would change its numbers if they were looked at.
"""

import numpy as np
import pytest
from scipy.special import expit, logit

from classical import (
    OneVsRestExtraTreesClassifier,
    OneVsRestLogisticClassifier,
    OneVsRestSVMClassifier,
    OneVsRestXGBClassifier,
)

X = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 1], dtype=float)[:, None]
Y = np.array(
    [[1, 0], [0, 1], [0, 1], [0, 1], [1, 1], [1, 0], [1, 0], [0, 0], [-1, 1], [-1, 1]],
    dtype=np.int8,
)
ASKED = np.array([[0.0], [1.0]])


def test_a_logistic_regression_without_penalty_gives_the_log_odds_of_each_value():
    classifier = OneVsRestLogisticClassifier(1e9, class_weight=None).fit(X, Y)
    # First label: 1 of 4 and 3 of 4. Second: 4 of 5 and 2 of 5.
    expected = logit(np.array([[1 / 4, 4 / 5], [3 / 4, 2 / 5]]))
    np.testing.assert_allclose(classifier.margins(ASKED), expected, atol=1e-3)


def test_trees_give_the_share_of_known_rows_with_the_label():
    # All rows are one group, so every tree sees them all.
    classifier = OneVsRestExtraTreesClassifier(3, class_weight=None).fit(X, Y, groups=np.zeros(10))
    shares = (classifier.margins(ASKED) + 1) / 2
    np.testing.assert_allclose(shares, [[1 / 4, 4 / 5], [3 / 4, 2 / 5]], atol=1e-6)


def test_balanced_trees_give_shares_of_balanced_weights():
    # Of the 10 rows known for the second label 6 have it: they weigh 5/6, the others 5/4.
    classifier = OneVsRestExtraTreesClassifier(3).fit(X, Y, groups=np.zeros(10))
    shares = (classifier.margins(ASKED)[:, 1] + 1) / 2
    present, absent = 5 / 6, 5 / 4
    expected = [4 * present / (4 * present + absent), 2 * present / (2 * present + 3 * absent)]
    np.testing.assert_allclose(shares, expected, atol=1e-6)


def test_one_tree_boosted_is_newtons_step_from_the_frequency():
    classifier = OneVsRestXGBClassifier(
        1,
        learning_rate=1.0,
        max_depth=1,
        subsample=1.0,
        colsample_bytree=1.0,
        min_child_weight=0.0,
        reg_lambda=1.0,
        class_weight=None,
    ).fit(X, Y)

    def leaf(n_present, n_rows, p):
        return (n_present - n_rows * p) / (n_rows * p * (1 - p) + 1)

    expected = [
        [leaf(1, 4, 0.5), logit(0.6) + leaf(4, 5, 0.6)],
        [leaf(3, 4, 0.5), logit(0.6) + leaf(2, 5, 0.6)],
    ]
    np.testing.assert_allclose(classifier.margins(ASKED), expected, atol=1e-6)
    np.testing.assert_allclose(classifier.predict_proba(ASKED), expit(expected), atol=1e-6)


def test_balancing_is_divided_out_of_boosted_probabilities():
    # Of rows with one value no tree can learn anything: what is left is the label's share.
    X = np.zeros((8, 1))
    Y = np.array([[1, 0]] * 2 + [[0, 1]] * 4 + [[-1, 0]] * 2)
    classifier = OneVsRestXGBClassifier(5, subsample=1.0).fit(X, Y)
    np.testing.assert_allclose(classifier.margins(X[:1]), [[0, 0]], atol=1e-6)
    np.testing.assert_allclose(classifier.predict_proba(X[:1]), [[2 / 6, 4 / 8]], atol=1e-6)


@pytest.mark.parametrize("max_exact_rows", [100, 1], ids=["exact", "approximate"])
def test_two_support_vectors_draw_the_widest_margin(max_exact_rows):
    # First label: from -1 to 1, so the margin is x. Second: from 3 to 1, so it is 2 - x.
    X = np.array([-1.0, 1.0, 3.0])[:, None]
    Y = np.array([[0, -1], [1, 1], [-1, 0]])
    classifier = OneVsRestSVMClassifier(
        1e6, kernel="linear", class_weight=None, max_exact_rows=max_exact_rows
    ).fit(X, Y)
    assert classifier.approximate_ == (max_exact_rows == 1)
    asked = np.array([[-2.0], [0.5]])
    np.testing.assert_allclose(classifier.margins(asked), [[-2, 4], [0.5, 1.5]], atol=0.05)


@pytest.mark.parametrize(
    "kind",
    [
        OneVsRestSVMClassifier,
        OneVsRestXGBClassifier,
        OneVsRestLogisticClassifier,
        OneVsRestExtraTreesClassifier,
    ],
    ids=lambda kind: kind.__name__,
)
class TestEveryClassifier:
    def test_two_labels_have_two_columns_decided_apart(self, kind, rng):
        X = rng.integers(0, 2, size=(80, 2)).astype(float)
        Y = X.astype(int)
        classifier = kind(random_state=0).fit(X, Y)
        probabilities = classifier.predict_proba(X)
        assert probabilities.shape == (80, 2)
        np.testing.assert_array_equal(classifier.predict(X), Y)
        np.testing.assert_array_equal(probabilities > 0.5, Y == 1)

    def test_what_stands_in_an_unknown_row_does_not_matter(self, kind, rng):
        X, known = rng.normal(size=(60, 3)), np.arange(60) < 45
        Y = (X + rng.normal(size=X.shape) > 0).astype(int)
        Y[~known, 0] = -1
        before = kind(random_state=0).fit(X, Y).predict_proba(X)[:, 0]
        Y[~known, 1:] = 1 - Y[~known, 1:]
        after = kind(random_state=0).fit(X, Y).predict_proba(X)[:, 0]
        np.testing.assert_allclose(before, after, atol=2e-3)

    @pytest.mark.parametrize(
        "names",
        [np.array(["b", "a", "c"]), np.array([7, -2, 3]), np.array([True, False, True])],
        ids=["texts", "integers", "booleans"],
    )
    def test_classes_are_what_they_came_as(self, kind, rng, names):
        codes = np.arange(60) % 3
        X = np.eye(3)[codes] + 0.01 * rng.normal(size=(60, 3))
        classifier = kind(random_state=0).fit(X, names[codes])
        assert classifier.classes_.dtype == names.dtype
        np.testing.assert_array_equal(classifier.predict(X), names[codes])

    def test_texts_mixed_with_numbers_are_refused(self, kind):
        with pytest.raises(ValueError, match="must all be texts, got also int"):
            kind().fit(np.eye(3), np.array(["a", "b", 3], dtype=object))

    def test_a_class_of_one_clip_is_recognised_without_certainty(self, kind, rng):
        X = rng.normal(size=(60, 4))
        y = np.array(["cello", "flute"] * 30)
        X[y == "flute"] += 3
        X[0], y[0] = -9, "gong"
        classifier = kind(random_state=0).fit(X, y)
        probabilities = classifier.predict_proba(X)
        assert probabilities[:, 2].argmax() == 0
        assert probabilities[0, 2] < 0.99
        assert np.isfinite(probabilities).all()

    def test_weights_of_rows_move_probabilities(self, kind, rng):
        X = np.zeros((40, 2))
        y = np.arange(40) % 2
        heavy = kind(random_state=0, class_weight=None)
        heavy.fit(X, y, sample_weight=np.where(y == 1, 3.0, 1.0))
        assert heavy.predict_proba(X)[0, 1] == pytest.approx(3 / 4, abs=0.02)

    def test_many_classes_share_one_row_of_probabilities(self, kind, rng):
        codes = np.repeat(np.arange(40), 3)
        X = rng.normal(size=(40, 6))[codes] + 0.01 * rng.normal(size=(120, 6))
        classifier = kind(random_state=0)
        if "n_estimators" in classifier.get_params():
            classifier.set_params(n_estimators=10)
        probabilities = classifier.fit(X, codes, groups=np.arange(120)).predict_proba(X)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert (classifier.predict(X) == codes).mean() > 0.7
