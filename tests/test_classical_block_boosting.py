"""Blocks of features share out the work, and the joined booster is the sum of its parts."""

import numpy as np
import pytest

from classical.block_boosting import BlockBooster, deal_columns
from classical.boosting import OneVsRestXGBClassifier

PARAMS = {"max_depth": 3, "learning_rate": 0.3, "max_bin": 32, "subsample": 0.8}


@pytest.fixture
def noisy(rng):
    X = rng.normal(size=(200, 120)).astype(np.float32)
    return X, X[:, 0] + X[:, 70] + 0.5 * rng.normal(size=200) > 0


@pytest.mark.parametrize(
    ("n_features", "share", "n_blocks"),
    [(1000, 0.2, 5), (1000, 0.3, 3), (1000, 0.7, 1), (1000, 1.0, 1), (30, 0.2, 1), (120, 0.1, 2)],
)
def test_every_feature_is_in_one_block(n_features, share, n_blocks):
    blocks = deal_columns(n_features, share, np.random.RandomState(0))
    assert len(blocks) == n_blocks
    np.testing.assert_array_equal(np.sort(np.concatenate(blocks)), np.arange(n_features))


def test_the_joined_booster_is_the_sum_of_all_visits(noisy):
    X, present = noisy
    blocks = deal_columns(120, 0.4, np.random.RandomState(0))
    trainer = BlockBooster(X, blocks, params=PARAMS, n_rounds=25, patience=None)
    joined = trainer.train(present, np.ones(200), held_out=None, seed=0)
    assert joined.num_boosted_rounds() == 25
    # The last visit's margins, with all before it, are those of the whole.
    margins = np.full(200, np.log(present.mean() / (1 - present.mean())), dtype=np.float32)
    for block, booster, _ in trainer._visit(margins, 0, stepwise=False):
        margins = booster.predict(trainer._matrices[block], output_margin=True)
    np.testing.assert_allclose(
        joined.inplace_predict(X, predict_type="margin"), margins, rtol=0, atol=1e-5
    )


def test_trees_use_features_of_all_blocks(noisy):
    X, present = noisy
    blocks = deal_columns(120, 0.4, np.random.RandomState(0))
    trainer = BlockBooster(X, blocks, params=PARAMS, n_rounds=20, patience=None)
    scores = trainer.train(present, np.ones(200), held_out=None, seed=0).get_score(
        importance_type="total_gain"
    )
    gains = np.zeros(120)
    for name, gain in scores.items():
        gains[int(name[1:])] = gain
    assert set(np.argsort(gains)[-2:]) == {0, 70}


def test_blocks_predict_unseen_rows_as_well_as_xgboosts_own_sampling(rng):
    from xgboost import XGBClassifier

    X = rng.normal(size=(3000, 120))
    y = (X[:, :6].sum(axis=1) + rng.normal(size=3000) > 0).astype(int)
    settings = {"n_estimators": 60, "max_depth": 3, "subsample": 0.8, "colsample_bytree": 0.4}
    ours = OneVsRestXGBClassifier(**settings, class_weight=None, random_state=0)
    theirs = XGBClassifier(**settings, learning_rate=0.1, max_bin=64, n_jobs=1, random_state=0)
    scores = [model.fit(X[:600], y[:600]).score(X[600:], y[600:]) for model in (ours, theirs)]
    assert scores[0] > 0.7
    assert scores[0] > scores[1] - 0.03


def test_early_stopping_counts_trees_across_visits(rng):
    X = rng.normal(size=(300, 120)).astype(np.float32)
    present = X[:, 0] > 0
    noise = rng.permutation(present)
    held_out = np.arange(300) % 3 == 0
    blocks = deal_columns(120, 0.4, np.random.RandomState(0))
    trainer = BlockBooster(X, blocks, params=PARAMS, n_rounds=100, patience=12)
    learned = trainer.train(present, np.ones(300), held_out=held_out, seed=0)
    stopped = trainer.train(noise, np.ones(300), held_out=held_out, seed=0)
    assert stopped.num_boosted_rounds() < 12
    assert learned.num_boosted_rounds() > 20
