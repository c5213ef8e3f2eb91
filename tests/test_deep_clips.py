"""Clips as they are accepted, and their decoded waveforms: kept, shared, damaged, missing."""

import errno
import multiprocessing
import os
import resource
import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deep.clips import WaveformStore, check_clips
from deep.waveform_file import is_intact, map_waveform, read_length, read_window, write_waveform
from features.audio import AudioDecodeError, Clip

SR = 22050


@pytest.fixture
def no_decoding(monkeypatch):
    """Make every decoding fail from now on."""
    return lambda: monkeypatch.setattr("deep.waveform_cache.load_clip", None)


def make_store(*clips, cache: Path | None = None, **settings) -> WaveformStore:
    return WaveformStore(list(clips), sr=SR, directory=cache, **settings)


def windows_of(store: WaveformStore, row: int, start: int, length: int) -> np.ndarray:
    window = np.full(length, np.nan, dtype=np.float32)
    store.read_window(row, start, window)
    return window


@pytest.mark.parametrize(
    "make",
    [
        list,
        lambda clips: np.array(clips, dtype=object),
        lambda clips: np.array(clips, dtype=object)[:, None],
        lambda clips: pd.DataFrame({"clip": clips}),
        pd.Series,
    ],
    ids=["list", "array", "column", "dataframe", "series"],
)
def test_clips_are_accepted_in_any_container(make):
    clips = [Clip("a.wav"), Clip("b.wav", 0.5, 1.0)]
    assert check_clips(make(clips)) == clips


def test_a_numeric_matrix_holds_a_waveform_a_row():
    assert [len(clip) for clip in check_clips(np.zeros((3, 7)))] == [7, 7, 7]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ("a.wav", TypeError, "a single str"),
        (np.zeros(10), TypeError, "a single waveform"),
        ([], ValueError, "at least one clip"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), ValueError, "got 2 columns"),
    ],
    ids=["path", "waveform", "empty", "two-columns"],
)
def test_what_is_no_sequence_of_clips_is_refused(X, error, message):
    with pytest.raises(error, match=message):
        check_clips(X)


def test_a_decoded_clip_is_kept_and_equals_a_fresh_one(tmp_path, write_wav, rng):
    path = write_wav("a.wav", 0.1 * rng.normal(size=4000), 44100)
    kept = WaveformStore([str(path)], sr=22050, directory=tmp_path / "cache")
    fresh = WaveformStore([str(path)], sr=22050)
    assert isinstance(kept[0], np.memmap)
    np.testing.assert_array_equal(kept[0], fresh[0])
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 1


def test_a_second_store_does_not_decode_again(tmp_path, write_wav, monkeypatch):
    path = write_wav("a.wav", np.ones(4000))
    cache = tmp_path / "cache"
    WaveformStore([path], sr=22050, directory=cache).lengths()
    monkeypatch.setattr("deep.waveform_cache.load_clip", None)
    assert WaveformStore([path], sr=22050, directory=cache).lengths().tolist() == [4000]


def test_a_changed_file_and_another_segment_are_decoded_anew(tmp_path, write_wav):
    path, cache = write_wav("a.wav", np.ones(4000)), tmp_path / "cache"
    clips = [Clip(str(path)), Clip(str(path), 0.0, 0.1)]
    assert WaveformStore(clips, sr=22050, directory=cache).lengths().tolist() == [4000, 2205]
    write_wav("a.wav", np.ones(3000))
    os.utime(path, (1, 1))
    assert WaveformStore(clips, sr=22050, directory=cache).lengths().tolist() == [3000, 2205]


def test_a_file_that_cannot_be_decoded_leaves_nothing_behind(tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    store = WaveformStore([bad], sr=22050, directory=tmp_path / "cache")
    with pytest.raises(AudioDecodeError, match=r"bad\.wav"):
        store.lengths()
    assert not list(Path(tmp_path).glob("cache/**/*"))


@pytest.mark.parametrize("length", [1, 2, 1000, 400_000])
def test_a_waveform_file_is_an_ordinary_npy_file(tmp_path, rng, length):
    waveform = rng.normal(size=length).astype(np.float32)
    path = tmp_path / "a.npy"
    write_waveform(path, waveform)
    np.testing.assert_array_equal(np.load(path), waveform)
    np.testing.assert_array_equal(map_waveform(path, length), waveform)
    assert read_length(path) == length
    assert is_intact(path)


def test_a_window_is_read_from_the_middle_of_a_file(tmp_path):
    write_waveform(tmp_path / "a.npy", np.arange(100, dtype=np.float32))
    window = np.empty(3, dtype=np.float32)
    read_window(tmp_path / "a.npy", 97, window)
    assert window.tolist() == [97, 98, 99]
    with pytest.raises(EOFError, match="ends before sample 103"):
        read_window(tmp_path / "a.npy", 100, window)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)


def foreign(path: Path) -> None:
    np.save(path, np.zeros(4000, dtype=np.float32))


def overwrite(path: Path) -> None:
    path.write_bytes(b"\0" * path.stat().st_size)


DAMAGES = [cut, empty, flip, foreign, overwrite, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("linked", [True, False], ids=["both-names", "one-name"])
def test_a_damaged_file_is_found_and_decoded_again(tmp_path, write_wav, rng, damage, linked):
    path = write_wav("a.wav", 0.1 * rng.normal(size=4000), subtype="FLOAT")
    cache = tmp_path / "cache"
    expected = np.array(make_store(path, cache=cache)[0])
    (kept,) = cache.glob("*.npy")
    if not linked:
        content = kept.read_bytes()
        kept.unlink()
        kept.write_bytes(content)
    damage(kept)
    np.testing.assert_array_equal(
        windows_of(make_store(path, cache=cache), 0, 10, 50), expected[10:60]
    )
    np.testing.assert_array_equal(make_store(path, cache=cache)[0], expected)
    assert is_intact(kept)


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
def test_a_file_that_vanishes_in_use_is_decoded_again(tmp_path, write_wav, rng, damage):
    path = write_wav("a.wav", 0.1 * rng.normal(size=4000), subtype="FLOAT")
    store = make_store(path, cache=tmp_path / "cache")
    expected = windows_of(store, 0, 3800, 200)
    damage(next((tmp_path / "cache").glob("*.npy")))
    np.testing.assert_array_equal(windows_of(store, 0, 3800, 200), expected)


def test_a_cleared_cache_folder_is_filled_again(tmp_path, write_wav):
    store = make_store(write_wav("a.wav", np.ones(4000)), cache=tmp_path / "cache")
    expected = windows_of(store, 0, 0, 4000)
    shutil.rmtree(tmp_path / "cache")
    np.testing.assert_array_equal(windows_of(store, 0, 0, 4000), expected)


@pytest.mark.parametrize("change", ["moved", "copied", "touched"])
def test_what_holds_the_same_is_not_decoded_again(tmp_path, write_wav, no_decoding, change):
    path, cache = write_wav("a.wav", 0.5 * np.ones(4000)), tmp_path / "cache"
    make_store(path, cache=cache).lengths()
    no_decoding()
    if change == "moved":
        path = path.rename(tmp_path / "b.wav")
    elif change == "copied":
        path = Path(shutil.copy(path, tmp_path / "b.wav"))
    else:
        os.utime(path, (1, 1))
    store = make_store(path, cache=cache)
    assert store.lengths().tolist() == [4000]
    assert windows_of(store, 0, 0, 1)[0] == pytest.approx(0.5, abs=1e-4)


def test_two_names_of_a_waveform_take_the_room_of_one(tmp_path, write_wav):
    cache = tmp_path / "cache"
    make_store(write_wav("a.wav", np.ones(4000)), cache=cache).lengths()
    (kept,) = cache.glob("*.npy")
    (content,) = cache.glob("content/*.npy")
    assert os.path.samefile(kept, content)


def test_without_hard_links_a_waveform_has_one_name(tmp_path, write_wav, monkeypatch, no_decoding):
    def refuse(source, target):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    path, cache = write_wav("a.wav", np.ones(4000)), tmp_path / "cache"
    make_store(path, cache=cache).lengths()
    assert len(list(cache.rglob("*.npy"))) == 1
    no_decoding()
    assert make_store(path, cache=cache).lengths().tolist() == [4000]


def test_another_rate_is_another_waveform(tmp_path, write_wav):
    path, cache = write_wav("a.wav", np.ones(4000)), tmp_path / "cache"
    for sr, length in ((22050, 4000), (11025, 2000)):
        assert WaveformStore([path], sr=sr, directory=cache).lengths().tolist() == [length]


def test_arrays_at_another_rate_are_resampled_once(tmp_path, rng, no_decoding):
    sounds = [rng.normal(size=4410), rng.normal(size=4410).astype(np.float32)]
    fresh = WaveformStore(sounds, sr=SR, source_sr=44100)
    kept = WaveformStore(sounds, sr=SR, source_sr=44100, directory=tmp_path / "cache")
    for row in range(2):
        np.testing.assert_array_equal(kept[row], fresh[row])
    no_decoding()
    again = WaveformStore(sounds, sr=SR, source_sr=44100, directory=tmp_path / "cache")
    np.testing.assert_array_equal(windows_of(again, 1, 5, 20), fresh[1][5:25])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_arrays_at_the_rate_stay_in_memory(tmp_path, dtype):
    sound = np.arange(100).astype(dtype)
    store = make_store(sound, cache=tmp_path / "cache")
    assert store[0].dtype == np.float32
    np.testing.assert_array_equal(windows_of(store, 0, 20, 30), sound[20:50].astype(np.float32))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("access", [lambda s: s[0], lambda s: windows_of(s, 0, 0, 1)])
def test_an_array_that_is_no_sound_is_refused(access):
    with pytest.raises(ValueError, match="must be finite"):
        access(make_store(np.array([0.0, np.nan])))


@pytest.mark.parametrize("cached", [True, False])
def test_a_window_past_the_end_is_refused(tmp_path, write_wav, cached):
    path = write_wav("a.wav", np.ones(100))
    store = make_store(path, cache=tmp_path / "cache" if cached else None)
    with pytest.raises((ValueError, EOFError)):
        windows_of(store, 0, 90, 20)


def test_a_full_disk_is_told_with_the_folder_and_leaves_no_half_file(
    tmp_path, write_wav, monkeypatch
):
    def fill(path, waveform):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("deep.waveform_cache.write_waveform", fill)
    store = make_store(write_wav("a.wav", np.ones(4000)), cache=tmp_path / "cache")
    with pytest.raises(OSError, match=r"no room for more .*cache .*make room") as caught:
        store.lengths()
    assert caught.value.errno == errno.ENOSPC
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_cache_that_is_no_folder_is_told(tmp_path, write_wav):
    (tmp_path / "cache").write_text("a file")
    store = make_store(write_wav("a.wav", np.ones(4000)), cache=tmp_path / "cache")
    with pytest.raises(OSError, match=r"cannot be kept in .*name another folder"):
        store.lengths()


def fill_cache(paths, cache, barrier) -> None:
    barrier.wait()
    WaveformStore(paths, sr=8000, directory=cache).lengths()


def test_processes_that_decode_the_same_clips_at_once_share_them(tmp_path, write_wav, rng):
    paths = [str(write_wav(f"{i}.wav", rng.normal(size=4000), 16000)) for i in range(20)]
    # Forked: the children neither import anything anew nor touch torch.
    context = multiprocessing.get_context("fork")
    barrier, cache = context.Barrier(3), tmp_path / "cache"
    workers = [context.Process(target=fill_cache, args=(paths, cache, barrier)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(list(cache.glob("*.npy"))) == 20
    assert all(is_intact(path) for path in cache.rglob("*.npy"))
    assert not list(cache.rglob("*.part"))


def test_threads_that_read_and_decode_at_once_see_the_same(tmp_path, write_wav, rng):
    paths = [write_wav(f"{i}.wav", 0.1 * rng.normal(size=3000)) for i in range(10)]
    expected = [np.array(make_store(path)[0]) for path in paths]
    store, wrong = make_store(*paths, cache=tmp_path / "cache"), []

    def read() -> None:
        for row, waveform in enumerate(expected):
            if (windows_of(store, row, 100, 500) != waveform[100:600]).any():
                wrong.append(row)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_reading_many_clips_keeps_no_file_open(tmp_path, write_wav):
    path, cache = write_wav("a.wav", np.ones(3000)), tmp_path / "cache"
    clips = [Clip(str(path), i / 10000, i / 10000 + 0.01) for i in range(300)]
    store = make_store(*clips, cache=cache)
    store.lengths()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_open = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 20, hard))
    try:
        windows = [windows_of(store, row, 0, 100) for row in range(300)]
        maps = Path("/proc/self/maps").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(windows) == 300
    assert str(cache) not in maps
