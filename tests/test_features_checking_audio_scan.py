"""The scan: known facts of known sounds, every kind of trouble, equal for any number of workers."""

import hashlib
import os

import numpy as np
import pandas as pd
import pytest
import soundfile

from features.checking.audio_scan import BLOCK_S, FACTS, scan_audio
from features.manifest import make_manifest

SR = 22_050


@pytest.fixture
def scan(tmp_path):
    """Scan files below the test's folder; columns may be added."""

    def run(names, n_jobs=None, progress=None, **columns):
        table = pd.DataFrame({"path": names, "group": "one"} | columns)
        return scan_audio(make_manifest(table, tmp_path), n_jobs=n_jobs, progress=progress)

    return run


def sine(seconds=1.0, sr=SR, level=0.5):
    return level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * sr)) / sr)


def test_facts_of_a_known_sound(scan, write_wav):
    path = write_wav("a.wav", np.stack([sine(), sine()], axis=1))
    found = scan(["a.wav"]).clips
    row = found.iloc[0]
    assert found.columns.tolist() == ["clip_id", "readable", "reason", "trouble", *FACTS]
    assert row["readable"]
    assert (row["reason"], row["trouble"]) == ("", "")
    assert (row["duration_s"], row["n_timepoints"], row["file_duration_s"]) == (1.0, SR, 1.0)
    assert (row["sr"], row["n_channels"], row["codec"]) == (SR, 2, "WAV PCM_16")
    assert row["file_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert row["peak"] == pytest.approx(0.5, abs=1e-3)
    assert row["clipped_share"] == 0.0
    assert not row["is_silent"]


def test_the_share_at_full_scale_is_counted(scan, write_wav):
    waveform = np.zeros(1000)
    waveform[100:350] = 1.0
    waveform[350:400] = -1.0
    write_wav("a.wav", waveform)
    assert scan(["a.wav"]).clips["clipped_share"].tolist() == [0.3]


def test_silence_is_readable_and_has_no_fingerprint(scan, write_wav):
    write_wav("a.wav", np.zeros(SR))
    write_wav("b.wav", sine())
    found = scan(["a.wav", "b.wav"])
    assert found.clips["readable"].all()
    assert found.clips["is_silent"].tolist() == [True, False]
    assert np.diff(found.fingerprints.bounds)[0] == 0 < np.diff(found.fingerprints.bounds)[1]


def test_a_single_sample_is_heard(scan, write_wav):
    write_wav("a.wav", np.array([0.5]))
    row = scan(["a.wav"]).clips.iloc[0]
    assert row["readable"]
    assert row["n_timepoints"] == 1


def test_every_kind_of_trouble_is_named(scan, write_wav, tmp_path):
    whole = write_wav("whole.wav", sine())
    (tmp_path / "cut.wav").write_bytes(whole.read_bytes()[:20_000])
    (tmp_path / "zero.wav").touch()
    (tmp_path / "text.wav").write_text("no sound at all")
    write_wav("none.wav", np.zeros(0))
    write_wav("nan.wav", np.array([0.1, np.nan]), subtype="FLOAT")
    troubles = {
        "cut.wav": "truncated",
        "zero.wav": "empty",
        "text.wav": "undecodable",
        "none.wav": "empty",
        "nan.wav": "not-finite",
        "missing.wav": "missing",
    }
    found = scan([*troubles, "whole.wav"]).clips
    assert found["trouble"].tolist() == [*troubles.values(), ""]
    assert found["readable"].tolist() == [False] * len(troubles) + [True]
    assert (found["reason"] != "").tolist() == [True] * len(troubles) + [False]
    assert found["file_sha256"].str.len().tolist() == [64, 64, 64, 64, 64, 0, 64]


def test_segments_are_clips_of_their_own(scan, write_wav):
    write_wav("a.wav", np.concatenate([sine(1.0), np.zeros(SR), sine(1.0)]))
    starts, ends = [0.0, 1.1, 2.0, 3.5, 2.5], [1.0, 1.9, 3.0, 4.0, 3.5]
    found = scan(["a.wav"] * 5, start_s=starts, end_s=ends).clips
    assert found["trouble"].tolist() == ["", "", "", "segment", "segment"]
    assert found["duration_s"][:3].tolist() == pytest.approx([1.0, 0.8, 1.0])
    assert found["is_silent"][:3].tolist() == [False, True, False]
    assert found["audio_sha256"][0] == found["audio_sha256"][2] != found["audio_sha256"][1]
    assert found["file_sha256"].nunique() == 1


def test_samples_are_known_again_in_another_container_but_not_at_another_rate(scan, write_wav):
    samples = np.rint(sine() * 32767).astype(np.int16)
    write_wav("a.wav", samples)
    write_wav("b.flac", samples)
    write_wav("c.wav", samples, sr=2 * SR)
    hashes = scan(["a.wav", "b.flac", "c.wav"]).clips["audio_sha256"]
    assert hashes[0] == hashes[1] != hashes[2]


def test_long_files_are_heard_in_blocks(scan, write_wav, rng):
    waveform = 0.1 * rng.standard_normal(round(2.5 * BLOCK_S * 4000))
    write_wav("a.wav", waveform, sr=4000)
    found = scan(["a.wav"])
    samples, _ = soundfile.read(write_wav("b.wav", waveform, sr=4000), dtype="int16")
    expected = hashlib.sha256((4000).to_bytes(4, "little") + samples.astype("<i4").tobytes())
    assert found.clips["audio_sha256"][0] == expected.hexdigest()
    assert found.clips["duration_s"][0] == 2.5 * BLOCK_S


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_the_result_does_not_depend_on_the_number_of_workers(scan, write_wav, rng, n_jobs):
    names = [f"{k:02}.wav" for k in range(25)]
    for name in names[:-1]:
        write_wav(name, 0.1 * rng.standard_normal(rng.integers(1, SR)))
    order = rng.permutation(names)
    alone, together = scan(order), scan(order, n_jobs=n_jobs)
    pd.testing.assert_frame_equal(alone.clips, together.clips, check_exact=True)
    for name in ("times", "levels", "bounds"):
        found = [getattr(one.fingerprints, name) for one in (alone, together)]
        assert np.array_equal(*found)


def test_rows_come_in_the_manifest_s_order_and_progress_is_told(scan, write_wav):
    for name in ("b.wav", "a.wav"):
        write_wav(name, sine())
    told = []
    found = scan(["b.wav", "missing.wav", "a.wav"], progress=lambda *at: told.append(at))
    assert found.clips["clip_id"].tolist() == ["b.wav", "missing.wav", "a.wav"]
    assert found.clips["readable"].tolist() == [True, False, True]
    assert told[-1] == (3, 3)


def test_a_clip_that_kills_its_worker_is_listed(scan, write_wav, monkeypatch):
    for k in range(4):
        write_wav(f"{k}.wav", sine())
    monkeypatch.setattr("features.checking.audio_scan._hear_batch", _die_of_the_second)
    found = scan([f"{k}.wav" for k in range(4)], n_jobs=2).clips
    assert found["readable"].tolist() == [True, False, True, True]
    assert "died twice" in found["reason"][1]
    assert found["trouble"][1] == "undecodable"


def _die_of_the_second(clips):
    from features.checking.audio_scan import _hear_clip

    if any(clip.path.endswith("1.wav") for clip in clips):
        os._exit(3)
    return [_hear_clip(clip, {}) for clip in clips]


def test_no_clips_make_an_empty_scan(scan):
    found = scan([])
    assert len(found.clips) == 0
    assert len(found.fingerprints) == 0
