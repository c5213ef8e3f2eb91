"""Scikit-learn's own searches work on every classifier, in a pipeline, with groups routed."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, GroupKFold, HalvingGridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from classical import (
    OneVsRestExtraTreesClassifier,
    OneVsRestLogisticClassifier,
    OneVsRestSVMClassifier,
    OneVsRestXGBClassifier,
)

CASES = [
    pytest.param(OneVsRestSVMClassifier(random_state=0), {"C": [0.1, 10.0]}, id="svm"),
    pytest.param(
        OneVsRestSVMClassifier(max_exact_rows=1, n_components=20, random_state=0),
        {"C": [0.1, 10.0]},
        id="approximate svm",
    ),
    pytest.param(
        OneVsRestXGBClassifier(5, early_stopping_rounds=2, random_state=0),
        {"max_depth": [1, 3]},
        id="xgb",
    ),
    pytest.param(OneVsRestLogisticClassifier(random_state=0), {"C": [0.01, 1.0]}, id="logistic"),
    pytest.param(
        OneVsRestExtraTreesClassifier(5, random_state=0), {"min_samples_leaf": [1, 5]}, id="trees"
    ),
]


@pytest.fixture
def grouped(rng):
    """Rows of three classes in 30 groups of four near copies."""
    centres = rng.normal(size=(30, 6))
    y = np.repeat(rng.permutation(30) % 3, 4)
    X = np.repeat(centres, 4, axis=0) + 0.1 * rng.normal(size=(120, 6))
    X[:, 0] += y
    return X, np.array(["cello", "flute", "gong"])[y], np.repeat(np.arange(30), 4)


@pytest.mark.parametrize(("classifier", "grid"), CASES)
def test_a_grid_search_keeps_groups_whole_all_the_way_down(grouped, classifier, grid):
    X, y, groups = grouped
    pipeline = Pipeline([("scale", StandardScaler()), ("model", clone(classifier))])
    grid = {f"model__{name}": values for name, values in grid.items()}
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(pipeline, grid, cv=GroupKFold(3), error_score="raise")
        search.fit(X, y, groups=groups)
        by_hand = clone(pipeline).set_params(**search.best_params_).fit(X, y, groups=groups)
    np.testing.assert_array_equal(search.predict_proba(X), by_hand.predict_proba(X))
    scores = []
    for train, test in GroupKFold(3).split(X, y, groups):
        fitted = clone(pipeline).set_params(**search.best_params_)
        fitted.fit(X[train], y[train], model__groups=groups[train])
        scores.append(fitted.score(X[test], y[test]))
    assert search.best_score_ == pytest.approx(np.mean(scores))


@pytest.mark.parametrize(("classifier", "grid"), CASES)
def test_a_halving_search_finishes_with_groups(grouped, classifier, grid):
    X, y, groups = grouped
    with sklearn.config_context(enable_metadata_routing=True):
        search = HalvingGridSearchCV(
            clone(classifier),
            grid,
            cv=GroupKFold(3),
            factor=2,
            min_resources=60,
            error_score="raise",
            random_state=0,
        ).fit(X, y, groups=groups)
    assert set(search.best_params_) == set(grid)
    assert search.score(X, y) > 0.4


@pytest.mark.parametrize(("classifier", "grid"), CASES)
def test_a_multilabel_search_works(grouped, classifier, grid):
    X, y, groups = grouped
    indicator = np.column_stack([y == "cello", y != "gong"]).astype(int)
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            clone(classifier), grid, cv=GroupKFold(3), scoring="f1_macro", error_score="raise"
        ).fit(X, indicator, groups=groups)
    assert search.predict(X).shape == (120, 2)
