"""Trees score the groups they left out, and survive as arrays."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.tree import ExtraTreeClassifier

from classical.extra_trees import OneVsRestExtraTreesClassifier
from classical.tree_arrays import join_trees, read_tree


@pytest.fixture
def three_classes():
    X, y = make_classification(
        n_samples=150, n_features=12, n_informative=5, n_classes=3, random_state=0
    )
    return X, np.array(["cello", "flute", "gong"])[y]


@pytest.fixture
def classifier():
    return OneVsRestExtraTreesClassifier(20, random_state=0)


def test_arrays_say_what_scikit_learns_trees_say(three_classes):
    X, y = three_classes
    X = X.astype(np.float32)
    fitted = [ExtraTreeClassifier(random_state=seed).fit(X, y == "gong") for seed in range(3)]
    nodes, roots = join_trees([read_tree(tree) for tree in fitted])
    new = X + np.random.default_rng(0).normal(size=X.shape).astype(np.float32)
    expected = np.mean([tree.predict_proba(new)[:, 1] for tree in fitted], axis=0)
    np.testing.assert_allclose(nodes.score(new, roots), expected, atol=1e-6)


def test_single_label_probabilities_sum_to_one_and_decide(classifier, three_classes):
    X, y = three_classes
    probabilities = classifier.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(
        classifier.predict(X), classifier.classes_[probabilities.argmax(axis=1)]
    )
    assert classifier.score(X, y) > 0.9


def test_groups_keep_copies_from_leaking_into_the_sigmoids(rng, classifier):
    X = np.repeat(rng.normal(size=(60, 20)), 3, axis=0)
    y, groups = np.repeat(rng.integers(0, 2, 60), 3), np.repeat(np.arange(60), 3)
    leaking = clone(classifier).fit(X, y).predict_proba(X)[:, 1]
    grouped = clone(classifier).fit(X, y, groups=groups).predict_proba(X)[:, 1]
    assert np.abs(leaking - y).max() < 0.3
    assert np.abs(grouped - 0.5).max() < 0.35


def test_a_class_in_a_single_group_has_no_honest_scores(classifier, three_classes):
    X, y = three_classes
    classifier.fit(X, y, groups=np.where(y == "gong", 0, 1 + np.arange(150) // 3))
    assert classifier.cross_fitted_.tolist() == [True, True, False]


def test_an_absent_label_is_a_constant_with_a_warning(classifier, three_classes):
    X, _ = three_classes
    y = np.column_stack([X[:, 0] > 0, np.zeros(150)]).astype(int)
    with pytest.warns(UserWarning, match="class 1 is absent from all of the 150 rows"):
        classifier.fit(X, y)
    assert (classifier.roots_[1] == -1).all()
    np.testing.assert_allclose(classifier.predict_proba(X)[:, 1], 1 / 152)


def test_the_number_of_jobs_changes_no_number(three_classes):
    X, y = three_classes
    one, two = (
        OneVsRestExtraTreesClassifier(10, random_state=0, n_jobs=n_jobs).fit(X, y).predict_proba(X)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_the_seed_decides_everything(three_classes):
    X, y = three_classes
    first, again, other = (
        OneVsRestExtraTreesClassifier(5, random_state=seed).fit(X, y).predict_proba(X)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_a_row_alone_is_the_row_in_a_batch(classifier, three_classes):
    X, y = three_classes
    classifier.fit(X, y)
    alone = np.vstack([classifier.predict_proba(row[None]) for row in X])
    np.testing.assert_array_equal(alone, classifier.predict_proba(X))


@pytest.mark.parametrize(
    "make_labels",
    [
        pytest.param(lambda y: y, id="texts"),
        pytest.param(lambda y: y == "gong", id="booleans"),
        pytest.param(lambda y: (y[:, None] == np.unique(y)[:2]).astype(int), id="indicator"),
    ],
)
def test_a_saved_classifier_predicts_the_same(tmp_path, classifier, three_classes, make_labels):
    X, y = three_classes
    classifier.set_params(class_weight={"gong": 2.0}).fit(X, make_labels(y))
    classifier.save_model(tmp_path / "trees")
    loaded = OneVsRestExtraTreesClassifier.load_model(tmp_path / "trees")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))
    assert loaded.get_params() == classifier.get_params()
    assert sorted(path.name for path in (tmp_path / "trees").iterdir()) == [
        "card.json",
        "trees.npz",
    ]


def test_names_and_constants_survive_saving(tmp_path, classifier, three_classes):
    X, _ = three_classes
    frame = pd.DataFrame(X, columns=[f"mfcc_{i:02d}_mean" for i in range(12)])
    with pytest.warns(UserWarning, match="class gong is present in all"):
        classifier.fit(frame, ["gong"] * 150)
    classifier.save_model(tmp_path)
    loaded = OneVsRestExtraTreesClassifier.load_model(tmp_path)
    assert loaded.feature_names_in_.tolist() == frame.columns.tolist()
    assert set(loaded.predict(frame)) == {"gong"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda arrays: arrays["node_left_"].__setitem__(0, 10**6), id="nowhere"),
        pytest.param(lambda arrays: arrays["node_right_"].__setitem__(5, 2), id="a circle"),
        pytest.param(lambda arrays: arrays["node_feature_"].__setitem__(0, 12), id="no feature"),
        pytest.param(lambda arrays: arrays["roots_"].__setitem__((0, 0), -5), id="no root"),
        pytest.param(
            lambda arrays: arrays.update(node_value_=arrays["node_value_"][:-1]), id="too short"
        ),
    ],
)
def test_damaged_trees_are_refused(tmp_path, classifier, three_classes, damage):
    classifier.fit(*three_classes).save_model(tmp_path)
    with np.load(tmp_path / "trees.npz") as stored:
        arrays = dict(stored)
    damage(arrays)
    np.savez(tmp_path / "trees.npz", **arrays)
    with pytest.raises(ValueError, match="are damaged"):
        OneVsRestExtraTreesClassifier.load_model(tmp_path)


def test_a_card_of_another_model_is_refused(tmp_path, classifier, three_classes):
    classifier.fit(*three_classes).save_model(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps({**card, "model": "Other"}))
    with pytest.raises(ValueError, match=r"describe a OneVsRestExtraTreesClassifier .* got Other"):
        OneVsRestExtraTreesClassifier.load_model(tmp_path)


def test_saving_needs_a_fit(tmp_path, classifier):
    with pytest.raises(NotFittedError):
        classifier.save_model(tmp_path)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_estimators": 0}, ValueError, "n_estimators == 0"),
        ({"max_features": "log2"}, ValueError, "got 'log2'"),
        ({"max_features": 0.0}, ValueError, "max_features == 0.0"),
        ({"max_samples": 1.1}, ValueError, "max_samples == 1.1"),
        ({"min_samples_leaf": 0}, ValueError, "min_samples_leaf == 0"),
    ],
    ids=str,
)
def test_a_parameter_out_of_range_is_refused(three_classes, params, error, message):
    with pytest.raises(error, match=message):
        OneVsRestExtraTreesClassifier(**params).fit(*three_classes)
