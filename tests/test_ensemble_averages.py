"""Averages beside the stack: known answers, cross-fitted, each row by itself."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from ensemble.averages import (
    AVERAGES,
    Averages,
    average_members,
    average_ranks,
    fit_averages,
    geometric_mean,
)
from ensemble.member_weights import fit_weights, select_greedily
from ensemble.members import RESERVED_NAMES
from ensemble.stacking import StackingEnsembleClassifier
from reports.metrics import macro_f1


def one_hot(labels, n_labels):
    return np.eye(n_labels, dtype=np.int8)[labels]


def soft(truth, rng, *, noise):
    """Probabilities that lean to the truth, the less the more noise."""
    scores = np.exp(2.0 * truth + noise * rng.normal(size=truth.shape))
    return scores / scores.sum(axis=1, keepdims=True)


@pytest.fixture
def members(rng):
    truth = one_hot(rng.integers(0, 3, 200), 3)
    return {f"m{k}": soft(truth, rng, noise=noise) for k, noise in enumerate((1, 2, 3))}, truth


def test_their_names_are_those_that_reports_know():
    assert ("stack", *AVERAGES, "chance") == RESERVED_NAMES


def test_the_geometric_mean_is_the_root_of_the_product_shared_out():
    members = np.array([[[0.8, 0.1, 0.1]], [[0.2, 0.4, 0.4]]])
    roots = np.sqrt([0.16, 0.04, 0.04])
    expected = roots / roots.sum()
    np.testing.assert_allclose(geometric_mean(members, multilabel=False)[0], expected)
    # Presence against absence: sqrt(0.16) to sqrt(0.16).
    assert geometric_mean(members, multilabel=True)[0, 0] == pytest.approx(0.5)


def test_no_member_alone_has_a_veto_in_the_geometric_mean():
    members = np.array([[[0.0, 1.0]], [[0.999, 0.001]], [[0.999, 0.001]]])
    assert geometric_mean(members, multilabel=False)[0, 0] > 0.5


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
def test_fitted_weights_are_those_of_the_highest_likelihood(members, multilabel):
    scores, truth = members
    stacked = np.stack(list(scores.values()))
    truth = truth.copy()
    if multilabel:
        truth[:50, 0] = -1
    found = fit_weights(stacked, truth, multilabel=multilabel)

    def loss(free):
        mixed = np.tensordot(np.append(free, 1 - free.sum()), stacked, axes=1)
        of_truth = np.where(truth == 1, mixed, 1 - mixed)
        return -np.log(of_truth[truth >= 0 if multilabel else truth == 1]).sum()

    bounds = [(0, 1)] * 2
    sums = {"type": "ineq", "fun": lambda free: 1 - free.sum()}
    outside = minimize(loss, [0.3, 0.3], bounds=bounds, constraints=sums, method="SLSQP",
                       options={"ftol": 1e-12})  # fmt: skip
    np.testing.assert_allclose(found[:2], outside.x, atol=2e-3)
    assert found.sum() == pytest.approx(1.0)
    assert (found >= 0).all()


def test_nothing_known_gives_equal_weights():
    members, unknown = np.full((2, 4, 2), 0.5), np.full((4, 2), -1, dtype=np.int8)
    assert fit_weights(members, unknown, multilabel=True).tolist() == [0.5, 0.5]
    assert select_greedily(members, unknown, multilabel=True).tolist() == [0.5, 0.5]


def test_a_greedy_selection_is_never_worse_than_its_best_member(members):
    scores, truth = members
    stacked = np.stack(list(scores.values()))

    def quality(values):
        return macro_f1(truth, (values == values.max(axis=1, keepdims=True)).astype(np.int8))

    weights = select_greedily(stacked, truth, multilabel=False)
    selected = quality(np.tensordot(weights, stacked, axes=1))
    assert selected >= max(quality(values) for values in stacked) - 1e-12
    assert weights.sum() == pytest.approx(1.0)


def test_a_greedy_selection_takes_the_member_that_is_always_right_and_no_other():
    truth = one_hot(np.arange(30) % 3, 3)
    right, wrong = 0.2 + 0.4 * truth, 0.2 + 0.4 * np.roll(truth, 1, axis=1)
    stacked = np.stack([wrong, right, wrong])
    assert select_greedily(stacked, truth, multilabel=False).tolist() == [0.0, 1.0, 0.0]


def test_members_that_complete_each_other_are_both_picked():
    """Each knows one half of the rows and says little of the other."""
    truth = one_hot(np.arange(40) % 2, 2)
    half = (np.arange(40) < 20)[:, None]
    sure, unsure = 0.1 + 0.8 * truth, 0.52 - 0.04 * truth
    stacked = np.stack([np.where(half, sure, unsure), np.where(half, unsure, sure)])
    assert select_greedily(stacked, truth, multilabel=False).tolist() == [0.5, 0.5]


def test_ranks_of_a_member_twice_give_its_own_scores_back(rng):
    scores = rng.random((300, 4)) ** 3
    both = {"a": scores, "b": scores.copy()}
    fitted = fit_averages(both, (scores > 0.5).astype(np.int8), multilabel=True)
    np.testing.assert_allclose(
        average_members(both, fitted, multilabel=True)["rank"], scores, atol=1e-12
    )


def test_ranks_weigh_a_timid_member_like_a_bold_one(rng):
    """A member's scale is no argument: squeezing one changes the order of no row."""
    truth = (rng.random((400, 1)) > 0.5).astype(np.int8)
    first, second = (np.clip(0.5 * truth + 0.5 * rng.random((400, 1)), 0, 1) for _ in range(2))
    orders = []
    for squeezed in (second, 0.45 + 0.1 * second):
        scores = {"first": first, "second": squeezed}
        fitted = fit_averages(scores, truth, multilabel=True)
        ranked = average_members(scores, fitted, multilabel=True)["rank"][:, 0]
        orders.append(ranked.argsort().argsort())
    assert np.corrcoef(*orders)[0, 1] > 0.999


def test_equal_scores_share_the_middle_of_their_ranks():
    knots = np.array([[[0.0, 0.2, 0.2, 0.2, 0.2, 1.0]], [[0.0, 0.1, 0.3, 0.5, 0.7, 1.0]]])
    # The first stands at one half of its scores, and so does 0.4 of the second.
    found = average_ranks(np.array([[[0.2]], [[0.4]]]), knots, multilabel=True)
    assert found[0, 0] == pytest.approx((0.2 + 0.4) / 2)


def test_scores_outside_of_those_seen_keep_their_order(members):
    scores, truth = members
    fitted = fit_averages(scores, truth, multilabel=True)
    row = np.linspace(0, 1, 7)[:, None] * np.ones(3)
    found = average_members(dict.fromkeys(scores, row), fitted, multilabel=True)["rank"]
    assert (np.diff(found, axis=0) > 0).all()


def test_a_row_has_the_same_averages_alone_and_among_others(members):
    scores, truth = members
    fitted = fit_averages(scores, truth, multilabel=False)
    together = average_members(scores, fitted, multilabel=False)
    alone = average_members({n: s[7:8] for n, s in scores.items()}, fitted, multilabel=False)
    for name in AVERAGES:
        np.testing.assert_allclose(alone[name][0], together[name][7], rtol=1e-12)
        np.testing.assert_allclose(together[name].sum(axis=1), 1.0)


def test_what_they_need_survives_json(members):
    scores, truth = members
    fitted = fit_averages(scores, truth, multilabel=False)
    again = Averages.from_dict(json.loads(json.dumps(fitted.as_dict())))
    for name, values in average_members(scores, fitted, multilabel=False).items():
        np.testing.assert_array_equal(
            average_members(scores, again, multilabel=False)[name], values
        )


def test_one_member_has_the_plain_average_alone(members):
    scores, truth = members
    only = {"m0": scores["m0"]}
    assert fit_averages(only, truth, multilabel=False) is None
    assert list(average_members(only, None, multilabel=False)) == ["average"]


def stack_of(n_members, multilabel):
    estimators = [
        ("logistic", LogisticRegression(max_iter=500)),
        ("bayes", GaussianNB()),
        ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
    ][:n_members]
    if multilabel:
        estimators = [(name, OneVsRestClassifier(estimator)) for name, estimator in estimators]
    return StackingEnsembleClassifier([(*each, None) for each in estimators], cv=3)


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
def test_reported_averages_are_fitted_on_the_other_folds(multilabel):
    if multilabel:
        X, y = make_multilabel_classification(150, n_classes=3, random_state=1)
        truth = y
    else:
        X, y = make_classification(150, n_informative=5, n_classes=3, random_state=1)
        truth = one_hot(y, 3)
    stack = stack_of(3, multilabel).fit(X, y)
    members = {name: stack.oof_scores_[name] for name in ("logistic", "bayes", "tree")}
    for fold in range(3):
        out = stack.folds_ == fold
        rest = {name: values[~out] for name, values in members.items()}
        fitted = fit_averages(rest, truth[~out], multilabel=multilabel)
        held_out = {name: values[out] for name, values in members.items()}
        for name, values in average_members(held_out, fitted, multilabel=multilabel).items():
            np.testing.assert_allclose(stack.oof_scores_[name][out], values, atol=1e-12)


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
def test_every_average_is_scored_and_decided(multilabel):
    X, y = make_multilabel_classification(120, n_classes=2, random_state=0)
    y = y if multilabel else y[:, 0]
    stack = stack_of(2, multilabel).fit(X, y)
    names = ["stack", *AVERAGES, "chance", "logistic", "bayes"]
    scores = stack.score_models(X)
    decided = stack.decide_models(scores)
    assert list(scores) == list(decided) == names
    assert list(stack.oof_scores_) == list(stack.oof_decisions_) == names
    assert all(((values >= 0) & (values <= 1)).all() for values in scores.values())
