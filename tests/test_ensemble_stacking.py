"""The stack keeps its promises: out-of-fold, grouped, cross-fitted, in order, in any number."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from classical.svm import OneVsRestSVMClassifier
from ensemble.probabilities import to_logits
from ensemble.stacking import StackingEnsembleClassifier
from features.folds import GroupedStratifiedKFold, make_folds


def small_members():
    return [("logistic", LogisticRegression(), None), ("bayes", GaussianNB(), None)]


def members_for_any_labels():
    return [
        ("svm", OneVsRestSVMClassifier(n_splits=2, random_state=0), None),
        ("tree", DecisionTreeClassifier(max_depth=4, random_state=0), None),
    ]


@parametrize_with_checks([StackingEnsembleClassifier(members_for_any_labels(), cv=2)])
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


class LogitMember(ClassifierMixin, BaseEstimator):
    """A member of the kind that keeps its folds: logits are the column of each class."""

    average_folds = True

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.shift_ = float(np.asarray(X)[:, 0].mean())
        return self

    def decision_function(self, X):
        return np.asarray(X)[:, : len(self.classes_)] + self.shift_ * np.arange(len(self.classes_))

    def predict_proba(self, X):
        raise AssertionError("logits are asked for")


@pytest.fixture
def three_classes():
    X, y = make_classification(
        240, n_features=8, n_informative=5, n_classes=3, class_sep=0.8, random_state=3
    )
    groups = np.arange(240) // 4
    return X, np.array(["cello", "flute", "organ"])[y], groups


@pytest.fixture
def many_labels():
    X, y = make_multilabel_classification(
        300, n_features=10, n_classes=4, n_labels=2, random_state=2
    )
    return X, y.astype(np.int8), np.arange(300) // 3


def one_vs_rest():
    return OneVsRestClassifier(LogisticRegression(max_iter=500))


def test_member_scores_are_those_of_scikit_learns_cross_validation(three_classes):
    X, y, groups = three_classes
    folds = GroupedStratifiedKFold(4, random_state=0)
    stack = StackingEnsembleClassifier(small_members(), cv=folds).fit(X, y, groups)
    for name, estimator, _ in small_members():
        expected = cross_val_predict(
            estimator, X, y, cv=list(folds.split(X, y, groups)), method="predict_proba"
        )
        np.testing.assert_allclose(stack.oof_scores_[name], expected, atol=1e-12)


def test_stack_scores_come_from_the_other_folds_alone(three_classes):
    X, y, groups = three_classes
    stack = StackingEnsembleClassifier(small_members(), cv=3).fit(X, y, groups)
    classes = list(stack.classes_)
    logits = [to_logits(stack.oof_scores_[name]) for name in ("logistic", "bayes")]
    expected = np.empty((len(y), 3))
    for fold in range(3):
        out = stack.folds_ == fold
        for label in range(3):
            Z = np.column_stack([logit[:, label] for logit in logits])
            final = LogisticRegression(max_iter=1000).fit(Z[~out], y[~out] == classes[label])
            expected[out, label] = final.predict_proba(Z[out])[:, 1]
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(stack.oof_scores_["stack"], expected, atol=1e-12)


def test_average_and_chance_stand_beside_the_stack(three_classes):
    X, y, groups = three_classes
    stack = StackingEnsembleClassifier(small_members(), cv=3).fit(X, y, groups)
    mean = (stack.oof_scores_["logistic"] + stack.oof_scores_["bayes"]) / 2
    np.testing.assert_allclose(stack.oof_scores_["average"], mean)
    frequencies = [(y == name).mean() for name in stack.classes_]
    np.testing.assert_allclose(stack.oof_scores_["chance"], np.tile(frequencies, (len(y), 1)))


def test_groups_stay_in_one_fold(three_classes):
    X, y, groups = three_classes
    stack = StackingEnsembleClassifier(small_members(), cv=5).fit(X, y, groups)
    assert pd.Series(stack.folds_).groupby(groups).nunique().max() == 1


def test_given_folds_that_tear_a_group_are_refused(three_classes):
    X, y, groups = three_classes
    torn = np.arange(len(y)) % 3
    with pytest.raises(ValueError, match="groups must not be torn between folds"):
        StackingEnsembleClassifier(small_members(), cv=torn).fit(X, y, groups)


def test_parents_are_groups_where_no_groups_are_given(three_classes):
    X, y, groups = three_classes
    stack = StackingEnsembleClassifier(small_members(), cv=3)
    stack.fit(X, y[groups * 4], parents=groups)
    assert pd.Series(stack.folds_).groupby(groups).nunique().max() == 1


def test_folds_that_tear_a_parent_are_refused(three_classes):
    X, y, groups = three_classes
    rows = np.arange(len(y))
    stack = StackingEnsembleClassifier(small_members(), cv=rows % 3)
    with pytest.raises(ValueError, match="parents must not be torn between folds"):
        stack.fit(X, y[groups * 4], groups=rows, parents=groups)


def test_a_member_with_another_number_of_columns_is_refused(three_classes):
    class Narrow(GaussianNB):
        def predict_proba(self, X):
            return super().predict_proba(X)[:, :1]

    X, y, groups = three_classes
    with pytest.raises(ValueError, match="'narrow' must give a column for each of 3 classes"):
        StackingEnsembleClassifier([("narrow", Narrow())], cv=3).fit(X, y, groups)


def test_groups_flow_through_cross_validation_and_pipelines(three_classes):
    X, y, groups = three_classes
    svm = make_pipeline(StandardScaler(), OneVsRestSVMClassifier(random_state=0))
    stack = StackingEnsembleClassifier([("svm", svm, None)], cv=3)
    with config_context(enable_metadata_routing=True):
        scores = cross_val_score(
            make_pipeline(StandardScaler(), stack),
            X,
            y,
            cv=GroupedStratifiedKFold(3),
            params={"groups": groups},
            error_score="raise",
        )
    assert scores.mean() > 0.5


def test_copies_of_one_clip_cannot_lift_the_score_above_chance(rng):
    """One random label a group of near-copies: all there is to learn is who is whose copy."""
    groups = np.repeat(np.arange(60), 5)
    y = rng.integers(0, 2, 60)[groups]
    X = rng.normal(size=(60, 6))[groups] + rng.normal(scale=0.01, size=(300, 6))
    members = [("neighbour", KNeighborsClassifier(1), None)]
    honest = StackingEnsembleClassifier(members, cv=5).fit(X, y, groups)
    leaking = StackingEnsembleClassifier(members, cv=5).fit(X, y)
    truth = y[:, None] == honest.classes_

    def accuracy(stack):
        return (stack.oof_scores_["stack"].argmax(axis=1) == truth.argmax(axis=1)).mean()

    assert accuracy(leaking) > 0.95
    assert accuracy(honest) < 0.65


def test_multilabel_decisions_use_thresholds_of_the_other_folds(many_labels):
    X, y, groups = many_labels
    stack = StackingEnsembleClassifier([("logistic", one_vs_rest(), None)], cv=3)
    stack.fit(X, y, groups)
    assert stack.classes_.tolist() == [0, 1, 2, 3]
    assert stack.thresholds_["stack"].shape == (4,)
    expected = (stack.predict_proba(X) >= stack.thresholds_["stack"]).astype(int)
    np.testing.assert_array_equal(stack.predict(X), expected)
    assert not np.array_equal(stack.oof_decisions_["stack"], stack.oof_decisions_["chance"])


def test_two_labels_keep_both_columns(many_labels):
    X, y, groups = many_labels
    stack = StackingEnsembleClassifier([("logistic", one_vs_rest(), None)], cv=3)
    assert stack.fit(X, y[:, :2], groups).predict_proba(X).shape == (300, 2)
    assert (stack.oof_scores_["logistic"].std(axis=0) > 0.05).all()


def test_unknown_labels_take_no_part(many_labels):
    X, y, groups = many_labels
    members = [("svm", OneVsRestSVMClassifier(random_state=0), None)]
    masked = y.copy()
    masked[:150, 0] = -1
    folds = make_folds(y, groups, n_folds=3)
    stack = StackingEnsembleClassifier(members, cv=folds).fit(X, masked, groups)
    flipped = StackingEnsembleClassifier(members, cv=folds).fit(X, masked, groups)
    np.testing.assert_array_equal(stack.predict_proba(X), flipped.predict_proba(X))
    assert stack.priors_[0] == pytest.approx(y[150:, 0].mean())


def test_a_label_that_is_always_absent_gets_a_constant(many_labels):
    X, y, groups = many_labels
    y = y.copy()
    y[:, 1] = 0
    with pytest.warns(UserWarning, match="Label not 1 is present"):
        stack = StackingEnsembleClassifier([("logistic", one_vs_rest(), None)], cv=3).fit(
            X, y, groups
        )
    np.testing.assert_array_equal(stack.predict_proba(X)[:, 1], 0.0)


def test_a_class_in_one_group_only_still_has_a_column(three_classes):
    X, y, groups = three_classes
    y = y.copy()
    y[:4] = "viola"
    stack = StackingEnsembleClassifier(small_members(), cv=3).fit(X, y, groups)
    assert stack.oof_scores_["logistic"].shape == (240, 4)
    np.testing.assert_array_equal(stack.oof_scores_["logistic"][:4, 3], 0.0)


def test_a_member_that_keeps_folds_answers_with_the_mean_of_their_logits(three_classes):
    X, y, groups = three_classes
    stack = StackingEnsembleClassifier([("net", LogitMember(), None)], cv=3).fit(X, y, groups)
    models = stack.named_estimators_["net"]
    assert len(models) == 3
    mean = np.mean([model.decision_function(X) for model in models], axis=0)
    expected = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(stack.score_models(X)["net"], expected)


def test_members_see_their_columns_alone(three_classes):
    X, y, groups = three_classes
    frame = pd.DataFrame(X, columns=[f"f{i}" for i in range(8)]).assign(clip=[object()] * 240)
    members = [("tree", DecisionTreeClassifier(random_state=0), ["f0", "f1"])]
    stack = StackingEnsembleClassifier(members, cv=3).fit(frame, y, groups)
    changed = frame.assign(f2=0.0)
    np.testing.assert_array_equal(stack.predict_proba(frame), stack.predict_proba(changed))


def test_missing_columns_are_named(three_classes):
    X, y, groups = three_classes
    stack = StackingEnsembleClassifier([("a", GaussianNB(), ["nope"])], cv=3)
    with pytest.raises(ValueError, match=r"X lacks 1 columns, such as \['nope'\]"):
        stack.fit(pd.DataFrame(X), y, groups)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "at least one is needed"),
        ([("a", GaussianNB()), ("a", GaussianNB())], "'a' is given twice"),
        ([("stack", GaussianNB())], "'stack' is reserved"),
        ([("a", StandardScaler())], "'a' has no predict_proba"),
    ],
    ids=["none", "twice", "reserved", "no-probabilities"],
)
def test_wrong_members_are_refused(three_classes, members, message):
    X, y, _ = three_classes
    with pytest.raises(ValueError, match=message):
        StackingEnsembleClassifier(members).fit(X, y)


def test_the_numbers_do_not_depend_on_the_number_of_jobs(three_classes):
    X, y, groups = three_classes
    fitted = [
        StackingEnsembleClassifier(small_members(), cv=3, n_jobs=jobs).fit(X, y, groups)
        for jobs in (1, 2)
    ]
    for name in fitted[0].oof_scores_:
        np.testing.assert_array_equal(fitted[0].oof_scores_[name], fitted[1].oof_scores_[name])
    np.testing.assert_array_equal(fitted[0].predict_proba(X), fitted[1].predict_proba(X))


def test_calibration_moves_scores_of_validation_rows_to_their_frequencies(many_labels):
    X, y, groups = many_labels
    stack = StackingEnsembleClassifier([("logistic", one_vs_rest(), None)], cv=3)
    stack.fit(X[:200], y[:200], groups[:200])
    rare = y[200:] * (np.arange(100) % 2 == 0)[:, None]
    before = stack.predict_proba(X[200:]).mean(axis=0)
    after = stack.calibrate(X[200:], rare).predict_proba(X[200:]).mean(axis=0)
    np.testing.assert_allclose(after, rare.mean(axis=0), atol=0.03)
    assert (np.abs(before - rare.mean(axis=0)) > 0.1).any()


def test_windows_of_a_parent_share_one_score(three_classes):
    X, y, groups = three_classes
    y = y[groups * 4]
    stack = StackingEnsembleClassifier(small_members(), cv=3)
    stack.fit(X, y, groups=groups, parents=groups)
    for scores in (stack.oof_scores_["stack"], stack.score_models(X, groups)["stack"]):
        spread = pd.DataFrame(scores).groupby(groups).agg(np.ptp)
        assert spread.to_numpy().max() == 0.0


def test_a_clone_is_unfitted_and_equal(three_classes):
    X, y, groups = three_classes
    stack = StackingEnsembleClassifier(small_members(), cv=3).fit(X, y, groups)
    copy = clone(stack)
    assert not hasattr(copy, "classes_")
    np.testing.assert_array_equal(copy.fit(X, y, groups).predict_proba(X), stack.predict_proba(X))


def test_an_error_says_which_member_it_came_from(three_classes):
    X, y, _ = three_classes
    with pytest.raises(ValueError, match="n_neighbors") as caught:
        StackingEnsembleClassifier([("far", KNeighborsClassifier(1000), None)], cv=3).fit(X, y)
    assert "while fitting member 'far'" in caught.value.__notes__
