"""Scikit-learn's own searches work on every estimator, with groups."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, RandomizedSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from classical.boosting import OneVsRestXGBClassifier
from classical.svm import OneVsRestSVMClassifier
from ensemble.stacking import StackingEnsembleClassifier
from features.folds import GroupedStratifiedKFold

CLASSIFIERS = {
    "svm": (OneVsRestSVMClassifier(random_state=0), "model__C", [0.1, 10.0]),
    "xgb": (
        OneVsRestXGBClassifier(30, colsample_bytree=1.0, random_state=0),
        "model__max_depth",
        [1, 3],
    ),
}


@pytest.fixture
def data(rng):
    """Sixty rows of three classes, two rows a group."""
    y = np.repeat(rng.permutation(["a", "b", "c"] * 10), 2)
    X = rng.normal(size=(60, 4)) + 2 * np.equal.outer(y, ["a", "b", "c", ""])
    return X, y, np.arange(60) // 2


def pipeline(classifier):
    return Pipeline([("scale", StandardScaler()), ("model", classifier)])


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("routing", [False, True], ids=["plain", "routed"])
def test_a_grid_search_finds_settings_of_a_pipeline(data, name, routing):
    X, y, groups = data
    classifier, parameter, values = CLASSIFIERS[name]
    search = GridSearchCV(
        pipeline(classifier), {parameter: values}, cv=GroupKFold(3), scoring="f1_macro"
    )
    with config_context(enable_metadata_routing=routing):
        search.fit(X, y, groups=groups)
    assert search.best_params_[parameter] in values
    assert search.best_score_ > 0.5
    assert search.predict(X).shape == y.shape


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_grid_search_takes_labels_that_do_not_exclude_each_other(data, name):
    X, y, groups = data
    truth = np.column_stack([y == "a", y != "c"]).astype(int)
    classifier, parameter, values = CLASSIFIERS[name]
    search = GridSearchCV(
        pipeline(classifier), {parameter: values}, cv=GroupedStratifiedKFold(3), scoring="f1_macro"
    )
    search.fit(X, truth, groups=groups)
    assert search.best_score_ > 0.5


def test_a_random_search_draws_from_distributions(data):
    X, y, groups = data
    search = RandomizedSearchCV(
        pipeline(OneVsRestSVMClassifier()), {"model__C": loguniform(0.1, 100)}, n_iter=2,
        cv=GroupedStratifiedKFold(3), scoring="neg_log_loss", random_state=0,
    )  # fmt: skip
    search.fit(X, y, groups=groups)
    assert 0.1 <= search.best_params_["model__C"] <= 100


def stack():
    return StackingEnsembleClassifier(
        [("linear", LogisticRegression(), None), ("bayes", GaussianNB(), [0, 1])], cv=3
    )


@pytest.mark.parametrize("routing", [False, True], ids=["plain", "routed"])
def test_a_grid_search_over_the_stack_passes_groups_down(data, routing):
    X, y, groups = data
    grid = {"final_estimator": [LogisticRegression(C=c) for c in (0.1, 10.0)], "cv": [2, 3]}
    search = GridSearchCV(stack(), grid, cv=GroupKFold(3), scoring="accuracy")
    with config_context(enable_metadata_routing=routing):
        search.fit(X, y, groups=groups)
    assert search.best_score_ > 0.5
    folds = search.best_estimator_.folds_
    whole = all(len(set(folds[groups == group])) == 1 for group in set(groups))
    # Without routing scikit-learn keeps groups to itself, and no estimator can know them.
    assert whole or not routing


def test_a_random_search_over_the_stack_scores_as_cross_validation_does(data):
    X, y, groups = data
    finals = [LogisticRegression(C=c) for c in (0.01, 1.0)]
    search = RandomizedSearchCV(
        stack(), {"final_estimator": finals}, n_iter=2, cv=GroupKFold(3), random_state=0,
        scoring="accuracy",
    ).fit(X, y, groups=groups)  # fmt: skip
    by_hand = [
        np.mean(stack().set_params(**search.best_params_).fit(X[train], y[train]).predict(X[test])
                == y[test])
        for train, test in GroupKFold(3).split(X, y, groups)
    ]  # fmt: skip
    assert search.best_score_ == pytest.approx(np.mean(by_hand))
