"""What each member and each view adds to a stack, from stored results alone."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from ensemble.ablation.leaving_out import ablate
from ensemble.ablation.views import score_without_views
from ensemble.bundle import Bundle
from ensemble.results_tables import score_frame
from ensemble.stacking import StackingEnsembleClassifier
from features.manifest import make_manifest
from features.table import FeatureTable
from reports import metrics
from reports.ablation import ablation_table
from reports.ablation_card import ablation_problems
from reports.page import create_report
from reports.plots.ablation import plot_ablation
from reports.results import Results, write_results

COLUMNS = [f"{view}_{number}" for view in ("low", "high", "noise") for number in range(3)]
VIEWS = {view: [name for name in COLUMNS if name.startswith(view)] for view in ("low", "noise")}
CLASSES = ["cello", "flute", "organ"]


def make_rows(*, multilabel, n_groups=60):
    """Three classes; `low` and `high` features tell of them, `noise` does not."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(n_groups), 4)
    truth = np.eye(3, dtype=np.int8)[groups % 3]
    if multilabel:
        truth = truth | (rng.random((n_groups, 3)) < 0.3).astype(np.int8)[groups]
    heard = 1.2 * np.column_stack([truth, truth, np.zeros_like(truth)])
    X = pd.DataFrame(heard + rng.normal(0, 1, heard.shape), columns=COLUMNS)
    return X, truth if multilabel else np.array(CLASSES)[groups % 3], truth, groups


def make_members():
    columns = {"near": COLUMNS[:6], "low": COLUMNS[:3], "guess": COLUMNS[6:]}
    model = OneVsRestClassifier(LogisticRegression())
    return [(name, model, names) for name, names in columns.items()]


def fit(*, multilabel, members=None, n_groups=60, test_groups=0):
    X, y, truth, groups = make_rows(multilabel=multilabel, n_groups=n_groups)
    train = groups < n_groups - test_groups
    stack = StackingEnsembleClassifier(members or make_members(), cv=4)
    stack.fit(X[train], y[train], groups=groups[train])
    ids = np.array([f"clip {row}" for row in range(len(X))], dtype=object)
    stages = {"oof": (train, stack.oof_scores_, stack.oof_decisions_)}
    if test_groups:
        scores = stack.score_models(X[~train])
        stages["test"] = (~train, scores, stack.decide_models(scores))
    tables = []
    for number, kind in ((1, np.float32), (2, np.int8)):
        frames = [
            score_frame(given[number], CLASSES, ids[given[0]], stage=stage, dtype=kind)
            for stage, given in stages.items()
        ]
        tables.append(pd.concat(frames, ignore_index=True))
    folds = np.full(len(X), -1)
    folds[train] = stack.folds_
    index = pd.Index(ids.astype(str), name="clip_id")
    clips = {"parent": ids, "group": groups.astype(str), "fold": folds}
    results = Results(
        classes=CLASSES,
        task="multi-label" if multilabel else "single-label",
        clips=pd.DataFrame({**clips, "split": np.where(train, "train", "test")}, index=index),
        truth=pd.DataFrame(truth, index=index, columns=CLASSES),
        scores=tables[0],
        decisions=tables[1],
        projection=pd.DataFrame({"view": [], "clip_id": []}, dtype=str),
        card={"members": [member[0] for member in stack.members]},
    )
    return stack, results.check()


@pytest.fixture(scope="module", params=[False, True], ids=["single", "multi"])
def fitted(request):
    return request.param, *fit(multilabel=request.param)


def part_of(found, name, *, kind="parts"):
    return next(part for part in found[kind] if part["part"] == name)


def test_leaving_a_member_out_gives_the_stack_that_was_fitted_without_it(fitted):
    multilabel, stack, results = fitted
    found = ablate(results, metrics=["macro_f1", "map"], n_boot=20)
    assert found["reproduced"]
    truth = results.truth.to_numpy()
    for left_out in ("near", "guess"):
        rest = [member for member in make_members() if member[0] != left_out]
        other, _ = fit(multilabel=multilabel, members=rest)
        without = part_of(found, left_out)["without"]
        expected = {
            "macro_f1": metrics.macro_f1(truth, other.oof_decisions_["stack"]),
            "map": metrics.mean_average_precision(truth, other.oof_scores_["stack"]),
        }
        for name, value in expected.items():
            assert without[name]["value"] == pytest.approx(float(value), abs=5e-3)
    own = metrics.macro_f1(truth, stack.oof_decisions_["stack"])
    assert found["stack"]["macro_f1"]["value"] == pytest.approx(float(own), abs=1e-6)


def test_the_gain_is_the_difference_and_its_sign_says_which_is_better(fitted):
    found = ablate(fitted[2], metrics=["map", "brier"], n_boot=50)
    for part in [*found["parts"], *found["alone"]]:
        for name, sign in (("map", 1), ("brier", -1)):
            difference = found["stack"][name]["value"] - part["without"][name]["value"]
            assert part["gain"][name]["value"] == pytest.approx(sign * difference)
    # Worse ranking and a greater distance are both a loss.
    gain = part_of(found, "near")["gain"]
    assert gain["map"]["low"] > 0
    assert gain["brier"]["low"] > 0


def test_what_adds_nothing_is_said_to_add_nothing(fitted):
    found = ablate(fitted[2], metrics=["map"], n_boot=200)
    said = " ".join(found["sentences"])
    assert found["sentences"][0].startswith("The stack ")
    assert "its best member (near)" in found["sentences"][0]
    assert "Members that the stack is worse without: near (+" in said
    assert "beyond chance: " in said
    assert "guess (" in said.split("no gain beyond chance: ")[1]
    assert "out of fold on 240 clips of 60 groups" in said
    assert "not exactly" not in said
    json.dumps(found, allow_nan=False)


def test_a_test_split_takes_no_part():
    _, results = fit(multilabel=False, test_groups=20)
    found = ablate(results, n_boot=5)
    assert (found["rows"], found["groups"], found["folds"]) == (160, 40, 4)


def test_unknown_cells_and_windows_are_scored_as_everywhere():
    _, results = fit(multilabel=True)
    results.clips["parent"] = "song " + results.clips["group"]
    results.truth.loc[results.clips["group"] == "7", "flute"] = -1
    found = ablate(results.check(), metrics=["macro_f1"], n_boot=5)
    assert found["rows"] == 60
    # Stacked on means over windows, which the stack of the results was not.
    assert not found["reproduced"]
    assert "not exactly the one of the results" in found["sentences"][-1]


def test_few_groups_give_no_interval_and_no_claim():
    _, results = fit(multilabel=False, n_groups=12)
    found = ablate(results)
    assert part_of(found, "near")["gain"]["macro_f1"]["low"] is None
    assert any("too few groups to tell" in sentence for sentence in found["sentences"])


def test_a_lone_member_cannot_be_left_out():
    _, results = fit(multilabel=False, members=make_members()[:1])
    found = ablate(results, n_boot=5)
    assert found["parts"] == []
    assert "There is one member only, so none can be left out." in found["sentences"]


def test_results_without_folds_and_unknown_metrics_are_refused():
    _, results = fit(multilabel=False)
    with pytest.raises(ValueError, match=r"metrics must be among .*got unknown"):
        ablate(results, metrics=["f2"])
    results.clips["fold"] = -1
    with pytest.raises(ValueError, match="over at least 2 folds, got 240 rows in 1 folds"):
        ablate(results)


def make_bundle(multilabel):
    stack, results = fit(multilabel=multilabel)
    X, _, truth, groups = make_rows(multilabel=multilabel)
    X.index = pd.Index(results.clips.index, name="clip_id")
    labels = [";".join(np.array(CLASSES)[row == 1]) for row in truth]
    rows = {"path": [f"{name}.wav" for name in X.index], "clip_id": X.index, "labels": labels}
    manifest = make_manifest(pd.DataFrame({**rows, "group": groups.astype(str)}), root="/nowhere")
    table = FeatureTable(X, manifest, pd.DataFrame(), {})
    card = {"name": "made-v1"}
    return Bundle(stack, CLASSES, results.task, card, {}, results), table


@pytest.mark.parametrize("multilabel", [False, True], ids=["single", "multi"])
def test_leaving_a_view_out_fits_what_looked_at_it_again(multilabel):
    bundle, table = make_bundle(multilabel)
    told = []
    views = score_without_views(
        bundle, table, views=VIEWS, progress=lambda done, total, text: told.append((done, total))
    )
    # `low` is all that the member of this name looks at, `noise` all of the one that guesses.
    assert {view: list(scores) for view, scores in views.items()} == {
        "low": ["near", "low"],
        "noise": ["guess"],
    }
    assert views["low"]["low"] is None
    assert views["noise"]["guess"] is None
    assert told[-1] <= (15, 15)
    found = ablate(bundle.results, views=views, metrics=["macro_f1", "map"], n_boot=20)
    assert found["reproduced"]
    without = part_of(found, "low")
    members = [
        ("near", OneVsRestClassifier(LogisticRegression()), COLUMNS[3:6]), make_members()[2]
    ]  # fmt: skip
    other, _ = fit(multilabel=multilabel, members=members)
    expected = metrics.mean_average_precision(
        bundle.results.truth.to_numpy(), other.oof_scores_["stack"]
    )
    parts = {(part["part"], part["kind"]) for part in found["parts"]}
    assert ("low", "view") in parts
    without = next(p for p in found["parts"] if (p["part"], p["kind"]) == ("low", "view"))
    assert without["without"]["map"]["value"] == pytest.approx(float(expected), abs=1e-3)
    assert without["gain"]["map"]["value"] > 0


def test_views_that_cannot_be_left_out_and_foreign_tables_are_refused():
    bundle, table = make_bundle(False)
    with pytest.raises(ValueError, match="no view can be left out"):
        score_without_views(bundle, table)
    with pytest.raises(ValueError, match="no view can be left out"):
        score_without_views(bundle, table, views={"all": COLUMNS})
    del table.values["low_0"]
    with pytest.raises(ValueError, match="it lacks 1 columns, such as low_0"):
        score_without_views(bundle, table, views=VIEWS)
    bundle.results = None
    with pytest.raises(ValueError, match="must be opened with its results"):
        score_without_views(bundle, table, views=VIEWS)


def test_scores_of_other_clips_are_refused():
    _, results = fit(multilabel=False)
    other = pd.DataFrame(0.5, index=["clip 1"], columns=CLASSES)
    with pytest.raises(
        ValueError, match=r"without 'low' must be of the same clips.*239 are missing"
    ):
        ablate(results, views={"low": {"near": other}})


def test_an_ablation_is_a_table_a_picture_and_a_part_of_the_report(tmp_path):
    _, results = fit(multilabel=False)
    found = ablate(results, metrics=["macro_f1", "brier"], n_boot=20)
    table = ablation_table(found)
    assert table["model"].tolist() == [
        "stack", "without near", "without low", "without guess",
        "near alone", "low alone", "guess alone",
    ]  # fmt: skip
    assert table.columns[2:8].tolist() == [
        "macro_f1", "macro_f1_low", "macro_f1_high",
        "macro_f1_gain", "macro_f1_gain_low", "macro_f1_gain_high",
    ]  # fmt: skip
    ticks = [text.get_text() for text in plot_ablation(found).get_yticklabels()]
    assert ticks[0] == "without near"
    assert list(ablation_problems(found)) == []
    results.card["ablation"] = found
    write_results(results, tmp_path / "results")
    summary = create_report([tmp_path / "results"], tmp_path / "report", n_boot=5, methods=())
    assert "ablation" in summary["figures"]
    assert (tmp_path / "report" / "tables" / "ablation.csv").is_file()
    page = (tmp_path / "report" / "index.html").read_text()
    assert "without guess" in page
    assert "Measured out of fold on" in page


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, []),
        ([], ["ablation must be an object, got list"]),
        ({}, ["ablation must have metrics as list, got None"]),
        (
            {"metrics": [], "stack": {}, "parts": [{}], "alone": [], "sentences": []},
            ["each part of an ablation must have part, kind, without, gain, got {}"],
        ),
    ],
    ids=["none", "list", "empty", "part"],
)
def test_a_damaged_ablation_is_told(given, problem):
    assert list(ablation_problems(given)) == problem
