"""Worker processes that die: only the clips that kill them have no row."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.audio import Clip
from features.extraction import extract_table
from features.manifest import make_manifest, write_manifest
from features.surviving import compute_batches
from features.table import read_table

ROOT = Path(__file__).resolve().parents[1]
N_CLIPS = 40

# A feature set that ends its process for clips whose first sample says so.
DEADLY_SET = """
import os, signal, sys, time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from features.feature_set import FeatureSet
from features.named_sets import get_feature_set

WAYS = {
    1: lambda: os.abort(),
    2: lambda: os.kill(os.getpid(), signal.SIGKILL),
    3: lambda: os._exit(7),
    4: lambda: os.kill(os.getpid(), signal.SIGSEGV),
}

@dataclass(frozen=True)
class DeadlySet(FeatureSet):
    once: str = ""

    def compute(self, waveform):
        way = round(float(waveform[0]) * 10)
        if way in WAYS:
            WAYS[way]()
        if way == 5 and not Path(self.once).exists():
            Path(self.once).touch()
            os.abort()
        return super().compute(waveform)
"""

RUN = """
import sys
from dataclasses import fields
from deadly_set import DeadlySet
from features.extraction import extract_table
from features.feature_set import FeatureSet
from features.manifest import read_manifest
from features.named_sets import get_feature_set

manifest, out, once, use_cache = sys.argv[1:]
compact = get_feature_set("compact-v1")
settings = {field.name: getattr(compact, field.name) for field in fields(FeatureSet)}
calls = []
extract_table(
    read_manifest(manifest), out, feature_set=DeadlySet(**settings, once=once), n_jobs=2,
    use_cache=bool(use_cache), progress=lambda *call: calls.append(call),
)
assert [n for n, _ in calls] == sorted({n for n, _ in calls}) and calls[-1] == (40, 40), calls
"""


@pytest.fixture
def run(write_wav, tmp_path, rng):
    """Extract forty clips, some marked to kill, in two workers; give the manifest and the table."""
    waveforms = rng.uniform(-0.04, 0.04, (N_CLIPS, 2205))

    def extract(marks, use_cache=True):
        for position, waveform in enumerate(waveforms):
            waveform[0] = marks.get(position, 0) / 10
            write_wav(f"{position:02}.wav", waveform, subtype="FLOAT")
        names = [f"{position:02}.wav" for position in range(N_CLIPS)]
        clips = pd.DataFrame({"path": names, "group": names, "labels": "oboe"})
        manifest = make_manifest(clips, tmp_path)
        write_manifest(manifest, tmp_path / "m.csv")
        (tmp_path / "deadly_set.py").write_text(DEADLY_SET)
        out = tmp_path / "X.parquet"
        found = subprocess.run(
            [sys.executable, "-c", RUN, "m.csv", str(out), "once", "yes" * use_cache],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        return manifest, read_table(out)

    return extract


@pytest.mark.parametrize(
    ("ways", "reasons", "use_cache"),
    [
        ({0: 1, 13: 2}, ["SIGABRT", "SIGKILL: out of memory?"], True),
        ({14: 3, 39: 4}, ["exit code 7", "SIGSEGV"], False),
    ],
    ids=["cache", "no-cache"],
)
def test_a_clip_that_kills_its_worker_fails_alone_and_is_told_how(
    run, tmp_path, ways, reasons, use_cache
):
    manifest, table = run(ways, use_cache)
    assert table.failures["clip_id"].tolist() == [f"{position:02}.wav" for position in ways]
    assert table.failures["reason"].tolist() == [
        f"the process that computed it died twice ({reason})" for reason in reasons
    ]
    good = manifest.select(~np.isin(np.arange(N_CLIPS), list(ways)))
    alone = extract_table(good, tmp_path / "good.parquet", feature_set="compact-v1")
    pd.testing.assert_frame_equal(table.values, alone.values, check_exact=True)


def test_a_worker_that_dies_by_chance_costs_no_clip(run, tmp_path):
    manifest, table = run({20: 5})
    assert (tmp_path / "once").exists()
    assert len(table.failures) == 0
    alone = extract_table(manifest, tmp_path / "alone.parquet", feature_set="compact-v1")
    pd.testing.assert_frame_equal(table.values, alone.values, check_exact=True)


def test_processes_that_die_without_work_are_no_clip_s_fault(monkeypatch):
    def die(*arguments):
        os._exit(3)

    monkeypatch.setattr("features.surviving._do_nothing", die)
    with pytest.raises(RuntimeError, match=r"3 worker processes died before .*exit code 3"):
        list(compute_batches([[Clip("a.wav")]], die, 2))


def test_a_mistake_in_the_code_is_raised_also_after_a_worker_died(tmp_path):
    def compute(clips):
        if not (tmp_path / "once").exists():
            (tmp_path / "once").touch()
            os._exit(3)
        raise TypeError("a mistake")

    with pytest.raises(TypeError, match="a mistake"):
        list(compute_batches([[Clip("a.wav")]], compute, 2))
