"""Trainings that are killed and go on: the same weights, bit for bit, and of no other training."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import deep.training.epoch
from deep.classifier import AudioBackboneClassifier
from deep.training.checkpoints import Checkpoints, hash_values
from deep.training.clock import Clock
from deep.training.fingerprint import hash_files

ROOT = Path(__file__).resolve().parents[1]
SR = 8000
SMALL = {"channels": (4, 8, 8), "hidden_size": 8}
FRAMES = {"n_fft": 512, "hop_length": 256, "n_mels": 32}

# All that has a state: moving average, several kept epochs, a schedule that looks back, stages,
# parts of batches, dropout, augmentation.
EVERYTHING = {
    "ema_decay": 0.9,
    "average": 2,
    "schedule": "plateau",
    "schedule_params": {"patience": 0},
    "head_epochs": 1,
    "accumulate": 2,
    "layer_decay": 0.8,
    "augment": {"noise": {}, "mixup": {}, "time_mask": {}},
    "scoring": "f1_macro",
}
STEPS_PER_EPOCH = 3
NEVER = 10**6


def make_classifier(**settings) -> AudioBackboneClassifier:
    defaults = {
        "backbone_params": SMALL,
        "frontend_params": FRAMES,
        "sr": SR,
        "epochs": 4,
        "max_seconds": 0.25,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "validation_fraction": 0.25,
        "random_state": 0,
        "device": "cpu",
    }
    return AudioBackboneClassifier(**defaults | settings)


def make_sounds() -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(440)
    sounds = []
    for number in range(32):
        t = np.arange(rng.integers(1200, 2400)) / SR
        tone = np.sin(2 * np.pi * (400, 1700)[number % 2] * t)
        sounds.append((tone + 0.5 * rng.normal(size=len(t))).astype(np.float32))
    return sounds, ["low", "high"] * 16


def kill_at(step: int, number: int) -> None:
    """Let this process be killed by itself at the beginning of a step; slow until then."""
    taken, take_step = [], deep.training.epoch.take_step

    def take_or_die(*args, **settings):
        taken.append(1)
        time.sleep(0.1)
        if len(taken) == step:
            os.kill(os.getpid(), number)
            time.sleep(60)
        return take_step(*args, **settings)

    deep.training.epoch.take_step = take_or_die


class StoppedError(Exception):
    """Stands for a kill where the test has to live on."""


def stop_at(monkeypatch, step: int) -> None:
    taken, take_step = [], deep.training.epoch.take_step

    def take_or_stop(*args, **settings):
        taken.append(1)
        if len(taken) == step:
            raise StoppedError
        return take_step(*args, **settings)

    monkeypatch.setattr(deep.training.epoch, "take_step", take_or_stop)


def fit_until(monkeypatch, step: int, work_dir: Path, **settings) -> None:
    """Train up to the beginning of a step, counted over all epochs."""
    with monkeypatch.context() as patch:
        stop_at(patch, step)
        with pytest.raises(StoppedError):
            make_classifier(**settings).fit(*make_sounds(), work_dir=work_dir)


def start_child(*args: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def assert_equal_training(first, second) -> None:
    expected, found = first.network_.state_dict(), second.network_.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    timeless = [
        [
            {k: v for k, v in entry.items() if "loss" in k or k.startswith("validation")}
            for entry in model.history_
        ]
        for model in (first, second)
    ]
    assert timeless[0] == timeless[1]
    assert first.best_epoch_ == second.best_epoch_
    assert first.kept_epochs_ == second.kept_epochs_
    assert first.stopped_by_ == second.stopped_by_


@pytest.fixture(scope="module")
def uninterrupted() -> AudioBackboneClassifier:
    return make_classifier(**EVERYTHING).fit(*make_sounds())


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, uninterrupted):
    child = start_child(tmp_path, 2 * STEPS_PER_EPOCH + 2, int(signal.SIGKILL))
    assert child.wait(timeout=120) == -signal.SIGKILL
    assert (tmp_path / "epoch_00002.json").exists()
    seen = []
    model = make_classifier(**EVERYTHING)
    model.fit(*make_sounds(), work_dir=tmp_path, on_epoch=lambda entry: seen.append(entry["epoch"]))
    assert seen == [3, 4]
    assert_equal_training(uninterrupted, model)


# The same way through the checkpoints as a kill, in ten seconds more.
@pytest.mark.slow
def test_a_training_that_is_told_to_end_goes_on_to_the_same_weights(tmp_path, uninterrupted):
    # Wherever the signal finds it: in a step, in validation or while it writes.
    child = start_child(tmp_path, NEVER, 0)
    while not (tmp_path / "epoch_00001.json").exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == -signal.SIGTERM
    model = make_classifier(**EVERYTHING).fit(*make_sounds(), work_dir=tmp_path)
    assert_equal_training(uninterrupted, model)


@pytest.mark.parametrize("step", [1, 3, 4, 5, 12])
def test_at_whatever_step_it_stopped_it_ends_the_same(tmp_path, monkeypatch, uninterrupted, step):
    fit_until(monkeypatch, step, tmp_path, **EVERYTHING)
    model = make_classifier(**EVERYTHING).fit(*make_sounds(), work_dir=tmp_path)
    assert_equal_training(uninterrupted, model)


def test_a_training_that_stops_again_and_again_ends_the_same(tmp_path, monkeypatch, uninterrupted):
    for _ in range(3):
        # One epoch, and a step of the next.
        fit_until(monkeypatch, STEPS_PER_EPOCH + 1, tmp_path, **EVERYTHING)
    model = make_classifier(**EVERYTHING).fit(*make_sounds(), work_dir=tmp_path)
    assert_equal_training(uninterrupted, model)


def test_a_finished_training_is_read_back_without_a_step(tmp_path, monkeypatch, uninterrupted):
    make_classifier(**EVERYTHING).fit(*make_sounds(), work_dir=tmp_path)
    stop_at(monkeypatch, 1)
    seen = []
    model = make_classifier(**EVERYTHING)
    model.fit(*make_sounds(), work_dir=tmp_path, on_epoch=seen.append)
    assert seen == []
    assert_equal_training(uninterrupted, model)


def test_the_defaults_go_on_to_the_same_weights_too(tmp_path, monkeypatch):
    expected = make_classifier().fit(*make_sounds())
    fit_until(monkeypatch, 2 * STEPS_PER_EPOCH + 1, tmp_path)
    model = make_classifier(n_jobs=2).fit(*make_sounds(), work_dir=tmp_path)
    assert_equal_training(expected, model)


def test_without_a_seed_the_interrupted_one_is_taken(tmp_path, monkeypatch):
    fit_until(monkeypatch, STEPS_PER_EPOCH + 1, tmp_path, random_state=None)
    seed = json.loads((tmp_path / "training.json").read_text())["seed"]
    model = make_classifier(random_state=None).fit(*make_sounds(), work_dir=tmp_path)
    assert model._seed == seed


def test_the_newest_two_epochs_and_the_kept_weights_are_on_disk(tmp_path):
    model = make_classifier(**EVERYTHING).fit(*make_sounds(), work_dir=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    kept = {f"kept_{epoch:05d}.safetensors" for epoch in model.kept_epochs_}
    assert kept <= set(names)
    assert {name for name in names if name.startswith("epoch")} == {
        f"epoch_{epoch:05d}.{suffix}" for epoch in (3, 4) for suffix in ("json", "safetensors")
    }
    assert [name for name in names if not name.startswith(("epoch", "kept"))] == [
        "history.csv",
        "training.json",
    ]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    left = tmp_path / ".epoch_00002.safetensors.0123abcd.part"
    left.write_bytes(b"half")
    make_classifier(epochs=1).fit(*make_sounds(), work_dir=tmp_path)
    assert not left.exists()


def test_the_table_of_curves_is_the_history(tmp_path, monkeypatch):
    fit_until(monkeypatch, 2 * STEPS_PER_EPOCH, tmp_path)
    model = make_classifier().fit(*make_sounds(), work_dir=tmp_path)
    table = pd.read_csv(tmp_path / "history.csv")
    pd.testing.assert_frame_equal(table, pd.DataFrame(model.history_), check_dtype=False)


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path, monkeypatch, uninterrupted, suffix, damage
):
    fit_until(monkeypatch, 3 * STEPS_PER_EPOCH + 1, tmp_path, **EVERYTHING)
    newest = tmp_path / f"epoch_00003.{suffix}"
    content = newest.read_bytes()
    half = len(content) // 2
    changed = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    newest.write_bytes(content[:half] if damage == "cut" else changed)
    seen = []
    model = make_classifier(**EVERYTHING)
    with pytest.warns(UserWarning, match="the checkpoint of epoch 3 in .* is damaged"):
        model.fit(
            *make_sounds(), work_dir=tmp_path, on_epoch=lambda entry: seen.append(entry["epoch"])
        )
    assert seen == [3, 4]
    assert_equal_training(uninterrupted, model)


def test_if_nothing_can_be_read_it_starts_again(tmp_path, uninterrupted):
    make_classifier(**EVERYTHING).fit(*make_sounds(), work_dir=tmp_path)
    for path in tmp_path.glob("epoch_*.safetensors"):
        path.write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged"):
        model = make_classifier(**EVERYTHING).fit(*make_sounds(), work_dir=tmp_path)
    assert_equal_training(uninterrupted, model)


def with_other_sound(sounds):
    sounds[3] = 0.5 * sounds[3]
    return sounds


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        ({"epochs": 5}, None, "epochs was 4 and is 5 now"),
        ({"random_state": 1}, None, "seed was"),
        ({"augment": {"gain": {}}}, None, "augment was True and is"),
        ({"learning_rate": 0.1, "keep": "last"}, None, "keep was.*; learning_rate was"),
        ({}, with_other_sound, "its clips, labels or groups are others"),
    ],
    ids=["epochs", "seed", "augment", "two", "sound"],
)
def test_the_checkpoints_of_another_training_are_refused(tmp_path, settings, change, message):
    sounds, labels = make_sounds()
    make_classifier().fit(sounds, labels, work_dir=tmp_path)
    sounds = change(sounds) if change else sounds
    with pytest.raises(ValueError, match=f"holds another training: {message}"):
        make_classifier(**settings).fit(sounds, labels, work_dir=tmp_path)


def test_other_labels_or_groups_are_another_training(tmp_path):
    sounds, labels = make_sounds()
    make_classifier(epochs=1).fit(sounds, labels, work_dir=tmp_path)
    for other in (
        {"y": labels[::-1]},
        {"groups": np.arange(32) // 2},
        {"validation": np.arange(32) < 8},
        {"soft_targets": np.full((32, 2), 0.5)},
    ):
        with pytest.raises(ValueError, match="labels or groups are others"):
            make_classifier(epochs=1).fit(sounds, **{"y": labels} | other, work_dir=tmp_path)


def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "training.json").write_text("{")
    with pytest.raises(ValueError, match=r"training\.json cannot be read .*: remove .* to train"):
        make_classifier().fit(*make_sounds(), work_dir=tmp_path)
    card = {"schema": "timbrestack.training", "schema_version": 99, "seed": 0, "training": {}}
    (tmp_path / "training.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"must be timbrestack\.training version 1, got"):
        make_classifier().fit(*make_sounds(), work_dir=tmp_path)


def test_time_already_spent_counts_after_a_restart(tmp_path, monkeypatch):
    fit_until(monkeypatch, STEPS_PER_EPOCH + 1, tmp_path, minutes=60)
    newest = tmp_path / "epoch_00001.json"
    rest = json.loads(newest.read_text())
    assert 0 < rest["clock"]["begun_s"] < rest["clock"]["spent_s"] < 60
    del rest["digest"]
    rest["clock"]["spent_s"] = 3600.0
    newest.write_text(json.dumps({**rest, "digest": hash_values(rest)}))
    model = make_classifier(minutes=60).fit(*make_sounds(), work_dir=tmp_path)
    assert model.stopped_by_ == "time"
    assert len(model.history_) == 2
    assert model.history_[-1]["seconds"] > 3600


def test_a_checkpoint_that_was_never_finished_is_passed_over(tmp_path):
    (tmp_path / "epoch_00007.safetensors").write_bytes(b"half")
    assert not Checkpoints(tmp_path, seed=0).restore(None, Clock())


if __name__ == "__main__":
    kill_at(int(sys.argv[2]), int(sys.argv[3]))
    make_classifier(**EVERYTHING).fit(*make_sounds(), work_dir=sys.argv[1])


def test_another_file_behind_a_setting_is_another_training(tmp_path):
    path = tmp_path / "network.cfg"
    path.write_text("one")
    settings = {"backbone": "layers", "backbone_params": {"layers": str(path)}, "loss": "focal"}
    before = hash_files(settings)
    assert before is not None
    assert hash_files(settings) == before
    path.write_text("another")
    assert hash_files(settings) != before
    assert hash_files({"loss": "focal"}) is None


def test_a_file_is_found_behind_a_path_and_a_folder_behind_the_name_of_a_model(
    tmp_path, monkeypatch
):
    (tmp_path / "ast").mkdir()
    path = tmp_path / "ast" / "config.json"
    path.write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hash_files({"backbone_params": {"layers": path}}) is not None
    assert hash_files({"backbone": "hf:ast"}) is not None
    assert hash_files({"backbone": "hf:~/ast"}) is not None
    assert hash_files({"backbone": "ast"}) is None
