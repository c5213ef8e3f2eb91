"""Making, copying, hearing and auditing corpora, as people type it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[1]
SR = 8000


@pytest.fixture
def run(tmp_path):
    """Run a command and give what it printed, its exit code having been looked at."""

    def call(*words, code=0):
        done = subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *map(str, words)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        return done

    return call


@pytest.fixture
def notes(tmp_path, write_wav):
    """A folder of two labels, six short clips each."""
    t = np.arange(SR // 2) / SR
    for label, low_hz in {"cat": 300, "dog": 900}.items():
        (tmp_path / "notes" / label).mkdir(parents=True)
        for i in range(6):
            tone = 0.3 * np.sin(2 * np.pi * (low_hz + 40 * i) * t)
            write_wav(tmp_path / "notes" / label / f"{label}{i}.wav", tone, SR)
    return tmp_path / "notes"


def one_error(done):
    """Give the one line that says what is wrong."""
    lines = done.stderr.splitlines()
    assert not any("Traceback" in line or "internal error" in line for line in lines)
    errors = [line for line in lines if line.lower().startswith("error: ")]
    assert len(errors) == 1, done.stderr
    return errors[0]


def test_render_writes_a_corpus_that_check_and_listen_take(tmp_path, run):
    sizes = ("--train", 11, "--validation", 0, "--test", 2, "--seconds", 1, "--jobs", 1)
    done = run("render", "-o", "corpus", *sizes)
    assert "13 clips (11 train, 2 test), 11 labels" in done.stdout
    events = pd.read_csv(tmp_path / "corpus" / "events.csv")
    assert set(events["clip_id"]) == set(pd.read_csv(tmp_path / "corpus/manifest.csv")["clip_id"])
    assert "3 clips" in run("listen", "corpus", "-o", "sheet.html", "--clips", 3).stdout
    assert "<audio" in (tmp_path / "sheet.html").read_text(encoding="utf-8")


def test_mix_writes_mixes_beside_the_single_clips(tmp_path, notes, run):
    options = ("--folds", 2, "--voices", 2, "--sr", SR, "--jobs", 1)
    assert "15 clips" in run("mix", notes, "-o", "mixed", "--mixes", 3, *options).stdout
    table = pd.read_csv(tmp_path / "mixed" / "manifest.csv")
    assert set(table["labels"]) == {"cat", "dog", "cat;dog"}


def test_resample_copies_a_corpus_and_tells_once_what_failed(tmp_path, notes, run):
    (notes / "cat" / "empty.wav").touch()
    done = run("resample", notes, "-o", "copy", "--sr", 4000, "--format", "wav", "--jobs", 1)
    assert "12 clips at 4000 Hz" in done.stdout
    assert done.stderr.count("failures.csv") == 1
    assert soundfile.info(tmp_path / "copy" / "cat" / "cat0.wav").samplerate == 4000


def test_listen_tells_which_clips_cannot_be_heard(notes, run):
    (notes / "cat" / "empty.wav").touch()
    done = run("listen", notes, "-o", "sheet.html")
    assert "12 clips, 2 labels" in done.stdout
    assert "warning: cat/empty.wav could not be read" in done.stderr


def test_stats_makes_a_page(tmp_path, notes, run):
    assert "12 clips of 2 labels" in run("stats", notes, "-o", "page").stdout
    assert (tmp_path / "page" / "index.html").is_file()


def test_audit_says_a_verdict(tmp_path, notes, run):
    done = run("audit", "nuisance", notes, "--folds", 2, "--jobs", 1, "-o", "audit.json")
    assert done.stdout.startswith("verdict: ")
    assert "verdict" in json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["render", "-o", "taken"], "must be a directory"),
        (["render", "-o", "x", "--seconds", "inf"], "'--seconds'"),
        (["render", "-o", "x", "--labels", "all"], "must be one of irmas, families"),
        (["render", "-o", "x", "--scores", "missing"], "does not exist"),
        (["mix", "notes", "-o", "x", "--mode", "add"], "mode must be sum, concat, both"),
        (["mix", "notes", "-o", "x", "--voices", "some"], "--voices must be a number or a range"),
        (["resample", "notes", "-o", "notes", "--sr", "8000"], "must lie apart"),
        (["resample", "notes", "-o", "taken", "--sr", "8000"], "taken is a file"),
        (["resample", "header.csv", "-o", "x", "--sr", "8000"], "header.csv"),
        (["stats", "notes", "-o", "taken"], "taken is a file"),
        (["listen", "notes", "-o", "notes"], "notes is a folder: name a file"),
        (["audit", "nuisance", "notes", "--folds", "some"], "--folds must be"),
        (["audit", "nuisance", "notes", "-o", "notes"], "notes is a folder: name a file"),
        (["audit", "nuisance", "notes/cat"], "the clips have no labels"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_clear_line_before_any_work(tmp_path, notes, run, words, reason):
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "header.csv").write_text("path,labels\n")
    done = run(*words, code=2)
    assert reason in one_error(done)
    assert "measure" not in done.stderr
    assert not (tmp_path / "x").exists()
    assert (tmp_path / "taken").read_text() == "mine"
