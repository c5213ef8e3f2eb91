"""Logistic regressions are scikit-learn's, and their sigmoids are honest."""

import numpy as np
import pytest
import skops.io
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classical.logistic import OneVsRestLogisticClassifier
from classical.sigmoid import fit_sigmoid


@pytest.fixture
def three_classes():
    X, y = make_classification(
        n_samples=150, n_features=12, n_informative=5, n_classes=3, random_state=0
    )
    return X, np.array(["cello", "flute", "gong"])[y]


@pytest.mark.parametrize("class_weight", ["balanced", None])
def test_machines_agree_with_scikit_learn(three_classes, class_weight):
    X, y = three_classes
    ours = OneVsRestLogisticClassifier(2.0, class_weight=class_weight).fit(X, y)
    for machine, name in enumerate(ours.classes_):
        theirs = LogisticRegression(C=2.0, class_weight=class_weight, tol=1e-8).fit(X, y == name)
        np.testing.assert_allclose(
            ours.margins(X)[:, machine], theirs.decision_function(X), rtol=5e-3, atol=0.01
        )


def test_two_classes_take_one_machine(three_classes):
    X, y = three_classes
    classifier = OneVsRestLogisticClassifier(random_state=0).fit(X, y == "gong")
    assert classifier.coef_.shape == (1, 12)
    np.testing.assert_allclose(
        classifier.predict_proba(X)[:, 1], expit(classifier.decision_function(X))
    )


def test_sigmoids_are_those_of_machines_that_never_saw_the_row(three_classes):
    from classical.one_vs_rest import make_inner_folds

    X, y = three_classes
    y = y == "gong"
    classifier = OneVsRestLogisticClassifier(0.3, random_state=5).fit(X, y)
    seed = np.random.RandomState(5).randint(2**31 - 1, size=1)[0]
    folds = make_inner_folds(y.astype(int), n_splits=3, random_state=seed)
    margins = np.empty(150)
    # Sides are balanced over all rows, not once more in each fold.
    share = 150 / (2 * np.array([(~y).sum(), y.sum()]))
    for fold in range(3):
        kept = folds != fold
        other = LogisticRegression(C=0.3, tol=1e-8)
        other.fit(X[kept], y[kept], sample_weight=share[y[kept].astype(int)])
        margins[~kept] = other.decision_function(X[~kept])
    slope, intercept = fit_sigmoid(margins, y.astype(int))
    assert classifier.sigmoid_slope_[0] == pytest.approx(slope, abs=1e-2)
    assert classifier.sigmoid_intercept_[0] == pytest.approx(intercept, abs=1e-2)


def test_probabilities_of_unseen_rows_are_better_than_the_regressions_own(rng):
    # As many features as rows: training rows are all separated.
    X = rng.normal(size=(400, 80))
    y = (X[:, 0] + rng.normal(size=400) > 0).astype(int)
    ours = OneVsRestLogisticClassifier(100.0, random_state=0).fit(X[:100], y[:100])
    theirs = LogisticRegression(C=100.0, max_iter=1000).fit(X[:100], y[:100])
    losses = [log_loss(y[100:], model.predict_proba(X[100:])) for model in (ours, theirs)]
    assert losses[0] < 0.75 < losses[1]


def test_groups_keep_copies_from_leaking_into_the_sigmoids(rng):
    X = np.repeat(rng.normal(size=(60, 100)), 3, axis=0)
    y, groups = np.repeat(rng.integers(0, 2, 60), 3), np.repeat(np.arange(60), 3)
    classifier = OneVsRestLogisticClassifier(random_state=0)
    leaking = clone(classifier).fit(X, y).predict_proba(X)[:, 1]
    grouped = clone(classifier).fit(X, y, groups=groups).predict_proba(X)[:, 1]
    assert np.abs(leaking - y).max() < 0.3
    assert np.abs(grouped - 0.5).max() < 0.3


def test_masked_rows_take_no_part(rng, three_classes):
    X, _ = three_classes
    y = (X[:, :2] > 0).astype(int)
    known = rng.random(150) > 0.3
    y[~known, 0] = -1
    classifier = OneVsRestLogisticClassifier(random_state=0)
    masked = clone(classifier).fit(X, y).predict_proba(X)[:, 0]
    dropped = clone(classifier).fit(X[known], y[known, :1]).predict_proba(X)[:, 0]
    np.testing.assert_allclose(masked, dropped, atol=2e-3)


def test_an_absent_label_is_a_constant_with_a_warning(three_classes):
    X, _ = three_classes
    y = np.column_stack([X[:, 0] > 0, np.zeros(150)]).astype(int)
    with pytest.warns(UserWarning, match="class 1 is absent from all of the 150 rows"):
        classifier = OneVsRestLogisticClassifier(random_state=0).fit(X, y)
    np.testing.assert_allclose(classifier.predict_proba(X)[:, 1], 1 / 152)
    assert not classifier.coef_[1].any()


def test_a_row_alone_is_the_row_in_a_batch(three_classes):
    X, y = three_classes
    classifier = OneVsRestLogisticClassifier(random_state=0).fit(X, y)
    alone = np.vstack([classifier.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(alone, classifier.predict_proba(X), rtol=0, atol=1e-12)


def test_a_fitted_classifier_survives_skops(three_classes):
    X, y = three_classes
    pipeline = make_pipeline(StandardScaler(), OneVsRestLogisticClassifier(random_state=0))
    dumped = skops.io.dumps(pipeline.fit(X, y))
    trusted = skops.io.get_untrusted_types(data=dumped)
    assert trusted == ["classical.logistic.OneVsRestLogisticClassifier"]
    loaded = skops.io.loads(dumped, trusted=trusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"C": 0}, ValueError, "C == 0"),
        ({"n_splits": 1}, ValueError, "n_splits == 1"),
        ({"n_splits": 2.5}, TypeError, "n_splits must be"),
        ({"class_weight": "even"}, ValueError, "got 'even'"),
    ],
    ids=str,
)
def test_a_parameter_out_of_range_is_refused(three_classes, params, error, message):
    with pytest.raises(error, match=message):
        OneVsRestLogisticClassifier(**params).fit(*three_classes)
