"""Calibration inside the stack: out of fold, by group, and the same before and after saving."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin

from classical.extra_trees import OneVsRestExtraTreesClassifier
from classical.logistic import OneVsRestLogisticClassifier
from ensemble.ablation.leaving_out import ablate
from ensemble.bundle import CLIP, load_bundle, save_bundle
from ensemble.calibration import Calibration, learn_calibration
from ensemble.calibration_choice import choose_calibration
from ensemble.calibration_methods import METHODS
from ensemble.cross_calibration import (
    CalibrationSettings,
    cross_calibrate,
    describe_calibration,
)
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.scored_rows import Rows
from ensemble.stacking import StackingEnsembleClassifier
from ensemble.thresholds import fit_thresholds
from features.manifest import make_manifest
from features.named_sets import get_feature_set
from features.table import FeatureTable
from reports import metrics
from reports.page import create_report
from reports.results import write_results

N = 300


class Said(ClassifierMixin, BaseEstimator):
    """A member that says what its columns hold, made surer or less sure."""

    def __init__(self, sure=1.0):
        self.sure = sure

    def fit(self, X, y):
        self.multilabel_ = np.ndim(y) == 2
        self.classes_ = np.arange(np.shape(y)[1]) if self.multilabel_ else np.unique(y)
        return self

    def predict_proba(self, X):
        logits = self.sure * np.asarray(X, dtype=float)
        if self.multilabel_:
            return expit(logits)
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def make_problem(*, multilabel, n_samples=N, seed=0):
    """Logits of three labels, truth drawn by them; three rows a group."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 1.5, (n_samples, 3))
    groups = np.arange(n_samples) // 3
    if multilabel:
        return logits, (rng.random(logits.shape) < expit(logits)).astype(np.int8), groups
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    drawn = (chances.cumsum(axis=1) > rng.random((n_samples, 1))).argmax(axis=1)
    return logits, np.array(["a", "b", "c"])[drawn], groups


def members():
    return [("sure", Said(3.0), None), ("shy", Said(0.4), None)]


def fit(multilabel, calibration, *, rows=slice(None), **settings):
    X, y, groups = make_problem(multilabel=multilabel)
    stack = StackingEnsembleClassifier(
        members(), **({"cv": 4, "calibration": calibration} | settings)
    )
    return stack.fit(X[rows], y[rows], groups[rows])


@pytest.fixture(scope="module", params=[False, True], ids=["single", "multi"])
def chosen(request):
    return request.param, fit(request.param, "choose")


def truth_of(multilabel):
    _, y, _ = make_problem(multilabel=multilabel)
    return y if multilabel else (y[:, None] == np.array(["a", "b", "c"])).astype(np.int8)


def test_nothing_is_calibrated_unless_asked(chosen):
    multilabel, stack = chosen
    plain = fit(multilabel, None)
    assert plain.calibration_ is None
    assert plain.calibration_card_ is None
    assert plain.uncalibrated_scores_ is None
    for name, scores in plain.oof_scores_.items():
        np.testing.assert_array_equal(scores, stack.uncalibrated_scores_[name])
    same = fit(multilabel, "none")
    np.testing.assert_array_equal(same.oof_scores_["stack"], plain.oof_scores_["stack"])


def test_by_hand_with_the_method_given():
    """Sigmoid: fold by fold, the line of the other folds' rows on their uncalibrated scores."""
    X, y, groups = make_problem(multilabel=True)
    stack = fit(True, "sigmoid")
    raw = stack.uncalibrated_scores_["sure"]
    np.testing.assert_allclose(raw, expit(3.0 * X))
    for fold in range(4):
        out = stack.folds_ == fold
        lines = np.array(
            learn_calibration(y[~out], raw[~out], method="sigmoid", multilabel=True).parameters
        )
        expected = expit(logit(np.clip(raw[out], 1e-12, 1 - 1e-12)) * lines[:, 0] + lines[:, 1])
        np.testing.assert_allclose(stack.oof_scores_["sure"][out], expected)
    whole = learn_calibration(y, raw, method="sigmoid", multilabel=True)
    assert stack.calibration_["sure"] == whole
    np.testing.assert_allclose(stack.score_models(X)["sure"], whole.apply(raw))
    cuts = fit_thresholds(y, stack.oof_scores_["sure"], groups=groups)
    np.testing.assert_allclose(stack.thresholds_["sure"], cuts)


def test_what_was_too_sure_is_no_more_and_the_card_says_so(chosen):
    multilabel, stack = chosen
    truth = truth_of(multilabel)
    for name in ("sure", "shy"):
        before = metrics.brier(truth, stack.uncalibrated_scores_[name])
        assert metrics.brier(truth, stack.oof_scores_[name]) < before
    assert stack.calibration_["sure"].method == "temperature"
    assert stack.calibration_["sure"].parameters[0] == pytest.approx(3.0, rel=0.25)
    card = stack.calibration_card_
    assert (card["asked"], card["rows"], card["groups"]) == ("choose", N, 100)
    assert card["method"] == stack.calibration_["stack"].method
    assert card["models"]["sure"] == "temperature"
    assert list(card["methods"]) == list(METHODS)
    for when, scores in (("before", stack.uncalibrated_scores_), ("after", stack.oof_scores_)):
        found = metrics.brier(truth, scores["stack"])
        assert card[when]["brier"]["value"] == pytest.approx(found)
    json.dumps(card, allow_nan=False)


def test_chance_is_never_calibrated(chosen):
    multilabel, stack = chosen
    frequencies = truth_of(multilabel).mean(axis=0)
    assert "chance" not in stack.calibration_
    np.testing.assert_allclose(stack.oof_scores_["chance"], np.tile(frequencies, (N, 1)))
    X, *_ = make_problem(multilabel=multilabel)
    np.testing.assert_allclose(stack.score_models(X)["chance"], np.tile(frequencies, (N, 1)))


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
@pytest.mark.parametrize("method", METHODS)
def test_a_rows_own_label_has_no_say_in_what_is_fitted(multilabel, method):
    """Turn all labels of a fold round: what is said of that fold's rows stays as it is."""
    X, y, groups = make_problem(multilabel=multilabel)
    folds = groups % 4
    rows = Rows(truth_of(multilabel), folds, groups)
    turned = rows._replace(
        truth=np.where((folds == 2)[:, None], np.roll(rows.truth, 1, axis=1), rows.truth)
    )
    settings = CalibrationSettings(method, multilabel)
    scores = {"sure": Said(3.0).fit(X, y).predict_proba(X)}
    first, other = (
        cross_calibrate(scores, given, settings).scores["sure"] for given in (rows, turned)
    )
    np.testing.assert_array_equal(first[folds == 2], other[folds == 2])
    assert (first[folds != 2] != other[folds != 2]).any() or method == "none"


def test_all_folds_are_calibrated_by_the_one_method_that_ships():
    X, y, groups = make_problem(multilabel=True)
    folds = groups % 3
    scores = expit(1.4 * X)
    settings = CalibrationSettings("choose", multilabel=True)
    found = cross_calibrate({"m": scores}, Rows(y, folds, groups), settings)
    choice = choose_calibration(y, scores, groups, multilabel=True, folds=folds)
    assert found.fitted == {"m": choice.calibration}
    for fold in range(3):
        rest = folds != fold
        part = learn_calibration(y[rest], scores[rest], method=choice.method, multilabel=True)
        np.testing.assert_array_equal(found.scores["m"][~rest], part.apply(scores[~rest]))


def test_each_clip_counts_once_however_many_windows_it_has():
    X, y, _ = make_problem(multilabel=True, n_samples=60)
    times = np.arange(60) % 4 + 1
    parents = np.repeat(np.arange(60), times)
    settings = CalibrationSettings("sigmoid", True)
    scores = expit(2.0 * X)
    clips = Rows(y, np.arange(60) % 3)
    windows = Rows(y[parents], parents % 3, None, parents)
    whole = {"stack": scores}
    torn = {"stack": scores[parents]}
    after = cross_calibrate(torn, windows, settings)
    expected = cross_calibrate(whole, clips, settings)
    assert after.fitted == expected.fitted
    np.testing.assert_array_equal(after.scores["stack"], expected.scores["stack"][parents])
    card = describe_calibration(torn, after, windows, settings)
    assert card["rows"] == 60


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
@pytest.mark.parametrize("calibration", ["choose", "isotonic"])
def test_each_fold_is_calibrated_as_if_it_had_never_been_there(multilabel, calibration):
    """The strict score; the reference is a stack fitted on the other folds, asked for this one."""
    X, *_ = make_problem(multilabel=multilabel)
    nested = fit(multilabel, calibration, nested=True)
    for fold in range(4):
        out = nested.folds_ == fold
        alone = fit(multilabel, calibration, rows=~out, cv=nested.folds_[~out])
        scores = alone.score_models(X[out])
        for name in set(scores) - {"chance"}:
            np.testing.assert_allclose(nested.oof_scores_[name][out], scores[name], atol=1e-12)
            decided = alone.decide_models(scores)[name]
            np.testing.assert_array_equal(nested.oof_decisions_[name][out], decided)


def test_what_ships_does_not_depend_on_how_it_is_scored(chosen):
    multilabel, usual = chosen
    nested = fit(multilabel, "choose", nested=True)
    assert nested.calibration_ == usual.calibration_
    X, *_ = make_problem(multilabel=multilabel)
    np.testing.assert_array_equal(nested.predict_proba(X), usual.predict_proba(X))
    np.testing.assert_array_equal(nested.predict(X), usual.predict(X))


@pytest.mark.parametrize("calibration", [None, "choose", "temperature", "none"])
def test_validation_rows_are_calibrated_by_the_same_choice(calibration):
    """None leaves out-of-fold scores alone, but who calls `calibrate` wants a calibration."""
    stack = fit(True, calibration, rows=slice(0, 150))
    X, y, groups = make_problem(multilabel=True)
    rest = slice(150, None)
    stack.calibrate(X[rest], y[rest], groups[rest])
    raw = {name: s for name, s in stack.score_rows(X[rest]).items() if name != "chance"}
    if calibration == "none":
        assert stack.calibration_ is None
        np.testing.assert_array_equal(stack.predict_proba(X), stack.score_rows(X)["stack"])
        return
    for name, scores in raw.items():
        method = stack.calibration_[name].method
        if calibration == "temperature":
            assert method == "temperature"
        expected = learn_calibration(y[rest], scores, method=method, multilabel=True)
        assert stack.calibration_[name] == expected
    assert stack.calibration_card_["rows"] == 150
    assert stack.calibration_["sure"].method == "temperature"


def test_validation_rows_of_one_group_give_thresholds_alone():
    stack = fit(True, "choose", rows=slice(0, 150))
    X, y, _ = make_problem(multilabel=True)
    with pytest.warns(UserWarning, match="150 rows of one group cannot tell whether a calib"):
        stack.calibrate(X[150:], y[150:], np.zeros(150))
    assert stack.calibration_ is None
    np.testing.assert_array_equal(stack.predict_proba(X), stack.score_rows(X)["stack"])


@pytest.mark.parametrize("calibration", ["platt", "Choose", ""])
def test_an_unknown_calibration_is_refused_before_anything_is_fitted(calibration):
    with pytest.raises(ValueError, match=r"calibration must be None or one of 'choose', 'none'"):
        fit(True, calibration)


def test_labels_nobody_knows_take_no_part():
    X, y, groups = make_problem(multilabel=True)
    masked = y.copy()
    masked[::5, 1] = -1
    rows = Rows(masked, groups % 4, groups)
    settings = CalibrationSettings("choose", True)
    other = expit(3 * X)
    other[::5, 1] = 0.123
    fitted = [cross_calibrate({"m": s}, rows, settings).fitted["m"] for s in (expit(3 * X), other)]
    assert fitted[0] == fitted[1]
    assert isinstance(fitted[0], Calibration)


def test_rows_of_single_label_scores_sum_to_one(chosen):
    multilabel, stack = chosen
    if multilabel:
        pytest.skip("labels are independent of each other")
    for scores in stack.oof_scores_.values():
        np.testing.assert_allclose(scores.sum(axis=1), 1.0)


def test_scores_of_one_clip_do_not_depend_on_its_neighbours(chosen):
    multilabel, stack = chosen
    X, *_ = make_problem(multilabel=multilabel)
    alone = np.vstack([stack.predict_proba(X[row : row + 1]) for row in range(5)])
    np.testing.assert_allclose(alone, stack.predict_proba(X)[:5], atol=1e-15)


def table_of(root, *, multilabel, splits=("train",)):
    """A few true features and made-up numbers in which labels show."""
    features = get_feature_set("compact-v1")
    X, y, groups = make_problem(multilabel=multilabel, n_samples=240)
    labels = [";".join(np.array(["a", "b", "c"])[row == 1]) for row in y] if multilabel else y
    clips = {
        "path": [f"{row}.wav" for row in range(240)],
        "labels": labels,
        "group": groups.astype(str),
        "split": np.array(splits)[groups % len(splits)],
    }
    manifest = make_manifest(pd.DataFrame(clips), root)
    index = pd.Index(manifest.clips["clip_id"], name="clip_id")
    values = pd.DataFrame(0.0, index=index, columns=features.feature_names, dtype=np.float32)
    values.iloc[:, :3] = X.astype(np.float32)
    failures = pd.DataFrame(columns=["clip_id", "path", "reason"])
    card = {"silent": [], "feature_set": features.card()}
    return FeatureTable(values, manifest, failures, card)


def fit_bundle_on(table, **settings):
    names = list(table.values.columns[:3])
    linear = OneVsRestLogisticClassifier(C=10.0, random_state=0)
    trees = OneVsRestExtraTreesClassifier(n_estimators=10, random_state=0)
    made = [Member("linear", linear, names), Member("trees", trees, names)]
    return fit_bundle(table, members=made, folds=4, audit=False, **settings)


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
@pytest.mark.parametrize("calibration", ["choose", *METHODS])
def test_a_bundle_says_what_its_stack_said(multilabel, calibration, tmp_path):
    """Every kind of calibration, before and after saving; no pickle, no file of its own."""
    table = table_of(tmp_path, multilabel=multilabel)
    bundle = fit_bundle_on(table, calibration=calibration)
    save_bundle(bundle, tmp_path / "bundle")
    opened = load_bundle(tmp_path / "bundle", with_results=True)
    assert opened.stack.calibration == calibration
    assert opened.stack.calibration_ == bundle.stack.calibration_
    X = table.values.assign(**{CLIP: table.rows().audio_clips()})
    for name, scores in bundle.stack.score_models(X).items():
        np.testing.assert_allclose(opened.stack.score_models(X)[name], scores, atol=1e-12)
    np.testing.assert_array_equal(opened.stack.predict(X), bundle.stack.predict(X))
    card = opened.results.card.get("calibration")
    if calibration == "none":
        assert card is None
    else:
        assert card == json.loads(json.dumps(bundle.stack.calibration_card_))
        kinds = {each.method for each in bundle.stack.calibration_.values()}
        assert calibration == "choose" or kinds == {calibration}


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
def test_an_ablation_starts_from_uncalibrated_scores_and_calibrates_likewise(multilabel, tmp_path):
    bundle = fit_bundle_on(table_of(tmp_path, multilabel=multilabel), calibration="sigmoid")
    found = ablate(bundle.results, metrics=["brier"], n_boot=5)
    assert found["reproduced"]
    own = bundle.results.card["calibration"]["after"]["brier"]["value"]
    assert found["stack"]["brier"]["value"] == pytest.approx(own, abs=1e-4)
    kept = bundle.results.scores.query("stage == 'uncalibrated'")
    assert list(kept["model"].unique()) == ["stack", "linear", "trees"]


def test_test_rows_are_scored_by_what_validation_rows_taught(tmp_path):
    table = table_of(tmp_path, multilabel=True, splits=("train", "train", "validation", "test"))
    bundle = fit_bundle_on(table)
    card = bundle.results.card
    assert (card["calibrated_on"], card["calibration"]["rows"]) == ("validation", 60)
    X = table.values.assign(**{CLIP: table.rows().audio_clips()})
    test = (table.manifest.clips["split"] == "test").to_numpy()
    raw = bundle.stack.score_rows(X[test])["trees"]
    expected = bundle.stack.calibration_["trees"].apply(raw)
    found = bundle.results.scores.query("stage == 'test' and model == 'trees'")
    np.testing.assert_allclose(found[["a", "b", "c"]].to_numpy(), expected, atol=1e-6)


def test_the_page_shows_what_the_calibration_changed(tmp_path):
    bundle = fit_bundle_on(table_of(tmp_path, multilabel=True), calibration="temperature")
    write_results(bundle.results, tmp_path / "results")
    summary = create_report([tmp_path / "results"], tmp_path / "report", n_boot=5, methods=())
    assert "calibration" in summary["figures"]
