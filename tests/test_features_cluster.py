"""Extraction on a Dask cluster: the same table, whatever becomes of workers, runs and places."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import cli
from features import cluster
from features.extraction import extract_to_file
from features.manifest import make_manifest, write_manifest
from features.remote_tables import extract_to_uri, read_manifest_at
from features.table import read_table

distributed = pytest.importorskip("distributed")

ROOT = Path(__file__).resolve().parents[1]

# Loaded by each worker: it notes every clip that is computed, and dies of some.
PRELOADED = """
import os, signal, time
from pathlib import Path
from features import cluster
from features.clip_row import compute_row

HERE = Path({folder!r})

def watched(clip, features):
    name = Path(clip.path).stem
    if name.startswith("killer"):
        os.kill(os.getpid(), signal.SIGKILL)
    with open(HERE / "computed.txt", "a") as log:
        log.write(name + "\\n")
    if (HERE / "slow").exists():
        time.sleep(0.03)
    return compute_row(clip, features)

cluster.compute_row = watched
"""


class Cluster:
    """A scheduler and two worker processes on this machine, and what they have computed."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "watch.py").write_text(PRELOADED.format(folder=str(folder)))
        (folder / "computed.txt").touch()
        file = folder / "scheduler.json"
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        }
        address = ["--host", "127.0.0.1", "--no-dashboard"]
        worker = ["--nworkers", "2", "--nthreads", "1", "--local-directory", str(folder)]
        commands = (
            ["scheduler", "--port", "0", "--scheduler-file", str(file), *address],
            ["worker", "--scheduler-file", str(file), *worker, *address]
            + ["--preload", str(folder / "watch.py")],
        )
        with (folder / "log.txt").open("w") as log:
            self.processes = [
                subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.dask_{command}", *rest],
                    cwd=folder,
                    env=environment,
                    stdout=log,
                    stderr=log,
                )
                for command, *rest in commands
            ]
        with distributed.Client(
            scheduler_file=str(file), timeout=30, set_as_default=False
        ) as client:
            client.wait_for_workers(2, timeout=60)
            self.address = client.scheduler.address

    def computed(self):
        return (self.folder / "computed.txt").read_text().split()

    def kill_a_worker(self):
        with distributed.Client(self.address, set_as_default=False) as client:
            pid = next(iter(client.run(os.getpid).values()))
        os.kill(pid, signal.SIGKILL)

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGINT)
            process.wait(20)


@pytest.fixture(scope="module")
def cluster_of_two(tmp_path_factory):
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    yield running
    running.stop()


@pytest.fixture
def dask(cluster_of_two):
    (cluster_of_two.folder / "computed.txt").write_text("")
    (cluster_of_two.folder / "slow").unlink(missing_ok=True)
    return cluster_of_two


@pytest.fixture
def corpus(write_wav, rng, tmp_path):
    """A hundred short sounds, one of them silent and one cut off."""
    names = [f"audio/{k:03d}.wav" for k in range(100)]
    for k, name in enumerate(names):
        write_wav(name, rng.uniform(-0.5, 0.5, 900 + 10 * k) * (k != 7))
    (tmp_path / names[40]).write_bytes((tmp_path / names[40]).read_bytes()[:500])
    return manifest_of(tmp_path, names)


def manifest_of(root, names):
    table = pd.DataFrame({"path": names, "group": names, "labels": "oboe"})
    return make_manifest(table, root)


def extract(manifest, out, **settings):
    extract_to_file(manifest, out, feature_set="compact-v1", **settings)
    return read_table(out)


def assert_same(table, expected, *, inputs=True):
    pd.testing.assert_frame_equal(table.values, expected.values, check_exact=True)
    pd.testing.assert_frame_equal(table.failures, expected.failures)
    ignored = set() if inputs else {"inputs_sha256"}
    assert {k: table.card[k] for k in table.card.keys() - ignored} == {
        k: expected.card[k] for k in expected.card.keys() - ignored
    }


def test_a_cluster_makes_the_table_that_one_process_makes(dask, corpus, tmp_path):
    expected = extract(corpus, tmp_path / "1.parquet", use_cache=False)
    counts = []
    table = extract(
        corpus,
        tmp_path / "2.parquet",
        scheduler=dask.address,
        progress=lambda *count: counts.append(count),
    )
    assert_same(table, expected)
    assert table.card["silent"] == ["audio/007.wav"]
    assert "truncated" in table.failures.loc[0, "reason"]
    assert counts[-1] == (100, 100)
    assert sorted(dask.computed()) == [f"{k:03d}" for k in range(100)]


def test_a_repeated_run_computes_nothing_but_what_failed(dask, corpus, tmp_path):
    out = tmp_path / "X.parquet"
    first = extract(corpus, out, scheduler=dask.address)
    extract(corpus, out, scheduler=dask.address)
    assert len(dask.computed()) == 100
    out.unlink()
    assert_same(extract(corpus, out, scheduler=dask.address), first)
    assert dask.computed()[100:] == ["040"]


def test_without_a_cache_no_shards_stay(dask, corpus, tmp_path):
    few = corpus.select(np.arange(40))
    table = extract(few, tmp_path / "X.parquet", scheduler=dask.address, use_cache=False)
    assert len(table.values) == 40
    assert list((tmp_path / "X.parquet.cache").iterdir()) == []


def test_a_worker_that_is_killed_half_way_leaves_no_trace(dask, corpus, tmp_path):
    expected = extract(corpus, tmp_path / "1.parquet", use_cache=False)
    (dask.folder / "slow").touch()

    def kill():
        deadline = time.monotonic() + 20
        while len(dask.computed()) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        dask.kill_a_worker()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    table = extract(corpus, tmp_path / "2.parquet", scheduler=dask.address)
    killer.join()
    assert_same(table, expected)
    assert len(dask.computed()) > 100


def test_a_clip_that_kills_its_workers_is_listed_and_no_other(dask, corpus, tmp_path, write_wav):
    write_wav("audio/killer.wav", np.zeros(900))
    names = corpus.clips["path"].tolist()
    both = manifest_of(tmp_path, [*names[:50], "audio/killer.wav", *names[50:]])
    expected = extract(corpus, tmp_path / "1.parquet", use_cache=False)
    table = extract(both, tmp_path / "2.parquet", scheduler=dask.address)
    pd.testing.assert_frame_equal(table.values, expected.values, check_exact=True)
    assert table.failures["clip_id"].tolist() == ["audio/040.wav", "audio/killer.wav"]
    assert "worker that computed it died" in table.failures.loc[1, "reason"]


def test_files_are_read_and_written_at_uris(dask, corpus, tmp_path):
    expected = extract(corpus, tmp_path / "1.parquet", use_cache=False)
    write_manifest(corpus, tmp_path / "m.csv")
    # A cache in front makes fsspec treat local files like those of any other place.
    manifest = read_manifest_at(f"simplecache::file://{tmp_path}/m.csv")
    assert manifest.clips["path"].str.startswith("simplecache::file://").all()
    out = f"file://{tmp_path}/2.parquet"
    extract_to_uri(manifest, out, feature_set="compact-v1", scheduler=dask.address)
    table = read_table(tmp_path / "2.parquet")
    pd.testing.assert_frame_equal(table.values, expected.values, check_exact=True)
    assert table.failures["clip_id"].tolist() == ["audio/040.wav"]
    assert table.manifest.audio_clips() == manifest.audio_clips()


def test_the_command_runs_on_a_cluster(dask, corpus, tmp_path):
    write_manifest(corpus, tmp_path / "m.csv")
    words = ["extract", f"{tmp_path}/m.csv", "-o", f"{tmp_path}/X.parquet"]
    words += ["--feature-set", "compact-v1", "--backend", "dask", "--scheduler", dask.address]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    assert "99 clips x 28 features" in result.output
    assert_same(read_table(tmp_path / "X.parquet"), extract(corpus, tmp_path / "Y.parquet"))


def test_a_worker_with_other_libraries_is_refused(dask, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("features.extraction.version", lambda name: "0.1")
    with pytest.raises(RuntimeError, match=r"a worker has numpy .* where the driver has 0\.1"):
        extract(corpus, tmp_path / "X.parquet", scheduler=dask.address)
    assert not (tmp_path / "X.parquet").exists()


def test_a_scheduler_that_does_not_answer_is_named_soon(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_TIMEOUT_S", 1.0)
    start = time.monotonic()
    with pytest.raises(OSError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 within"):
        extract(corpus, tmp_path / "X.parquet", scheduler="tcp://127.0.0.1:9")
    assert time.monotonic() - start < 10


def test_without_dask_the_error_names_the_extra(corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"timbrestack\[dask\]"):
        extract(corpus, tmp_path / "X.parquet", scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backend", "dask"], "needs --scheduler"),
        (["--scheduler", "tcp://127.0.0.1:9"], "is for --backend dask"),
    ],
    ids=["no-scheduler", "no-backend"],
)
def test_options_that_belong_together_are_asked_for(tmp_path, capsys, words, message):
    with pytest.raises(SystemExit) as left:
        cli.main(["extract", str(tmp_path), "-o", str(tmp_path / "X.parquet"), *words])
    assert left.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("n_clips", "size"), [(1, 32), (200_000, 32), (1_000_000, 128), (10**7, 2048), (10**9, 2048)]
)
def test_shards_grow_with_the_corpus(n_clips, size):
    assert cluster._shard_size(n_clips) == size
