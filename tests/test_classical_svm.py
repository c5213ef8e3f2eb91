"""The shared Gram matrix gives scikit-learn's machines, and sigmoids are honest."""

import joblib
import numpy as np
import pytest
import sklearn
import skops.io
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from classical.sigmoid import fit_sigmoid
from classical.svm import OneVsRestSVMClassifier


@pytest.fixture
def three_classes():
    X, y = make_classification(
        n_samples=150, n_features=12, n_informative=5, n_classes=3, random_state=0
    )
    return X, np.array(["cello", "flute", "gong"])[y]


@pytest.fixture
def indicator(rng):
    X = rng.normal(size=(120, 6))
    return X, (X[:, :2] + 0.5 * rng.normal(size=(120, 2)) > 0.3).astype(np.int8)


def test_two_separated_margins_give_platts_targets_exactly():
    # Four negatives at -1 and two positives at +1: the sigmoid can pass through both smoothed
    # targets, 1 / (4 + 2) and (2 + 1) / (2 + 2), so logits are -log 5 and log 3.
    slope, intercept = fit_sigmoid(np.r_[-np.ones(4), np.ones(2)], np.r_[np.zeros(4), np.ones(2)])
    assert slope == pytest.approx((np.log(3) + np.log(5)) / 2, abs=1e-7)
    assert intercept == pytest.approx((np.log(3) - np.log(5)) / 2, abs=1e-7)


def test_a_sigmoid_agrees_with_a_logistic_regression_on_soft_targets(rng):
    margins = rng.normal(size=200)
    target = (margins + rng.normal(size=200) > 0.5).astype(int)
    weight = rng.uniform(0.5, 2, 200)
    slope, intercept = fit_sigmoid(margins, target, sample_weight=weight)
    n_pos, n_neg = weight[target == 1].sum(), weight[target == 0].sum()
    soft = np.where(target == 1, (n_pos + 1) / (n_pos + 2), 1 / (n_neg + 2))
    reference = LogisticRegression(C=1e12, tol=1e-10).fit(
        np.r_[margins, margins][:, None],
        np.repeat([1, 0], 200),
        sample_weight=np.r_[weight * soft, weight * (1 - soft)],
    )
    assert slope == pytest.approx(reference.coef_[0, 0], abs=1e-5)
    assert intercept == pytest.approx(reference.intercept_[0], abs=1e-5)


def test_a_sigmoid_does_not_depend_on_the_unit_of_margins(rng):
    margins = rng.normal(size=50)
    target = (margins + rng.normal(size=50) > 0).astype(int)
    slope, intercept = fit_sigmoid(margins, target)
    np.testing.assert_allclose(fit_sigmoid(1e6 * margins, target), (slope / 1e6, intercept))


def test_margins_that_rank_backwards_give_the_mean_target_instead():
    slope, intercept = fit_sigmoid(np.array([2.0, 1.0, -1.0, -2.0]), np.array([0, 0, 1, 1]))
    assert slope == 0
    assert expit(intercept) == pytest.approx(0.5)


@pytest.mark.parametrize("margin", [0.0, 3.0])
def test_equal_margins_give_the_mean_target(margin):
    slope, intercept = fit_sigmoid(np.full(4, margin), np.array([0, 0, 0, 1]))
    assert expit(slope * margin + intercept) == pytest.approx((3 / 5 + 2 / 3) / 4, abs=1e-6)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize("class_weight", ["balanced", None])
def test_margins_agree_with_scikit_learns_one_vs_rest(three_classes, kernel, class_weight):
    X, y = three_classes
    ours = OneVsRestSVMClassifier(2.0, kernel=kernel, class_weight=class_weight).fit(X, y)
    theirs = OneVsRestClassifier(SVC(C=2.0, kernel=kernel, class_weight=class_weight)).fit(X, y)
    np.testing.assert_allclose(ours.margins(X), theirs.decision_function(X), atol=1e-8)


def test_margins_of_two_classes_agree_with_one_svc(three_classes):
    X, y = three_classes
    X, y = X[y != "gong"], y[y != "gong"]
    ours = OneVsRestSVMClassifier(1.0, gamma=0.1).fit(X, y)
    theirs = SVC(C=1.0, gamma=0.1, class_weight="balanced").fit(X, y)
    np.testing.assert_allclose(ours.margins(X)[:, 0], theirs.decision_function(X), atol=1e-8)


def test_sample_weights_agree_with_svc(rng, three_classes):
    X, y = three_classes
    weight = rng.uniform(0.5, 2, len(y))
    ours = OneVsRestSVMClassifier(1.0, class_weight=None).fit(X, y, sample_weight=weight)
    theirs = SVC(C=1.0).fit(X, y == "gong", sample_weight=weight)
    np.testing.assert_allclose(ours.margins(X)[:, 2], theirs.decision_function(X), atol=1e-8)


def test_rows_of_weight_zero_are_left_out(three_classes):
    X, y = three_classes
    weight = np.arange(len(y)) % 4 > 0
    weighted = OneVsRestSVMClassifier(random_state=0).fit(X, y, sample_weight=weight)
    dropped = OneVsRestSVMClassifier(random_state=0).fit(X[weight], y[weight])
    np.testing.assert_array_equal(weighted.predict_proba(X), dropped.predict_proba(X))


def test_single_label_probabilities_sum_to_one_and_decide(three_classes):
    X, y = three_classes
    classifier = OneVsRestSVMClassifier(random_state=0).fit(X, y)
    probabilities = classifier.predict_proba(X)
    assert classifier.classes_.tolist() == ["cello", "flute", "gong"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(
        classifier.predict(X), classifier.classes_[probabilities.argmax(axis=1)]
    )
    assert classifier.score(X, y) > 0.9


def test_two_classes_follow_scikit_learns_conventions(three_classes):
    X, y = three_classes
    y = y == "gong"
    classifier = OneVsRestSVMClassifier(random_state=0).fit(X, y)
    assert classifier.decision_function(X).shape == (150,)
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (150, 2)
    np.testing.assert_array_equal(classifier.predict(X), classifier.decision_function(X) > 0)
    np.testing.assert_allclose(probabilities[:, 1], expit(classifier.decision_function(X)))


def test_two_labels_keep_both_columns(indicator):
    X, y = indicator
    classifier = OneVsRestSVMClassifier(random_state=0).fit(X, y)
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == classifier.decision_function(X).shape == (120, 2)
    np.testing.assert_array_equal(classifier.classes_, [0, 1])
    np.testing.assert_array_equal(classifier.predict(X), probabilities > 0.5)
    assert (classifier.predict(X) == y).mean() > 0.8


def test_labels_are_fitted_independently_of_each_other(indicator):
    X, y = indicator
    alone = OneVsRestSVMClassifier(random_state=0).fit(X, y[:, :1])
    both = OneVsRestSVMClassifier(random_state=0).fit(X, y)
    np.testing.assert_allclose(
        alone.predict_proba(X)[:, 0], both.predict_proba(X)[:, 0], rtol=0, atol=1e-12
    )


def test_a_masked_label_is_trained_on_its_known_rows_only(rng, indicator):
    X, y = indicator
    # Eighths have exact products. Otherwise Gram matrices of other shapes differ in their last
    # bits, and libsvm stops elsewhere within its tolerance.
    X = np.round(8 * X) / 8
    known = rng.random(len(y)) > 0.3
    y[~known, 0] = -1
    classifier = OneVsRestSVMClassifier(gamma=0.1, random_state=0)
    masked = clone(classifier).fit(X, y).predict_proba(X)[:, 0]
    dropped = clone(classifier).fit(X[known], y[known, :1]).predict_proba(X)[:, 0]
    np.testing.assert_allclose(masked, dropped, atol=1e-9)


def test_an_absent_label_is_a_constant_and_leaves_the_others_alone(indicator):
    X, y = indicator
    y[:, 1] = 0
    with pytest.warns(UserWarning, match="class 1 is absent from all of the 120 rows"):
        classifier = OneVsRestSVMClassifier(random_state=0).fit(X, y)
    np.testing.assert_allclose(classifier.predict_proba(X)[:, 1], 1 / 122)
    assert classifier.predict(X)[:, 1].sum() == 0
    assert np.isfinite(classifier.decision_function(X)).all()


def test_a_single_class_is_always_predicted(three_classes):
    X, _ = three_classes
    with pytest.warns(UserWarning, match="class gong is present in all"):
        classifier = OneVsRestSVMClassifier().fit(X, ["gong"] * len(X))
    assert set(classifier.predict(X)) == {"gong"}
    np.testing.assert_array_equal(classifier.predict_proba(X), np.ones((150, 1)))


def test_a_class_of_one_clip_is_recognised_without_certainty(rng):
    X = rng.normal(size=(40, 5))
    y = np.array(["cello", "flute"] * 20)
    X[y == "flute"] += 3
    X[0], y[0] = -8, "gong"
    classifier = OneVsRestSVMClassifier(random_state=0).fit(X, y)
    assert classifier.cross_fitted_.tolist() == [True, True, False]
    assert classifier.predict(X[:1]) == ["gong"]
    gong = expit(classifier.decision_function(X)[:, 2])
    assert gong.argmax() == 0
    assert gong[0] <= 2 / 3 + 0.05


def test_a_row_alone_is_the_row_in_a_batch(three_classes):
    X, y = three_classes
    classifier = OneVsRestSVMClassifier(random_state=0).fit(X, y)
    alone = np.vstack([classifier.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(alone, classifier.predict_proba(X), rtol=0, atol=1e-9)


@pytest.mark.parametrize("groups", [None, np.arange(150) // 3], ids=["rows", "groups"])
def test_the_number_of_jobs_changes_no_number(three_classes, groups):
    X, y = three_classes
    one, two = (
        OneVsRestSVMClassifier(random_state=0, n_jobs=n_jobs).fit(X, y, groups=groups)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_groups_keep_copies_from_leaking_into_the_sigmoids(rng):
    # Labels are noise, but each row comes three times. Folds that separate the copies find
    # margins which predict the label; folds that keep them together must find nothing.
    X = np.repeat(rng.normal(size=(60, 20)), 3, axis=0)
    y = np.repeat(rng.integers(0, 2, 60), 3)
    groups = np.repeat(np.arange(60), 3)
    classifier = OneVsRestSVMClassifier(random_state=0)
    leaking = clone(classifier).fit(X, y).predict_proba(X)[:, 1]
    grouped = clone(classifier).fit(X, y, groups=groups).predict_proba(X)[:, 1]
    assert np.abs(leaking - y).max() < 0.2
    assert np.abs(grouped - 0.5).max() < 0.3


def test_only_the_union_of_support_vectors_is_kept(rng):
    X = np.r_[rng.normal(-5, 0.5, (100, 2)), rng.normal(5, 0.5, (100, 2))]
    classifier = OneVsRestSVMClassifier(1.0).fit(X, np.repeat([0, 1], 100))
    assert len(classifier.support_vectors_) < 30
    assert classifier.dual_coef_.shape == (1, len(classifier.support_vectors_))


def test_groups_are_routed_through_pipeline_and_cross_validation(three_classes):
    X, y = three_classes
    groups = np.arange(150) // 3
    pipeline = make_pipeline(StandardScaler(), OneVsRestSVMClassifier(random_state=0))
    folds = GroupKFold(3)
    by_hand = []
    for train, test in folds.split(X, y, groups):
        fitted = clone(pipeline).fit(
            X[train], y[train], onevsrestsvmclassifier__groups=groups[train]
        )
        by_hand.append(fitted.score(X[test], y[test]))
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_val_score(pipeline, X, y, cv=folds, params={"groups": groups})
        probabilities = cross_val_predict(
            pipeline, X, y, cv=folds, params={"groups": groups}, method="predict_proba"
        )
    np.testing.assert_array_equal(routed, by_hand)
    assert probabilities.shape == (150, 3)


def test_routed_groups_reach_the_sigmoids(three_classes):
    X, y = three_classes
    groups = np.arange(150) // 50
    pipeline = make_pipeline(StandardScaler(), OneVsRestSVMClassifier(random_state=0))
    with sklearn.config_context(enable_metadata_routing=True):
        routed = pipeline.fit(X, y, groups=groups).predict_proba(X)
    alone = clone(pipeline).fit(X, y).predict_proba(X)
    assert np.abs(routed - alone).max() > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_fitted_classifier_survives_skops(three_classes, dtype):
    X, y = three_classes
    pipeline = make_pipeline(StandardScaler(), OneVsRestSVMClassifier(random_state=0))
    X = X.astype(dtype)
    pipeline.fit(X, y)
    dumped = skops.io.dumps(pipeline)
    trusted = skops.io.get_untrusted_types(data=dumped)
    assert trusted == ["classical.svm.OneVsRestSVMClassifier"]
    loaded = skops.io.loads(dumped, trusted=trusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), pipeline.predict(X))


def test_feature_names_survive_skops(three_classes):
    import pandas as pd

    X, y = three_classes
    frame = pd.DataFrame(X, columns=[f"mfcc_{i:02d}_mean" for i in range(12)])
    classifier = OneVsRestSVMClassifier(random_state=0).fit(frame, y)
    dumped = skops.io.dumps(classifier)
    loaded = skops.io.loads(dumped, trusted=skops.io.get_untrusted_types(data=dumped))
    assert loaded.feature_names_in_.tolist() == frame.columns.tolist()
    np.testing.assert_array_equal(loaded.predict_proba(frame), classifier.predict_proba(frame))


def test_workers_in_other_processes_get_the_same_numbers(three_classes):
    X, y = three_classes
    classifier = OneVsRestSVMClassifier(random_state=0).fit(X, y)
    (probabilities,) = joblib.Parallel(n_jobs=2, backend="loky")(
        [joblib.delayed(classifier.predict_proba)(X)]
    )
    np.testing.assert_allclose(probabilities, classifier.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"C": 0}, ValueError, "C == 0"),
        ({"C": "1"}, TypeError, "C must be"),
        ({"kernel": "poly"}, ValueError, "got 'poly'"),
        ({"gamma": "wide"}, ValueError, "got 'wide'"),
        ({"gamma": -1.0}, ValueError, "gamma == -1.0"),
        ({"n_splits": 1}, ValueError, "n_splits == 1"),
        ({"max_exact_rows": 0}, ValueError, "max_exact_rows == 0"),
        ({"n_components": 2.5}, TypeError, "n_components must be"),
        ({"class_weight": "even"}, ValueError, "got 'even'"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_parameter_out_of_range_is_refused(three_classes, params, error, message):
    with pytest.raises(error, match=message):
        OneVsRestSVMClassifier(**params).fit(*three_classes)


@pytest.mark.parametrize(
    ("weight", "message"),
    [(-np.ones(150), "not negative"), (np.full(150, np.nan), "finite"), (np.zeros(150), "zero")],
    ids=["negative", "nan", "all zero"],
)
def test_impossible_sample_weights_are_refused(three_classes, weight, message):
    X, y = three_classes
    with pytest.raises(ValueError, match=message):
        OneVsRestSVMClassifier().fit(X, y, sample_weight=weight)


def test_groups_of_another_length_are_refused(three_classes):
    X, y = three_classes
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        OneVsRestSVMClassifier().fit(X, y, groups=np.arange(149))


@pytest.fixture
def overlapping(rng):
    """Three classes on a ring, each row three times over with a little noise: 600 rows."""
    angle = np.repeat(rng.uniform(0, 2 * np.pi, 200), 3)
    X = np.column_stack([np.cos(angle), np.sin(angle)]) * 2 + 0.5 * rng.normal(size=(600, 2))
    return X, (angle // (2 * np.pi / 3)).astype(int), np.arange(600) // 3


def test_past_the_stated_size_the_kernel_is_approximated_and_says_so(overlapping):
    X, y, _ = overlapping
    assert not OneVsRestSVMClassifier(max_exact_rows=600).fit(X, y).approximate_
    classifier = OneVsRestSVMClassifier(max_exact_rows=599, n_components=40).fit(X, y)
    assert classifier.approximate_
    assert len(classifier.support_vectors_) == 40


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_the_approximation_scores_as_the_exact_machines_do(overlapping, kernel):
    X, y, groups = overlapping
    train = groups % 2 == 0
    exact, approximate = (
        OneVsRestSVMClassifier(kernel=kernel, max_exact_rows=limit, n_components=60, random_state=0)
        .fit(X[train], y[train], groups=groups[train])
        .predict_proba(X[~train])
        for limit in (1000, 10)
    )
    right = [(scores.argmax(axis=1) == y[~train]).mean() for scores in (exact, approximate)]
    assert right[0] > 0.6
    assert right[1] > right[0] - 0.02
    assert np.abs(exact - approximate).mean() < 0.05


def test_few_rows_stand_for_many_without_much_loss(overlapping):
    X, y, groups = overlapping
    score = {}
    for n_components in (30, 300):
        classifier = OneVsRestSVMClassifier(
            max_exact_rows=1, n_components=n_components, random_state=0
        )
        score[n_components] = classifier.fit(X, y, groups=groups).score(X, y)
    assert score[30] > score[300] - 0.03


def test_approximate_sigmoids_keep_copies_together(rng):
    X = np.repeat(rng.normal(size=(60, 20)), 3, axis=0)
    y = np.repeat(rng.integers(0, 2, 60), 3)
    classifier = OneVsRestSVMClassifier(max_exact_rows=1, random_state=0)
    leaking = clone(classifier).fit(X, y).predict_proba(X)[:, 1]
    grouped = clone(classifier).fit(X, y, groups=np.repeat(np.arange(60), 3)).predict_proba(X)[:, 1]
    assert np.abs(leaking - y).max() < 0.25
    assert np.abs(grouped - 0.5).max() < 0.3


def test_an_approximate_masked_label_is_trained_on_its_known_rows_only(indicator):
    X, y = indicator
    y[:40, 0] = -1
    classifier = OneVsRestSVMClassifier(gamma=0.1, max_exact_rows=1, random_state=0)
    before = clone(classifier).fit(X, y).predict_proba(X)[:, 0]
    X[:40] = X[40:80]
    # The rows may still stand for others, so numbers are near and not the same.
    after = clone(classifier).fit(X, y).predict_proba(X)[40:, 0]
    np.testing.assert_allclose(before[40:], after, atol=0.02)


def test_a_constant_class_is_constant_in_the_approximation_too(indicator):
    X, y = indicator
    y[:, 1] = 0
    with pytest.warns(UserWarning, match="class 1 is absent from all of the 120 rows"):
        classifier = OneVsRestSVMClassifier(max_exact_rows=1, random_state=0).fit(X, y)
    np.testing.assert_allclose(classifier.predict_proba(X)[:, 1], 1 / 122)


def test_an_approximate_classifier_survives_skops(overlapping):
    X, y, _ = overlapping
    classifier = OneVsRestSVMClassifier(max_exact_rows=1, n_components=30, random_state=0).fit(X, y)
    dumped = skops.io.dumps(classifier)
    loaded = skops.io.loads(dumped, trusted=["classical.svm.OneVsRestSVMClassifier"])
    assert loaded.approximate_
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))


def test_a_parameter_that_an_earlier_version_did_not_save_has_its_default(three_classes):
    X, y = three_classes
    classifier = OneVsRestSVMClassifier(3.0, random_state=0).fit(X, y)
    state = {key: value for key, value in vars(classifier).items() if key != "max_exact_rows"}
    restored = OneVsRestSVMClassifier.__new__(OneVsRestSVMClassifier)
    restored.__setstate__(state)
    assert clone(restored).get_params() == classifier.get_params()
    np.testing.assert_array_equal(restored.predict_proba(X), classifier.predict_proba(X))
