"""What is refused before long work, and tables of every awkward kind; the features are drawn."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from classical.svm import OneVsRestSVMClassifier
from deep.classifier import AudioBackboneClassifier
from ensemble.bundle import CLIP, load_bundle, save_bundle
from ensemble.evaluation import evaluate_bundle
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.prediction import predict_clips
from features.audio import Clip
from features.extraction import extract_table
from features.feature_set import FeatureSet, Part
from features.manifest import make_manifest
from features.named_sets import get_feature_set
from features.spectral import spectral_moments
from features.table import FeatureTable
from features.temporal import rms, zero_crossing_rate

FEATURES = get_feature_set("compact-v1")
SR = 22050


def table_of(labels, root, features=FEATURES, **columns):
    """Drawn features in which each label shows; two clips a group."""
    clips = {
        "path": [f"{row}.wav" for row in range(len(labels))],
        "labels": labels,
        "group": [f"group {row // 2}" for row in range(len(labels))],
    }
    manifest = make_manifest(pd.DataFrame(clips | columns), root)
    truth = manifest.label_matrix(manifest.classes) == 1
    values = np.random.default_rng(0).normal(size=(len(labels), features.n_features))
    values[:, : truth.shape[1]] += 2 * truth
    index = pd.Index(manifest.clips["clip_id"], name="clip_id")
    failures = pd.DataFrame(columns=["clip_id", "path", "reason"])
    return FeatureTable(
        pd.DataFrame(values.astype(np.float32), index=index, columns=features.feature_names),
        manifest,
        failures,
        {"silent": [], "feature_set": features.card()},
    )


def with_nuisance():
    """Three features that a model may look at, and one that it should not."""
    parts = (
        Part("spectral", "spectral", spectral_moments, ("centroid", "bandwidth"), ("mean",)),
        Part("nuisance", "rms", rms, functionals=("std",)),
        Part("temporal", "zero_crossing_rate", zero_crossing_rate, functionals=("mean",)),
    )
    return FeatureSet("small-v1", parts)


def linear():
    return Member("linear", LogisticRegression(max_iter=300))


def forest():
    return Member("forest", RandomForestClassifier(5, random_state=0))


@pytest.fixture
def pairs():
    """Forty clips of two classes in turn, two clips a group."""
    return ["a", "a", "b", "b"] * 10


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (30, "30 folds need at least as many groups.*have 20"),
        ("groups", "must be a number or 'group', got 'groups'"),
        (1, "at least 2 folds, got 1"),
    ],
    ids=["more-than-groups", "misspelt", "one"],
)
def test_folds_that_cannot_be_are_refused(pairs, tmp_path, folds, message):
    with pytest.raises(ValueError, match=message):
        fit_bundle(table_of(pairs, tmp_path), members=[linear()], folds=folds)


def test_a_clip_table_with_one_fold_is_refused(pairs, tmp_path):
    with pytest.raises(ValueError, match="all training clips are in one"):
        fit_bundle(table_of(pairs, tmp_path, fold=3), members=[linear()])


def test_unlabelled_clips_do_not_hinder_a_task_that_is_asked_for(pairs, tmp_path):
    unknown = ["*", "*"] + [""] * 38
    table = table_of(["", "", *pairs[2:]], tmp_path, unknown_labels=unknown)
    with pytest.warns(UserWarning, match="2 clips are unlabelled"):
        bundle = fit_bundle(table, members=[linear()], folds=3, task="single-label")
    assert len(bundle.results.clips) == 38


def test_a_label_named_like_a_column_of_results_is_refused(pairs, tmp_path):
    labels = [label.replace("a", "model") for label in pairs]
    with pytest.raises(ValueError, match=r"rename the labels \['model'\]"):
        fit_bundle(table_of(labels, tmp_path), members=[linear()])


def test_windows_of_one_clip_with_different_labels_are_refused(pairs, tmp_path):
    parents = [f"parent {row // 2}" for row in range(40)]
    table = table_of(["b", *pairs[1:]], tmp_path, parent=parents)
    with pytest.raises(ValueError, match=r"must have the same labels.*\['parent 0'\]"):
        fit_bundle(table, members=[linear()])


def test_a_vanished_sound_is_named_before_any_member_is_fitted(pairs, tmp_path):
    told = []
    with pytest.raises(FileNotFoundError, match=r"40 sound files .* such as .*0\.wav"):
        fit_bundle(
            table_of(pairs, tmp_path),
            members=[linear(), "crnn"],
            progress=lambda *state: told.append(state),
        )
    assert told == []


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "a\\b", " ", "a\nb"])
def test_a_member_is_not_named_like_a_path(pairs, tmp_path, name):
    member = Member(name, LogisticRegression())
    with pytest.raises(ValueError, match="is not a name"):
        fit_bundle(table_of(pairs, tmp_path), members=[member])


def test_a_member_without_columns_takes_the_features(pairs, tmp_path):
    bundle = fit_bundle(table_of(pairs, tmp_path), members=[linear()], folds=3)
    assert bundle.stack.members_[0].columns == FEATURES.feature_names


def test_nuisance_is_left_out_and_said_to_be(pairs, tmp_path):
    table = table_of(pairs, tmp_path, with_nuisance())
    bundle = fit_bundle(table, members=[linear(), "svm"], folds=3)
    wanted = ["spectral_centroid_mean", "spectral_bandwidth_mean", "zero_crossing_rate_mean"]
    assert [member.columns for member in bundle.stack.members_] == [wanted, wanted]
    assert bundle.results.card["counts"]["features"] == 3
    note = bundle.results.card["notes"][0]
    assert "1 features of the group nuisance, such as rms_std, were left out" in note


def test_nuisance_changes_no_score_and_no_map(pairs, tmp_path):
    table = table_of(pairs, tmp_path, with_nuisance())
    first = fit_bundle(table, members=[linear()], folds=3).results
    table.values["rms_std"] *= np.float32(-1e6)
    again = fit_bundle(table, members=[linear()], folds=3).results
    pd.testing.assert_frame_equal(again.scores, first.scores)
    pd.testing.assert_frame_equal(again.projection, first.projection)


def test_nuisance_is_taken_if_told(pairs, tmp_path):
    table = table_of(pairs, tmp_path, with_nuisance())
    bundle = fit_bundle(table, members=[linear()], folds=3, with_nuisance=True)
    assert bundle.stack.members_[0].columns == with_nuisance().feature_names
    assert bundle.results.card["notes"] == []
    own = Member("own", LogisticRegression(), ["rms_std"])
    assert fit_bundle(table, members=[own], folds=3).stack.members_[0].columns == ["rms_std"]


def test_nothing_but_nuisance_is_refused(pairs, tmp_path):
    only = FeatureSet("only-v1", (Part("nuisance", "rms", rms, functionals=("mean", "std")),))
    with pytest.raises(ValueError, match=r"all 2 features are nuisance.* --with-nuisance"):
        fit_bundle(table_of(pairs, tmp_path, only), members=[linear()])


def test_a_bundle_without_nuisance_predicts_as_it_was_scored(tmp_path):
    t = np.arange(SR // 5) / SR
    rows = []
    for clip in range(24):
        pitch = 300 + clip if clip % 2 else 3000 + 20 * clip
        soundfile.write(tmp_path / f"{clip}.wav", 0.3 * np.sin(2 * np.pi * pitch * t), SR)
        rows.append({"path": f"{clip}.wav", "labels": "ab"[clip % 2], "group": f"group {clip}",
                     "split": "test" if clip > 19 else "train"})  # fmt: skip
    manifest = make_manifest(pd.DataFrame(rows), tmp_path)
    table = extract_table(manifest, tmp_path / "X.parquet", feature_set=with_nuisance())
    bundle = fit_bundle(table, members=[linear()], folds=3)
    save_bundle(bundle, tmp_path / "bundle")
    test = manifest.select((manifest.clips["split"] == "test").to_numpy())
    opened = load_bundle(tmp_path / "bundle")
    assert opened.stack.members_[0].columns == bundle.stack.members_[0].columns
    found = list(predict_clips(opened, test.audio_clips()))
    np.testing.assert_allclose(
        [list(prediction.probabilities.values()) for prediction in found],
        stack_scores(bundle.results, test.clips["clip_id"]),
        atol=1e-6,
    )


def test_a_network_without_columns_takes_the_clip_and_the_users_own_stays_as_it_is(tmp_path):
    for row in range(8):
        soundfile.write(tmp_path / f"{row}.wav", np.sin(np.arange(3000) * 0.05 * (row + 1)), SR)
    net = AudioBackboneClassifier(
        epochs=1, batch_size=4, max_seconds=0.2, random_state=0, cache_dir=tmp_path / "kept"
    )
    table = table_of(["a", "a", "b", "b"] * 2, tmp_path)
    bundle = fit_bundle(table, members=[Member("net", net)], folds=2)
    assert bundle.stack.members_[0].columns == [CLIP]
    assert net.cache_dir == tmp_path / "kept"


def test_a_meta_estimator_that_knows_no_routing_can_be_a_member(pairs, tmp_path):
    member = Member("boost", AdaBoostClassifier(GaussianNB(), n_estimators=3))
    bundle = fit_bundle(table_of(pairs, tmp_path), members=[member], folds=3, calibration=None)
    scores = bundle.results.scores.query("model == 'boost'")
    assert ((scores["a"] > 0.5) == (np.array(pairs) == "a")).mean() > 0.6


def test_a_class_that_only_test_clips_have_is_not_taken_for_certain(pairs, tmp_path):
    """scikit-learn gives one column for a constant label, and it is that of its absence."""
    labels = ["a", "b;a", "b", ""] * 9 + ["z"] * 4
    table = table_of(labels, tmp_path, split=["train"] * 36 + ["test"] * 4)
    with pytest.warns(UserWarning, match="class 'z' has 0 training clips"):
        bundle = fit_bundle(table, members=[forest()], folds=3, calibration=None)
    assert bundle.results.scores.query("model == 'forest'")["z"].max() == 0.0


def test_unknown_labels_are_no_third_answer_of_a_member(tmp_path):
    """A forest takes -1 for a class; what it gives to that class says nothing of the others."""
    labels, unknown = ["a", "b", "a;b", ""] * 10, [""] * 40
    for row in range(0, 40, 4):
        unknown[row] = "b"
    table = table_of(labels, tmp_path, unknown_labels=unknown)
    bundle = fit_bundle(table, members=[forest()], folds=3, calibration=None)
    model = bundle.stack.named_estimators_["forest"][0]
    raw = model.predict_proba(table.values)[1]
    X = table.values.assign(**{CLIP: table.rows().audio_clips()})
    known = raw[:, 1] + raw[:, 2]
    expected = np.where(known > 0, raw[:, 2] / np.maximum(known, 1e-9), 0.5)
    np.testing.assert_allclose(bundle.stack.score_models(X)["forest"][:, 1], expected)


@pytest.mark.filterwarnings("ignore:class")
def test_a_label_known_in_one_group_only_can_be_fitted(tmp_path):
    labels, unknown = ["a", "b", "a;b", ""] * 10, ["z"] * 40
    labels[38], unknown[38], unknown[39] = "a;z", "", ""
    member = Member("svm", OneVsRestSVMClassifier(random_state=0))
    table = table_of(labels, tmp_path, unknown_labels=unknown)
    bundle = fit_bundle(table, members=[member], folds=3, calibration=None)
    stack = bundle.results.scores.query("model == 'stack'").set_index("clip_id")
    assert stack.loc["38.wav", "z"] == 0.5


def test_warnings_of_workers_are_told_here_and_once(pairs, tmp_path):
    table = table_of(["a;b", *pairs[1:]], tmp_path, unknown_labels=["", *["z"] * 39])
    member = Member("svm", OneVsRestSVMClassifier(random_state=0))
    told = []
    for n_jobs in (1, 2):
        with pytest.warns(UserWarning, match="class") as caught:
            fit_bundle(table, members=[member], folds=3, n_jobs=n_jobs)
        told.append([str(warning.message) for warning in caught])
    assert sorted(told[0]) == sorted(told[1])
    assert len(set(told[0])) == len(told[0])


@pytest.fixture(scope="module")
def windowed(tmp_path_factory):
    """Clips of three windows in no order, with validation and test."""
    root = tmp_path_factory.mktemp("windowed")
    rng = np.random.default_rng(5)
    t = np.arange(SR // 2) / SR
    rows = []
    for clip in range(36):
        labels = [["low"], ["high"], ["high", "low"]][clip % 3]
        pitches = {"low": 300 + clip, "high": 3000 + 20 * clip}
        waveform = sum(0.3 * np.sin(2 * np.pi * pitches[label] * t) for label in labels)
        soundfile.write(root / f"{clip}.wav", waveform + 0.2 * rng.standard_normal(len(t)), SR)
        for start_s in (0.0, 0.15, 0.3):
            rows.append(
                {
                    "path": f"{clip}.wav",
                    "labels": ";".join(labels),
                    "group": f"clip {clip}",
                    "parent": f"{clip}.wav",
                    "split": "train" if clip < 18 else "validation" if clip < 27 else "test",
                    "start_s": start_s,
                    "end_s": start_s + 0.15,
                }
            )
    clips = pd.DataFrame(rows).sample(frac=1, random_state=0)
    manifest = make_manifest(clips, root)
    table = extract_table(manifest, root / "X.parquet", feature_set=FEATURES, use_cache=False)
    member = Member("svm", OneVsRestSVMClassifier(random_state=0))
    bundle = fit_bundle(table, members=[member], folds=3)
    save_bundle(bundle, root / "bundle")
    test = manifest.select((manifest.clips["split"] == "test").to_numpy())
    return bundle, load_bundle(root / "bundle"), test


def stack_scores(results, clip_ids):
    scores = results.scores.query("model == 'stack' and stage == 'test'").set_index("clip_id")
    return scores.loc[clip_ids, results.classes].to_numpy()


def test_windows_are_evaluated_as_they_were_scored_when_fitted(windowed):
    bundle, opened, test = windowed
    assert bundle.stack.calibration_ is not None
    results = evaluate_bundle(opened, test)
    ids = test.clips["clip_id"]
    np.testing.assert_allclose(
        stack_scores(results, ids), stack_scores(bundle.results, ids), atol=1e-6
    )


def test_windows_are_predicted_as_they_were_scored_when_fitted(windowed):
    bundle, opened, test = windowed
    ids, parents = test.clips["clip_id"].tolist(), test.clips["parent"].tolist()
    given = list(predict_clips(opened, test.audio_clips(), clip_ids=ids, parents=parents))
    assert [prediction.clip_id for prediction in given] == ids
    found = [list(prediction.probabilities.values()) for prediction in given]
    np.testing.assert_allclose(found, stack_scores(bundle.results, ids), atol=1e-6)


def test_a_window_that_cannot_be_read_leaves_its_siblings_unharmed(windowed, tmp_path):
    _, opened, test = windowed
    clips, parents = test.audio_clips()[:2], ["one", "other"]
    whole = list(predict_clips(opened, clips, parents=parents))
    bad = [clips[0], Clip(str(tmp_path / "gone.wav")), clips[1]]
    found = list(predict_clips(opened, bad, parents=["one", "one", "other"]))
    assert found[1].error == "no such file"
    assert [found[0].probabilities, found[2].probabilities] == [
        prediction.probabilities for prediction in whole
    ]


def test_clips_that_cannot_be_read_are_listed_by_evaluate(windowed):
    _, opened, test = windowed
    clips = test.clips.copy()
    clips.loc[clips.index[0], ["path", "parent", "group"]] = ["gone.wav", "gone.wav", "gone"]
    with pytest.warns(UserWarning, match=r"1 clips could not be read: .*: no such file"):
        results = evaluate_bundle(opened, replace(test, clips=clips))
    assert results.card["failures"] == 1
    assert "no such file" in results.card["notes"][-1]
