"""Planted damage and leaks of each kind are found; clean corpora have no findings."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.checking.audio_checks import check_audio
from features.checking.audio_scan import scan_audio
from features.manifest import make_manifest

SR = 22_050
N_CLIPS = 12


def note(rng, seconds=0.5, sr=SR):
    """Play a tone and breath, with partials, vibrato and envelope drawn anew."""
    t = np.arange(round(seconds * sr)) / sr
    phase = 2 * np.pi * rng.uniform(200, 600) * t + rng.uniform(0.1, 0.6) * np.sin(35 * t)
    partials = [rng.uniform(0.2, 1) / k * np.sin(k * phase) for k in range(1, 6)]
    envelope = np.interp(t, np.linspace(0, seconds, 8), np.r_[0, rng.uniform(0.4, 1, 6), 0])
    return 0.15 * envelope * (sum(partials) + 0.05 * rng.standard_normal(len(t)))


@pytest.fixture
def corpus(rng, write_wav, tmp_path):
    """Make a clean corpus of two labels, let a test spoil it, and check it."""

    def check(spoil=lambda table: None, n_jobs=None):
        names = [f"{k:02}.wav" for k in range(N_CLIPS)]
        for name in names:
            write_wav(name, note(rng))
        table = pd.DataFrame({"path": names, "group": names})
        table["labels"] = ["oboe", "flute"] * (N_CLIPS // 2)
        spoil(table)
        manifest = make_manifest(table, tmp_path)
        return check_audio(manifest, scan_audio(manifest), n_jobs=n_jobs)

    return check


def named(problems):
    return [(problem.check, problem.severity.value, problem.clip_ids) for problem in problems]


def test_a_clean_corpus_has_no_findings(corpus):
    assert corpus() == []


def test_a_clean_corpus_with_splits_and_right_checksums_has_no_findings(corpus, tmp_path):
    def spoil(table):
        table["split"] = ["train"] * 8 + ["test"] * 4
        table["sha256"] = [
            hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in table["path"]
        ]
        table["duration_s"] = 0.5

    assert corpus(spoil) == []


@pytest.mark.parametrize(
    ("check", "write"),
    [
        ("missing-file", lambda path: path.unlink()),
        ("unreadable-empty", lambda path: path.write_bytes(b"")),
        ("unreadable-truncated", lambda path: path.write_bytes(path.read_bytes()[:9000])),
        ("unreadable-undecodable", lambda path: path.write_text("no sound at all")),
    ],
    ids=["missing", "empty", "truncated", "undecodable"],
)
def test_unreadable_files_are_errors_by_kind(corpus, tmp_path, check, write):
    problems = corpus(lambda table: write(tmp_path / "03.wav"))
    assert named(problems) == [(check, "error", ("03.wav",))]
    assert problems[0].message.endswith(": 03.wav")


@pytest.mark.parametrize(
    ("check", "waveform", "settings"),
    [
        ("silent", np.zeros(SR // 2), {}),
        ("clipped", np.sign(np.sin(0.06 * np.arange(SR // 2))), {}),
        ("too-short", np.array([0.5]), {}),
        ("odd-duration", 0.3 * np.sin(0.06 * np.arange(20 * SR)), {}),
    ],
    ids=["silent", "clipped", "one-sample", "long"],
)
def test_odd_sounds_are_warnings(corpus, write_wav, check, waveform, settings):
    problems = corpus(lambda table: write_wav("03.wav", waveform, **settings))
    assert named(problems) == [(check, "warning", ("03.wav",))]


def test_samples_that_are_not_finite_are_an_error(corpus, write_wav):
    def spoil(table):
        for name in table["path"]:
            write_wav(name, np.random.default_rng(int(name[:2])).normal(0, 0.1, 5000),
                      subtype="FLOAT")  # fmt: skip
        write_wav("03.wav", np.full(5000, np.nan), subtype="FLOAT")

    assert named(corpus(spoil)) == [("unreadable-not-finite", "error", ("03.wav",))]


def test_a_wrong_checksum_is_an_error_and_case_is_none(corpus, tmp_path):
    def spoil(table):
        right = hashlib.sha256((tmp_path / "00.wav").read_bytes()).hexdigest()
        table["sha256"] = [right.upper(), "0" * 64] + [""] * (N_CLIPS - 2)

    assert named(corpus(spoil)) == [("checksum", "error", ("01.wav",))]


def test_a_wrong_duration_is_told_with_both_numbers(corpus):
    def spoil(table):
        table["duration_s"] = [0.5, 0.55, 1.5] + [np.nan] * (N_CLIPS - 3)

    problems = corpus(spoil)
    assert named(problems) == [("duration", "warning", ("02.wav",))]
    assert "0.500 s, not 1.500 s" in problems[0].message


def test_a_segment_beyond_its_file_is_an_error(corpus):
    def spoil(table):
        table["start_s"] = [0.0, 0.4, 9.0] + [np.nan] * (N_CLIPS - 3)
        table["end_s"] = [0.5, 0.9, 9.5] + [np.nan] * (N_CLIPS - 3)
        table["clip_id"] = table["path"]

    assert named(corpus(spoil)) == [("unreadable-segment", "error", ("01.wav", "02.wav"))]


def test_mixed_formats_are_counted(corpus, rng, write_wav):
    def spoil(table):
        for name in ("02.wav", "03.wav", "04.wav"):
            write_wav(name, note(rng, sr=44_100), sr=44_100)
        write_wav("05.wav", np.stack([note(rng)] * 2, axis=1))

    problems = corpus(spoil)
    assert [problem.check for problem in problems] == ["mixed-sr", "mixed-n-channels"]
    assert "22050 (9), 44100 (3)" in problems[0].message
    assert "1 (11), 2 (1)" in problems[1].message


def test_a_format_that_goes_with_a_label_is_an_error(corpus, rng, write_wav):
    def spoil(table):
        for name in table.loc[table["labels"] == "oboe", "path"]:
            write_wav(name, note(rng, sr=44_100), sr=44_100)

    problems = corpus(spoil)
    assert {(problem.check, problem.severity.value) for problem in problems} == {
        ("format-tells-label", "error"),
        ("mixed-sr", "warning"),
    }
    assert "exactly those of 'oboe', have 44100" in " ".join(p.message for p in problems)


def leak(rng, write_wav, gain=0.2, **columns):
    """Give clips 2 and 7 one sound, the second quieter."""

    def spoil(table):
        waveform = note(rng)
        write_wav("02.wav", waveform)
        write_wav("07.wav", gain * waveform)
        table.loc[[2, 7], "labels"] = "oboe"
        for name, values in columns.items():
            table[name] = values

    return spoil


SPLIT = ["train"] * 6 + ["test"] * 6


@pytest.mark.parametrize(
    ("columns", "severity", "where"),
    [
        ({}, "error", "in 2 groups (02.wav, 07.wav), which folds may part"),
        ({"split": SPLIT}, "error", "in test and train"),
        ({"fold": [0, 1, 2] * 4}, "error", "in fold 1 and fold 2"),
        ({"split": "train"}, "error", "which folds may part"),
        ({"split": "test"}, "warning", "of one split"),
        ({"fold": [0, 1, 2, 3, 4] * 2 + [0, 1]}, "warning", "of one fold"),
    ],
    ids=["groups", "splits", "folds", "training", "test", "one-fold"],
)
def test_a_copy_in_another_group_is_a_leak(corpus, rng, write_wav, columns, severity, where):
    problems = corpus(leak(rng, write_wav, **columns))
    assert named(problems) == [("duplicate-audio", severity, ("02.wav", "07.wav"))]
    assert where in problems[0].message
    assert "same sound, correlation 1.000" in problems[0].message


def test_equal_bytes_are_called_so(corpus, rng, write_wav):
    problems = corpus(leak(rng, write_wav, gain=1.0))
    assert "same bytes" in problems[0].message


def test_copies_within_one_group_are_harmless(corpus, rng, write_wav):
    assert corpus(leak(rng, write_wav, group=["a", "b"] * 3 + ["b", "b"] * 3)) != []
    assert corpus(leak(rng, write_wav, group="one")) == []


def test_one_sound_with_two_labels_is_an_error_in_any_group(corpus, rng, write_wav):
    spoil = leak(rng, write_wav, group="one", labels=["oboe", "flute"] * 6)
    problems = corpus(spoil)
    assert named(problems) == [("duplicate-labels-differ", "error", ("02.wav", "07.wav"))]
    assert "flute, oboe" in problems[0].message


def test_findings_do_not_depend_on_the_number_of_workers(tmp_path, rng, write_wav):
    waveforms = [note(rng) for _ in range(6)]
    names = [f"{k}.wav" for k in range(12)]
    for name, waveform in zip(names, [*waveforms, *(0.3 * w for w in waveforms)], strict=True):
        write_wav(name, waveform)
    Path(tmp_path / "3.wav").write_bytes(b"")
    manifest = make_manifest(pd.DataFrame({"path": names, "group": names}), tmp_path)
    alone, together = (
        check_audio(manifest, scan_audio(manifest, n_jobs=n_jobs), n_jobs=n_jobs)
        for n_jobs in (1, 2)
    )
    assert alone == together
    assert len(alone) == 6


def test_a_scan_of_other_clips_is_refused(tmp_path, write_wav, rng):
    write_wav("a.wav", note(rng))
    one = make_manifest(pd.DataFrame({"path": ["a.wav"], "group": "a"}), tmp_path)
    other = make_manifest(pd.DataFrame({"path": ["b.wav"], "group": "a"}), tmp_path)
    with pytest.raises(ValueError, match="of the manifest's own clips, got one of 1 clips"):
        check_audio(other, scan_audio(one))


def test_an_empty_manifest_has_no_findings(tmp_path):
    manifest = make_manifest(pd.DataFrame({"path": []}), tmp_path)
    assert check_audio(manifest, scan_audio(manifest)) == []
