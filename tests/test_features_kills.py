"""Killing: a run that is killed again and again ends as one that never was.

The command itself is run, in a process group of its own, and killed by SIGKILL at seeded moments.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from features.table import read_table

ROOT = Path(__file__).resolve().parents[1]
N_CLIPS = 48

# A folder tells labels and no groups, and what is asked here is something else.
pytestmark = pytest.mark.filterwarnings("ignore:.*have no 'group'")
BESIDE = ["", ".cache", ".card.json", ".failures.csv", ".manifest.csv"]


def start(corpus, out):
    command = [sys.executable, ROOT / "cli.py", "extract", corpus, "-o", out, "--jobs", "2"]
    return subprocess.Popen(
        [*map(str, command), "--feature-set", "compact-v1"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def kill_group(process):
    """Kill the run with all its workers."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def find_workers(process):
    """Give the worker processes of a run: all descendants that loky has started as such."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
            if os.getpgid(int(entry.name)) == process.pid and b"popen_loky" in words:
                found.append(int(entry.name))
        except (ValueError, OSError):
            continue
    return sorted(found)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Short sounds in two folders, one file broken and one listed twice by content."""
    root = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(7)
    for k in range(N_CLIPS):
        path = root / ("oboe" if k % 2 else "horn") / f"{k:02}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, rng.uniform(-0.5, 0.5, 22050 + 100 * k), 22050)
    (root / "oboe" / "03.wav").write_bytes((root / "oboe" / "05.wav").read_bytes())
    (root / "horn" / "04.wav").write_text("no sound at all")
    return root


@pytest.fixture(scope="module")
def uninterrupted(corpus, tmp_path_factory):
    """Give the table of a run that nobody disturbs, and how long it took in seconds."""
    out = tmp_path_factory.mktemp("uninterrupted") / "X.parquet"
    begun = time.monotonic()
    finish(start(corpus, out))
    return read_table(out), time.monotonic() - begun


def check_equal(out, expected):
    """Make sure that a table is the expected one to the last bit, and alone in its folder."""
    table = read_table(out)
    assert table.values.index.tolist() == expected.values.index.tolist()
    assert table.values.columns.tolist() == expected.values.columns.tolist()
    assert table.values.to_numpy().tobytes() == expected.values.to_numpy().tobytes()
    pd.testing.assert_frame_equal(table.failures, expected.failures)
    assert table.card == expected.card
    assert sorted(path.name for path in out.parent.iterdir()) == [
        f"X.parquet{ending}" for ending in BESIDE
    ]
    assert [path.name for path in Path(f"{out}.cache").iterdir()] == ["rows.sqlite"]


def kill_until_done(corpus, out, n_kills, whole_s, rng):
    """Kill runs into one place until so many were killed; then let one end."""
    n_killed = 0
    while n_killed < n_kills:
        process = start(corpus, out)
        try:
            process.wait(rng.uniform(0.0, whole_s))
        except subprocess.TimeoutExpired:
            kill_group(process)
            n_killed += 1
        else:
            finish(process)
            return n_killed
    finish(start(corpus, out))
    return n_killed


@pytest.mark.parametrize("n_kills", [5, pytest.param(200, marks=pytest.mark.slow)], ids=str)
def test_a_run_killed_again_and_again_ends_as_if_it_never_was(
    corpus, uninterrupted, tmp_path, n_kills
):
    expected, whole_s = uninterrupted
    rng = np.random.default_rng(n_kills)
    n_killed, round_ = 0, 0
    while n_killed < n_kills:
        out = tmp_path / str(round_) / "X.parquet"
        n_killed += kill_until_done(corpus, out, min(n_kills - n_killed, 10), whole_s, rng)
        check_equal(out, expected)
        round_ += 1


@pytest.mark.parametrize("n_kills", [1, pytest.param(30, marks=pytest.mark.slow)], ids=str)
def test_a_worker_killed_by_someone_else_costs_no_clip(corpus, uninterrupted, tmp_path, n_kills):
    expected, whole_s = uninterrupted
    rng = np.random.default_rng(n_kills)
    n_killed = 0
    for round_ in range(n_kills):
        out = tmp_path / str(round_) / "X.parquet"
        process = start(corpus, out)
        while not (workers := find_workers(process)) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.4 * whole_s))
        workers = find_workers(process)
        if workers:
            os.kill(int(rng.choice(workers)), signal.SIGKILL)
            n_killed += 1
        finish(process)
        check_equal(out, expected)
    assert n_killed > 0
