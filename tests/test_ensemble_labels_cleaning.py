"""The effect of cleaner labels: found where labels are bad, nil where good, on untouched rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

import ensemble.labels.cleaning
from ensemble.labels.cleaning import measure_cleaning
from ensemble.members import Member
from features.feature_set import FeatureSet, Part
from features.manifest import make_manifest
from features.spectral import spectral_moments
from features.table import FeatureTable

FEATURES = FeatureSet(
    "small-v1", (Part("spectral", "spectral", spectral_moments, ("centroid", "bandwidth"),
                      ("mean",)),)
)  # fmt: skip
# A wrong label misleads a nearest neighbour more than any other model.
NEIGHBOUR = Member("neighbour", KNeighborsClassifier(3))


def table_of(labels, centres, *, spread=0.5):
    """Points around their class's centre, two clips a group, as a feature table."""
    rng = np.random.default_rng(5)
    paths = [f"{row}.wav" for row in range(len(labels))]
    groups = [f"group {row // 2}" for row in range(len(labels))]
    manifest = make_manifest(pd.DataFrame({"path": paths, "labels": labels, "group": groups}), "/")
    values = np.asarray(centres) + spread * rng.normal(size=(len(labels), FEATURES.n_features))
    index = pd.Index(manifest.clips["clip_id"], name="clip_id")
    frame = pd.DataFrame(values.astype(np.float32), index=index, columns=FEATURES.feature_names)
    failures = pd.DataFrame(columns=["clip_id", "path", "reason"])
    return FeatureTable(frame, manifest, failures, {"silent": [], "feature_set": FEATURES.card()})


def single(*, share, n=240):
    rng = np.random.default_rng(1)
    true = np.arange(n) // 2 % 3
    wrong = rng.random(n) < share
    given = np.where(wrong, (true + rng.integers(1, 3, n)) % 3, true)
    centres = np.array([[0, 0], [3, 0], [0, 3]])[true]
    return table_of([["a", "b", "c"][label] for label in given], centres)


@pytest.mark.parametrize("way", ["remove", "relabel"])
def test_bad_labels_cost_a_model_what_cleaning_gives_back(way):
    effect = measure_cleaning(single(share=0.25), member=NEIGHBOUR, way=way, folds=4)
    assert effect.gain.value == pytest.approx(effect.cleaned - effect.given)
    assert effect.gain.low > 0
    assert min(effect.suspects) > 20
    assert "is better than the neighbour trained on the labels as given" in effect.sentences[1]
    assert "both scores are biased" in effect.sentences[2]


def test_good_labels_leave_nothing_to_gain():
    effect = measure_cleaning(single(share=0.0), member=NEIGHBOUR, folds=4)
    assert max(effect.suspects) <= 3
    assert effect.gain.low <= 0 <= effect.gain.high
    assert "no gain" in effect.sentences[1]


def test_several_labels_are_cleaned_one_by_one():
    rng = np.random.default_rng(2)
    true = rng.random((240, 2)) < 0.5
    given = true ^ (rng.random(true.shape) < 0.15)
    labels = [";".join(np.array(["a", "b"])[row]) for row in given]

    class PerLabel(KNeighborsClassifier):
        """Neighbours of each label that are known."""

        def fit(self, X, y):
            self.models_ = [
                KNeighborsClassifier(5).fit(np.asarray(X)[k >= 0], k[k >= 0]) for k in y.T
            ]
            return self

        def predict_proba(self, X):
            return np.column_stack([m.predict_proba(np.asarray(X))[:, 1] for m in self.models_])

    table = table_of(labels, 3.0 * true)
    effect = measure_cleaning(table, member=Member("neighbours", PerLabel()), folds=4)
    assert effect.metric == "mAP"
    assert effect.gain.value > 0
    assert min(effect.suspects) > 20


def test_held_out_labels_are_scored_as_given_and_have_no_say(monkeypatch):
    table = single(share=0.25)
    scored, cleaned = [], []
    estimate, clean = ensemble.labels.cleaning.estimate, ensemble.labels.cleaning._clean

    def watch_estimate(metric, truth, *args, **settings):
        scored.append(truth)
        return estimate(metric, truth, *args, **settings)

    def watch_clean(rows, fold, *args):
        found = clean(rows, fold, *args)
        held_out = rows.folds == fold
        assert (found[held_out] == rows.truth[held_out]).all()
        cleaned.append((fold, rows.truth, found, held_out))
        return found

    monkeypatch.setattr(ensemble.labels.cleaning, "estimate", watch_estimate)
    monkeypatch.setattr(ensemble.labels.cleaning, "_clean", watch_clean)
    measure_cleaning(table, member=NEIGHBOUR, folds=4)
    given = table.manifest.label_matrix(["a", "b", "c"])
    assert all((truth == given).all() for truth in scored)
    fold, _, found, held_out = cleaned[0]
    # Other labels in the held-out fold change nothing in what is cleaned outside.
    clips = table.manifest.clips.copy()
    clips["fold"] = -1
    for f, _, _, rows in cleaned:
        clips.loc[rows, "fold"] = f
    clips.loc[held_out, "labels"] = "b"
    changed = FeatureTable(table.values, make_manifest(clips, "/"), table.failures, table.card)
    cleaned.clear()
    measure_cleaning(changed, member=NEIGHBOUR)
    again = next(entry for entry in cleaned if entry[0] == fold)
    assert (again[2][~held_out] == found[~held_out]).all()


def test_fits_are_counted_and_the_numbers_repeat():
    seen = []
    table = single(share=0.1, n=120)
    first = measure_cleaning(table, member=NEIGHBOUR, folds=3,
                             progress=lambda done, total: seen.append((done, total)))  # fmt: skip
    assert seen == [(done, 9) for done in range(1, 10)]
    assert measure_cleaning(table, member=NEIGHBOUR, folds=3) == first
    assert first.as_dict()["gain"]["value"] == first.gain.value


def test_few_groups_give_no_interval():
    effect = measure_cleaning(single(share=0.1, n=36), member=NEIGHBOUR, folds=3)
    assert np.isnan(effect.gain.low)
    assert effect.as_dict()["gain"]["low"] is None
    assert "cannot tell whether by chance" in effect.sentences[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"way": "burn"}, "one of remove, relabel, got 'burn'"), ({"folds": 2}, "at least 3 folds")],
    ids=["way", "folds"],
)
def test_what_cannot_be_measured_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        measure_cleaning(single(share=0.1, n=60), member=NEIGHBOUR, **settings)
