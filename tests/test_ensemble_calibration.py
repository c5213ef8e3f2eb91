import json

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ensemble.calibration import learn_calibration, read_calibration
from ensemble.calibration_choice import choose_calibration
from ensemble.calibration_methods import METHODS, fit_calibration
from reports import metrics


def make_multilabel(rng, n_samples=600, *, sure=1.0, shift=0.0, masked=False):
    """Truth drawn by its own probability; scores say it surer, or shifted."""
    logits = rng.normal(-1, 1.5, (n_samples, 3))
    truth = (rng.random(logits.shape) < expit(logits)).astype(int)
    if masked:
        truth[rng.random(truth.shape) < 0.2] = -1
    return truth, expit(sure * logits + shift)


def make_single(rng, n_samples=600, *, sure=1.0):
    logits = rng.normal(0, 1.5, (n_samples, 4))
    drawn = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((n_samples, 1))).argmax(axis=1)
    return np.eye(4, dtype=int)[drawn], softmax(sure * logits, axis=1)


def test_calibration_finds_the_line_that_distorted_the_scores(rng):
    logits = rng.normal(0, 1.5, (20_000, 1))
    y_true = (rng.random(logits.shape) < expit(logits)).astype(int)
    distorted = expit(2.0 * logits + 1.0)
    slope, offset = fit_calibration(y_true, distorted)[0]
    np.testing.assert_allclose([slope, offset], [0.5, -0.5], atol=0.06)
    fitted = learn_calibration(y_true, distorted, method="sigmoid", multilabel=True)
    np.testing.assert_allclose(fitted.apply(distorted), expit(logits), atol=0.02)


@pytest.mark.parametrize("separated", [False, True], ids=["overlapping", "separated"])
def test_the_line_is_that_of_a_logistic_regression(separated, rng):
    logits = rng.normal(0, 3, (60, 1))
    y_true = (logits > 0 if separated else rng.random((60, 1)) < expit(logits)).astype(int)
    expected = LogisticRegression(tol=1e-10).fit(logits, y_true.ravel())
    found = fit_calibration(y_true, expit(logits))[0]
    np.testing.assert_allclose(found, [expected.coef_[0, 0], expected.intercept_[0]], atol=1e-4)


def test_calibration_keeps_the_order_even_of_scores_that_point_the_wrong_way(rng):
    scores = np.linspace(0.1, 0.9, 50)[:, None]
    y_true = (scores < 0.5).astype(int)
    assert fit_calibration(y_true, scores).tolist() == [[1.0, 0.0]]


def test_a_label_with_too_few_rows_keeps_its_scores():
    y_true = np.array([[1], [1], [0], [0], [0], [-1]])
    scores = np.array([[0.9], [0.8], [0.3], [0.2], [0.1], [0.5]])
    assert fit_calibration(y_true, scores).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("make", [make_multilabel, make_single], ids=["multi", "single"])
def test_the_temperature_is_how_many_times_too_sure_scores_are(make, rng):
    truth, scores = make(rng, 20_000, sure=2.5)
    fitted = learn_calibration(
        truth, scores, method="temperature", multilabel=make is make_multilabel
    )
    assert fitted.parameters == [pytest.approx(2.5, rel=0.05)]
    honest = make(np.random.default_rng(440), 20_000)[1]
    np.testing.assert_allclose(fitted.apply(scores), honest, atol=0.03)


def test_isotonic_is_scikit_learns_within_what_few_rows_allow(rng):
    truth, scores = make_multilabel(rng, 200)
    fitted = learn_calibration(truth, scores, method="isotonic", multilabel=True)
    fresh = rng.random((50, 3))
    for label in range(3):
        curve = IsotonicRegression(out_of_bounds="clip").fit(scores[:, label], truth[:, label])
        n_true = truth[:, label].sum()
        bounds = 1 / (200 - n_true + 2), 1 - 1 / (n_true + 2)
        expected = curve.predict(fresh[:, label])
        inside = (expected > bounds[0]) & (expected < bounds[1])
        found = fitted.apply(fresh)[:, label]
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-12)
        assert ((found >= bounds[0]) & (found <= bounds[1])).all()


@pytest.mark.parametrize("method", METHODS)
def test_single_label_rows_still_sum_to_one(method, rng):
    truth, scores = make_single(rng, 300, sure=2.0)
    fitted = learn_calibration(truth, scores, method=method, multilabel=False)
    np.testing.assert_allclose(fitted.apply(scores).sum(axis=1), 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_a_labels_scores_is_kept(method, rng):
    truth, scores = make_multilabel(rng, 300, masked=True)
    fitted = learn_calibration(truth, scores, method=method, multilabel=True)
    order = np.argsort(scores[:, 0])
    assert (np.diff(fitted.apply(scores)[order, 0]) >= -1e-12).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("multilabel", [True, False], ids=["multi", "single"])
def test_a_calibration_goes_through_json_unchanged(method, multilabel, rng):
    truth, scores = (make_multilabel if multilabel else make_single)(rng, 100)
    fitted = learn_calibration(truth, scores, method=method, multilabel=multilabel)
    again = read_calibration(json.loads(json.dumps(fitted.as_dict(), allow_nan=False)))
    assert again == fitted
    np.testing.assert_array_equal(again.apply(scores), fitted.apply(scores))


def test_a_method_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match=r"calibration must be one of .*, got 'beta'"):
        read_calibration({"method": "beta"})


@pytest.mark.parametrize("method", METHODS)
def test_what_stands_in_unknown_cells_teaches_nothing(method, rng):
    truth, scores = make_multilabel(rng, 150, masked=True)
    other = np.where(truth < 0, rng.random(truth.shape), scores)
    first, second = (
        learn_calibration(truth, given, method=method, multilabel=True) for given in (scores, other)
    )
    assert first == second


@pytest.mark.parametrize("method", METHODS)
def test_labels_without_enough_rows_keep_their_scores(method):
    truth, scores = np.array([[1], [0], [0], [-1]]), np.array([[0.9], [0.3], [0.2], [0.5]])
    fitted = learn_calibration(truth, scores, method=method, multilabel=True)
    np.testing.assert_allclose(fitted.apply(scores), scores)


@pytest.mark.parametrize(
    ("distorted", "expected"),
    [({}, "none"), ({"sure": 2.5}, "temperature"), ({"shift": 1.5}, "sigmoid")],
    ids=["calibrated", "too sure", "shifted"],
)
def test_the_simplest_calibration_that_undoes_the_distortion_is_chosen(distorted, expected, rng):
    truth, scores = make_multilabel(rng, 1500, **distorted)
    groups = np.arange(1500) // 3
    chosen = choose_calibration(truth, scores, groups, multilabel=True)
    assert chosen.method == expected
    assert list(chosen.losses) == list(METHODS)
    losses = chosen.losses
    if expected != "none":
        assert losses[expected]["ece"] < 0.5 * losses["none"]["ece"]
        assert losses[expected]["brier"] < losses["none"]["brier"]


def test_isotonic_is_chosen_where_nothing_else_has_the_shape(rng):
    honest = rng.random((3000, 1))
    truth = (rng.random(honest.shape) < honest).astype(int)
    bent = np.where(honest < 0.5, honest / 10, honest)
    assert choose_calibration(truth, bent, multilabel=True).method == "isotonic"


def test_losses_of_a_method_are_those_of_fits_without_the_fold(rng):
    truth, scores = make_single(rng, 200, sure=2.0)
    folds = np.arange(200) % 4
    chosen = choose_calibration(
        truth, scores, multilabel=False, folds=folds, methods=["temperature"]
    )
    found = np.empty(scores.shape)
    for fold in range(4):
        rest = folds != fold
        fitted = learn_calibration(
            truth[rest], scores[rest], method="temperature", multilabel=False
        )
        found[~rest] = fitted.apply(scores[~rest])
    assert chosen.losses["temperature"]["brier"] == pytest.approx(metrics.brier(truth, found))
    nll = -np.log(found[truth == 1]).mean()
    assert chosen.losses["temperature"]["log_loss"] == pytest.approx(nll)
    assert chosen.chosen_by is None


def test_clips_of_a_group_are_no_evidence_for_themselves(rng):
    # Groups of 30 alike clips: row by row a flexible curve would seem to fit, group by group not.
    truth, scores = make_multilabel(rng, 20)
    truth, scores = (np.repeat(values, 30, axis=0) for values in (truth, scores))
    groups = np.repeat(np.arange(20), 30)
    by_row = choose_calibration(truth, scores, multilabel=True)
    by_group = choose_calibration(truth, scores, groups, multilabel=True)
    assert by_row.losses["isotonic"]["log_loss"] < by_group.losses["isotonic"]["log_loss"]
    assert by_row.method == "isotonic"
    assert by_group.method != "isotonic"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": ["beta"]}, r"calibrations must be among .*, got \['beta'\]"),
        ({"loss": "ece"}, "loss must be one of .*, got 'ece'"),
        ({"groups": np.zeros(12)}, "at least 2 groups, got 1"),
        ({"groups": np.arange(12) // 2, "folds": np.arange(12) % 2}, "tear 6 groups"),
    ],
    ids=["method", "loss", "one group", "torn"],
)
def test_a_choice_that_cannot_be_made_is_refused(settings, message):
    truth = np.tile([[0], [1]], (6, 1))
    with pytest.raises(ValueError, match=message):
        choose_calibration(truth, truth * 0.5, multilabel=True, **settings)
