"""Features are chosen inside the fold: honest scores on noise, no twins, scikit-learn's laws."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from classical.labels import check_labels
from classical.ranking_folds import deal_folds
from classical.selection import RankingSelector

CRITERIA = ("gain", "roc_auc", "mutual_information", "anova_f", "variance")


@pytest.mark.filterwarnings("ignore:class .* its probability will be:UserWarning")
@parametrize_with_checks([RankingSelector(by, random_state=0) for by in CRITERIA])
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.fixture
def noise(rng):
    return rng.normal(size=(80, 400)).astype(np.float32), rng.integers(0, 2, size=80)


@pytest.fixture
def two_tell(rng):
    """Two of six features tell the class; the last is a copy of the second."""
    X = rng.normal(size=(120, 6))
    y = (X[:, 1] + X[:, 3] > 0).astype(int)
    X[:, 5] = np.exp(X[:, 1])
    return X, y


def test_selection_outside_the_fold_finds_labels_in_noise_and_inside_does_not(noise):
    X, y = noise
    selector = RankingSelector("anova_f", n_features=15)
    model = LogisticRegression()
    inflated = cross_val_score(model, selector.fit_transform(X, y), y, cv=5, scoring="roc_auc")
    honest = cross_val_score(make_pipeline(selector, model), X, y, cv=5, scoring="roc_auc")
    assert inflated.mean() > 0.8
    assert abs(honest.mean() - 0.5) < 0.15


@pytest.mark.parametrize("by", [by for by in CRITERIA if by != "variance"])
def test_what_tells_is_kept_and_its_copy_is_not(by, two_tell):
    selector = RankingSelector(by, n_features=2, random_state=0).fit(*two_tell)
    kept = set(selector.get_support(indices=True).tolist())
    assert kept in ({1, 3}, {5, 3})


def test_copies_stay_on_request(two_tell):
    selector = RankingSelector("roc_auc", n_features=3, max_correlation=None).fit(*two_tell)
    assert selector.get_support(indices=True).tolist() == [1, 3, 5]


def test_no_two_kept_features_correlate_more_than_allowed(rng):
    X = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 12)) + 0.3 * rng.normal(size=(200, 12))
    selector = RankingSelector("variance", share=1.0, max_correlation=0.6).fit(X)
    kept = pd.DataFrame(selector.transform(X)).corr("spearman").abs().to_numpy()
    assert 1 < len(kept) < 12
    assert kept[~np.eye(len(kept), dtype=bool)].max() <= 0.6


def test_variance_has_no_unit_and_needs_no_labels(rng):
    X = np.column_stack([rng.uniform(size=200), rng.normal(size=200), np.arange(200) > 195])
    first = RankingSelector("variance", n_features=1).fit(X)
    scaled = RankingSelector("variance", n_features=1).fit(X * [1e-6, 1e6, 1e9] + [5, 0, 1])
    np.testing.assert_allclose(first.scores_, scaled.scores_, atol=1e-9)
    assert first.get_support().tolist() == [True, False, False]


def test_unknown_labels_take_no_part(rng):
    X = rng.normal(size=(150, 3))
    y = (X[:, [0, 2]] > 0).astype(int)
    # Whoever took unknown for absent would find the first feature useless.
    hidden = y.copy()
    hidden[X[:, 0] > 0, 0] = np.where(np.arange((X[:, 0] > 0).sum()) % 5 == 0, 1, -1)
    for by in ("gain", "roc_auc", "mutual_information", "anova_f"):
        selector = RankingSelector(by, n_features=2, random_state=0).fit(X, hidden)
        assert selector.get_support().tolist() == [True, False, True], by


def test_names_and_data_frames_pass_through(two_tell):
    X = pd.DataFrame(two_tell[0], columns=list("abcdef"))
    selector = RankingSelector("anova_f", n_features=2).set_output(transform="pandas")
    chosen = selector.fit_transform(X, two_tell[1])
    assert chosen.columns.tolist() == selector.get_feature_names_out().tolist()
    pd.testing.assert_frame_equal(chosen, X[chosen.columns])


def test_groups_reach_the_inner_folds_through_a_pipeline(two_tell, monkeypatch):
    X, y = two_tell
    groups = np.arange(120) // 4
    seen = []

    def deal_and_note(labels, groups, **settings):
        seen.append(groups)
        return deal_folds(labels, groups, **settings)

    monkeypatch.setattr("classical.selection.deal_folds", deal_and_note)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            RankingSelector("gain", n_features=2, random_state=0), LogisticRegression()
        )
        cross_val_score(pipeline, X, y, cv=GroupKFold(2), params={"groups": groups})
    assert [len(set(part)) for part in seen] == [15, 15]


def test_threads_change_nothing(two_tell):
    one, two = (
        RankingSelector("gain", random_state=0, n_jobs=n).fit(*two_tell).scores_ for n in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_it_is_saved_without_pickle(two_tell):
    selector = RankingSelector("anova_f", n_features=2).fit(*two_tell)
    content = skops.io.dumps(selector)
    assert skops.io.get_untrusted_types(data=content) == ["classical.selection.RankingSelector"]
    again = skops.io.loads(content, trusted=["classical.selection.RankingSelector"])
    np.testing.assert_array_equal(again.transform(two_tell[0]), selector.transform(two_tell[0]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "luck"}, "by must be one of anova_f, .* got 'luck'"),
        ({"n_features": 0}, "n_features == 0"),
        ({"share": 0.0}, "share == 0.0"),
        ({"max_correlation": 1.5}, "max_correlation == 1.5"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_parameters_out_of_range_are_refused(settings, message, two_tell):
    with pytest.raises(ValueError, match=message):
        RankingSelector(**settings).fit(*two_tell)


def test_inner_folds_keep_groups_whole_and_share_out_the_rare_label(rng):
    groups = np.repeat(np.arange(30), 4)
    y = np.where(groups < 4, "rare", np.where(groups % 2, "odd", "even"))
    folds = deal_folds(check_labels(y), groups, n_folds=4, random_state=0)
    assert all(len(set(folds[groups == group])) == 1 for group in range(30))
    assert len({folds[groups == group][0] for group in range(4)}) == 4


def test_one_group_cannot_be_cross_validated(two_tell):
    with pytest.raises(ValueError, match="at least 2 groups, got 1"):
        RankingSelector("gain").fit(*two_tell, groups=np.zeros(120))
