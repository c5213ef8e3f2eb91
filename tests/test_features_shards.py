"""Shards and files elsewhere: bit for bit, whole or not at all, wherever they lie."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.audio import Clip
from features.clip_row import Row, compute_row
from features.extraction import extract_to_file
from features.manifest import make_manifest, read_manifest, write_manifest
from features.named_sets import get_feature_set
from features.remote import identify, keeping_copies, local_copy, upload
from features.remote_tables import extract_to_uri, read_manifest_at
from features.row_cache import RowCache
from features.shards import Shards
from features.table import read_table

fsspec = pytest.importorskip("fsspec")

ROOT = Path(__file__).resolve().parents[1]
COMPACT = get_feature_set("compact-v1")
ROWS = [
    Row(np.array([0.0, 1e-42, 3e38], dtype=np.float32)),
    Row(None, reason='cut "off"'),
    Row(np.array([-0.0, np.float32(1 / 3), 7.0], dtype=np.float32), silent=True),
]


@pytest.fixture
def memory():
    """The file system behind memory://, empty."""
    place = fsspec.filesystem("memory")
    place.store.clear()
    yield place
    place.store.clear()


@pytest.fixture(params=["path", "file", "memory"])
def shards(request, tmp_path, memory):
    folder = {"path": str(tmp_path / "s"), "file": f"file://{tmp_path}/s", "memory": "memory://s"}
    return Shards(folder[request.param], "settings", 3)


@pytest.fixture
def corpus(write_wav, rng, tmp_path, memory):
    """Four sounds here, and the same ones in memory://."""
    names = [f"audio/{name}.wav" for name in "dabc"]
    for name in names:
        upload(write_wav(name, rng.uniform(-0.5, 0.5, 2000)), f"memory://corpus/{name}")
    table = pd.DataFrame({"path": names, "group": names, "labels": "oboe"})
    manifest = make_manifest(table, tmp_path)
    write_manifest(manifest, tmp_path / "m.csv")
    upload(tmp_path / "m.csv", "memory://corpus/m.csv")
    return manifest


def test_a_shard_is_read_as_it_was_written(shards):
    shards.write("n", ["k", "l", "m"], ROWS)
    assert shards.list_finished() == {"n": False}
    assert shards.find("n") is False
    found = shards.read("n", ["k", "l", "m"], whole=False)
    assert [(row.silent, row.reason) for row in found] == [(row.silent, row.reason) for row in ROWS]
    assert found[1].values is None
    for k in (0, 2):
        assert found[k].values.dtype == np.float32
        assert found[k].values.tobytes() == ROWS[k].values.tobytes()


def test_a_shard_of_failures_alone_is_a_shard(shards):
    shards.write("n", ["k"], [ROWS[1]])
    assert shards.read("n", ["k"], whole=False)[0].reason == 'cut "off"'


def test_a_shard_whose_failures_are_mended_takes_the_place_of_the_other(shards):
    shards.write("n", ["k", "l", "m"], ROWS)
    shards.write("n", ["k", "l", "m"], [ROWS[0]] * 3)
    assert shards.list_finished() == {"n": True}
    assert shards.find("n") is True


def test_no_folder_means_no_shards(shards):
    assert shards.list_finished() == {}
    assert shards.find("n") is None


def test_a_folder_of_shards_is_a_table_to_any_tool(tmp_path):
    shards = Shards(str(tmp_path / "s"), "settings", 3)
    shards.write("n", ["k", "l", "m"], ROWS)
    shards.write("o", ["p"], ROWS[:1])
    table = pd.read_parquet(tmp_path / "s").set_index("clip_id")
    assert sorted(table.index) == ["k", "m", "p"]
    np.testing.assert_array_equal(table.loc["m", "values"], ROWS[2].values)


def test_the_name_is_what_went_in(shards):
    clips, states = [Clip("a.wav"), Clip("b.wav", 0.0, 1.0)], ["1 2", "3 4"]
    name = shards.name(["a", "b"], clips, states)
    others = [
        shards.name(["b", "a"], clips, states),
        shards.name(["a", "b"], clips[::-1], states),
        shards.name(["a", "b"], [clips[0], Clip("b.wav", 0.0, 1.5)], states),
        shards.name(["a", "b"], clips, ["1 2", "3 5"]),
        shards.name(["a"], clips[:1], states[:1]),
        Shards(shards.folder, "other", shards.n_features).name(["a", "b"], clips, states),
    ]
    assert len({name, *others}) == 7
    assert shards.name(["a", "b"], list(clips), list(states)) == name


def test_a_damaged_shard_is_named(tmp_path):
    shards = Shards(str(tmp_path), "settings", 3)
    shards.write("n", ["k"], ROWS[:1])
    (tmp_path / "n.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(OSError, match=r"n\.parquet is damaged.*remove it and run again"):
        shards.read("n", ["k"], whole=True)


def test_a_shard_of_other_clips_is_refused(shards):
    shards.write("n", ["k"], ROWS[:1])
    with pytest.raises(OSError, match="holds other clips"):
        shards.read("n", ["l"], whole=True)


def test_nothing_half_written_stays_where_writing_fails(shards, monkeypatch):
    def fill_the_disk(*arguments, **settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("features.shards.pyarrow.parquet.write_table", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        shards.write("n", ["k"], ROWS[:1])
    assert shards.list_finished() == {}


def test_a_local_path_is_no_copy(tmp_path):
    for path in (str(tmp_path / "a.wav"), f"file://{tmp_path}/a.wav"):
        with local_copy(path) as copy:
            assert copy == str(tmp_path / "a.wav")


def test_a_copy_lasts_as_long_as_its_block(memory):
    memory.pipe("/x/a.wav", b"sound")
    with local_copy("memory://x/a.wav") as copy:
        assert Path(copy).name == "a.wav"
        assert Path(copy).read_bytes() == b"sound"
    assert not Path(copy).exists()


def test_parts_of_one_file_fetch_it_once(memory, monkeypatch):
    memory.pipe({"/x/a.wav": b"a", "/x/b.wav": b"b"})
    fetched = []
    get_file = type(memory).get_file
    monkeypatch.setattr(
        type(memory),
        "get_file",
        lambda self, path, *rest, **settings: (
            fetched.append(path), get_file(self, path, *rest, **settings)
        ),
    )  # fmt: skip
    copies = []
    with keeping_copies():
        for name in ("a", "a", "b"):
            with local_copy(f"memory://x/{name}.wav") as copy:
                assert Path(copy).read_bytes() == name.encode()
                copies.append(Path(copy))
        assert not copies[0].exists()
    assert len(fetched) == 2
    assert not any(copy.exists() for copy in copies)


def test_a_state_tells_a_file_that_changed(memory, tmp_path):
    memory.pipe({"/x/a.wav": b"a", "/x/b.wav": b"b"})
    (tmp_path / "c.wav").write_bytes(b"c")
    paths = ["memory://x/a.wav", "memory://x/b.wav", "memory://x/none.wav", "memory://y/none.wav"]
    paths += [str(tmp_path / "c.wav"), f"file://{tmp_path}/c.wav", str(tmp_path / "none.wav")]
    before = identify(paths)
    assert [before[path] == "missing" for path in paths] == [0, 0, 1, 1, 0, 0, 1]
    assert before[paths[4]] == before[paths[5]]
    memory.pipe("/x/a.wav", b"aa")
    after = identify(paths)
    assert [path for path in paths if after[path] != before[path]] == paths[:1]


def test_a_remote_clip_has_the_row_of_a_local_one(corpus, memory):
    for clip in corpus.audio_clips():
        uri = f"memory://corpus/audio/{Path(clip.path).name}"
        row = compute_row(Clip(uri), COMPACT)
        np.testing.assert_array_equal(row.values, compute_row(clip, COMPACT).values)


def test_what_cannot_be_fetched_fails_alone_and_says_why(memory, monkeypatch):
    reason = compute_row(Clip("memory://x/none.wav"), COMPACT).reason
    assert reason == "no such file: memory://x/none.wav"
    memory.pipe("/x/a.wav", b"sound")

    def refuse(self, *arguments, **settings):
        raise RuntimeError("expired token")

    monkeypatch.setattr(type(memory), "get_file", refuse)
    reason = compute_row(Clip("memory://x/a.wav"), COMPACT).reason
    assert reason == "memory://x/a.wav cannot be fetched: RuntimeError: expired token"


def test_remote_rows_are_kept_by_what_their_place_tells(corpus, memory, tmp_path):
    cache = RowCache(tmp_path / "cache", "settings")
    uri = "memory://corpus/audio/a.wav"
    key = cache.key(Clip(uri))
    assert key == cache.key(Clip(uri)) != cache.key(Clip(uri, 0.0, 0.05))
    memory.pipe("/corpus/audio/a.wav", b"other")
    assert cache.key(Clip(uri)) != key
    assert cache.key(Clip("memory://corpus/audio/none.wav")) == ""


def test_a_table_from_and_to_uris_is_that_of_local_files(corpus, memory, tmp_path):
    extract_to_file(corpus, tmp_path / "X.parquet", feature_set="compact-v1")
    manifest = read_manifest_at("memory://corpus/m.csv")
    card = extract_to_uri(manifest, "memory://out/X.parquet", feature_set="compact-v1")
    for name in memory.ls("/out", detail=False):
        memory.get_file(name, str(tmp_path / f"remote_{Path(name).name}"))
    table, expected = read_table(tmp_path / "remote_X.parquet"), read_table(tmp_path / "X.parquet")
    pd.testing.assert_frame_equal(table.values, expected.values, check_exact=True)
    assert table.card == card
    assert table.card["clip_ids_sha256"] == expected.card["clip_ids_sha256"]
    assert table.manifest.audio_clips() == manifest.audio_clips()
    assert table.manifest.clips["group"].tolist() == corpus.clips["group"].tolist()
    assert len(memory.ls("/out", detail=False)) == 4


def test_a_finished_table_at_a_uri_is_not_touched(corpus, memory):
    created = []
    for _ in range(2):
        extract_to_uri(corpus, "memory://out/X.parquet", feature_set="compact-v1")
        created.append({each["name"]: each["created"] for each in memory.ls("/out", detail=True)})
    assert created[0] == created[1]


def test_reasons_are_published_also_if_no_clip_could_be_read(corpus, memory):
    bad = make_manifest(corpus.clips.assign(path="memory://corpus/none.wav"), corpus.root)
    with pytest.raises(ValueError, match="none of the 4 clips could be read"):
        extract_to_uri(bad, "memory://out/X.parquet", feature_set="compact-v1")
    assert b"no such file" in memory.cat("/out/X.parquet.failures.csv")


def test_uris_in_a_manifest_stay_as_they_are(corpus, memory, tmp_path):
    mixed = make_manifest(
        corpus.clips.assign(path=["memory://corpus/audio/d.wav", *corpus.clips["path"][1:]]),
        corpus.root,
    )
    write_manifest(mixed, tmp_path / "mixed.csv")
    again = read_manifest(tmp_path / "mixed.csv")
    assert again.audio_clips() == mixed.audio_clips()
    assert again.audio_clips()[0].path == "memory://corpus/audio/d.wav"


def test_a_folder_at_a_uri_is_no_source():
    with pytest.raises(ValueError, match=r"must be a manifest that ends in \.csv, got s3://b/x"):
        read_manifest_at("s3://b/x")


@pytest.mark.parametrize("settings", [{}, {"cache": "s3://b/cache"}], ids=["out", "cache"])
def test_a_uri_where_only_a_path_will_do_is_refused(corpus, tmp_path, settings):
    out = tmp_path / "X.parquet" if settings else "s3://b/X.parquet"
    with pytest.raises(ValueError, match="a local path is needed here, got s3://b/"):
        extract_to_file(corpus, out, **settings)


def test_local_files_never_bring_fsspec_along(corpus, tmp_path):
    code = (
        "import sys; from features.remote_tables import extract_to_uri\n"
        "from features.manifest import read_manifest\n"
        "extract_to_uri(read_manifest('m.csv'), 'X.parquet', feature_set='compact-v1')\n"
        "print([m for m in ('fsspec', 'distributed', 'dask') if m in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert found.stdout.strip() == "[]", found.stderr
