"""A run trains a network a fold; what it says of a row comes from networks that never saw it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from deep.classifier import AudioBackboneClassifier
from deep.runs.embeddings import embed_clips, find_network
from deep.runs.folder import settle_rows, work_folder
from deep.runs.recipes import read_recipe
from deep.runs.rows import take_rows
from deep.runs.run import train_run
from deep.runs.teacher import soften
from ensemble.run_scores import score_run
from ensemble.trained_run import TrainedRun
from ensemble.views import read_view
from features.manifest import make_manifest, write_manifest
from features.table import read_table

SR = 8000
QUICK = {
    "sr": SR,
    "max_seconds": 0.3,
    "batch_size": 4,
    "epochs": 12,
    "learning_rate": 1e-2,
    "validation_fraction": 0.0,
    "backbone_params": {"channels": (8, 8, 8)},
    "frontend_params": {"n_fft": 512, "hop_length": 256, "n_mels": 16},
    "device": "cpu",
}


def write_tones(folder, *, n_groups=8, per_group=2, seed=0):
    """Low tones and high ones, in groups that share their pitch."""
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(n_groups):
        label = "low" if group % 2 else "high"
        pitch = rng.uniform(300, 400) if label == "low" else rng.uniform(1500, 2000)
        for take in range(per_group):
            t = np.arange(int(0.3 * SR)) / SR
            waveform = 0.3 * np.sin(2 * np.pi * pitch * t + rng.uniform(0, 6))
            name = f"{label}_{group}_{take}.wav"
            soundfile.write(folder / name, waveform, SR)
            rows.append({"path": name, "labels": label, "group": f"note-{group}"})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones")
    return write_tones(folder), folder


@pytest.fixture(scope="module")
def run(tones, tmp_path_factory):
    table, folder = tones
    output = tmp_path_factory.mktemp("runs") / "run"
    manifest = make_manifest(table, root=folder)
    card = train_run(manifest, output, parameters=QUICK, folds=2, command="train tones")
    return output, manifest, card


def test_each_row_is_scored_by_the_network_that_never_saw_its_fold(run):
    output, manifest, _ = run
    table = TrainedRun(output).table
    clips = dict(zip(manifest.clips["clip_id"], manifest.audio_clips(), strict=True))
    for fold in (0, 1):
        rows = table[table["fold"] == fold]
        network = AudioBackboneClassifier.load_model(output / f"fold_{fold}")
        again = network.predict_proba([clips[name] for name in rows.index])
        np.testing.assert_allclose(rows[["high", "low"]], again, atol=1e-6)
        seen = pd.read_csv(output / "clips.csv").query("fold != @fold")["clip_id"]
        assert not set(seen) & set(rows.index)


def test_groups_stay_in_one_fold(run):
    output, manifest, _ = run
    folds = TrainedRun(output).table["fold"].loc[manifest.clips["clip_id"]].to_numpy()
    assert pd.Series(folds).groupby(manifest.clips["group"].to_numpy()).nunique().max() == 1


def test_the_run_has_learned_and_its_score_is_reckoned_per_clip(run):
    output, manifest, _ = run
    scores = score_run(TrainedRun(output), manifest)
    assert scores["macro_f1"]["value"] > 0.9
    assert scores["macro_f1"]["low"] is None, "eight groups give no interval"


def test_the_card_says_what_was_done(run):
    output, manifest, card = run
    assert card == json.loads((output / "card.json").read_text())
    assert (card["n_folds"], card["n_clips"], card["task"]) == (2, len(manifest), "single-label")
    assert (card["command"], card["backbone"]) == ("train tones", "crnn")
    assert card["minutes"] > 0
    assert not work_folder(output).exists()
    history = pd.read_csv(output / "fold_0" / "history.csv")
    assert list(history["epoch"]) == list(range(1, len(history) + 1))


def test_a_finished_run_is_left_alone_and_another_one_replaces_it(run, tmp_path):
    output, manifest, card = run
    before = (output / "card.json").stat().st_mtime_ns
    assert train_run(manifest, output, parameters=QUICK, folds=2) == card
    assert (output / "card.json").stat().st_mtime_ns == before
    copy = tmp_path / "run"
    train_run(manifest, copy, parameters=QUICK | {"epochs": 1}, folds=2)
    train_run(manifest, copy, parameters=QUICK | {"epochs": 2}, folds=2)
    assert len(pd.read_csv(copy / "fold_0" / "history.csv")) == 2


def test_numbers_do_not_depend_on_jobs(run, tmp_path):
    output, manifest, _ = run
    other = tmp_path / "run"
    train_run(manifest, other, parameters=QUICK, folds=2, n_jobs=2)
    pd.testing.assert_frame_equal(TrainedRun(other).table, TrainedRun(output).table)


def test_a_run_killed_in_the_middle_ends_as_if_it_never_was(tones, run, tmp_path):
    manifest_path = tmp_path / "m.csv"
    table, folder = tones
    write_manifest(make_manifest(table, root=folder), manifest_path)
    other = tmp_path / "run"
    code = (
        "from deep.runs.run import train_run; from features.manifest import read_manifest;"
        f"train_run(read_manifest({str(manifest_path)!r}), {str(other)!r},"
        f" parameters={QUICK!r}, folds=2)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    work = work_folder(other)
    deadline = time.monotonic() + 120
    while not list(work.glob("fold_*.training/epoch_*.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not other.exists()
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True)
    # The names of clips differ by where the table lies, the numbers do not.
    found, expected = TrainedRun(other).table, TrainedRun(run[0]).table
    np.testing.assert_array_equal(found.to_numpy(float), expected.to_numpy(float))


def test_the_beginnings_of_another_run_are_refused_by_name_of_what_differs(tones, tmp_path):
    table, folder = tones
    work = work_folder(tmp_path / "run")
    work.mkdir()
    (work / "run.json").write_text(json.dumps({"settings": "other"}))
    (work / "fold_0.training").mkdir()
    (work / "fold_0.training" / "epoch_1.json").write_text("{}")
    manifest = make_manifest(table, root=folder)
    with pytest.raises(ValueError, match=r"another run, which differs in .*settings"):
        train_run(manifest, tmp_path / "run", parameters=QUICK)
    # Nothing is lost where no epoch was finished.
    (work / "fold_0.training" / "epoch_1.json").unlink()
    train_run(manifest, tmp_path / "run", parameters=QUICK | {"epochs": 1}, folds=2)
    assert (tmp_path / "run" / "oof.parquet").is_file()


def test_what_is_no_run_is_not_replaced(tones, tmp_path):
    table, folder = tones
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="no run of ours"):
        train_run(make_manifest(table, root=folder), tmp_path, parameters=QUICK)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_unknown_settings_are_named(tones, tmp_path):
    table, folder = tones
    with pytest.raises(ValueError, match=r"no settings \['epoch'\]"):
        train_run(make_manifest(table, root=folder), tmp_path / "run", parameters={"epoch": 3})


def test_unreadable_clips_are_listed_and_the_run_goes_on(tmp_path):
    table = write_tones(tmp_path)
    (tmp_path / table["path"][0]).write_bytes(b"RIFF and nothing more")
    manifest = make_manifest(table, root=tmp_path)
    with pytest.warns(UserWarning, match="1 clip left out: cannot be read"):
        card = train_run(manifest, tmp_path / "run", parameters=QUICK | {"epochs": 1}, folds=2)
    assert card["n_failures"] == 1
    failures = pd.read_csv(tmp_path / "run" / "failures.csv")
    assert list(failures["path"]) == [table["path"][0]]
    assert table["path"][0] not in set(TrainedRun(tmp_path / "run").table.index)


def test_clips_held_out_are_never_opened(tones, tmp_path):
    table, folder = tones
    gone = pd.DataFrame([{"path": "gone.wav", "labels": "low", "group": "x", "split": "test"}])
    table = pd.concat([table.assign(split="train"), gone], ignore_index=True)
    rows = take_rows(
        make_manifest(table, root=folder), folds=2, task=None, sr=SR, cache_dir=tmp_path,
        n_jobs=1, seed=0,
    )  # fmt: skip
    assert "gone.wav" not in rows.clip_ids
    assert not len(rows.failures)


def test_labels_that_do_not_make_a_task_are_refused(tones, tmp_path):
    table, folder = tones
    manifest = make_manifest(table.assign(labels="low;high"), root=folder)
    with pytest.raises(ValueError, match="use --task multi-label"):
        take_rows(manifest, folds=2, task="single-label", sr=SR, cache_dir=tmp_path, n_jobs=1,
                  seed=0)  # fmt: skip


def test_a_fold_without_a_class_is_refused(tmp_path):
    table = write_tones(tmp_path, n_groups=3)
    manifest = make_manifest(table.assign(fold=[0, 0, 1, 1, 2, 2]), root=tmp_path)
    with pytest.raises(ValueError, match=r"classes \['low'\] have .* only clips of one fold"):
        train_run(manifest, tmp_path / "run", parameters=QUICK | {"epochs": 1})


def test_a_mistake_does_not_block_the_corrected_command(tones, tmp_path):
    table, folder = tones
    manifest = make_manifest(table.assign(labels="low;high"), root=folder)
    for wrong, message in (
        ({"task": "single-label"}, "--task multi-label"),
        ({"folds": 100}, "100 folds need"),
    ):
        with pytest.raises(ValueError, match=message):
            train_run(manifest, tmp_path / "run", parameters=QUICK, **wrong)
    for wrong in ({"backbone": "nope"}, {"loss": "nope"}, {"epochs": -1}):
        with pytest.raises(ValueError, match="must be"):
            train_run(manifest, tmp_path / "run", parameters=QUICK | wrong)
    train_run(manifest, tmp_path / "run", parameters=QUICK | {"epochs": 1}, folds=2)


def test_other_sound_under_the_same_names_is_another_run(run, tones, tmp_path):
    table, _ = tones
    write_tones(tmp_path, seed=5)
    output = tmp_path / "run"
    quick = QUICK | {"epochs": 1}
    train_run(run[1], output, parameters=quick, folds=2)
    before = TrainedRun(output).table
    train_run(make_manifest(table, root=tmp_path), output, parameters=quick, folds=2)
    assert not np.allclose(TrainedRun(output).table["low"], before["low"])


def test_a_run_does_not_go_on_with_other_rows(tones, tmp_path):
    table, folder = tones
    rows = take_rows(
        make_manifest(table, root=folder), folds=2, task=None, sr=SR, cache_dir=tmp_path / "c",
        n_jobs=1, seed=0,
    )  # fmt: skip
    settle_rows(tmp_path, clip_ids=rows.clip_ids, folds=rows.folds)
    settle_rows(tmp_path, clip_ids=rows.clip_ids[1:], folds=rows.folds[1:])
    (tmp_path / "fold_0").mkdir()
    (tmp_path / "fold_0" / "held_out.parquet").touch()
    with pytest.raises(ValueError, match="other clips can be read now"):
        settle_rows(tmp_path, clip_ids=rows.clip_ids, folds=rows.folds)


def test_labels_with_names_of_columns_are_refused(tones, tmp_path):
    table, folder = tones
    table = table.assign(labels=table["labels"].replace("low", "fold"))
    with pytest.raises(ValueError, match=r"rename the labels \['fold'\]"):
        train_run(make_manifest(table, root=folder), tmp_path / "run", parameters=QUICK)


@pytest.fixture(scope="module")
def single(tones, tmp_path_factory):
    """One network on all rows; two groups validate."""
    table, folder = tones
    output = tmp_path_factory.mktemp("single") / "run"
    split = np.where(table["group"].isin(["note-0", "note-1"]), "validation", "train")
    manifest = make_manifest(table.assign(split=split), root=folder)
    card = train_run(manifest, output, parameters=QUICK, folds=None)
    return output, manifest, card


def test_a_run_without_folds_is_one_network_that_validates_on_its_split(single):
    output, manifest, card = single
    assert card["n_folds"] == 0
    assert not (output / "oof.parquet").exists()
    history = pd.read_csv(output / "network" / "history.csv")
    held = pd.read_parquet(output / "network" / "held_out.parquet")
    assert set(held["clip_id"]) == set(manifest.clips.query("split == 'validation'")["clip_id"])
    assert history["validation_macro_f1"].notna().all()


def test_embeddings_say_which_clips_their_network_saw(run, tmp_path):
    output, manifest, _ = run
    path = tmp_path / "E.parquet"
    card = embed_clips(output, manifest, path)
    table = read_table(path)
    assert table.card["kind"] == "embeddings"
    seen = set(table.card["trained_on"]["clip_ids"])
    assert seen == set(TrainedRun(output).table.query("fold != 0").index)
    assert card["n_clips_seen"] == len(seen)
    network = AudioBackboneClassifier.load_model(output / "fold_0")
    np.testing.assert_allclose(table.values, network.embed(manifest.audio_clips()), atol=1e-6)
    with pytest.raises(ValueError, match="was trained on clips of this corpus"):
        read_view(path, set(manifest.clips["clip_id"]))


def test_embeddings_of_other_clips_may_enter_a_stack(run, tmp_path):
    table = write_tones(tmp_path, seed=1)
    table["clip_id"] = "new/" + table["path"]
    manifest = make_manifest(table, root=tmp_path)
    card = embed_clips(run[0], manifest, tmp_path / "E.parquet", fold=1)
    assert card["n_clips_seen"] == 0
    view = read_view(tmp_path / "E.parquet", set(manifest.clips["clip_id"]))
    assert view.values.shape == (16, card["n_features"])


def test_a_clip_that_cannot_be_embedded_is_listed(run, tmp_path):
    table = write_tones(tmp_path, n_groups=2)
    (tmp_path / table["path"][1]).write_bytes(b"")
    card = embed_clips(run[0], make_manifest(table, root=tmp_path), tmp_path / "E.parquet")
    assert (card["n_rows"], card["n_failures"]) == (3, 1)
    assert list(read_table(tmp_path / "E.parquet").failures["path"]) == [table["path"][1]]


def test_networks_are_found_by_run_fold_or_folder(run, single, tmp_path):
    output = run[0]
    assert find_network(output, 1)[0] == output / "fold_1"
    assert find_network(output / "fold_1", None) == find_network(output, 1)
    assert find_network(single[0], None)[0] == single[0] / "network"
    with pytest.raises(FileNotFoundError, match="has no fold_7, but fold_0, fold_1"):
        find_network(output, 7)
    with pytest.raises(ValueError, match="trained without folds"):
        find_network(single[0], 1)
    with pytest.raises(FileNotFoundError, match="neither a run nor a network"):
        find_network(tmp_path, None)


def test_soft_labels_are_mixed_by_hand_computation_and_unknown_ones_are_the_teachers():
    truth = np.array([[1, 0, -1]])
    taught = np.array([[0.6, 0.4, 0.9]])
    np.testing.assert_allclose(soften(truth, taught, share=0.5), [[0.8, 0.2, 0.9]])


def test_a_pupil_learns_from_a_teacher_of_the_same_folds_only(run, tones, tmp_path):
    output, manifest, _ = run
    quick = QUICK | {"epochs": 2}
    train_run(manifest, tmp_path / "pupil", parameters=quick, folds=2, teacher=output)
    train_run(manifest, tmp_path / "alone", parameters=quick, folds=2)
    taught, alone = (TrainedRun(tmp_path / name).table for name in ("pupil", "alone"))
    assert not np.allclose(taught[["high", "low"]], alone[["high", "low"]])
    with pytest.raises(ValueError, match="trained on other folds"):
        train_run(manifest, tmp_path / "other", parameters=quick, folds=4, teacher=output)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {epochs: 3, optimiser: sgd}", "train has no setting 'optimiser'"),
        ("train: {}\nsetings: {}", "unknown block 'setings'"),
        ("epochs: 3", "must have a block 'train'"),
        ("members: {svm: {C: 1.0}}", "'members' is for fit-ensemble --settings"),
        ("train: {epochs: [", "must be YAML"),
        ("train: {device: cuda}", "train has no setting 'device'"),
        ("train: !!python/object/apply:os.system ['true']", "must be YAML"),
    ],
    ids=["setting", "block", "no-train", "members", "no-yaml", "machine", "code"],
)
def test_a_recipe_that_is_none_is_refused_with_the_reason(tmp_path, text, message):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_recipe(tmp_path / "r.yaml")


def test_a_number_that_yaml_takes_for_text_is_a_number(tmp_path):
    (tmp_path / "r.yaml").write_text("train: {learning_rate: 1e-3}")
    assert read_recipe(tmp_path / "r.yaml") == {"learning_rate": 0.001}
    (tmp_path / "r.yaml").write_text("train: {learning_rate: fast}")
    with pytest.raises(ValueError, match="learning_rate must be a number, got 'fast'"):
        read_recipe(tmp_path / "r.yaml")


def test_a_miniature_replaces_what_it_names(tmp_path):
    (tmp_path / "r.yaml").write_text(
        "about: a test\ntrain: {epochs: 100, batch_size: 64}\nminiature: {epochs: 2}\n"
    )
    assert read_recipe(tmp_path / "r.yaml") == {"epochs": 100, "batch_size": 64}
    small = read_recipe(tmp_path / "r.yaml", miniature=True)
    assert small == {"epochs": 2, "batch_size": 64}


def test_a_start_that_has_learned_the_labels_of_the_folds_is_refused(tones, single, tmp_path):
    manifest = make_manifest(tones[0], root=tones[1])
    start = QUICK | {"pretrained": str(single[0] / "network"), "epochs": 1}
    with pytest.raises(ValueError, match=r"learned the labels of \d+ of these clips"):
        train_run(manifest, tmp_path / "folds", parameters=start, folds=2)
    shutil.copytree(single[0] / "network", tmp_path / "elsewhere")
    start["pretrained"] = str(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"learned the labels of \d+ of these clips"):
        train_run(manifest, tmp_path / "folds", parameters=start, folds=2)
    AudioBackboneClassifier.load_model(tmp_path / "elsewhere").save_model(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="does not say whose labels it has learned"):
        train_run(manifest, tmp_path / "folds", parameters=start, folds=2)
    assert train_run(manifest, tmp_path / "one", parameters=start, folds=None)["n_folds"] == 0
