"""The strict score: every fold by what was fitted on the other folds alone, members included."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from ensemble.stacking import StackingEnsembleClassifier


def members(multilabel):
    found = [
        ("logistic", LogisticRegression(max_iter=500)),
        ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
        ("bayes", GaussianNB()),
    ]
    if multilabel:
        found = [(name, OneVsRestClassifier(estimator)) for name, estimator in found]
    return [(*each, None) for each in found]


def data(multilabel, n_samples):
    if multilabel:
        return make_multilabel_classification(n_samples, n_classes=3, random_state=4)
    return make_classification(
        n_samples, n_features=12, n_informative=6, n_classes=3, class_sep=0.6, random_state=4
    )


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
def test_each_fold_is_scored_as_if_it_had_never_been_there(multilabel):
    """The reference: a stack fitted on the other folds, asked for this one."""
    X, y = data(multilabel, 150)
    groups = np.arange(150) // 2
    nested = StackingEnsembleClassifier(members(multilabel), cv=4, nested=True).fit(X, y, groups)
    for fold in range(4):
        out = nested.folds_ == fold
        stack = StackingEnsembleClassifier(members(multilabel), cv=nested.folds_[~out])
        alone = stack.fit(X[~out], y[~out], groups[~out])
        scores = alone.score_models(X[out])
        for name in set(scores) - {"chance"}:
            np.testing.assert_allclose(nested.oof_scores_[name][out], scores[name], atol=1e-12)
            decided = alone.decide_models(scores)[name]
            np.testing.assert_array_equal(nested.oof_decisions_[name][out], decided)


def test_windows_of_a_clip_share_one_strict_score():
    X, y = data(True, 150)
    parents = np.arange(150) // 3
    stack = StackingEnsembleClassifier(members(True), cv=3, nested=True)
    stack.fit(X, y[parents * 3], parents=parents)
    for values in (stack.oof_scores_["stack"], stack.oof_decisions_["stack"]):
        assert pd.DataFrame(values).groupby(parents).agg(np.ptp).to_numpy().max() == 0


def test_what_ships_is_the_same():
    X, y = data(False, 150)
    usual, nested = (
        StackingEnsembleClassifier(members(False), cv=3, nested=nested).fit(X, y)
        for nested in (False, True)
    )
    np.testing.assert_array_equal(usual.predict_proba(X), nested.predict_proba(X))
    for name in ("logistic", "tree", "bayes", "average", "geometric"):
        np.testing.assert_array_equal(usual.oof_scores_[name], nested.oof_scores_[name])


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
def test_the_usual_score_is_within_two_points_of_the_strict_one(multilabel):
    X, y = data(multilabel, 600)
    scores, losses = [], []
    for nested in (False, True):
        stack = StackingEnsembleClassifier(members(multilabel), cv=5, nested=nested).fit(X, y)
        truth = y if multilabel else np.eye(3, dtype=int)[y]
        scores.append(f1_score(truth, stack.oof_decisions_["stack"], average="macro"))
        found = stack.oof_scores_["stack"]
        losses.append(np.mean([log_loss(truth[:, k], found[:, k]) for k in range(3)]))
    assert abs(scores[0] - scores[1]) < 0.02
    assert abs(losses[0] - losses[1]) < 0.02


def test_copies_of_clips_stay_at_chance(rng):
    groups = np.repeat(np.arange(60), 5)
    y = rng.integers(0, 2, 60)[groups]
    X = rng.normal(size=(60, 6))[groups] + rng.normal(scale=0.01, size=(300, 6))
    one = [("neighbour", KNeighborsClassifier(1), None), ("bayes", GaussianNB(), None)]
    stack = StackingEnsembleClassifier(one, cv=5, nested=True).fit(X, y, groups)
    assert (stack.oof_scores_["stack"].argmax(axis=1) == y).mean() < 0.65


def test_it_takes_a_fit_more_for_each_pair_of_folds():
    X, y = data(False, 150)
    told = []
    stack = StackingEnsembleClassifier(
        members(False)[:1], cv=5, nested=True, progress=lambda *state: told.append(state)
    )
    stack.fit(X, y)
    assert [done for done, *_ in told] == list(range(1, 17))
    assert told[5] == (6, 16, "logistic, folds 1 and 2 of 5")
    assert told[-1] == (16, 16, "logistic, all rows")


def test_two_folds_cannot_be_nested():
    X, y = data(False, 60)
    with pytest.raises(ValueError, match="at least 3 folds, got 2 folds"):
        StackingEnsembleClassifier(members(False), cv=2, nested=True).fit(X, y)
