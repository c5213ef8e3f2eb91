"""The row cache: rows by content, shared by several writers."""

import os
import resource
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from features.audio import Clip
from features.row_cache import RowCache


@pytest.fixture
def cache(tmp_path):
    return RowCache(tmp_path / "cache", "settings")


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    return Clip(str(path))


def test_rows_are_read_as_they_were_written(cache, rng):
    values = rng.standard_normal(50).astype(np.float32)
    values[:3] = 0.0, 1e-42, 3e38
    cache.write({"a": (values, False), "b": (values[:0], True)})
    found = cache.read(["b", "a", "c"])
    assert sorted(found) == ["a", "b"]
    row, silent = found["a"]
    assert (row.dtype, silent) == (np.float32, False)
    np.testing.assert_array_equal(row, values)
    assert found["b"][0].size == 0
    assert found["b"][1] is True


def test_an_empty_cache_knows_nothing(cache):
    assert cache.read(["a"]) == {}
    assert cache.read([]) == {}


def test_rows_outlive_the_object_that_wrote_them(cache):
    cache.write({"a": (np.ones(2, dtype=np.float32), False)})
    again = RowCache(cache.folder, "settings")
    np.testing.assert_array_equal(again.read(["a"])["a"][0], [1, 1])


def test_a_row_written_again_is_replaced(cache):
    for value in (1.0, 2.0):
        cache.write({"a": (np.full(2, value, dtype=np.float32), False)})
    np.testing.assert_array_equal(cache.read(["a"])["a"][0], [2, 2])


def test_the_key_is_the_content_and_not_the_place(cache, clip, tmp_path):
    moved = tmp_path / "elsewhere" / "b.mp3"
    moved.parent.mkdir()
    moved.write_bytes(b"sound")
    assert cache.key(Clip(str(moved))) == cache.key(clip)
    assert len(cache.key(clip)) == 64


def test_other_content_another_part_or_other_settings_have_another_key(cache, clip, tmp_path):
    other = tmp_path / "other.wav"
    other.write_bytes(b"Sound")
    keys = {
        cache.key(clip),
        cache.key(Clip(str(other))),
        cache.key(Clip(clip.path, 1.0)),
        cache.key(Clip(clip.path, None, 1.0)),
        cache.key(Clip(clip.path, 1.0, 2.0)),
        RowCache(cache.folder, "other settings").key(clip),
    }
    assert len(keys) == 6


def test_a_file_that_changed_has_another_key(cache, clip):
    before = cache.key(clip)
    with open(clip.path, "wb") as stream:
        stream.write(b"Sound")
    os.utime(clip.path, ns=(1, 1))
    assert cache.key(clip) != before


@pytest.mark.parametrize("name", ["missing.wav", "cache"])
def test_what_cannot_be_read_has_no_key_and_is_never_kept(cache, tmp_path, name):
    assert cache.key(Clip(str(tmp_path / name))) == ""
    cache.write({"": (np.ones(2, dtype=np.float32), False)})
    assert cache.read([""]) == {}


def test_a_batch_is_kept_whole_or_not_at_all(cache):
    good = np.ones(2, dtype=np.float32)
    with pytest.raises(AttributeError):
        cache.write({"a": (good, False), "b": (None, False)})
    assert cache.read(["a", "b"]) == {}


def test_a_transaction_that_was_cut_off_leaves_the_rows_before_it(cache):
    cache.write({"a": (np.ones(2, dtype=np.float32), False)})
    connection = sqlite3.connect(cache.folder / "rows.sqlite")
    connection.execute("INSERT INTO rows VALUES ('b', 0, x'00')")
    connection.close()
    assert sorted(RowCache(cache.folder, "settings").read(["a", "b"])) == ["a"]


def test_many_may_open_and_write_the_same_new_cache_at_once(tmp_path):
    def write(folder, writer):
        cache = RowCache(folder, "settings")
        for k in range(3):
            cache.write({f"{writer}-{k}": (np.full(3, writer, dtype=np.float32), False)})
        return cache.read([f"{writer}-{k}" for k in range(3)])

    with ThreadPoolExecutor(8) as pool:
        for round_ in range(5):
            folder = tmp_path / str(round_)
            found = list(pool.map(write, [folder] * 8, range(8)))
            assert [len(rows) for rows in found] == [3] * 8
    everything = RowCache(folder, "settings").read([f"{w}-{k}" for w in range(8) for k in range(3)])
    assert all((row == int(key[0])).all() for key, (row, _) in everything.items())
    assert len(everything) == 24


def test_a_cache_that_another_is_writing_to_is_waited_for(tmp_path):
    (tmp_path / "cache").mkdir()
    other = sqlite3.connect(tmp_path / "cache" / "rows.sqlite", check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.2, other.rollback)
    release.start()
    cache = RowCache(tmp_path / "cache", "settings")
    release.join()
    other.close()
    assert cache.read(["a"]) == {}


def test_a_damaged_cache_is_refused_with_advice(tmp_path):
    (tmp_path / "rows.sqlite").write_text("this is no database, and long enough to show it" * 10)
    with pytest.raises(OSError, match=r"the cache .*rows\.sqlite cannot be used.*--no-cache"):
        RowCache(tmp_path, "settings")


def test_a_cache_that_is_damaged_in_the_middle_is_refused_with_advice(cache, rng):
    cache.write({str(k): (rng.random(500, dtype=np.float32), False) for k in range(50)})
    path = cache.folder / "rows.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:] = rng.bytes(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"cannot be used: .*malformed.*remove it"):
        cache.read([str(k) for k in range(50)])


def test_a_full_disk_costs_the_batch_and_not_the_rows_before_it(cache):
    row = np.ones(2000, dtype=np.float32)
    cache.write({"a": (row, False)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses to let files grow: as much of a full disk as a test may have.
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    try:
        with pytest.raises(OSError, match=r"the cache .*cannot be used: .*make room.*--no-cache"):
            cache.write({str(k): (row, False) for k in range(50)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(cache.read(["a", "0"])) == ["a"]
    cache.write({"b": (row, False)})
    assert sorted(RowCache(cache.folder, "settings").read(["a", "b"])) == ["a", "b"]


def test_a_cache_that_cannot_be_written_to_is_refused_when_it_is_opened(cache, monkeypatch):
    connect = sqlite3.connect

    def connect_to_read(path, **settings):
        return connect(f"file:{path}?mode=ro", uri=True, **settings)

    monkeypatch.setattr("features.row_cache.sqlite3.connect", connect_to_read)
    with pytest.raises(OSError, match=r"cannot be used: .*readonly.*name another by --cache"):
        RowCache(cache.folder, "settings")


def test_a_cache_below_a_file_is_refused_with_advice(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"the cache .*cannot be used.*--no-cache"):
        RowCache(tmp_path / "file" / "cache", "settings")


@pytest.mark.parametrize("name", ["pipe.wav", "folder.wav"])
def test_what_is_no_file_has_no_key(cache, tmp_path, name):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    assert cache.key(Clip(str(tmp_path / name))) == ""
