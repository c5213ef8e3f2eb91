"""Boosters share one quantised matrix, keep groups whole and survive without pickle."""

import json

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classical.block_boosting import check_device
from classical.boosting import OneVsRestXGBClassifier


@pytest.fixture
def three_classes():
    X, y = make_classification(
        n_samples=150, n_features=12, n_informative=5, n_classes=3, random_state=0
    )
    return X, np.array(["cello", "flute", "gong"])[y]


@pytest.fixture
def indicator(rng):
    # Whole numbers: fewer values than bins, so quantiles are the values themselves.
    X = rng.integers(0, 20, size=(120, 6)).astype(float)
    return X, (X[:, :2] > 12).astype(np.int8)


@pytest.fixture
def classifier():
    return OneVsRestXGBClassifier(n_estimators=10, random_state=0)


def test_single_label_probabilities_sum_to_one_and_decide(classifier, three_classes):
    X, y = three_classes
    classifier.fit(X, y)
    probabilities = classifier.predict_proba(X)
    assert classifier.classes_.tolist() == ["cello", "flute", "gong"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(
        classifier.predict(X), classifier.classes_[probabilities.argmax(axis=1)]
    )
    assert classifier.score(X, y) > 0.9


def test_boosters_agree_with_xgboosts_own_classifier(three_classes):
    from xgboost import XGBClassifier

    X, y = three_classes
    settings = {"n_estimators": 10, "max_depth": 3, "learning_rate": 0.2, "max_bin": 64}
    ours = OneVsRestXGBClassifier(
        **settings, subsample=1.0, colsample_bytree=1.0, class_weight=None
    ).fit(X, y)
    X = X.astype(np.float32)
    theirs = XGBClassifier(**settings, tree_method="hist", n_jobs=1).fit(X, y == "gong")
    margins = ours.boosters_[2].inplace_predict(X, predict_type="margin")
    np.testing.assert_allclose(margins, theirs.predict(X, output_margin=True), atol=1e-6)


def test_two_classes_take_one_booster_and_give_two_columns(classifier, three_classes):
    X, y = three_classes
    classifier.fit(X, y == "gong")
    assert len(classifier.boosters_) == 1
    probabilities = classifier.predict_proba(X)
    assert probabilities.shape == (150, 2)
    np.testing.assert_array_equal(classifier.predict(X), probabilities[:, 1] > 0.5)


def test_two_labels_keep_both_columns(classifier, indicator):
    X, y = indicator
    probabilities = classifier.set_params(colsample_bytree=1.0).fit(X, y).predict_proba(X)
    assert probabilities.shape == (120, 2)
    np.testing.assert_array_equal(classifier.predict(X), probabilities > 0.5)
    assert (classifier.predict(X) == y).mean() > 0.95


def test_a_masked_label_is_trained_on_its_known_rows_only(rng, indicator):
    X, y = indicator
    known = rng.random(len(y)) > 0.3
    y[~known, 0] = -1
    classifier = OneVsRestXGBClassifier(n_estimators=10, subsample=1.0, colsample_bytree=1.0)
    masked = clone(classifier).fit(X, y).predict_proba(X)[:, 0]
    dropped = clone(classifier).fit(X[known], y[known, :1]).predict_proba(X)[:, 0]
    np.testing.assert_allclose(masked, dropped, atol=1e-5)


def test_what_stands_in_an_unknown_row_does_not_matter(rng, classifier, indicator):
    X, y = indicator
    y[:40, 0] = -1
    before = clone(classifier).fit(X, y).predict_proba(X[40:])[:, 0]
    y[:40, 1] = 1 - y[:40, 1]
    after = clone(classifier).fit(X, y).predict_proba(X[40:])[:, 0]
    np.testing.assert_array_equal(before, after)


def test_an_absent_label_is_a_constant_with_a_warning(classifier, indicator):
    X, y = indicator
    y[:, 1] = 0
    with pytest.warns(UserWarning, match="class 1 is absent from all of the 120 rows"):
        classifier.fit(X, y)
    assert classifier.boosters_[1] is None
    np.testing.assert_allclose(classifier.predict_proba(X)[:, 1], 1 / 122)


def test_a_class_of_one_clip_can_be_fitted(classifier, three_classes):
    X, y = three_classes
    y = y.astype("<U8")
    y[0] = "triangle"
    probabilities = classifier.set_params(early_stopping_rounds=2).fit(X, y).predict_proba(X)
    assert probabilities.shape == (150, 4)
    assert np.isfinite(probabilities).all()


def test_missing_features_are_allowed(rng, classifier, three_classes):
    X, y = three_classes
    X[rng.random(X.shape) < 0.2] = np.nan
    assert classifier.fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize("early_stopping_rounds", [None, 2])
def test_the_number_of_jobs_changes_no_number(three_classes, early_stopping_rounds):
    X, y = three_classes
    one, two, five = (
        OneVsRestXGBClassifier(
            n_estimators=10,
            random_state=0,
            n_jobs=n_jobs,
            early_stopping_rounds=early_stopping_rounds,
        )
        .fit(X, y)
        .predict_proba(X)
        for n_jobs in (1, 2, 5)
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, five)


def test_the_seed_decides_everything(three_classes):
    X, y = three_classes
    first, again, other = (
        OneVsRestXGBClassifier(n_estimators=5, random_state=seed).fit(X, y).predict_proba(X)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_a_row_alone_is_the_row_in_a_batch(classifier, three_classes):
    X, y = three_classes
    classifier.fit(X, y)
    alone = np.vstack([classifier.predict_proba(row[None]) for row in X])
    np.testing.assert_allclose(alone, classifier.predict_proba(X), rtol=0, atol=1e-12)


def test_early_stopping_keeps_the_best_trees_only(rng):
    X = rng.normal(size=(200, 5))
    y = rng.integers(0, 2, 200)
    stopped = OneVsRestXGBClassifier(early_stopping_rounds=5, random_state=0).fit(X, y)
    assert stopped.boosters_[0].num_boosted_rounds() < stopped.n_estimators / 2


def test_early_stopping_keeps_groups_whole(rng):
    # Labels are noise, but each row comes four times. Unless copies stay together, validation
    # rows look learnable and boosting goes on.
    X = np.repeat(rng.normal(size=(60, 20)), 4, axis=0)
    y = np.repeat(rng.integers(0, 2, 60), 4)
    classifier = OneVsRestXGBClassifier(n_estimators=60, early_stopping_rounds=5, random_state=0)
    leaking = clone(classifier).fit(X, y)
    grouped = clone(classifier).fit(X, y, groups=np.repeat(np.arange(60), 4))
    assert leaking.boosters_[0].num_boosted_rounds() == 60
    assert grouped.boosters_[0].num_boosted_rounds() < 30


def test_without_enough_groups_all_trees_are_grown(three_classes):
    X, y = three_classes
    classifier = OneVsRestXGBClassifier(n_estimators=12, early_stopping_rounds=1)
    classifier.fit(X, y, groups=np.zeros(150))
    assert [booster.num_boosted_rounds() for booster in classifier.boosters_] == [12] * 3


def test_groups_are_routed_through_pipeline_and_cross_validation(three_classes):
    X, y = three_classes
    groups = np.arange(150) // 3
    pipeline = make_pipeline(
        StandardScaler(),
        OneVsRestXGBClassifier(n_estimators=10, early_stopping_rounds=2, random_state=0),
    )
    folds = GroupKFold(3)
    by_hand = []
    for train, test in folds.split(X, y, groups):
        fitted = clone(pipeline).fit(
            X[train], y[train], onevsrestxgbclassifier__groups=groups[train]
        )
        by_hand.append(fitted.score(X[test], y[test]))
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_val_score(pipeline, X, y, cv=folds, params={"groups": groups})
    np.testing.assert_array_equal(routed, by_hand)


@pytest.mark.parametrize(
    "make_labels",
    [
        pytest.param(lambda y: y, id="texts"),
        pytest.param(lambda y: y == "gong", id="booleans"),
        pytest.param(lambda y: np.unique(y, return_inverse=True)[1] * 10, id="integers"),
        pytest.param(lambda y: (y[:, None] == np.unique(y)[:2]).astype(int), id="indicator"),
    ],
)
def test_a_saved_classifier_predicts_the_same(tmp_path, classifier, three_classes, make_labels):
    X, y = three_classes
    classifier.set_params(class_weight={"gong": 2.0}).fit(X, make_labels(y))
    classifier.save_model(tmp_path / "xgb")
    loaded = OneVsRestXGBClassifier.load_model(tmp_path / "xgb")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), classifier.predict(X))
    assert loaded.classes_.dtype == classifier.classes_.dtype
    assert loaded.get_params() == classifier.get_params()


def test_names_and_constants_survive_saving(tmp_path, classifier, indicator):
    X, y = indicator
    frame = pd.DataFrame(X, columns=[f"mfcc_{i:02d}_mean" for i in range(6)])
    y[:, 0] = 1
    with pytest.warns(UserWarning, match="class 0 is present in all"):
        classifier.fit(frame, y)
    classifier.save_model(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["booster_001.ubj", "card.json"]
    loaded = OneVsRestXGBClassifier.load_model(tmp_path)
    assert loaded.feature_names_in_.tolist() == frame.columns.tolist()
    np.testing.assert_array_equal(loaded.predict_proba(frame), classifier.predict_proba(frame))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict_proba(frame.rename(columns={"mfcc_00_mean": "other"}))


def test_a_loaded_classifier_can_be_saved_and_refitted(tmp_path, classifier, three_classes):
    X, y = three_classes
    classifier.fit(X, y).save_model(tmp_path / "one")
    OneVsRestXGBClassifier.load_model(tmp_path / "one").save_model(tmp_path / "two")
    loaded = OneVsRestXGBClassifier.load_model(tmp_path / "two")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(clone(loaded).fit(X, y).predict(X), classifier.predict(X))


def test_a_card_of_another_schema_is_refused(tmp_path, classifier, three_classes):
    classifier.fit(*three_classes).save_model(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps({**card, "schema_version": 99}))
    with pytest.raises(ValueError, match=r"schema version 2 or earlier, got .* of version 99"):
        OneVsRestXGBClassifier.load_model(tmp_path)


def test_a_card_without_sigmoids_is_that_of_an_earlier_version(tmp_path, classifier, three_classes):
    X, y = three_classes
    classifier.set_params(class_weight=None).fit(X, y).save_model(tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    old = {name: value for name, value in card.items() if "sigmoid" not in name}
    del old["cross_fitted"], old["params"]["n_splits"]
    (tmp_path / "card.json").write_text(json.dumps({**old, "schema_version": 1}))
    loaded = OneVsRestXGBClassifier.load_model(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))


def test_a_missing_booster_is_named(tmp_path, classifier, three_classes):
    classifier.fit(*three_classes).save_model(tmp_path)
    (tmp_path / "booster_001.ubj").unlink()
    with pytest.raises(FileNotFoundError, match="machine 1 is missing"):
        OneVsRestXGBClassifier.load_model(tmp_path)


def test_parameters_that_are_no_json_are_refused(tmp_path, classifier, three_classes):
    classifier.set_params(random_state=np.random.RandomState(0)).fit(*three_classes)
    with pytest.raises(ValueError, match="plain numbers, texts or None"):
        classifier.save_model(tmp_path / "xgb")
    assert not (tmp_path / "xgb").exists()


def test_saving_needs_a_fit(tmp_path, classifier):
    with pytest.raises(NotFittedError):
        classifier.save_model(tmp_path)


def test_workers_in_other_processes_get_the_same_numbers(classifier, three_classes):
    X, y = three_classes
    classifier.fit(X, y)
    (probabilities,) = joblib.Parallel(n_jobs=2, backend="loky")(
        [joblib.delayed(classifier.predict_proba)(X)]
    )
    np.testing.assert_array_equal(probabilities, classifier.predict_proba(X))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_estimators": 0}, ValueError, "n_estimators == 0"),
        ({"n_estimators": 1.5}, TypeError, "n_estimators must be"),
        ({"max_bin": 1}, ValueError, "max_bin == 1"),
        ({"subsample": 0.0}, ValueError, "subsample == 0.0"),
        ({"colsample_bytree": 1.1}, ValueError, "colsample_bytree == 1.1"),
        ({"reg_lambda": -1}, ValueError, "reg_lambda == -1"),
        ({"early_stopping_rounds": 0}, ValueError, "early_stopping_rounds == 0"),
        ({"n_splits": 1}, ValueError, "n_splits == 1"),
        ({"device": "gpu"}, ValueError, "device must be 'cpu', 'cuda' or 'cuda:1', got 'gpu'"),
        (
            {"early_stopping_rounds": 5, "validation_fraction": 0.9},
            ValueError,
            "validation_fraction == 0.9",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_parameter_out_of_range_is_refused(three_classes, params, error, message):
    with pytest.raises(error, match=message):
        OneVsRestXGBClassifier(**params).fit(*three_classes)


def cuda_is_there():
    try:
        check_device("cuda")
    except ValueError:
        return False
    return True


@pytest.mark.skipif(cuda_is_there(), reason="there is a CUDA device")
def test_a_cuda_device_that_is_not_there_is_named(three_classes):
    with pytest.raises(ValueError, match=r"got 'cuda:0': none is visible to xgboost; use .*'cpu'"):
        OneVsRestXGBClassifier(device="cuda:0").fit(*three_classes)


@pytest.mark.gpu
def test_cuda_gives_about_the_same_probabilities(three_classes):
    X, y = three_classes
    cpu, cuda = (
        OneVsRestXGBClassifier(subsample=1.0, device=device, random_state=0).fit(X, y)
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(cpu.predict_proba(X), cuda.predict_proba(X), atol=0.02)


def test_sigmoids_over_inner_folds_are_honest_about_noise(rng):
    # Copies of rows with random labels: what a booster says of them is sure and worth nothing.
    X = np.repeat(rng.normal(size=(60, 20)), 3, axis=0)
    y, groups = np.repeat(rng.integers(0, 2, 60), 3), np.repeat(np.arange(60), 3)
    sure = OneVsRestXGBClassifier(50, random_state=0).fit(X, y, groups=groups)
    honest = OneVsRestXGBClassifier(50, n_splits=3, random_state=0).fit(X, y, groups=groups)
    assert not sure.cross_fitted_.any()
    assert honest.cross_fitted_.all()
    assert np.abs(sure.predict_proba(X)[:, 1] - y).max() < 0.5
    assert np.abs(honest.predict_proba(X)[:, 1] - 0.5).max() < 0.35


def test_rows_of_weight_zero_are_left_out(three_classes):
    X, y = three_classes
    weight = np.arange(len(y)) % 4 > 0
    weighted = OneVsRestXGBClassifier(10, random_state=0).fit(X, y, sample_weight=weight)
    dropped = OneVsRestXGBClassifier(10, random_state=0).fit(X[weight], y[weight])
    np.testing.assert_array_equal(weighted.predict_proba(X), dropped.predict_proba(X))
