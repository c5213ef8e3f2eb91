"""A finished training enters the stack by its out-of-fold probabilities, if it fits and leaks not.

The runs are made up to the schema of `ensemble.trained_run`: small networks of one epoch.
"""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from deep.classifier import AudioBackboneClassifier
from ensemble.bundle import CLIP, load_bundle, save_bundle
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.prediction import predict_clips
from ensemble.stacking import StackingEnsembleClassifier
from ensemble.trained_run import TrainedRun
from features.extraction import extract_table
from features.feature_set import FeatureSet, Part
from features.folds import hash_folds
from features.manifest import make_manifest
from features.spectral import spectral_moments
from features.table import hash_clip_ids

SR = 8000
CLASSES = ["high", "low"]
FEATURES = FeatureSet(
    "tiny-v1",
    (Part("spectral", "spectral", spectral_moments, ("centroid", "bandwidth"), ("mean",)),),
)


def write_run(folder, table, networks, classes=CLASSES, **changes):
    """Write a run's folder; `table` has clip_id, fold and a column a class."""
    folder.mkdir()
    card = {
        "schema": "timbrestack.run",
        "schema_version": 1,
        "backbone": "crnn",
        "task": "single-label",
        "classes": list(classes),
        "clip_ids_sha256": hash_clip_ids(table["clip_id"]),
        "folds_sha256": hash_folds(list(table["clip_id"]), table["fold"].to_numpy()),
    }
    (folder / "card.json").write_text(json.dumps(card | changes))
    table.to_parquet(folder / "oof.parquet", index=False)
    for fold, network in networks.items():
        network.save_model(folder / f"fold_{fold}")
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Sixteen tones in pairs, twelve to train on in folds 1, 2 and 3; a feature table; a run."""
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    t = np.arange(SR // 4) / SR
    rows = []
    for clip in range(16):
        kind = CLASSES[clip // 2 % 2]
        f0 = (300 if kind == "low" else 1500) + 10 * clip
        waveform = 0.3 * np.sin(2 * np.pi * f0 * t) + 0.1 * rng.standard_normal(len(t))
        soundfile.write(root / f"{clip}.wav", waveform, SR)
        rows.append({"path": f"{clip}.wav", "labels": kind, "group": f"g{clip // 2}",
                     "split": "train" if clip < 12 else "test"})  # fmt: skip
    manifest = make_manifest(pd.DataFrame(rows), root)
    table = extract_table(manifest, root / "X.parquet", feature_set=FEATURES, use_cache=False)
    training = manifest.select(np.arange(16) < 12)
    folds = np.arange(12) // 4 + 1
    clips = np.array(training.audio_clips(), dtype=object)
    labels = training.clips["labels"].to_numpy()
    networks, scores = {}, np.empty((12, 2))
    for fold in (1, 2, 3):
        network = AudioBackboneClassifier(
            epochs=1, batch_size=4, sr=SR, max_seconds=0.25, random_state=fold,
            validation_fraction=0.0,
        )  # fmt: skip
        networks[fold] = network.fit(list(clips[folds != fold]), labels[folds != fold])
        scores[folds == fold] = network.predict_proba(list(clips[folds == fold]))
    oof = pd.DataFrame(scores, columns=CLASSES)
    oof.insert(0, "clip_id", training.clips["clip_id"].to_numpy())
    oof.insert(1, "fold", folds)
    # In an order of its own: rows are found by name.
    oof = oof.sample(frac=1, random_state=0)
    return root, table, oof, networks, write_run(root / "run", oof, networks)


def linear():
    return Member("linear", LogisticRegression())


def fit(table, run, **settings):
    return fit_bundle(table, members=[linear()], add=[run], audit=False, **settings)


def test_its_out_of_fold_probabilities_are_taken_as_they_are(corpus):
    _, table, oof, _, run = corpus
    bundle = fit(table, run)
    scores = bundle.results.scores.query("model == 'run' and stage == 'oof'").set_index("clip_id")
    expected = oof.set_index("clip_id")[CLASSES].loc[scores.index]
    np.testing.assert_allclose(scores[CLASSES].to_numpy(), expected.to_numpy(), atol=1e-7)


def test_its_folds_are_those_of_the_stack_where_the_manifest_has_none(corpus):
    _, table, oof, _, run = corpus
    folds = fit(table, run).results.clips["fold"]
    expected = oof.set_index("clip_id")["fold"] - 1
    np.testing.assert_array_equal(folds[expected.index], expected)
    assert (folds.drop(expected.index) == -1).all()


def test_its_networks_answer_together(corpus):
    _, table, _, networks, run = corpus
    bundle = fit(table, run)
    X = table.values.assign(**{CLIP: table.rows().audio_clips()})
    mean = np.mean([net.decision_function(list(X[CLIP])) for net in networks.values()], axis=0)
    if mean.ndim == 1:
        mean = np.column_stack([np.zeros(len(mean)), mean])
    expected = softmax(mean, axis=1)
    np.testing.assert_allclose(bundle.stack.score_models(X)["run"], expected, atol=1e-6)
    np.testing.assert_allclose(TrainedRun(run).predict_proba(list(X[CLIP])), expected, atol=1e-6)


def test_the_bundle_carries_all_its_networks_and_needs_the_run_no_more(corpus, tmp_path):
    _, table, _, _, run = corpus
    moved = shutil.copytree(run, tmp_path / "mine")
    bundle = fit(table, moved)
    save_bundle(bundle, tmp_path / "bundle")
    shutil.rmtree(moved)
    opened = load_bundle(tmp_path / "bundle")
    assert len(list((tmp_path / "bundle" / "members" / "mine").glob("*/*.safetensors"))) == 3
    assert opened.card["runs"][0]["name"] == "mine"
    clips = table.rows().audio_clips()
    X = table.values.assign(**{CLIP: clips})
    expected = bundle.stack.predict_proba(X)
    found = [list(each.probabilities.values()) for each in predict_clips(opened, clips)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_clone_knows_the_run_too(corpus):
    *_, run = corpus
    pd.testing.assert_frame_equal(clone(TrainedRun(run)).table, TrainedRun(run).table)


def changed_manifest(root, table, **columns):
    manifest = make_manifest(table.manifest.clips.assign(**columns), root)
    return type(table)(table.values, manifest, table.failures, table.card)


def test_other_folds_are_refused_with_advice(corpus):
    root, table, _, _, run = corpus
    folds = np.where(np.arange(16) < 12, np.arange(16) // 2 % 3, -1)
    message = r"run run does not fit: it was trained on other folds.*python cli\.py split"
    with pytest.raises(ValueError, match=message):
        fit(changed_manifest(root, table, fold=folds), run)


def test_the_same_folds_counted_otherwise_are_welcome(corpus):
    root, table, _, networks, run = corpus
    folds = np.where(np.arange(16) < 12, 3 - np.arange(16) // 4, -1)
    bundle = fit(changed_manifest(root, table, fold=folds), run)
    # Fold 0 of the stack is fold 3 of the run.
    first = bundle.stack.named_estimators_["run"][0]
    clips = table.rows().audio_clips()
    np.testing.assert_allclose(
        first.decision_function(clips), networks[3].decision_function(clips), atol=1e-6
    )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"split": ["train"] * 16}, r"4 of 16 training clips have no out-of-fold probabilities"),
        (
            {"split": ["train"] * 10 + ["test"] * 6},
            r"trained on 2 clips that are held out .* such as 10\.wav",
        ),
        (
            {"group": [f"g{k}" if k > 11 else f"g{k % 4}" for k in range(16)]},
            r"its folds tear 4 groups, such as g0",
        ),
        (
            {"labels": ["high;low" if k == 3 else CLASSES[k // 2 % 2] for k in range(16)]},
            r"its task is single-label, that of the stack multi-label",
        ),
        (
            {"labels": [["high", "low", "noise"][k % 3] for k in range(16)],
             "group": [f"g{k}" for k in range(16)]},
            r"its classes are \['high', 'low'\], those of the stack \['high', 'low', 'noise'\]",
        ),
    ],
    ids=["missing-clips", "test-clips", "torn-groups", "task", "classes"],
)  # fmt: skip
def test_a_run_that_leaks_or_does_not_fit_is_refused(corpus, columns, message):
    root, table, _, _, run = corpus
    with pytest.raises(ValueError, match=message):
        fit(changed_manifest(root, table, **columns), run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "other"}, "is no finished run: its card says 'other'"),
        ({"schema_version": 2}, "has schema 2, this version reads 1; upgrade timbrestack"),
        ({"clip_ids_sha256": "0"}, "its clips are not those of its card; train again"),
        ({"folds_sha256": "0"}, "its folds are not those of its card; train again"),
        ({"classes": ["high"]}, r"must have the columns \['clip_id', 'fold', 'high'\]"),
    ],
    ids=["schema", "version", "clips", "folds", "classes"],
)
def test_a_damaged_run_is_told(corpus, tmp_path, changes, message):
    _, table, oof, networks, _ = corpus
    with pytest.raises(ValueError, match=message):
        fit(table, write_run(tmp_path / "bad", oof, networks, **changes))


def test_what_is_missing_of_a_run_is_told(corpus, tmp_path):
    _, table, oof, networks, run = corpus
    few = write_run(tmp_path / "few", oof, {1: networks[1]})
    with pytest.raises(ValueError, match=r"the networks \['fold_2', 'fold_3'\] are missing"):
        fit(table, few)
    bare = shutil.copytree(run, tmp_path / "bare")
    (bare / "card.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no finished run: it has no card\.json"):
        fit(table, bare)


def test_values_that_are_no_probabilities_are_told(corpus, tmp_path):
    _, table, oof, networks, _ = corpus
    wild = oof.assign(high=oof["high"] + 1)
    with pytest.raises(ValueError, match="some values are not probabilities"):
        fit(table, write_run(tmp_path / "wild", wild, networks))


def test_a_run_has_no_strict_score(corpus):
    _, table, _, _, run = corpus
    with pytest.raises(ValueError, match="the strict score needs networks that saw neither"):
        fit(table, run, nested=True)


def test_rows_without_names_are_refused(corpus):
    *_, run = corpus
    stack = StackingEnsembleClassifier([("run", TrainedRun(run), None)], cv=2)
    with pytest.raises(ValueError, match="knows its rows by name"):
        stack.fit(np.zeros((12, 2)), CLASSES * 6)
