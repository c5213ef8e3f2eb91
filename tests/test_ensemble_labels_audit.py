"""The audit of labels: planted mistakes, masks, windows, rates, files and honest scores only."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ensemble.labels.audit import audit_labels
from ensemble.labels.audit_files import check_audit_place, relabel_table, write_audit
from ensemble.labels.rates import estimate_rates
from ensemble.labels.suspects import (
    cell_confidence,
    correct_labels,
    estimate_noise,
    find_confident_cells,
    find_suspect_cells,
    score_suspects,
)
from features.labelling.relabelling import apply_relabelling
from features.manifest import make_manifest
from reports.results import Results
from reports.staging import staged_directory

CLASSES = ["bass", "cello", "flute", "oboe"]


def results_of(truth, scores, *, task, stage="oof", parents=None, groups=None, classes=CLASSES):
    """Results of a stack and of chance, with a group for every two clips."""
    names = [f"{row:04d}.wav" for row in range(len(truth))]
    index = pd.Index(names, name="clip_id")
    groups = [f"group {row // 2}" for row in range(len(truth))] if groups is None else groups
    parents = names if parents is None else parents
    clips = pd.DataFrame(
        {"parent": parents, "group": groups, "fold": 0, "split": "train"}, index=index
    )
    frames, decisions = [], []
    for model, values in (("stack", scores), ("chance", np.full(scores.shape, 0.25))):
        keys = pd.DataFrame({"model": model, "stage": stage, "clip_id": names})
        frames.append(keys.join(pd.DataFrame(values, columns=classes)))
        one = np.eye(len(classes), dtype=np.int8)[values.argmax(axis=1)]
        decisions.append(keys.join(pd.DataFrame(one, columns=classes)))
    truth = pd.DataFrame(truth.astype(np.int8), index=index, columns=classes)
    projection = pd.DataFrame({"view": [], "clip_id": []}, dtype=str)
    scores, decisions = (pd.concat(f, ignore_index=True) for f in (frames, decisions))
    return Results(list(classes), task, clips, truth, scores, decisions, projection).check()


def one_label_each(rng, *, n_samples=800, share=0.05, strength=4.0):
    """True labels, given ones of which a share is wrong, and what an honest model says."""
    true = rng.integers(0, 4, n_samples)
    logits = rng.normal(size=(n_samples, 4)) + strength * np.eye(4)[true]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = rng.permutation(n_samples) < share * n_samples
    given = np.where(wrong, (true + rng.integers(1, 4, n_samples)) % 4, true)
    return np.eye(4, dtype=np.int8)[true], np.eye(4, dtype=np.int8)[given], scores


def several_labels(rng, *, n_samples=800, share=0.05, strength=4.0):
    """The same with independent labels, each in a quarter of the clips."""
    true = (rng.random((n_samples, 4)) < 0.25).astype(np.int8)
    logits = rng.normal(size=true.shape) + strength * (2 * true - 1.0) / 1.5
    wrong = rng.random(true.shape) < share
    return true, np.where(wrong, 1 - true, true).astype(np.int8), 1 / (1 + np.exp(-logits))


KINDS = pytest.mark.parametrize(
    ("make", "task"),
    [(one_label_each, "single-label"), (several_labels, "multi-label")],
    ids=["single", "multi"],
)


@KINDS
def test_planted_mistakes_are_found_and_rightly_corrected(rng, make, task):
    true, given, scores = make(rng)
    multilabel = task == "multi-label"
    cells = find_suspect_cells(given, scores, multilabel=multilabel)
    planted = given != true
    found = (cells & planted).sum()
    assert found / cells.sum() > 0.8
    # Where the model is less sure than it mostly is, it contradicts nobody.
    assert found / planted.sum() > 0.7
    corrected = correct_labels(given, cells)
    assert (corrected != true).sum() < 0.5 * planted.sum()


@KINDS
def test_clean_labels_give_few_suspects(rng, make, task):
    true, _, scores = make(rng, share=0.0)
    audit = audit_labels(results_of(true, scores, task=task))
    assert audit.counts["suspects"] < 0.02 * len(true) * (4 if task == "multi-label" else 1)


@KINDS
def test_the_most_suspect_come_first(rng, make, task):
    true, given, scores = make(rng)
    audit = audit_labels(results_of(given, scores, task=task))
    assert audit.suspects["score"].is_monotonic_increasing
    planted = {f"{row:04d}.wav" for row in np.flatnonzero((given != true).any(axis=1))}
    first = audit.suspects["clip_id"].head(20)
    assert first.isin(planted).mean() >= 0.95


@KINDS
def test_suggestions_reasons_and_cells_tell_the_same(rng, make, task):
    _, given, scores = make(rng)
    audit = audit_labels(results_of(given, scores, task=task))
    cells = audit.cells.groupby("clip_id")
    assert set(cells.groups) == set(audit.suspects["clip_id"])
    for row in audit.suspects.to_dict("records"):
        given_here, suggested = (set(row[key].split(";")) - {""} for key in ("labels", "suggested"))
        doubted = cells.get_group(row["clip_id"])
        assert set(doubted.loc[doubted["given"] == 1, "label"]) == given_here - suggested
        assert set(doubted.loc[doubted["given"] == 0, "label"]) == suggested - given_here
        assert all(label in row["reason"] for label in doubted["label"])
        scored = audit.probabilities.loc[row["clip_id"], doubted["label"]]
        assert scored.to_numpy() == pytest.approx(doubted["probability"].to_numpy())
    assert audit.counts["wrong"] == audit.labels["wrong"].sum() == (audit.cells["given"] == 1).sum()


def test_a_case_by_hand():
    given = np.eye(4, dtype=np.int8)[[0, 0, 1, 1, 2, 3]]
    scores = np.full((6, 4), 0.02)
    for row, label in enumerate([0, 1, 1, 1, 2, 3]):
        scores[row, label] = 0.94
    audit = audit_labels(results_of(given, scores, task="single-label"))
    assert audit.suspects.loc[0, ["clip_id", "labels", "suggested", "reason"]].tolist() == [
        "0001.wav", "bass", "cello", "bass is given at 0.02, cello is missing at 0.94"
    ]  # fmt: skip
    assert audit.suspects["score"].tolist() == pytest.approx([0.04])
    rates = audit.labels.set_index("label")
    assert rates.loc["bass", ["clips", "wrong", "wrong_share"]].tolist() == [2, 1, 0.5]
    assert rates.loc["cello", ["missing", "missing_share"]].tolist() == pytest.approx([1, 1 / 3])
    assert audit.noise.loc["bass", "cello"] == pytest.approx(1 / 3)
    assert np.isnan(rates.loc["bass", "wrong_low"])
    assert any("too few for intervals" in sentence for sentence in audit.sentences)


def test_unknown_cells_are_never_suspect_and_change_nothing_else(rng):
    _, given, scores = several_labels(rng)
    masked = given.copy()
    masked[:100, 2] = -1
    cells = find_suspect_cells(masked, scores, multilabel=True)
    assert not cells[:100, 2].any()
    others = [0, 1, 3]
    whole = find_suspect_cells(given, scores, multilabel=True)
    assert (cells[:, others] == whole[:, others]).all()
    alone = find_suspect_cells(given[100:], scores[100:], multilabel=True)
    assert (cells[100:, 2] == alone[:, 2]).all()
    assert np.isnan(cell_confidence(masked, scores)[:100, 2]).all()
    audit = audit_labels(results_of(masked, scores, task="multi-label"))
    assert audit.counts["unknown"] == 100
    assert any("100 unknown labels were left out" in sentence for sentence in audit.sentences)


def test_a_label_that_is_known_nowhere_or_everywhere_the_same_is_no_suspect(rng):
    _, given, scores = several_labels(rng, n_samples=60)
    given[:, 0], given[:, 1], given[:, 2] = -1, 0, 1
    audit = audit_labels(results_of(given, scores, task="multi-label"))
    assert set(audit.cells["label"]) <= {"oboe"}
    assert any("hardly tells bass, cello, flute" in sentence for sentence in audit.sentences)
    json.dumps(audit.as_dict(), allow_nan=False)


def test_only_out_of_fold_scores_count(rng):
    _, given, scores = one_label_each(rng, n_samples=40)
    tested = results_of(given, scores, task="single-label", stage="test")
    with pytest.raises(ValueError, match="needs out-of-fold scores"):
        audit_labels(tested)
    results = results_of(given, scores, task="single-label")
    expected = audit_labels(results)
    learned = results.scores.assign(stage="test", **dict.fromkeys(CLASSES, 0.25))
    other = learned["clip_id"].radd("seen ")
    both = replace(
        results,
        scores=pd.concat([results.scores, learned.assign(clip_id=other)], ignore_index=True),
    )
    # Scores of other rows, of stage test, are not looked at.
    pd.testing.assert_frame_equal(audit_labels(both).suspects, expected.suspects)


@pytest.mark.parametrize("model", ["chance", "svm"])
def test_a_model_without_probabilities_is_refused(rng, model):
    _, given, scores = one_label_each(rng, n_samples=40)
    with pytest.raises(ValueError, match=f"one of stack, got '{model}'"):
        audit_labels(results_of(given, scores, task="single-label"), model=model)


def test_windows_are_judged_together_and_relabelled_one_by_one(rng):
    _, given, scores = one_label_each(rng, n_samples=100)
    parents = [f"take {row}" for row in range(100)]
    once = audit_labels(results_of(given, scores, task="single-label", parents=parents))
    twice = audit_labels(
        results_of(
            given.repeat(2, axis=0),
            scores.repeat(2, axis=0),
            task="single-label",
            parents=np.repeat(parents, 2),
            groups=np.repeat([f"group {row // 2}" for row in range(100)], 2),
        )
    )
    columns = ["clip_id", "labels", "suggested", "score"]
    pd.testing.assert_frame_equal(once.suspects[columns], twice.suspects[columns])
    assert len(relabel_table(twice)) == 2 * len(twice.suspects)
    row = int(twice.suspects["clip_id"].iloc[0].split()[1])
    assert relabel_table(twice)["clip_id"].head(2).tolist() == [
        f"{2 * row:04d}.wav", f"{2 * row + 1:04d}.wav"
    ]  # fmt: skip


def test_rates_have_intervals_that_hold_the_truth(rng):
    true, given, scores = several_labels(rng, n_samples=2000, strength=6.0)
    rates = audit_labels(results_of(given, scores, task="multi-label")).labels
    wrong = ((given == 1) & (true == 0)).sum(axis=0) / (given == 1).sum(axis=0)
    missing = ((given == 0) & (true == 1)).sum(axis=0) / (true == 1).sum(axis=0)
    # What is not noticed is not counted, so rates are rather too small.
    assert rates["wrong_share"].to_numpy() == pytest.approx(wrong - 0.02, abs=0.03)
    assert ((rates["wrong_low"] <= wrong) & (wrong <= rates["wrong_high"])).sum() >= 3
    assert ((rates["missing_low"] <= missing) & (missing <= rates["missing_high"])).sum() >= 3


def test_no_suspect_is_no_proof_of_none():
    given = np.eye(2, dtype=np.int8)[np.arange(60) % 2]
    scores = np.where(given == 1, 0.9, 0.1)
    cells = np.zeros(given.shape, dtype=bool)
    groups = np.repeat(np.arange(30), 2)
    rates = estimate_rates(given, scores, cells, groups, ["a", "b"], multilabel=False)
    # Thirty groups without one: at a rate of 9.5 % this happens in 5 % of all cases.
    assert rates["wrong_high"].to_numpy() == pytest.approx(1 - 0.05 ** (1 / 30))
    assert (rates["wrong_low"] == 0).all()


@KINDS
def test_the_share_that_would_be_noticed_is_that_of_planted_mistakes(rng, make, task):
    true, given, scores = make(rng, n_samples=4000, strength=3.0)
    multilabel = task == "multi-label"
    cells = find_suspect_cells(given, scores, multilabel=multilabel)
    rates = estimate_rates(
        given, scores, cells, np.arange(len(given)), CLASSES, multilabel=multilabel
    )
    for kind, present in (("missing", 1), ("wrong", 0)):
        planted = (true == present) & (given != true)
        noticed = (cells & planted).sum(axis=0) / planted.sum(axis=0)
        assert rates[f"{kind}_found"].mean() == pytest.approx(noticed.mean(), abs=0.08)
    sure = find_confident_cells(given, scores, multilabel=multilabel)
    assert not (sure & cells).any()


@KINDS
def test_noise_is_estimated(rng, make, task):
    _, given, scores = make(rng, n_samples=4000, strength=6.0, share=0.1)
    noise = estimate_noise(given, scores, CLASSES, multilabel=task == "multi-label")
    if task == "single-label":
        assert np.diag(noise) == pytest.approx(np.full(4, 0.9), abs=0.03)
        assert noise.sum().to_numpy() == pytest.approx(np.ones(4))
    else:
        assert noise.to_numpy() == pytest.approx(np.full((4, 2), 0.1), abs=0.04)


def test_scores_rank_by_margin_or_by_the_worst_label():
    truth, scores = np.array([[1, 0], [1, 0]]), np.array([[0.2, 0.8], [0.6, 0.4]])
    cells = np.array([[True, True], [False, False]])
    single = score_suspects(truth, scores, cells, multilabel=False)
    assert single == pytest.approx([0.2, np.inf])
    several = score_suspects(truth, scores, np.array([[True, False], [False, False]]),
                             multilabel=True)  # fmt: skip
    assert several == pytest.approx([0.2, np.inf])


def manifest_for(audit, given, root, unknown=""):
    names = [f"{row:04d}.wav" for row in range(len(given))]
    labels = [";".join(np.array(CLASSES)[row == 1]) for row in given]
    clips = {"path": names, "group": names, "labels": labels, "unknown_labels": unknown}
    return make_manifest(pd.DataFrame(clips), root)


def test_an_unedited_relabel_file_changes_nothing_and_an_edited_line_its_clip(rng, tmp_path):
    _, given, scores = several_labels(rng, n_samples=200)
    given[:10, 3] = -1
    unknown = ["oboe" if row < 10 else "" for row in range(200)]
    audit = audit_labels(results_of(given, scores, task="multi-label"))
    write_audit(audit, tmp_path / "audit")
    manifest = manifest_for(audit, given, tmp_path, unknown)
    path = tmp_path / "audit" / "relabel.csv"
    pd.testing.assert_frame_equal(apply_relabelling(manifest, path).clips, manifest.clips)
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    table.loc[0, "labels"] = table.loc[0, "suggested"]
    table.to_csv(path, index=False)
    after = apply_relabelling(manifest, path).clips.set_index("clip_id")
    clip_id = table.loc[0, "clip_id"]
    assert after.loc[clip_id, "labels"] == table.loc[0, "suggested"]
    same = after.index != clip_id
    assert after["labels"][same].tolist() == manifest.clips["labels"][same].tolist()


def test_decisions_of_a_person_are_not_overwritten(rng, tmp_path):
    _, given, scores = one_label_each(rng, n_samples=100)
    audit = audit_labels(results_of(given, scores, task="single-label"))
    folder = tmp_path / "audit"
    for _ in range(2):
        check_audit_place(folder)
        with staged_directory(folder, markers=("suspects.csv", "relabel.csv")) as staging:
            write_audit(audit, staging)
    table = pd.read_csv(folder / "relabel.csv", dtype=str)
    table.loc[0, "labels"] = "tuba"
    table.to_csv(folder / "relabel.csv", index=False)
    with pytest.raises(FileExistsError, match="was edited and would be lost"):
        check_audit_place(folder)


def test_all_tables_are_there_and_the_card_is_json(rng, tmp_path):
    _, given, scores = one_label_each(rng, n_samples=100)
    audit = audit_labels(results_of(given, scores, task="single-label"))
    write_audit(audit, tmp_path)
    names = {"suspects", "relabel", "suspect_labels", "labels", "noise"}
    assert {path.stem for path in tmp_path.glob("*.csv")} == names
    card = json.loads((tmp_path / "audit.json").read_text())
    assert card["counts"] == audit.counts
    assert len(card["suspects"]) == len(pd.read_csv(tmp_path / "suspects.csv"))


def test_an_audit_without_suspects_says_so_and_is_written(tmp_path):
    given = np.eye(4, dtype=np.int8)[np.arange(80) % 4]
    audit = audit_labels(results_of(given, given * 0.92 + 0.02, task="single-label"))
    assert audit.suspects.empty
    assert audit.sentences[0].startswith("None of 80 clips")
    write_audit(audit, tmp_path)
    assert check_audit_place(tmp_path) == tmp_path


def test_the_same_seed_gives_the_same_audit_and_the_order_of_rows_changes_no_score(rng):
    _, given, scores = one_label_each(rng, n_samples=200)
    results = results_of(given, scores, task="single-label")
    first, again = audit_labels(results), audit_labels(results)
    pd.testing.assert_frame_equal(first.labels, again.labels)
    order = rng.permutation(len(results.scores))
    shuffled = replace(results, scores=results.scores.iloc[order].reset_index(drop=True))
    other = audit_labels(shuffled).suspects.set_index("clip_id")["score"]
    pd.testing.assert_series_equal(
        other.sort_index(), first.suspects.set_index("clip_id")["score"].sort_index()
    )
