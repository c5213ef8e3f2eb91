"""Two processes train what one does; one sees the other only through sums."""

import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from torch import nn

from deep.classifier import AudioBackboneClassifier
from deep.training import processes
from deep.training.processes import SharedStatistics, agree, gather_rows, share, sum_gradients

ROOT = Path(__file__).resolve().parents[1]
SR = 8000
SMALL = {"channels": (4, 8, 8), "hidden_size": 8}
FRAMES = {"n_fft": 512, "hop_length": 256, "n_mels": 32}


def make_classifier(**settings) -> AudioBackboneClassifier:
    defaults = {
        "backbone_params": SMALL,
        "frontend_params": FRAMES,
        "sr": SR,
        "epochs": 3,
        "max_seconds": 0.25,
        "batch_size": 10,
        "accumulate": 3,
        "ema_decay": 0.8,
        "minutes": 60,
        "augment": {"noise": {}, "mixup": {}},
        "validation_fraction": 0.25,
        "random_state": 0,
        "device": "cpu",
    }
    return AudioBackboneClassifier(**defaults | settings)


def make_sounds() -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(440)
    sounds = []
    for number in range(36):
        t = np.arange(rng.integers(1200, 2400)) / SR
        tone = np.sin(2 * np.pi * (400, 1700)[number % 2] * t)
        sounds.append((tone + 0.5 * rng.normal(size=len(t))).astype(np.float32))
    return sounds, ["low", "high"] * 18


def test_alone_everything_is_ones_own(rng):
    rows = rng.normal(size=(3, 2))
    assert agree("word") == "word"
    assert share([1, 2, 3]) == [1, 2, 3]
    assert gather_rows(rows) is rows
    layer = nn.Linear(2, 2)
    sum_gradients(layer.parameters())
    assert layer.weight.grad is None


def test_shared_statistics_are_those_of_one_process_that_saw_all_parts(rng, monkeypatch):
    parts = [torch.from_numpy(rng.normal(size=(6, 2)).astype(np.float32)) for _ in range(5)]
    alone = nn.BatchNorm1d(2)
    alone.running_mean.fill_(3.0)
    for part in parts:
        alone(part)
    monkeypatch.setattr(processes, "n_processes", lambda: 2)
    sums = []
    monkeypatch.setattr(processes, "_sum_in_place", sums.append)
    for own in (0, 1):
        norm = nn.BatchNorm1d(2)
        norm.running_mean.fill_(3.0)
        statistics = SharedStatistics(norm)
        statistics.begin()
        for number, part in enumerate(parts):
            if number % 2 == own:
                norm(part)
            else:
                statistics.skip()
        statistics.end()
        assert norm.num_batches_tracked == 5
    mean, variance = (first + second for first, second in zip(*sums, strict=True))
    torch.testing.assert_close(mean, alone.running_mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(variance, alone.running_var, rtol=0, atol=1e-6)


def start_two(*command: str) -> list[int]:
    """Run a script in two processes that a launcher started, and give their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    children = [
        subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **together, "PYTHONPATH": str(ROOT), "RANK": str(rank)},
        )
        for rank in range(2)
    ]
    return [child.wait(timeout=240) for child in children]


# Two processes that import torch on two cores: more than ten seconds where they are busy.
@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path):
    assert start_two(__file__, str(tmp_path)) == [0, 0]
    one = make_classifier().fit(*make_sounds())
    both = [pickle.loads((tmp_path / f"{rank}.pkl").read_bytes()) for rank in range(2)]
    for (name, first), second in zip(
        both[0].network_.state_dict().items(), both[1].network_.state_dict().values(), strict=True
    ):
        assert torch.equal(first, second)
        torch.testing.assert_close(one.network_.state_dict()[name], first, rtol=0, atol=1e-5)
    for ours, theirs in zip(one.history_, both[0].history_, strict=True):
        for key in ("train_loss", "validation_loss", "learning_rate"):
            assert theirs[key] == pytest.approx(ours[key], abs=1e-5)
    assert both[0].history_ == both[1].history_
    # Only the first process writes and reports.
    assert (tmp_path / "work" / "epoch_00003.json").exists()
    assert [(tmp_path / f"{rank}.log").read_text() for rank in range(2)] == ["123", ""]


@pytest.mark.slow
def test_a_run_of_two_processes_is_that_of_one(tmp_path):
    for number, sound in enumerate(make_sounds()[0]):
        soundfile.write(tmp_path / f"{number}.wav", 0.1 * sound, SR)
    rows = [f"{n}.wav,{('low', 'high')[n % 2]},g{n // 4},{n // 4 % 2}" for n in range(36)]
    (tmp_path / "m.csv").write_text("path,labels,group,fold\n" + "\n".join(rows))
    settings = {"sr": SR, "epochs": 2, "accumulate": 2, "backbone_params.channels": "[4, 8, 8]"}
    given = [f"--set={name}={value}" for name, value in settings.items()]
    command = [
        "cli.py", "train", str(tmp_path / "m.csv"), "--seconds", "0.25", "--jobs", "1", "--device",
        "cpu", *given, "-o",
    ]  # fmt: skip
    assert start_two(*command, str(tmp_path / "two")) == [0, 0]
    alone = [sys.executable, *command, str(tmp_path / "one")]
    subprocess.run(alone, cwd=ROOT, check=True, timeout=240, capture_output=True)
    one, two = (pd.read_parquet(tmp_path / name / "oof.parquet") for name in ("one", "two"))
    assert one["clip_id"].tolist() == two["clip_id"].tolist()
    np.testing.assert_allclose(one[["high", "low"]], two[["high", "low"]], rtol=0, atol=1e-4)
    assert (tmp_path / "two" / "curves.png").is_file()


def test_more_processes_than_parts_are_refused(monkeypatch):
    monkeypatch.setattr("deep.training.loop.n_processes", lambda: 4)
    with pytest.raises(ValueError, match="accumulate must be at least the number of processes, 4"):
        make_classifier().fit(*make_sounds())


if __name__ == "__main__":
    directory, rank = Path(sys.argv[1]), os.environ["RANK"]
    epochs: list[str] = []
    model = make_classifier().fit(
        *make_sounds(),
        on_epoch=lambda entry: epochs.append(f"{entry['epoch']:.0f}"),
        work_dir=directory / "work",
    )
    (directory / f"{rank}.log").write_text("".join(epochs))
    (directory / f"{rank}.pkl").write_bytes(pickle.dumps(model))
