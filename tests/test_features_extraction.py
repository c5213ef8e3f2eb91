"""Extraction: every clip gives its row or its reason, however the run is cut, split or repeated."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import soundfile

from features.audio import Clip, load_clip
from features.extraction import extract_rows, extract_table
from features.feature_set import FeatureSet
from features.manifest import make_manifest, write_manifest
from features.named_sets import get_feature_set
from features.table import read_card, read_table

ROOT = Path(__file__).resolve().parents[1]
COMPACT = get_feature_set("compact-v1")


def manifest_of(root, names, **columns):
    return make_manifest(
        pd.DataFrame({"path": names, "group": names, "labels": "oboe", **columns}), root
    )


def extract(manifest, out, **settings):
    return extract_table(manifest, out, feature_set="compact-v1", **settings)


@pytest.fixture
def corpus(write_wav, rng):
    """Nine short sounds of several rates, listed in no alphabetic order."""
    names = []
    for k, name in enumerate("hacgbidfe"):
        sr = (22050, 44100, 8000)[k % 3]
        waveform = rng.uniform(-0.5, 0.5, (round((0.05 + 0.02 * k) * sr), 1 + k % 2))
        names.append(f"audio/{name}.wav")
        path = write_wav(names[-1], waveform, sr)
    return manifest_of(path.parents[1], names)


@pytest.fixture
def broken(write_wav, tmp_path, rng):
    """A folder of everything that goes wrong, between two good sounds."""
    noise = rng.uniform(-0.5, 0.5, 2205).astype(np.float32)
    holed = noise.copy()
    holed[100] = np.nan
    write_wav("good.wav", noise)
    write_wav("empty.wav", noise[:0])
    (tmp_path / "text.wav").write_text("no sound at all")
    (tmp_path / "zero.mp3").touch()
    for name in ("cut.flac", "cut.wav"):
        content = write_wav(name, noise).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    write_wav("one.wav", noise[:1] + 0.1, subtype="FLOAT")
    write_wav("silent.wav", np.zeros(2205))
    write_wav("holed.wav", holed, subtype="FLOAT")
    (tmp_path / "sound.m4a").write_bytes(b"\x00\x00\x00\x20ftypM4A ")
    (tmp_path / "sound.raw").write_bytes(bytes(100))
    (tmp_path / "folder.wav").mkdir()
    write_wav("last.wav", noise[::-1])
    names = [
        "good.wav", "empty.wav", "text.wav", "zero.mp3", "cut.flac", "cut.wav", "one.wav",
        "silent.wav", "holed.wav", "sound.m4a", "sound.raw", "folder.wav", "missing.wav",
        "last.wav",
    ]  # fmt: skip
    return manifest_of(tmp_path, names)


@pytest.fixture
def computed(monkeypatch):
    """Lengths of all waveforms that features are computed from, in this process."""
    lengths = []
    compute = FeatureSet.compute

    def spy(self, waveform):
        lengths.append(len(waveform))
        return compute(self, waveform)

    monkeypatch.setattr(FeatureSet, "compute", spy)
    return lengths


def test_a_row_is_what_the_feature_set_computes_from_the_clip(corpus, tmp_path):
    table = extract(corpus, tmp_path / "X.parquet")
    expected = [COMPACT.compute(load_clip(clip, sr=COMPACT.sr)) for clip in corpus.audio_clips()]
    np.testing.assert_array_equal(table.values, expected)
    assert table.values.columns.tolist() == COMPACT.feature_names
    assert set(table.values.dtypes) == {np.dtype(np.float32)}


def test_rows_are_in_the_order_of_the_manifest(corpus, tmp_path):
    table = extract(corpus, tmp_path / "X.parquet")
    assert table.values.index.tolist() == corpus.clips["clip_id"].tolist()
    backwards = corpus.select(np.arange(len(corpus))[::-1])
    again = extract(backwards, tmp_path / "Y.parquet")
    pd.testing.assert_frame_equal(again.values, table.values.iloc[::-1])


def test_what_is_returned_is_what_is_read_back(broken, tmp_path):
    table, again = extract(broken, tmp_path / "X.parquet"), read_table(tmp_path / "X.parquet")
    pd.testing.assert_frame_equal(again.values, table.values, check_exact=True)
    pd.testing.assert_frame_equal(again.failures, table.failures)
    assert again.card == table.card
    assert again.manifest.audio_clips() == table.manifest.audio_clips()


def test_a_feature_set_may_be_given_itself(corpus, tmp_path):
    table = extract_table(corpus.select(np.arange(2)), tmp_path / "X.parquet", feature_set=COMPACT)
    assert table.card["feature_set"]["name"] == "compact-v1"


def test_the_standard_set_is_the_default(corpus, tmp_path):
    table = extract_table(corpus.select(np.arange(1)), tmp_path / "X.parquet")
    assert table.card["feature_set"]["name"] == "standard-v1"
    assert np.isfinite(table.values.to_numpy()).all()


def test_an_unknown_feature_set_is_refused_before_anything_is_written(corpus, tmp_path):
    with pytest.raises(ValueError, match=r"feature set must be one of .*got 'nothing-v0'"):
        extract_table(corpus, tmp_path / "out" / "X.parquet", feature_set="nothing-v0")
    assert not (tmp_path / "out").exists()


def test_no_clips_are_refused(corpus, tmp_path):
    with pytest.raises(ValueError, match="no clips to extract"):
        extract(corpus.select(np.arange(0)), tmp_path / "X.parquet")


REASONS = {
    "empty.wav": "no samples",
    "text.wav": "cannot be decoded",
    "zero.mp3": "empty (zero bytes)",
    "cut.flac": "cannot be decoded",
    "cut.wav": "truncated",
    "holed.wav": "1 samples are NaN",
    "sound.m4a": "cannot be decoded" if find_spec("av") else "needs the package av",
    "sound.raw": "no header",
    "folder.wav": "directory",
    "missing.wav": "no such file",
}


@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no-cache"])
def test_bad_clips_are_listed_with_reasons_and_the_rest_is_unharmed(broken, tmp_path, use_cache):
    table = extract(broken, tmp_path / "X.parquet", use_cache=use_cache)
    assert table.values.index.tolist() == ["good.wav", "one.wav", "silent.wav", "last.wav"]
    assert np.isfinite(table.values.to_numpy()).all()
    failures = table.failures.set_index("clip_id")
    assert failures.index.tolist() == list(REASONS)
    for name, sign in REASONS.items():
        assert sign in failures.loc[name, "reason"]
        assert failures.loc[name, "path"] == name
    good = manifest_of(broken.root, ["last.wav", "good.wav"])
    alone = extract(good, tmp_path / "good.parquet", use_cache=False).values
    pd.testing.assert_frame_equal(table.values.loc[alone.index], alone, check_exact=True)
    assert len(table.manifest) == 14
    assert table.rows().clips["path"].tolist() == table.values.index.tolist()


def test_a_silent_clip_has_a_row_and_is_named_in_the_card(broken, tmp_path):
    assert extract(broken, tmp_path / "X.parquet").card["silent"] == ["silent.wav"]
    (tmp_path / "X.parquet").unlink()
    assert extract(broken, tmp_path / "X.parquet").card["silent"] == ["silent.wav"]


def test_a_segment_past_the_end_fails_alone(corpus, tmp_path):
    path = corpus.clips.loc[0, "path"]
    manifest = make_manifest(
        pd.DataFrame(
            {
                "path": [path] * 3,
                "group": "g",
                "start_s": [0.0, 0.0, 5.0],
                "end_s": [0.03, 0.05, 9.0],
            }
        ),
        corpus.root,
    )
    table = extract(manifest, tmp_path / "X.parquet")
    assert table.values.index.tolist() == [f"{path}#0-0.03", f"{path}#0-0.05"]
    assert "segment starts at 5.000 s" in table.failures.loc[0, "reason"]
    assert (table.values.iloc[0] != table.values.iloc[1]).any()


@pytest.mark.parametrize(
    ("error", "reason"), [(MemoryError(), "MemoryError"), (OSError("gone"), "gone")], ids=str
)
def test_a_clip_that_is_too_much_for_the_machine_fails_alone(
    corpus, tmp_path, monkeypatch, error, reason
):
    compute = FeatureSet.compute

    def fail_once(self, waveform):
        if len(waveform) == len(load_clip(corpus.audio_clips()[2], sr=COMPACT.sr)):
            raise error
        return compute(self, waveform)

    monkeypatch.setattr(FeatureSet, "compute", fail_once)
    table = extract(corpus, tmp_path / "X.parquet")
    assert table.failures[["clip_id", "reason"]].to_numpy().tolist() == [["audio/c.wav", reason]]
    assert len(table.values) == 8


def test_a_mistake_in_the_code_is_not_taken_for_a_bad_clip(corpus, tmp_path, monkeypatch):
    def mistake(self, waveform):
        raise TypeError("a mistake")

    monkeypatch.setattr(FeatureSet, "compute", mistake)
    with pytest.raises(TypeError, match="a mistake"):
        extract(corpus, tmp_path / "X.parquet")
    assert not (tmp_path / "X.parquet").exists()


def test_if_all_clips_fail_the_reasons_are_there_and_the_run_says_so_each_time(broken, tmp_path):
    bad = broken.select(broken.clips["path"].isin(REASONS).to_numpy())
    out = tmp_path / "out" / "X.parquet"
    for _ in range(2):
        with pytest.raises(ValueError, match=r"none of the 10 clips could be read.*no samples"):
            extract(bad, out)
        failures = pd.read_csv(out.with_name("X.parquet.failures.csv"))
        assert failures["clip_id"].tolist() == list(REASONS)
    assert read_table(out).values.shape == (0, COMPACT.n_features)


def test_the_numbers_do_not_depend_on_the_number_of_workers(broken, corpus, tmp_path):
    both = pd.concat([broken.clips, corpus.clips], ignore_index=True)
    manifest = make_manifest(both, tmp_path)
    alone = extract(manifest, tmp_path / "1.parquet", use_cache=False, n_jobs=1)
    shared = extract(manifest, tmp_path / "2.parquet", n_jobs=2)
    pd.testing.assert_frame_equal(shared.values, alone.values, check_exact=True)
    pd.testing.assert_frame_equal(shared.failures, alone.failures)
    assert shared.card == alone.card


def test_a_clip_alone_has_the_row_it_has_among_others(corpus, tmp_path):
    table = extract(corpus, tmp_path / "X.parquet")
    for position in (0, 4, 8):
        clip = corpus.select(np.array([position]))
        alone = extract(clip, tmp_path / f"{position}.parquet", use_cache=False)
        pd.testing.assert_frame_equal(alone.values, table.values.iloc[[position]], check_exact=True)


def test_a_finished_output_is_read_back_and_not_touched(corpus, tmp_path, computed):
    first = extract(corpus, tmp_path / "X.parquet")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    n_computed = len(computed)
    calls = []
    again = extract(corpus, tmp_path / "X.parquet", progress=lambda *call: calls.append(call))
    pd.testing.assert_frame_equal(again.values, first.values, check_exact=True)
    assert len(computed) == n_computed == 9
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert calls == []


def test_a_finished_output_needs_no_cache(corpus, tmp_path, computed):
    for _ in range(2):
        extract(corpus, tmp_path / "X.parquet", use_cache=False)
    assert len(computed) == 9
    assert not (tmp_path / "X.parquet.cache").exists()


def test_an_output_that_was_lost_comes_from_the_cache(corpus, tmp_path, computed):
    first = extract(corpus, tmp_path / "X.parquet")
    (tmp_path / "X.parquet").unlink()
    again = extract(corpus, tmp_path / "X.parquet")
    pd.testing.assert_frame_equal(again.values, first.values, check_exact=True)
    assert again.card == first.card
    assert len(computed) == 9


@pytest.mark.parametrize(
    "name", ["X.parquet", "X.parquet.card.json", "X.parquet.failures.csv", "X.parquet.manifest.csv"]
)
@pytest.mark.parametrize("damage", ["cut", "lost"])
def test_a_damaged_output_is_made_again(corpus, tmp_path, computed, name, damage):
    corpus = corpus.select(np.arange(3))
    first = extract(corpus, tmp_path / "X.parquet")
    if damage == "cut":
        (tmp_path / name).write_bytes(b"")
    else:
        (tmp_path / name).unlink()
    extract(corpus, tmp_path / "X.parquet")
    again = read_table(tmp_path / "X.parquet")
    pd.testing.assert_frame_equal(again.values, first.values, check_exact=True)
    assert len(computed) == 3


def test_only_a_file_that_changed_is_computed_again(corpus, tmp_path, write_wav, computed):
    first = extract(corpus, tmp_path / "X.parquet").values
    write_wav("audio/c.wav", np.linspace(-0.5, 0.5, 999))
    again = extract(corpus, tmp_path / "X.parquet").values
    assert computed[9:] == [999]
    changed = (again != first).any(axis=1)
    assert again.index[changed].tolist() == ["audio/c.wav"]


def test_only_clips_that_are_new_are_computed(corpus, tmp_path, computed):
    extract(corpus.select(np.arange(6)), tmp_path / "X.parquet")
    table = extract(corpus, tmp_path / "X.parquet")
    assert len(computed) == 9
    assert len(table.values) == 9


def test_another_label_or_fold_makes_the_table_anew_without_computing(corpus, tmp_path, computed):
    extract(corpus, tmp_path / "X.parquet")
    relabelled = make_manifest(corpus.clips.assign(labels="cello", fold=1), corpus.root)
    table = extract(relabelled, tmp_path / "X.parquet")
    assert len(computed) == 9
    assert table.card["classes"] == ["cello"]
    assert read_table(tmp_path / "X.parquet").manifest.clips["fold"].eq(1).all()


def test_a_corpus_that_moved_is_found_in_the_cache(corpus, tmp_path, computed):
    first = extract(corpus, tmp_path / "X.parquet")
    (tmp_path / "audio").rename(tmp_path / "sounds")
    moved = manifest_of(tmp_path, corpus.clips["path"].str.replace("audio/", "sounds/"))
    again = extract(moved, tmp_path / "X.parquet")
    assert len(computed) == 9
    np.testing.assert_array_equal(again.values, first.values)
    assert again.values.index[0] == "sounds/h.wav"


def test_a_root_that_moved_is_told_by_the_table(corpus, tmp_path, computed):
    out = tmp_path / "out" / "X.parquet"
    (tmp_path / "old").mkdir()
    (tmp_path / "audio").rename(tmp_path / "old" / "audio")
    extract(make_manifest(corpus.clips, tmp_path / "old"), out)
    (tmp_path / "old").rename(tmp_path / "new")
    extract(make_manifest(corpus.clips, tmp_path / "new"), out)
    assert len(computed) == 9
    clips = read_table(out).manifest.audio_clips()
    assert clips[0] == Clip(str(tmp_path / "new" / "audio" / "h.wav"))


def test_one_cache_serves_several_outputs(corpus, tmp_path, computed):
    for name in ("X.parquet", "Y.parquet"):
        extract(corpus, tmp_path / name, cache=tmp_path / "shared")
    assert len(computed) == 9
    assert not (tmp_path / "X.parquet.cache").exists()


def test_another_feature_set_takes_nothing_from_the_cache(corpus, tmp_path, computed):
    few = corpus.select(np.arange(2))
    extract(few, tmp_path / "X.parquet")
    table = extract_table(few, tmp_path / "X.parquet", feature_set="standard-v1")
    assert len(computed) == 4
    assert table.values.shape == (2, get_feature_set("standard-v1").n_features)
    assert read_table(tmp_path / "X.parquet").card["feature_set"]["name"] == "standard-v1"


def test_another_version_of_a_numeric_library_takes_nothing_from_the_cache(
    corpus, tmp_path, computed, monkeypatch
):
    few = corpus.select(np.arange(2))
    extract(few, tmp_path / "X.parquet")
    monkeypatch.setattr("features.extraction.version", lambda name: "999.0")
    assert extract(few, tmp_path / "X.parquet").card["versions"]["numpy"] == "999.0"
    assert len(computed) == 4


def test_failed_clips_are_tried_again(broken, tmp_path, write_wav, rng):
    extract(broken, tmp_path / "X.parquet")
    write_wav("missing.wav", rng.uniform(-0.5, 0.5, 2205))
    table = extract(broken, tmp_path / "X.parquet")
    assert "missing.wav" in table.values.index
    assert len(table.failures) == len(REASONS) - 1


def test_progress_counts_up_to_all_clips(broken, tmp_path):
    calls = []
    extract(broken, tmp_path / "X.parquet", progress=lambda *call: calls.append(call))
    done = [n_done for n_done, _ in calls]
    assert {n_clips for _, n_clips in calls} == {14}
    assert done == sorted(done)
    assert done[-1] == 14


def test_the_card_says_how_the_table_was_made(broken, tmp_path):
    table = extract(broken, tmp_path / "X.parquet")
    card = json.loads((tmp_path / "X.parquet.card.json").read_text())
    assert card == table.card == read_card(tmp_path / "X.parquet")
    ids = "\n".join(sorted(["good.wav", "one.wav", "silent.wav", "last.wav"]))
    expected = {
        "schema": "timbrestack.table",
        "schema_version": 1,
        "kind": "features",
        "feature_set": json.loads(json.dumps(COMPACT.card())),
        "feature_set_sha256": COMPACT.digest,
        "trained_on": None,
        "n_clips": 14,
        "n_rows": 4,
        "n_features": 28,
        "n_failures": 10,
        "silent": ["silent.wav"],
        "task": "single-label",
        "classes": ["oboe"],
        "clip_ids_sha256": hashlib.sha256(ids.encode()).hexdigest(),
    }
    assert {name: card[name] for name in expected} == expected
    assert card["versions"]["numpy"] == np.__version__
    assert len(card["inputs_sha256"]) == 64


def test_nothing_half_written_stays_behind(corpus, tmp_path):
    extract(corpus, tmp_path / "out" / "X.parquet")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "X.parquet",
        "X.parquet.cache",
        "X.parquet.card.json",
        "X.parquet.failures.csv",
        "X.parquet.manifest.csv",
    ]
    assert [path.name for path in (tmp_path / "out" / "X.parquet.cache").iterdir()] == [
        "rows.sqlite"
    ]


def test_a_run_that_stopped_while_writing_is_not_taken_for_finished(
    corpus, tmp_path, monkeypatch, computed
):
    few = corpus.select(np.arange(3))
    extract_table(few, tmp_path / "X.parquet", feature_set="standard-v1")
    with monkeypatch.context() as patch:

        def fill_the_disk(self, table):
            raise OSError(28, "No space left on device")

        patch.setattr(pyarrow.parquet.ParquetWriter, "write_table", fill_the_disk)
        with pytest.raises(OSError, match="No space left"):
            extract(few, tmp_path / "X.parquet")
    assert read_table(tmp_path / "X.parquet").values.shape == (3, 967)
    extract(few, tmp_path / "X.parquet")
    assert read_table(tmp_path / "X.parquet").values.shape == (3, 28)
    assert len(computed) == 6


def test_rows_come_in_the_order_of_the_manifest_whoever_is_first(corpus, tmp_path, write_wav, rng):
    long = write_wav("audio/0_long.wav", rng.standard_normal(40 * 22050) * 0.1)
    rows = pd.DataFrame({"path": [str(long), *corpus.clips["path"]]}).assign(labels="a", group="g")
    clips = make_manifest(rows, corpus.root)
    table = extract(clips, tmp_path / "X.parquet", n_jobs=2)
    assert table.values.index.tolist() == clips.clips["clip_id"].tolist()


def test_rows_can_be_had_without_a_table(broken, tmp_path):
    before = sorted(tmp_path.iterdir())
    rows = extract_rows(broken.audio_clips(), COMPACT)
    assert [row.reason == "" for row in rows] == [
        name not in REASONS for name in broken.clips["path"]
    ]
    assert [row.silent for row in rows] == [name == "silent.wav" for name in broken.clips["path"]]
    np.testing.assert_array_equal(
        rows[0].values, COMPACT.compute(load_clip(broken.audio_clips()[0], sr=COMPACT.sr))
    )
    assert sorted(tmp_path.iterdir()) == before
    assert extract_rows([], COMPACT) == []


@pytest.fixture
def rewriting(corpus, monkeypatch):
    """Rewrite the sound c.wav with other samples whenever it has just been decoded, n times."""
    compute = FeatureSet.compute
    path = corpus.audio_clips()[2].path
    lengths = {len(load_clip(path, sr=COMPACT.sr))}
    left = []

    def spy(self, waveform):
        if len(waveform) in lengths and left:
            length = left.pop()
            lengths.add(length)
            soundfile.write(path, np.linspace(-0.5, 0.5, length), COMPACT.sr)
        return compute(self, waveform)

    monkeypatch.setattr(FeatureSet, "compute", spy)

    def rewrite(lengths):
        left.extend(lengths)
        return Path(path)

    return rewrite


def test_a_file_that_changes_while_it_is_read_is_read_again(corpus, tmp_path, rewriting):
    path = rewriting([777])
    table = extract(corpus, tmp_path / "X.parquet")
    assert len(table.failures) == 0
    expected = COMPACT.compute(load_clip(Clip(str(path)), sr=COMPACT.sr))
    np.testing.assert_array_equal(table.values.loc["audio/c.wav"], expected)


def test_a_file_that_keeps_changing_fails_alone(corpus, tmp_path, rewriting):
    rewriting([777, 888])
    table = extract(corpus, tmp_path / "X.parquet")
    assert table.failures[["clip_id", "reason"]].to_numpy().tolist() == [
        ["audio/c.wav", "changed while it was read"]
    ]
    assert len(table.values) == 8


def test_a_row_is_never_kept_for_what_the_file_held_before(corpus, tmp_path, rewriting):
    path = rewriting([777])
    before = path.read_bytes()
    extract(corpus, tmp_path / "X.parquet")
    path.write_bytes(before)
    again = extract(corpus, tmp_path / "X.parquet")
    expected = COMPACT.compute(load_clip(Clip(str(path)), sr=COMPACT.sr))
    np.testing.assert_array_equal(again.values.loc["audio/c.wav"], expected)


def test_a_row_in_the_cache_that_is_not_whole_is_computed_again(corpus, tmp_path, computed):
    first = extract(corpus, tmp_path / "X.parquet")
    with closing(sqlite3.connect(tmp_path / "X.parquet.cache" / "rows.sqlite")) as cache, cache:
        cache.execute("UPDATE rows SET row = substr(row, 1, 8)")
    (tmp_path / "X.parquet").unlink()
    again = extract(corpus, tmp_path / "X.parquet")
    pd.testing.assert_frame_equal(again.values, first.values, check_exact=True)
    assert len(computed) == 18


def test_a_file_that_may_not_be_read_fails_with_that_reason(corpus, tmp_path):
    path = corpus.audio_clips()[2].path
    os.chmod(path, 0)
    is_root = os.geteuid() == 0
    if is_root:
        # Root may read everything; nobody may not even enter the test's folder.
        os.seteuid(65534)
    try:
        row = extract_rows([Clip(path)], COMPACT)[0]
    finally:
        if is_root:
            os.seteuid(0)
    assert (row.values, row.reason) == (None, "Permission denied")


@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no-cache"])
def test_what_is_no_file_and_may_never_end_fails_alone(corpus, tmp_path, use_cache):
    os.mkfifo(tmp_path / "pipe.wav")
    os.symlink("/dev/zero", tmp_path / "zero.wav")
    names = ["pipe.wav", corpus.clips.loc[0, "path"], "zero.wav"]
    table = extract(manifest_of(tmp_path, names), tmp_path / "X.parquet", use_cache=use_cache)
    assert table.failures["reason"].tolist() == ["a pipe or a device, not a file"] * 2


def test_a_clip_longer_than_fits_fails_and_a_part_of_it_does_not(
    write_wav, tmp_path, rng, monkeypatch
):
    path = write_wav("long.wav", rng.uniform(-0.5, 0.5, 2 * 22050))
    monkeypatch.setattr("features.clip_row.MAX_CLIP_S", 1)
    long, part = extract_rows([Clip(str(path)), Clip(str(path), 1.5, 2.0)], COMPACT)
    assert "longer than" in long.reason
    assert "start_s and end_s" in long.reason
    assert part.values is not None


def test_a_place_below_a_file_is_refused_before_work_begins(corpus, tmp_path, computed):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"no table can be written to .*file.*name another place"):
        extract(corpus, tmp_path / "file" / "below" / "X.parquet")
    with pytest.raises(OSError, match=r"the cache .*cannot be used.*--no-cache"):
        extract(corpus, tmp_path / "X.parquet", cache=tmp_path / "file" / "cache")
    assert computed == []


def test_a_folder_that_may_not_be_written_to_is_refused_before_work_begins(
    corpus, tmp_path, computed, monkeypatch
):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(PermissionError, match="no table can be written to"):
        extract(corpus, tmp_path / "X.parquet")
    assert computed == []


def test_what_killed_runs_left_half_written_is_removed(corpus, tmp_path):
    out = tmp_path / "out" / "X.parquet"
    out.parent.mkdir()
    left = [".X.parquet.0123abcd.part", ".X.parquet.card.json.0123abcd.part"]
    others = [".X.parquet.mine.part", ".Y.parquet.0123abcd.part"]
    for name in left + others:
        (out.parent / name).touch()
    extract(corpus, out)
    hidden = {path.name for path in out.parent.iterdir() if path.name.startswith(".")}
    assert hidden == set(others)


def test_a_full_disk_is_told_with_what_to_do(corpus, tmp_path, monkeypatch, computed):
    def fill_the_disk(self, table):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pyarrow.parquet.ParquetWriter, "write_table", fill_the_disk)
        with pytest.raises(OSError, match="No space left") as caught:
            extract(corpus, tmp_path / "X.parquet")
    assert "run again; finished clips are kept" in caught.value.__notes__[0]
    extract(corpus, tmp_path / "X.parquet")
    assert len(computed) == 9


KILLED_MIDWAY = """
import os, signal, sys
from features.extraction import extract_table
from features.manifest import read_manifest

def progress(n_done, n_clips):
    if n_done >= 5:
        os.kill(os.getpid(), signal.SIGKILL)

extract_table(read_manifest(sys.argv[1]), sys.argv[2], feature_set="compact-v1", progress=progress)
"""

STARTED_TOGETHER = """
import sys, time
from pathlib import Path
from features.extraction import extract_table
from features.manifest import read_manifest

manifest, out, me, other = sys.argv[1:]
Path(me).touch()
while not Path(other).exists():
    time.sleep(0.001)
table = extract_table(read_manifest(manifest), out, feature_set="compact-v1")
assert len(table.values) == 9
"""


def start_python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_a_killed_run_goes_on_where_it_stopped_and_ends_as_if_it_never_had(
    corpus, tmp_path, computed
):
    out = tmp_path / "out" / "X.parquet"
    write_manifest(corpus, tmp_path / "m.csv")
    process = start_python(KILLED_MIDWAY, tmp_path / "m.csv", out)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    assert not out.exists()
    resumed = extract(corpus, out)
    assert len(computed) == 4
    uninterrupted = extract(corpus, tmp_path / "Y.parquet", use_cache=False)
    pd.testing.assert_frame_equal(resumed.values, uninterrupted.values, check_exact=True)
    assert resumed.card == uninterrupted.card
    for name in ("X.parquet.card.json", "X.parquet.failures.csv"):
        other = tmp_path / name.replace("X", "Y")
        assert out.with_name(name).read_bytes() == other.read_bytes()


def test_two_runs_at_once_into_one_place_both_end_well(corpus, tmp_path):
    out = tmp_path / "out" / "X.parquet"
    write_manifest(corpus, tmp_path / "m.csv")
    flags = [tmp_path / "first", tmp_path / "second"]
    processes = [
        start_python(STARTED_TOGETHER, tmp_path / "m.csv", out, *order)
        for order in (flags, flags[::-1])
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    expected = extract(corpus, tmp_path / "Y.parquet", use_cache=False)
    pd.testing.assert_frame_equal(read_table(out).values, expected.values, check_exact=True)
    assert len(list(out.parent.iterdir())) == 5
