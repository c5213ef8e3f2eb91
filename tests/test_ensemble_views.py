"""More tables for the same clips: joined by name, and refused if they leak or do not fit."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ensemble.bundle import CLIP, load_bundle, save_bundle
from ensemble.clip_columns import compute_columns, list_feature_sets
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.views import read_view
from features.audio import Clip
from features.extraction import extract_table
from features.feature_set import FeatureSet, Part
from features.manifest import make_manifest
from features.named_sets import get_feature_set
from features.spectral import spectral_moments
from features.table import FeatureTable, hash_clip_ids, read_table, write_table
from features.temporal import rms

FEATURES = get_feature_set("compact-v1")
N = 48
LABELS = ["a", "a", "b", "b", "c", "c"] * (N // 6)


def clip_table(**columns):
    clips = {
        "path": [f"{row}.wav" for row in range(N)],
        "labels": LABELS,
        "group": [f"group {row // 2}" for row in range(N)],
    }
    return pd.DataFrame(clips | columns)


def table_of(root, names, card, *, clips=None, dropped=(), signal=1.0):
    """Drawn numbers in which labels show; the rows in an order of their own."""
    manifest = make_manifest(clip_table() if clips is None else clips, root)
    kept = [clip for clip in manifest.clips["clip_id"] if clip not in dropped]
    rng = np.random.default_rng(len(names))
    values = pd.DataFrame(
        rng.normal(size=(len(manifest), len(names))).astype(np.float32),
        index=pd.Index(manifest.clips["clip_id"], name="clip_id"),
        columns=names,
    )
    values.iloc[:, :3] += np.float32(signal) * (manifest.label_matrix(["a", "b", "c"]) == 1)
    values = values.loc[kept].sample(frac=1, random_state=0)
    failures = pd.DataFrame({"clip_id": list(dropped), "path": list(dropped), "reason": "broken"})
    whole = {"silent": [], "clip_ids_sha256": hash_clip_ids(kept), **card}
    return FeatureTable(values, manifest, failures, whole)


def main_table(root, **settings):
    card = {"kind": "features", "trained_on": None, "feature_set": FEATURES.card()}
    return table_of(root, FEATURES.feature_names, card, **settings)


def embeddings(root, name="E", *, trained_on=None, **settings):
    card = {"kind": "embeddings", "trained_on": trained_on, "embedding": {"backbone": "ast"}}
    names = [f"emb_{k:03d}" for k in range(8)]
    table = table_of(root, names, card, **settings)
    write_table(table, root / f"{name}.parquet")
    return root / f"{name}.parquet"


def linear():
    return Member("linear", LogisticRegression(max_iter=300))


def test_a_ready_made_member_is_made_for_each_table(tmp_path):
    bundle = fit_bundle(
        main_table(tmp_path), members=["svm"], add=[embeddings(tmp_path, signal=3.0)], folds=3
    )
    first, second = bundle.stack.members_
    assert (first.name, first.columns) == ("svm", FEATURES.feature_names)
    assert (second.name, second.columns) == ("svm@E", [f"E.emb_{k:03d}" for k in range(8)])
    # Each view has a map of its own.
    assert bundle.results.projection["view"].unique().tolist() == ["features", "E"]


def test_a_member_may_be_asked_for_one_table_alone(tmp_path):
    bundle = fit_bundle(
        main_table(tmp_path), members=["svm@E"], add=[embeddings(tmp_path)], folds=3
    )
    assert [member.name for member in bundle.stack.members_] == ["svm@E"]


@pytest.mark.parametrize("name", ["svm@F", "crnn@E"], ids=["no-such-table", "a-network"])
def test_a_view_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(ValueError, match=r"as svm@features, svm@E; got"):
        fit_bundle(main_table(tmp_path), members=[name], add=[embeddings(tmp_path)], folds=3)


def test_rows_are_joined_by_name_whatever_their_order(tmp_path):
    """One table with all columns is the same as two with some each."""
    table = main_table(tmp_path)
    path = embeddings(tmp_path)
    added = fit_bundle(table, members=[linear()], add=[path], folds=3)
    both = pd.read_parquet(path).set_index("clip_id").add_prefix("E.").loc[table.values.index]
    joined = replace(table, values=pd.concat([table.values, both], axis=1))
    whole = fit_bundle(joined, members=[linear()], folds=3)
    pd.testing.assert_frame_equal(added.results.scores, whole.results.scores)


def test_a_bundle_with_views_is_saved_and_opened(tmp_path):
    table = main_table(tmp_path)
    path = embeddings(tmp_path)
    bundle = fit_bundle(table, members=["svm", linear()], add=[path], folds=3)
    save_bundle(bundle, tmp_path / "bundle")
    opened = load_bundle(tmp_path / "bundle")
    both = pd.read_parquet(path).set_index("clip_id").add_prefix("E.")
    X = pd.concat([table.values, both.loc[table.values.index]], axis=1).assign(clip=None)
    for name, scores in bundle.stack.score_models(X).items():
        np.testing.assert_allclose(opened.stack.score_models(X)[name], scores, atol=1e-12)
    view = opened.card["views"][0]
    assert (view["name"], view["kind"], view["embedding"]) == (
        "E",
        "embeddings",
        {"backbone": "ast"},
    )
    assert view["columns"][:2] == ["emb_000", "emb_001"]


def trained_on(clip_ids):
    return {"clip_ids_sha256": hash_clip_ids(clip_ids), "folds_sha256": "0", "clip_ids": clip_ids}


def test_embeddings_of_a_backbone_trained_on_the_corpus_are_refused(tmp_path):
    path = embeddings(tmp_path, trained_on=trained_on(["7.wav", "elsewhere.wav"]))
    message = (
        r"was trained on clips of this corpus \(1 of them\).* Add its run instead \(--add run/\)"
    )
    with pytest.raises(ValueError, match=message):
        fit_bundle(main_table(tmp_path), members=[linear()], add=[path], folds=3)


def test_embeddings_that_may_leak_are_refused_too(tmp_path):
    path = embeddings(tmp_path, trained_on={"clip_ids_sha256": "0", "folds_sha256": "0"})
    with pytest.raises(ValueError, match="cannot be told not to have been trained on clips"):
        fit_bundle(main_table(tmp_path), members=[linear()], add=[path], folds=3)


def test_a_backbone_that_learned_without_labels_is_welcome(tmp_path):
    seen = trained_on(["7.wav"]) | {"labels": False}
    path = embeddings(tmp_path, name="own", trained_on=seen | {"test_rows": 0})
    assert read_view(path, {"7.wav"}).card["kind"] == "embeddings"
    with pytest.raises(ValueError, match="was trained on clips of this corpus"):
        read_view(path, {"7.wav"}, test_ids={"7.wav"})
    path = embeddings(tmp_path, name="test", trained_on=seen | {"test_rows": 3})
    with pytest.raises(ValueError, match="was trained on clips of this corpus"):
        read_view(path, {"7.wav"})


def test_a_backbone_trained_on_other_clips_is_welcome(tmp_path):
    path = embeddings(tmp_path, trained_on=trained_on(["elsewhere.wav"]))
    bundle = fit_bundle(main_table(tmp_path), members=["svm"], add=[path], folds=3)
    assert bundle.card["views"][0]["name"] == "E"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "other"}, r"must say 'kind', one of .*got 'other'"),
        ({"trained_on": ...}, r"must have \['trained_on'\].*make the table again"),
        ({"embedding": ...}, r"must have \['embedding'\]"),
    ],
    ids=["kind", "trained_on", "embedding"],
)
def test_a_card_that_does_not_say_enough_is_refused(tmp_path, change, message):
    path = embeddings(tmp_path)
    card_path = path.with_name("E.parquet.card.json")
    card = json.loads(card_path.read_text()) | change
    card = {key: value for key, value in card.items() if value is not ...}
    card_path.write_text(json.dumps(card))
    with pytest.raises(ValueError, match=message):
        fit_bundle(main_table(tmp_path), members=[linear()], add=[path], folds=3)


def test_a_table_of_other_clips_is_refused(tmp_path):
    clips = clip_table(clip_id=[f"other {row}" if row < 5 else f"{row}.wav" for row in range(N)])
    path = embeddings(tmp_path, clips=clips)
    message = r"E: 5 of 48 clips are not in its manifest, such as 0\.wav.*from one manifest"
    with pytest.raises(ValueError, match=message):
        fit_bundle(main_table(tmp_path), members=[linear()], add=[path], folds=3)


def test_names_that_mean_other_sounds_are_refused(tmp_path):
    hashes = [f"{row:064d}" for row in range(N)]
    ours = clip_table(sha256=hashes, clip_id=[str(row) for row in range(N)])
    theirs = ours.assign(end_s=[1.0] * 2 + [np.nan] * (N - 2), sha256=[*hashes[:-1], hashes[0]])
    path = embeddings(tmp_path, clips=theirs)
    message = r"end_s is another for 2 clips, .*; E: the sound is another for 1 clips, 47"
    with pytest.raises(ValueError, match=message):
        fit_bundle(main_table(tmp_path, clips=ours), members=[linear()], add=[path], folds=3)


def test_a_first_table_of_embeddings_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"must hold features, .*embeddings joins one as --add"):
        fit_bundle(read_table(embeddings(tmp_path)), members=[linear()], folds=3)


def test_two_tables_of_one_name_are_refused(tmp_path):
    (tmp_path / "more").mkdir()
    both = [embeddings(tmp_path), embeddings(tmp_path / "more")]
    with pytest.raises(ValueError, match="two are called 'E'"):
        fit_bundle(main_table(tmp_path), members=[linear()], add=both, folds=3)


def test_a_clip_that_failed_in_one_table_is_left_out_and_said_to_be(tmp_path):
    path = embeddings(tmp_path, dropped=("3.wav", "9.wav"))
    with pytest.warns(UserWarning, match=r"2 clips take no part: they failed in the added table E"):
        bundle = fit_bundle(main_table(tmp_path), members=[linear()], add=[path], folds=3)
    assert len(bundle.results.clips) == N - 2
    assert "2 clips take no part" in bundle.results.card["notes"][0]


def test_nuisance_of_an_added_table_is_left_out_unless_told(tmp_path):
    parts = (
        Part("spectral", "spectral", spectral_moments, ("centroid", "bandwidth"), ("mean",)),
        Part("nuisance", "rms", rms, functionals=("mean", "std")),
    )
    features = FeatureSet("small-v1", parts)
    card = {"kind": "features", "trained_on": None, "feature_set": features.card()}
    write_table(table_of(tmp_path, features.feature_names, card), tmp_path / "small.parquet")
    seen = []
    for with_nuisance in (False, True):
        bundle = fit_bundle(
            main_table(tmp_path), members=["svm@small"], add=[tmp_path / "small.parquet"], folds=3,
            with_nuisance=with_nuisance,
        )  # fmt: skip
        seen.append(bundle.stack.members_[0].columns)
    assert seen[0] == ["small.spectral_centroid_mean", "small.spectral_bandwidth_mean"]
    assert seen[1] == [*seen[0], "small.rms_mean", "small.rms_std"]


def test_columns_of_all_feature_sets_are_computed_from_sound(tmp_path, write_wav):
    parts = (Part("spectral", "spectral", spectral_moments, ("centroid",), ("mean",)),)
    small = FeatureSet("small-v1", parts)
    t = np.arange(4000) / 8000
    clips = pd.DataFrame(
        {
            "path": [write_wav(f"{k}.wav", np.sin(2 * np.pi * (300 + 200 * k) * t), 8000).name
                     for k in range(12)],
            "labels": ["a", "b"] * 6,
            "group": [f"g{k}" for k in range(12)],
        }
    )  # fmt: skip
    manifest = make_manifest(clips, tmp_path)
    tables = {}
    for name, features in (("X", FEATURES), ("small", small)):
        tables[name] = extract_table(manifest, tmp_path / f"{name}.parquet", feature_set=features,
                                     use_cache=False)  # fmt: skip
    bundle = fit_bundle(
        tables["X"], members=["svm"], add=[tmp_path / "small.parquet"], folds=3, audit=False
    )
    save_bundle(bundle, tmp_path / "bundle")
    opened = load_bundle(tmp_path / "bundle")
    wanted = [*manifest.audio_clips(), Clip(str(tmp_path / "gone.wav"))]
    found = compute_columns(wanted, list_feature_sets(opened))
    assert found.failures == {12: "no such file"}
    fitted = pd.concat([tables["X"].values, tables["small"].values.add_prefix("small.")], axis=1)
    assert list(found.X.columns) == [*fitted.columns, CLIP]
    np.testing.assert_array_equal(found.X.drop(columns=CLIP).to_numpy(), fitted.to_numpy())
    oof = bundle.stack.score_models(fitted.assign(clip=manifest.audio_clips()))
    np.testing.assert_allclose(opened.stack.predict_proba(found.X), oof["stack"], atol=1e-12)


def test_embeddings_cannot_be_computed_from_a_bundle(tmp_path):
    path = embeddings(tmp_path)
    bundle = fit_bundle(main_table(tmp_path), members=["svm@E"], add=[path], folds=3)
    with pytest.raises(ValueError, match=r"looks at embeddings of ast \(table E\)"):
        list_feature_sets(bundle)
