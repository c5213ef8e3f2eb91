"""Every cheap member, and what selects features for it, comes out of a bundle as it went in."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classical import (
    OneVsRestExtraTreesClassifier,
    OneVsRestLogisticClassifier,
    OneVsRestSVMClassifier,
    OneVsRestXGBClassifier,
    RankingSelector,
)
from ensemble.bundle import load_bundle, save_bundle
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.model_files import load_model, save_model
from features.feature_set import FeatureSet, Part
from features.manifest import make_manifest
from features.spectral import spectral_moments
from features.table import FeatureTable

FEATURES = FeatureSet(
    "small-v1",
    (Part("spectral", "spectral", spectral_moments, ("centroid", "bandwidth"),
          ("mean", "std", "skewness")),),
)  # fmt: skip
SELECTED = ("anova_f", "mutual_information", "roc_auc", "gain", "variance")


def make_rows(n_samples=90):
    """Points around the centre of one of three classes, in the first two columns only."""
    rng = np.random.default_rng(3)
    y = np.arange(n_samples) // 2 % 3
    X = rng.normal(size=(n_samples, FEATURES.n_features))
    X[:, :2] += 3 * np.array([[0, 0], [1, 0], [0, 1]])[y]
    return X.astype(np.float32), np.array(["a", "b", "c"])[y]


@pytest.fixture(scope="module")
def tables():
    """The rows as a feature table: one label a clip, or two of which some are unknown."""
    X, y = make_rows()
    several = [f"{label};x" if row % 3 and row % 7 else label for row, label in enumerate(y)]
    unknown = ["" if row % 7 else "x" for row in range(len(y))]
    found = {}
    for task, labels, missing in (("single", y, ""), ("several", several, unknown)):
        paths = [f"{row}.wav" for row in range(len(y))]
        groups = [f"group {row // 2}" for row in range(len(y))]
        clips = {"path": paths, "labels": labels, "unknown_labels": missing, "group": groups}
        manifest = make_manifest(pd.DataFrame(clips), "/")
        index = pd.Index(manifest.clips["clip_id"], name="clip_id")
        values = pd.DataFrame(X, index=index, columns=FEATURES.feature_names)
        failures = pd.DataFrame(columns=["clip_id", "path", "reason"])
        card = {"silent": [], "feature_set": FEATURES.card()}
        found[task] = FeatureTable(values, manifest, failures, card)
    return found


def selected(classifier, by="anova_f"):
    return make_pipeline(
        StandardScaler(), RankingSelector(by, n_features=2, random_state=0), classifier
    )


MEMBERS: dict[str, str | Member] = {
    name: name for name in ("logistic", "extratrees", "svm", "xgb")
} | {
    f"ranked {name}": Member("ranked", selected(classifier), None)
    for name, classifier in {
        "logistic": OneVsRestLogisticClassifier(random_state=0),
        "extratrees": OneVsRestExtraTreesClassifier(10, random_state=0),
        "svm": OneVsRestSVMClassifier(random_state=0),
        "xgb": OneVsRestXGBClassifier(n_estimators=10, random_state=0),
    }.items()
}


@pytest.mark.parametrize("task", ["single", "several"])
@pytest.mark.parametrize("member", MEMBERS.values(), ids=MEMBERS)
def test_a_member_in_a_bundle_says_the_same_when_opened(tables, tmp_path, member, task):
    table = tables[task]
    bundle = fit_bundle(table, members=[member], folds=3, audit=False)
    save_bundle(bundle, tmp_path / "bundle")
    opened = load_bundle(tmp_path / "bundle")
    X = table.values.assign(clip=None)
    before, after = bundle.stack.score_models(X), opened.stack.score_models(X)
    assert before.keys() == after.keys()
    for name, scores in before.items():
        np.testing.assert_allclose(after[name], scores, rtol=0, atol=1e-12, err_msg=name)
    np.testing.assert_array_equal(opened.stack.predict(X), bundle.stack.predict(X))
    parts = json.loads((tmp_path / "bundle" / "card.json").read_text())["parts"]
    assert not [name for name in parts if name.endswith((".pkl", ".joblib"))]


@pytest.mark.parametrize("by", SELECTED)
def test_a_selector_keeps_the_same_features_when_read(tmp_path, by):
    X, y = make_rows()
    fitted = RankingSelector(by, n_features=2, random_state=0).fit(X, y)
    entry = save_model(fitted, tmp_path, "selector")
    read = load_model(entry["format"], tmp_path / entry["path"])
    assert read.get_params() == fitted.get_params()
    np.testing.assert_array_equal(read.scores_, fitted.scores_)
    np.testing.assert_array_equal(read.transform(X), fitted.transform(X))
