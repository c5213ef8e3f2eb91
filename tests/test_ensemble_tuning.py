"""Searching settings: training rows only, the same for a seed, killed and resumed, honest."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import ExtraTreeClassifier

pytest.importorskip("optuna")

import ensemble.tuning.nested
import ensemble.tuning.parts
from classical.boosting import OneVsRestXGBClassifier
from ensemble.bundle import load_bundle, save_bundle
from ensemble.fitting import fit_bundle
from ensemble.members import Member
from ensemble.recipes import MemberSettings, create_member
from ensemble.tuning.file import StudyFile
from ensemble.tuning.records import TrialRecord, best_record
from ensemble.tuning.rows import take_training_rows
from ensemble.tuning.scores import get_metric, score_folds
from ensemble.tuning.search import tune
from ensemble.tuning.settings import read_member_settings, settle_member
from ensemble.tuning.spaces import SPACES, Setting
from ensemble.tuning.study import open_study
from features.feature_set import FeatureSet, Part
from features.manifest import make_manifest
from features.spectral import spectral_moments
from features.table import FeatureTable, hash_clip_ids, write_table
from features.temporal import rms

ROOT = Path(__file__).resolve().parents[1]
FEATURES = FeatureSet(
    "small-v1",
    (
        Part("spectral", "spectral", spectral_moments, ("centroid", "bandwidth"), ("mean", "std")),
        Part("nuisance", "rms", rms, functionals=("std",)),
    ),
)
PAIRS = ["a", "a", "b", "b"] * 9


def table_of(labels, *, shift=1.0, seed=0, **columns):
    """Drawn features in which each label shows by `shift`; two clips a group."""
    clips = {
        "path": [f"{row}.wav" for row in range(len(labels))],
        "labels": labels,
        "group": [f"group {row // 2:02d}" for row in range(len(labels))],
    }
    manifest = make_manifest(pd.DataFrame(clips | columns), Path("/somewhere"))
    truth = manifest.label_matrix(manifest.classes) == 1
    values = np.random.default_rng(seed).normal(size=(len(labels), FEATURES.n_features))
    values[:, : truth.shape[1]] += shift * truth
    index = pd.Index(manifest.clips["clip_id"], name="clip_id")
    return FeatureTable(
        pd.DataFrame(values.astype(np.float32), index=index, columns=FEATURES.feature_names),
        manifest,
        pd.DataFrame(columns=["clip_id", "path", "reason"]),
        {
            "silent": [],
            "feature_set": FEATURES.card(),
            "clip_ids_sha256": hash_clip_ids(index),
            "schema_version": 1,
        },
    )


@pytest.fixture
def small_trees(monkeypatch):
    """Boosters of a few trees, so that a trial takes milliseconds."""

    def create(name, settings):
        estimator = OneVsRestXGBClassifier(
            8, learning_rate=0.3, colsample_bytree=0.9, random_state=settings.random_state
        )
        return Member(name, estimator, list(settings.feature_names))

    space = {
        "n_estimators": Setting("few", low=4, high=16, log=True),
        "learning_rate": Setting("fast", low=0.1, high=1.0, log=True),
        "max_depth": Setting("shallow", low=1, high=4),
        "subsample": Setting("some", low=0.5, high=1.0),
        "colsample_bytree": Setting("some", low=0.3, high=1.0),
    }
    monkeypatch.setattr(ensemble.tuning.parts, "create_member", create)
    for name in ("svm", "xgb"):
        monkeypatch.setitem(SPACES, name, space)


def records_of(tuning, name="xgb"):
    """Trials without what the clock decides."""
    return [replace(record, seconds=0.0) for record in tuning.outcome.parts[name].records]


def test_a_search_leaves_study_table_and_settings(small_trees, tmp_path):
    told = []
    found = tune(
        table_of(PAIRS), tmp_path / "study", members=["xgb"], n_trials=4, folds=3,
        progress=lambda *step: told.append(step),
    )  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "study").iterdir()) == [
        "best.yaml", "study.db", "trials.csv",
    ]  # fmt: skip
    trials = pd.read_csv(tmp_path / "study" / "trials.csv")
    assert list(trials["turn"]) == [0, 1, 2, 3]
    complete = trials[trials["state"] == "complete"]
    assert complete[["fold_0", "fold_1", "fold_2"]].notna().all(axis=None)
    assert told[-1][:2] == (4, 4)
    best = found.outcome.parts["xgb"].best
    assert best.value == complete["value"].max()
    chosen = read_member_settings(tmp_path / "study" / "best.yaml")
    assert chosen.members == {"xgb": best.parameters}
    assert chosen.origin["best"]["xgb"] == best.value
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_first_trial_is_the_ready_made_member_and_scores_as_fit_ensemble_says(tmp_path):
    table = table_of(PAIRS)
    found = tune(table, tmp_path / "s", members=["svm"], metric="macro_f1", n_trials=1, folds=3)
    part = found.outcome.parts["svm"]
    assert part.records[0].value == found.ready_made["svm"].value
    bundle = fit_bundle(table, members=["svm"], folds=3, audit=False)
    ours = bundle.results.decisions.query("model == 'svm' and stage == 'oof'")
    assert (ours[["a", "b"]].to_numpy() == found.ready_made["svm"].answers).all()


def test_equal_seeds_give_equal_trials_and_others_do_not(small_trees, tmp_path):
    first, again, other = (
        tune(table_of(PAIRS), tmp_path / name, members=["xgb"], n_trials=5, folds=3, seed=seed)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert records_of(first) == records_of(again)
    assert records_of(first)[1].parameters != records_of(other)[1].parameters


def test_threads_change_no_number(small_trees, tmp_path):
    labels = ["a", "a", "b", "b", "c", "c"] * 6
    one, two = (
        tune(table_of(labels), tmp_path / str(n), members=["xgb"], n_trials=3, folds=3, n_jobs=n)
        for n in (1, 2)
    )
    assert records_of(one) == records_of(two)


def test_test_and_validation_rows_are_never_looked_at(small_trees, tmp_path):
    split = ["train"] * 24 + ["validation"] * 4 + ["test"] * 8
    clean = table_of(PAIRS, split=split)
    spoilt = replace(clean, values=clean.values.copy())
    spoilt.values.iloc[24:] = np.nan
    first, second = (
        tune(table, tmp_path / name, members=["xgb"], n_trials=3, folds=3)
        for name, table in (("clean", clean), ("spoilt", spoilt))
    )
    assert records_of(first) == records_of(second)
    assert "only the 24 training clips" in first.findings[0]
    assert "4 validation clips, 8 test clips" in first.findings[0]


def test_folds_of_the_clip_table_come_first_and_nuisance_is_not_seen():
    fold = np.arange(36) // 12 + 1
    rows = take_training_rows(table_of(PAIRS, fold=fold), folds=5)
    assert rows.folds.tolist() == (fold - 1).tolist()
    assert rows.folds_given
    assert list(rows.X.columns) == FEATURES.feature_names[:4]


def test_groups_stay_whole_in_inner_folds_too():
    rows = take_training_rows(table_of(PAIRS), folds=3)
    inner = rows.outside(1, n_folds=3, seed=0)
    assert not set(inner.groups) & set(rows.groups[rows.folds == 1])
    assert (pd.Series(inner.folds).groupby(inner.groups).nunique() == 1).all()


def test_a_search_goes_on_with_more_trials_where_it_ended(small_trees, tmp_path):
    table = table_of(PAIRS)
    tune(table, tmp_path / "s", members=["xgb"], n_trials=2, folds=3)
    went_on = tune(table, tmp_path / "s", members=["xgb"], n_trials=5, folds=3)
    at_once = tune(table, tmp_path / "t", members=["xgb"], n_trials=5, folds=3)
    assert records_of(went_on) == records_of(at_once)


def start(table, directory, *, n_trials):
    """Search in a process of its own, which says how many trials are done."""
    code = (
        "import sys\n"
        "from ensemble.tuning.search import tune\n"
        "from features.table import read_table\n"
        "tune(read_table(sys.argv[1]), sys.argv[2], members=['svm'], n_trials=int(sys.argv[3]),\n"
        "     folds=3, progress=lambda done, total, text: print(done, flush=True))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, table, directory, str(n_trials)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_killed_search_goes_on_as_if_nothing_had_been(tmp_path):
    table = table_of(PAIRS)
    write_table(table, tmp_path / "X.parquet")
    killed = start(tmp_path / "X.parquet", tmp_path / "killed", n_trials=500)
    with killed.stdout as lines:
        while int(lines.readline()) < 3:
            pass
        os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "best.yaml").exists()
    resumed, whole = (
        tune(table, tmp_path / name, members=["svm"], n_trials=6, folds=3)
        for name in ("killed", "whole")
    )
    # The killed one may have got further than asked for now; what it did stays.
    assert records_of(resumed, "svm")[:6] == records_of(whole, "svm")
    assert not [p for p in (tmp_path / "killed").iterdir() if p.name.startswith(".")]


def test_two_processes_share_a_search_and_find_the_same(tmp_path):
    write_table(table_of(PAIRS), tmp_path / "X.parquet")
    both = [start(tmp_path / "X.parquet", tmp_path / "study", n_trials=8) for _ in range(2)]
    for process in both:
        process.communicate(timeout=120)
        assert process.returncode == 0
    found = tune(table_of(PAIRS), tmp_path / "study", members=["svm"], n_trials=8, folds=3)
    assert [r.turn for r in found.outcome.parts["svm"].records] == list(range(8))
    chosen = read_member_settings(tmp_path / "study" / "best.yaml")
    assert chosen.members["svm"] == found.outcome.parts["svm"].best.parameters


def test_a_trial_whose_process_is_gone_gives_its_turn_back(tmp_path):
    space = {"C": Setting("any", low=1.0, high=2.0)}
    settings = {"ready_made": {"C": 1.5}, "facts": {}, "seed": 0}
    with StudyFile(tmp_path) as gone:
        lost = open_study(gone, "x", space, **settings).take(9)
        with StudyFile(tmp_path) as other:
            study = open_study(other, "x", space, **settings)
            # Both live: the other one takes the next turn.
            assert (lost.turn, study.take(9).turn) == (0, 1)
    with StudyFile(tmp_path) as later:
        taken = open_study(later, "x", space, **settings).take(9)
        assert (taken.turn, taken.parameters) == (0, {"C": 1.5})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "accuracy"}, "metric 'macro_f1', now 'accuracy'"),
        ({"seed": 3}, "seed 0, now 3"),
        ({"folds": 4}, "another rows"),
    ],
    ids=["metric", "seed", "folds"],
)
def test_another_search_in_the_same_place_is_refused(small_trees, tmp_path, changes, message):
    settings = {"members": ["xgb"], "n_trials": 1, "folds": 3, "metric": "macro_f1"}
    tune(table_of(PAIRS), tmp_path / "s", **settings)
    with pytest.raises(ValueError, match=message):
        tune(table_of(PAIRS), tmp_path / "s", **settings | changes)


def test_somebody_elses_folder_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"no study\.db"):
        tune(table_of(PAIRS), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": ["svn"]}, "got 'svn', did you mean 'svm'"),
        ({"members": []}, "at least one"),
        ({"members": ["stack"]}, "tuned by itself"),
        ({"metric": "macrof1"}, "did you mean 'macro_f1'"),
        ({"metric": "hamming_loss"}, "must be one of"),
        ({"n_trials": 0}, "at least 1, got 0"),
        ({"minutes": 0.0}, "minutes must be positive"),
        ({"task": "many"}, "single-label or multi-label"),
    ],
    ids=["member", "none", "stack", "metric", "loss", "trials", "minutes", "task"],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_made(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        tune(table_of(PAIRS), tmp_path / "study", **settings)
    assert not (tmp_path / "study").exists()


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"timbrestack\[tune\]"):
        tune(table_of(PAIRS), tmp_path / "study")


def test_a_ceiling_leaves_every_part_one_trial(small_trees, tmp_path):
    found = tune(
        table_of(PAIRS), tmp_path / "s", members=["xgb"], n_trials=50, minutes=1e-6, folds=3
    )
    assert [record.turn for record in records_of(found)] == [0]


def test_the_stack_is_tuned_over_the_best_members(small_trees, tmp_path):
    labels = ["a", "a", "b", "b", "c", "c"] * 6
    found = tune(table_of(labels), tmp_path / "s", members=["xgb", "svm"], n_trials=2, folds=3,
                 nested=False)  # fmt: skip
    assert list(found.outcome.parts) == ["xgb", "svm", "stack"]
    assert set(read_member_settings(tmp_path / "s" / "best.yaml").stack) == {"C"}
    assert len(records_of(found, "stack")) == 2


def test_what_was_chosen_can_be_fitted_saved_and_opened(tmp_path):
    table = table_of(PAIRS)
    chosen = {"C": 2.0, "gamma_factor": 0.2, "scaling": "standard", "class_weight": None}
    names = list(table.values.columns[:4])
    settings = MemberSettings(feature_names=names, n_samples=36)
    member = settle_member(create_member("svm", settings), chosen)
    bundle = fit_bundle(table, members=[member], folds=3, audit=False)
    save_bundle(bundle, tmp_path / "bundle")
    before, after = (
        stack.named_estimators_["svm"][0].predict_proba(table.values[names])
        for stack in (bundle.stack, load_bundle(tmp_path / "bundle").stack)
    )
    assert (before == after).all()


def test_hopeless_trials_are_given_up_early_and_keep_the_folds_they_had(small_trees, tmp_path):
    found = tune(table_of(PAIRS), tmp_path / "s", members=["xgb"], n_trials=20, folds=3)
    records = records_of(found)
    pruned = [record for record in records if record.state == "pruned"]
    assert pruned
    assert all(len(record.fold_scores) == 2 for record in pruned)
    # The first few have nothing to be compared with.
    assert all(record.state == "complete" for record in records[:5])


@pytest.mark.parametrize("metric", ["macro_f1", "map"])
def test_labels_that_are_unknown_or_several_are_searched_too(
    small_trees, monkeypatch, tmp_path, metric
):
    monkeypatch.setattr(ensemble.tuning.nested, "NESTED_TRIALS", 2)
    labels = ["a", "a;b", "b", "", "a", "a", "b", "b;a"] * 5
    unknown = ["", "", "", "", "b", "b", "", ""] * 5
    table = table_of(labels, unknown_labels=unknown, shift=2.0)
    found = tune(table, tmp_path / "s", members=["xgb"], metric=metric, n_trials=2, folds=3,
                 nested=True)  # fmt: skip
    assert found.rows.task == "multi-label"
    assert found.outcome.parts["xgb"].best.value > 0.7
    assert found.nested["xgb"].tuned.value > 0.7


def test_thresholds_of_a_fold_come_from_the_others():
    rows = take_training_rows(table_of(["a", "a", "b", "b"] * 6), folds=2, task="multi-label")
    metric = get_metric("macro_f1")
    # Above 0.8 in one fold, above 0.2 in the other: right in hindsight, wrong from outside.
    scores = np.where(rows.folds[:, None] == 0, 0.7, 0.1) + 0.2 * (rows.truth == 1)
    assert score_folds(rows, scores, metric, done=[0, 1]).value < 0.7
    assert np.isnan(score_folds(rows, scores, metric, done=[0]).value)
    clear = np.where(rows.truth == 1, 0.9, 0.1)
    assert score_folds(rows, clear, metric, done=[0, 1]).value == 1.0


def test_windows_of_a_clip_share_a_score_and_count_once():
    parents = [f"clip {row // 2}" for row in range(24)]
    rows = take_training_rows(table_of(["a", "a", "b", "b"] * 6, parent=parents), folds=2)
    scores = np.where(rows.truth == 1, 0.9, 0.1)
    # One window in two is wrong, but less sure of it.
    scores[::2] = 0.5 + 0.3 * (0.5 - rows.truth[::2])
    found = score_folds(rows, scores, get_metric("accuracy"), done=[0, 1])
    assert found.value == 1.0
    assert rows.scored.sum() == 12


def test_of_equal_trials_the_earliest_wins_and_pruned_ones_never():
    records = [
        TrialRecord(0, "complete", 0.5, [0.5], 1.0, {}),
        TrialRecord(1, "complete", 0.7, [0.7], 1.0, {}),
        TrialRecord(2, "complete", 0.7, [0.7], 1.0, {}),
        TrialRecord(3, "pruned", 0.9, [0.9], 1.0, {}),
    ]
    assert best_record(records).turn == 1


def test_on_noise_the_best_of_many_is_above_chance_and_the_nested_score_is_not(
    monkeypatch, tmp_path
):
    def create(name, settings):
        """One tree of random splits: with another seed, another guess."""
        estimator = ExtraTreeClassifier(max_depth=3, random_state=1)
        return Member(name, estimator, list(settings.feature_names))

    monkeypatch.setattr(ensemble.tuning.parts, "create_member", create)
    monkeypatch.setitem(SPACES, "xgb", {"random_state": Setting("luck alone", low=1, high=9999)})
    monkeypatch.setattr(ensemble.tuning.nested, "NESTED_TRIALS", 4)
    naive, nested = [], []
    for seed in range(3):
        drawn = np.random.default_rng(seed).permutation(["a", "b"] * 10)
        found = tune(
            table_of(np.repeat(drawn, 2).tolist(), shift=0.0, seed=seed), tmp_path / str(seed),
            members=["xgb"], metric="accuracy", n_trials=16, folds=3, nested=True, seed=seed,
        )  # fmt: skip
        naive.append(found.outcome.parts["xgb"].best.value)
        nested.append(float(found.nested["xgb"].tuned.value))
    # Two standard errors of a coin over 3 x 20 groups.
    chance, margin = 0.5, 2 * 0.5 / np.sqrt(60)
    assert np.mean(naive) > chance + margin
    assert abs(np.mean(nested) - chance) < margin
    assert min(np.subtract(naive, nested)) > 0


def test_the_optimism_is_always_said_and_the_way_out_named(small_trees, tmp_path):
    found = tune(table_of(PAIRS), tmp_path / "s", members=["xgb"], n_trials=1, folds=3)
    assert "luckiest" in found.cautions[0]
    assert "--nested" in found.cautions[1]
    assert "none beat the ready-made" in found.findings[1]
