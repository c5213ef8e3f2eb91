"""A ranking finds what was planted, takes no chance for a finding, and knows twins for twins."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.feature_selection import f_classif
from sklearn.metrics import log_loss, mutual_info_score, roc_auc_score

from classical.boosting import OneVsRestXGBClassifier
from classical.labels import check_labels
from classical.ranking import family_of, rank_features
from classical.ranking_importance import log_losses, measure_importance
from classical.ranking_redundancy import cluster_features, drop_redundant, rank_correlation
from classical.ranking_table import interval_over_folds
from classical.ranking_univariate import (
    anova_f,
    coefficient_of_variation,
    mutual_information,
    roc_auc,
    spread,
)

NAMES = ["mfcc_00_mean", "mfcc_00_p50", "mfcc_01_mean", "flux_mean", "flux_std", "rms_p10"]


def plant(rng, n_samples=240):
    """`mfcc_00` and its twin tell the cello, `flux_mean` the flute, the others nothing."""
    X = rng.normal(size=(n_samples, 6))
    X[:, 1] = -3 * X[:, 0] + 0.1 * rng.normal(size=n_samples)
    y = np.where(X[:, 0] > 0.4, "cello", np.where(X[:, 3] > 0, "flute", "gong"))
    return pd.DataFrame(X, columns=NAMES), y, np.repeat(np.arange(n_samples // 4), 4)


@pytest.fixture(scope="module")
def planted():
    return plant(np.random.default_rng(440))


@pytest.fixture(scope="module")
def ranking(planted):
    return rank_features(*planted, folds=3, n_estimators=40)


def test_what_was_planted_comes_first(ranking):
    assert set(ranking.features["feature"][:3]) == {"mfcc_00_mean", "mfcc_00_p50", "flux_mean"}
    assert (ranking.features["permutation_low"][:3] > 0).all()
    assert ranking.features["rank"].tolist() == [1, 2, 3, 4, 5, 6]


def test_noise_has_no_importance_beyond_chance(ranking):
    noise = ranking.features[3:]
    assert (noise["permutation_low"] <= 0).all()
    assert (noise["roc_auc"] - 0.5).abs().max() < 0.1


def test_twins_share_a_cluster_and_its_importance(ranking):
    by_name = ranking.features.set_index("feature")
    twins = by_name.loc[["mfcc_00_mean", "mfcc_00_p50"]]
    assert twins["cluster"].nunique() == 1
    assert twins["permutation"].nunique() == 1
    assert twins["representative"].sum() == 1
    assert by_name["cluster"].nunique() == 5
    assert ranking.correlation.loc["mfcc_00_mean", "mfcc_00_p50"] < -0.99


def test_the_label_that_a_feature_serves_is_named(ranking):
    best = ranking.features.set_index("feature")["best_label"]
    assert best["mfcc_00_mean"] == "cello"
    assert best["flux_mean"] in ("flute", "gong")
    assert ranking.label_gains.columns.tolist() == ["cello", "flute", "gong"]
    assert ranking.label_gains["cello"].idxmax() == "mfcc"


def test_families_are_ranked_as_wholes(ranking):
    families = ranking.families.set_index("family")
    assert families.loc["mfcc", ["features", "clusters"]].tolist() == [3, 2]
    assert families.index[-1] == "rms"
    assert families.loc["mfcc", "best_feature"] in ("mfcc_00_mean", "mfcc_00_p50")
    assert (families["permutation_low"][:2] > 0).all()


def test_the_model_behind_it_is_scored(ranking):
    scores = ranking.scores
    assert scores["log_loss"]["value"] < 0.5 * scores["chance_log_loss"]["value"]
    assert scores["roc_auc"]["value"] > 0.95
    assert (scores["folds"], scores["rows"], scores["labels"]) == (3, 240, 3)


def test_threads_change_nothing(planted, ranking):
    again = rank_features(*planted, folds=3, n_estimators=40, n_jobs=2)
    pd.testing.assert_frame_equal(again.features, ranking.features)
    pd.testing.assert_frame_equal(again.families, ranking.families)
    assert again.scores == ranking.scores


def test_the_order_of_columns_changes_no_description(planted, ranking):
    X, y, groups = planted
    again = rank_features(X[NAMES[::-1]], y, groups, folds=3, n_estimators=40)
    columns = ["feature", "variance", "cv", "spread", "anova_f", "mutual_information", "roc_auc"]
    first, second = (r.features[columns].set_index("feature") for r in (ranking, again))
    pd.testing.assert_frame_equal(first, second.loc[first.index])


def test_masked_labels_rank_as_those_of_the_known_rows(rng):
    X, _, _ = plant(rng)
    y = (X[["mfcc_00_mean", "flux_mean"]].to_numpy() > 0).astype(int)
    y[::3, 0] = -1
    ranking = rank_features(X, y, folds=3, n_estimators=30, label_names=["cello", "flute"])
    assert set(ranking.features["feature"][:3]) == {"mfcc_00_mean", "mfcc_00_p50", "flux_mean"}
    assert ranking.label_gains["cello"].idxmax() == "mfcc"


def test_two_classes_need_one_machine(rng):
    X, _, _ = plant(rng)
    ranking = rank_features(X, X["flux_mean"] > 0, folds=2, n_estimators=10)
    assert ranking.features["feature"][0] == "flux_mean"
    assert ranking.label_gains.columns.tolist() == ["True"]


def test_given_folds_are_kept_and_rows_of_none_always_train(planted):
    X, y, groups = planted
    folds = np.where(groups < 40, groups % 2 * 7, -1)
    ranking = rank_features(X, y, groups, folds=folds, n_estimators=10)
    assert ranking.scores["folds"] == 2


@pytest.mark.filterwarnings("ignore:class .* its probability will be:UserWarning")
def test_a_label_that_a_fold_lacks_is_left_out_of_its_mean(planted):
    X, y, _ = planted
    folds = np.where(y == "gong", 0, np.arange(240) % 2 + 1)
    ranking = rank_features(X, y, folds=folds, n_estimators=10)
    numbers = ranking.features.drop(columns="cv").select_dtypes("number")
    assert np.isfinite(numbers.to_numpy()).all()


def test_families_can_be_given(planted):
    families = {"cepstrum": [name for name in NAMES if "mfcc" in name], "level": ["rms_p10", "?"]}
    ranking = rank_features(*planted, folds=2, n_estimators=5, families=families)
    assert sorted(ranking.families["family"]) == ["cepstrum", "level", "other"]


def test_progress_is_told(planted):
    told = []
    rank_features(*planted, folds=2, n_estimators=2, progress=lambda *words: told.append(words))
    assert [(done, total) for done, total, _ in told] == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": np.arange(240) % 3}, "a group must lie in one fold, got 60 groups"),
        ({"folds": np.zeros(240, dtype=int)}, "at least two different ones"),
        ({"folds": 1}, "folds == 1"),
        ({"families": {"a": NAMES, "b": NAMES[:1]}}, "one family, got 'mfcc_00_mean' in 'a'"),
        ({"label_names": ["cello"]}, "must name the 3 labels of y, got 1"),
        ({"min_correlation": 2}, "min_correlation == 2"),
    ],
    ids=["straddling", "one-fold", "few-folds", "two-families", "label-names", "correlation"],
)
def test_what_does_not_fit_is_refused(change, message, planted):
    with pytest.raises(ValueError, match=message):
        rank_features(*planted, **change)


def test_features_that_are_not_finite_or_twice_are_named(planted):
    X, y, _ = planted
    broken = X.copy()
    broken.loc[3, "flux_std"] = np.nan
    broken.loc[4, "rms_p10"] = np.inf
    with pytest.raises(ValueError, match="2 of 6, such as flux_std, rms_p10"):
        rank_features(broken, y)
    with pytest.raises(ValueError, match="unique column names"):
        rank_features(X.set_axis(list("aabcde"), axis=1), y)


def test_the_rise_of_the_loss_is_that_of_shuffled_columns(planted):
    X, y, _ = planted
    values, targets = X.to_numpy(np.float32), check_labels(y).indicator
    held_out = np.arange(240) % 3 == 0
    found = measure_importance(
        values, targets, held_out, blocks=[np.arange(6), np.array([0, 1]), np.array([5])],
        summed=[np.arange(6)], n_estimators=30, random_state=0,
    )  # fmt: skip
    # With nothing to go by, a sure model is worse than one that knows only how frequent labels are.
    assert found.loss + found.rises[0] > found.chance_loss
    assert found.rises[0] > found.rises[1] > 10 * abs(found.rises[2])
    assert (found.block_gains[0] <= found.gains.sum(axis=0) + 1e-6).all()


def test_losses_are_those_of_the_classifier(planted):
    X, y, _ = planted
    y = (y == "cello").astype(int)
    held_out = np.arange(240) % 2 == 0
    found = measure_importance(
        X.to_numpy(np.float32), y[:, None], held_out, blocks=(), n_estimators=20, random_state=3
    )
    seed = int(np.random.default_rng(3).integers(2**31))
    model = OneVsRestXGBClassifier(20, class_weight=None, random_state=seed)
    chances = model.fit(X[~held_out], y[~held_out]).predict_proba(X[held_out])[:, 1]
    assert found.loss == pytest.approx(log_loss(y[held_out], chances), rel=1e-6)
    assert found.auc == pytest.approx(roc_auc_score(y[held_out], chances))


def test_log_losses_skip_unknown_labels():
    margins = np.array([[2.0, 0.0], [-1.0, 0.0]])
    losses = log_losses(margins, np.array([[1, -1], [-1, -1]]))
    np.testing.assert_allclose(losses, [np.log1p(np.exp(-2)), np.nan])


def test_f_values_are_scikit_learns(rng):
    X, y = rng.normal(size=(60, 5)), rng.integers(0, 3, size=60)
    np.testing.assert_allclose(anova_f(X, check_labels(y)), f_classif(X, y)[0])


def test_f_values_of_an_indicator_are_means_over_its_known_rows(rng):
    X, y = rng.normal(size=(60, 4)), rng.integers(-1, 2, size=(60, 2))
    expected = [f_classif(X[known >= 0], known[known >= 0])[0] for known in y.T]
    np.testing.assert_allclose(anova_f(X, check_labels(y)), np.mean(expected, axis=0))


def test_f_of_a_constant_is_zero_and_of_a_label_itself_infinite():
    y = np.repeat([0, 1], 5)
    X = np.column_stack([np.full(10, 0.1), y])
    assert anova_f(X, check_labels(y)).tolist() == [0.0, np.inf]


def test_mutual_information_of_few_values_is_that_of_the_counts(rng):
    X, y = rng.integers(0, 2, size=(400, 1)), rng.integers(0, 3, size=400)
    y[X[:, 0] == 1] = 0
    plain = mutual_info_score(X[:, 0], y) / np.log(2)
    by_chance = 2 / (2 * 400) / np.log(2)
    found = mutual_information(X.astype(float), check_labels(y))
    np.testing.assert_allclose(found, [plain - by_chance])


def test_noise_shares_no_bits(rng):
    X, y = rng.normal(size=(2000, 30)), rng.integers(0, 11, size=2000)
    assert mutual_information(X, check_labels(y)).mean() < 0.01


def test_bits_of_a_masked_indicator_are_those_of_its_known_rows(rng):
    X = rng.normal(size=(300, 3))
    X[:, 0] = np.arange(300) % 2
    y = X[:, [0]].astype(int)
    masked = np.column_stack([y, np.where(np.arange(300)[:, None] < 150, y, -1)])
    bits = mutual_information(X, check_labels(masked))
    assert bits[0] == pytest.approx(1, abs=0.01)
    assert bits[1:].max() < 0.05


def test_areas_are_scikit_learns(rng):
    X = rng.integers(0, 5, size=(80, 3)).astype(float)
    y = rng.integers(-1, 2, size=(80, 4))
    y[:, 3] = 0
    expected = [
        [roc_auc_score(label[label >= 0], feature[label >= 0]) for label in y.T[:3]]
        for feature in X.T
    ]
    areas = roc_auc(X, y)
    np.testing.assert_allclose(areas[:, :3], expected)
    assert np.isnan(areas[:, 3]).all()


def test_spread_and_variation_have_known_values(rng):
    normal = rng.normal(size=200_000)
    X = np.column_stack([normal, 100 + 10 * normal, np.zeros(200_000)])
    np.testing.assert_allclose(spread(X), [0.29, 0.29, 0], atol=0.003)
    found = coefficient_of_variation(X)
    assert found[1] == pytest.approx(0.1, rel=0.02)
    assert np.isnan(found[[0, 2]]).all()


def test_correlation_is_spearmans(rng):
    X = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    np.testing.assert_allclose(rank_correlation(X), spearmanr(X).statistic, atol=1e-6)


def test_all_features_of_a_cluster_correlate(rng):
    X = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 30)) + 0.2 * rng.normal(size=(300, 30))
    correlation = rank_correlation(X)
    cluster = cluster_features(correlation, min_correlation=0.7)
    assert 1 < cluster.max() < 29
    together = cluster[:, None] == cluster
    assert np.abs(correlation)[together].min() >= 0.7 - 1e-6
    assert cluster[0] == 0


def test_the_better_of_twins_is_kept():
    correlation = np.array([[1, -0.9, 0], [-0.9, 1, 0], [0, 0, 1]])
    assert drop_redundant(correlation, np.array([2, 1, 0]), most=0.8).tolist() == [2, 1]


def test_intervals_widen_for_shared_rows():
    values = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, 5.0], [4.0, np.nan]])
    mean, low, high = interval_over_folds(values)
    # Student's 97.5 % quantile of three degrees of freedom is 3.182.
    half = 3.182446 * np.sqrt((1 / 4 + 1 / 3) * np.var([1, 2, 3, 4], ddof=1))
    np.testing.assert_allclose(mean, [2.5, 5.0])
    np.testing.assert_allclose([low[0], high[0]], [2.5 - half, 2.5 + half], rtol=1e-6)
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("mfcc_03_mean", "mfcc"),
        ("mfcc_delta_03_p10", "mfcc_delta"),
        ("spectral_flux_p10", "spectral_flux"),
        ("rms", "rms"),
        ("embedding_0012", "embedding"),
        ("17", "17"),
    ],
)
def test_names_tell_families(name, family):
    assert family_of(name) == family
