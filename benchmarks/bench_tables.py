"""Seconds that `manifest`, `split` and `check` take for a table of many clips, without any sound.

Compared with the floor of any program that works on the table: pandas reading and writing it.

Run from the project's root:

    PYTHONPATH=. python benchmarks/bench_tables.py --clips 100000 --labels 200
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

GROUP_SIZE = 1.7  # clips of a recording, as in Freesound's and AudioSet's corpora
MAX_LABELS = 3


def make_table(root: Path, n_clips: int, n_labels: int) -> Path:
    """Write a multi-label table with labels as unevenly common as words, and empty files."""
    rng = np.random.default_rng(0)
    share = 1.0 / np.arange(1, n_labels + 1)
    names = np.array([f"label {i:03d}" for i in range(n_labels)])
    sizes = rng.integers(1, MAX_LABELS + 1, n_clips)
    drawn = rng.choice(n_labels, size=(n_clips, MAX_LABELS), p=share / share.sum())
    table = pd.DataFrame(
        {
            "path": [f"audio/{i % 100:02d}/{i:07d}.wav" for i in range(n_clips)],
            "labels": [
                ";".join(sorted(set(names[row[:size]])))
                for row, size in zip(drawn, sizes, strict=True)
            ],
            "group": rng.integers(0, int(n_clips / GROUP_SIZE), n_clips),
        }
    )
    for folder in sorted({Path(path).parent for path in table["path"]}):
        (root / folder).mkdir(parents=True)
    for path in table["path"]:
        (root / path).touch()
    table.to_csv(root / "clips.csv", index=False)
    return root / "clips.csv"


def run(*words: object) -> float:
    """Run a command and give its seconds; `check` may find problems."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "cli.py", *map(str, words)], capture_output=True, check=False)
    return time.perf_counter() - start


def main() -> None:
    """Time the commands and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=200)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        clips = make_table(root, settings.clips, settings.labels)
        start = time.perf_counter()
        pd.read_csv(clips, dtype=str).to_csv(root / "copy.csv", index=False)
        floor = time.perf_counter() - start
        print(f"{settings.clips} clips, {settings.labels} labels; read and written: {floor:.2f} s")
        for words in (
            ("manifest", clips, "-o", root / "m.csv"),
            ("manifest", root / "audio", "--layout", "folder", "-o", root / "folder.csv"),
            ("split", root / "m.csv", "-o", root / "m2.csv", "--test", "0.2"),
            ("check", root / "m2.csv", "-o", root / "problems.csv"),
        ):
            seconds = run(*words)
            what = " ".join(map(str, words[:1])) + (" of a folder" if "--layout" in words else "")
            print(f"{what:22} {seconds:6.2f} s, {seconds / floor:5.1f} x the floor")


if __name__ == "__main__":
    main()
