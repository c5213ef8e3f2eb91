"""A tree at another rate: the same sound and labels, resumable, with failures listed."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from features import resampling
from features.audio import load_audio, stream_audio
from features.manifest import make_manifest, read_manifest
from features.resampling import resample_tree

ROOT = Path(resampling.__file__).parents[1]


def make_tone(frequency, *, sr=44_100, seconds=1.0, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sr)) / sr)


def spectrum(waveform, sr):
    """Frequencies, and levels in dB against the loudest."""
    power = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) ** 2
    return np.fft.rfftfreq(len(waveform), 1 / sr), 10 * np.log10(power / power.max() + 1e-30)


@pytest.fixture
def tree(write_wav, tmp_path):
    """Two labels, a stereo file, a file of another rate and a note of the groups."""
    write_wav("in/cello/a.wav", make_tone(440), 44_100)
    stereo = np.stack([make_tone(440, sr=48_000), make_tone(550, sr=48_000)], axis=1)
    write_wav("in/cello/b.wav", stereo, 48_000)
    write_wav("in/flute/deep/c.flac", make_tone(440, sr=22_050), 22_050)
    return tmp_path / "in"


def make_table(tree):
    rows = {
        "path": ["cello/a.wav", "cello/b.wav", "flute/deep/c.flac"],
        "labels": ["cello", "cello;flute", "flute"],
        "group": ["one", "two", "two"],
        "fold": ["0", "1", "1"],
        "note": ["A4", "A4", "A4"],
    }
    return make_manifest(pd.DataFrame(rows), tree)


@pytest.mark.parametrize("format", ["flac", "wav"])
@pytest.mark.parametrize("sr", [8_000, 16_000, 44_100, 48_000])
def test_a_tone_stays_the_same_tone(tree, tmp_path, sr, format):
    manifest = read_manifest(
        resample_tree(make_table(tree), tmp_path / "out", sr=sr, format=format)
    )
    for clip in manifest.audio_clips():
        assert Path(clip.path).suffix == f".{format}"
        waveform, found_sr = soundfile.read(clip.path, always_2d=True)
        assert found_sr == sr
        assert waveform.shape[0] == sr
        frequencies, levels = spectrum(waveform[:, 0], sr)
        assert frequencies[levels.argmax()] == 440
        middle = waveform[sr // 4 : -sr // 4, 0]
        assert np.abs(middle).max() == pytest.approx(0.5, abs=0.002)


@pytest.mark.parametrize("n_timepoints", [1, 100, 44_101, 100_003])
@pytest.mark.parametrize("sr", [8_000, 16_000, 22_050, 48_000])
def test_the_length_is_the_rounded_length(write_wav, tmp_path, rng, n_timepoints, sr):
    write_wav("in/x/a.wav", 0.1 * rng.standard_normal(n_timepoints), 44_100)
    resample_tree(make_table_of(["x/a.wav"], tmp_path / "in"), tmp_path / "out", sr=sr)
    found = soundfile.info(tmp_path / "out" / "x" / "a.flac").frames
    assert found == max(1, int(n_timepoints * sr / 44_100 + 0.5))


def make_table_of(paths, root):
    clips = pd.DataFrame({"path": paths, "labels": "x", "group": [str(path) for path in paths]})
    return make_manifest(clips, root)


def test_what_is_above_the_new_nyquist_is_gone(write_wav, tmp_path):
    both = make_tone(1_000) + make_tone(9_000, amplitude=0.4)
    write_wav("in/x/a.wav", both, 44_100)
    resample_tree(make_table_of(["x/a.wav"], tmp_path / "in"), tmp_path / "out", sr=16_000)
    waveform, sr = load_audio(tmp_path / "out" / "x" / "a.flac")
    # 9 kHz would come back as 7 kHz.
    frequencies, levels = spectrum(waveform[2_000:-2_000], sr)
    assert frequencies[levels.argmax()] == pytest.approx(1_000, abs=2)
    assert levels[frequencies > 1_100].max() < -80


def test_channels_are_kept_apart_or_averaged(tree, tmp_path):
    resample_tree(make_table(tree), tmp_path / "kept", sr=16_000)
    resample_tree(make_table(tree), tmp_path / "mono", sr=16_000, mono=True)
    kept, sr = soundfile.read(tmp_path / "kept" / "cello" / "b.flac")
    mono, _ = soundfile.read(tmp_path / "mono" / "cello" / "b.flac")
    assert kept.shape == (16_000, 2)
    assert mono.shape == (16_000,)
    np.testing.assert_allclose(mono, kept.mean(axis=1), atol=4e-5)
    for channel, frequency in ((0, 440), (1, 550)):
        frequencies, levels = spectrum(kept[:, channel], sr)
        assert frequencies[levels.argmax()] == frequency


def test_a_stream_of_blocks_gives_the_channels_of_one_block(write_wav, rng):
    path = write_wav("a.wav", 0.1 * rng.standard_normal((50_000, 3)), 44_100, subtype="FLOAT")
    whole = np.concatenate(list(stream_audio(path, sr=16_000, mono=False)))
    blocks = list(stream_audio(path, sr=16_000, mono=False, block_s=0.1))
    assert len(blocks) > 5
    np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6)
    assert whole.shape == (round(50_000 * 16_000 / 44_100), 3)


@pytest.mark.parametrize(
    ("subtype", "kept"), [("PCM_16", "PCM_16"), ("PCM_24", "PCM_24"), ("FLOAT", "PCM_24")]
)
def test_a_copy_is_as_fine_as_its_source(write_wav, tmp_path, subtype, kept):
    write_wav("in/x/a.wav", make_tone(440), 44_100, subtype=subtype)
    resample_tree(make_table_of(["x/a.wav"], tmp_path / "in"), tmp_path / "out", sr=16_000)
    assert soundfile.info(tmp_path / "out" / "x" / "a.flac").subtype == kept


def test_labels_groups_folds_ids_and_other_columns_stay(tree, tmp_path):
    before = make_table(tree)
    after = read_manifest(resample_tree(before, tmp_path / "out", sr=16_000))
    for column in ("clip_id", "labels", "group", "fold", "note", "parent"):
        assert list(after.clips[column]) == list(before.clips[column])
    assert list(after.clips["path"]) == ["cello/a.flac", "cello/b.flac", "flute/deep/c.flac"]


def test_segments_keep_their_times_and_share_their_file(tree, tmp_path):
    clips = pd.DataFrame(
        {"path": ["cello/a.wav"] * 2, "group": "g", "start_s": [0, 0.5], "end_s": [0.5, 0.75]}
    )
    manifest = make_manifest(clips, tree)
    after = read_manifest(resample_tree(manifest, tmp_path / "out", sr=8_000)).clips
    assert list(after["path"]) == ["cello/a.flac"] * 2
    assert list(after["end_s"]) == [0.5, 0.75]
    assert list(after["clip_id"]) == ["cello/a.wav#0-0.5", "cello/a.wav#0.5-0.75"]


@pytest.mark.filterwarnings("ignore:.*have no 'group'")
def test_a_folder_is_read_by_its_layout(tree, tmp_path):
    manifest = read_manifest(resample_tree(tree, tmp_path / "out", sr=8_000))
    assert list(manifest.clips["labels"])[:2] == ["cello", "cello"]


def test_files_of_one_name_and_two_endings_both_stay(write_wav, tmp_path):
    write_wav("in/x/a.wav", make_tone(440), 44_100)
    write_wav("in/x/a.flac", make_tone(880), 44_100)
    manifest = make_table_of(["x/a.wav", "x/a.flac"], tmp_path / "in")
    after = read_manifest(resample_tree(manifest, tmp_path / "out", sr=8_000))
    assert list(after.clips["path"]) == ["x/a.wav.flac", "x/a.flac.flac"]


def test_files_from_elsewhere_come_below_the_new_folder(write_wav, tmp_path):
    paths = [str(write_wav(f"{folder}/a.wav", make_tone(440), 44_100)) for folder in "pq"]
    (tmp_path / "root").mkdir()
    manifest = make_table_of([*paths, "../p/a.wav"], tmp_path / "root")
    after = read_manifest(resample_tree(manifest, tmp_path / "out", sr=8_000))
    assert after.clips["path"].is_unique
    assert all(path.startswith("elsewhere/") for path in after.clips["path"])


def test_a_bad_file_is_listed_and_the_run_goes_on(tree, tmp_path):
    (tree / "cello" / "a.wav").write_bytes(b"RIFFnothing")
    with pytest.warns(UserWarning, match="1 of 3 clips failed and are listed in failures.csv"):
        finished = resample_tree(make_table(tree), tmp_path / "out", sr=8_000)
    assert list(read_manifest(finished).clips["clip_id"]) == ["cello/b.wav", "flute/deep/c.flac"]
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert list(failures.columns) == ["clip_id", "path", "reason"]
    assert list(failures["clip_id"]) == ["cello/a.wav"]
    assert "cannot be decoded" in failures["reason"][0]
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["n_failures"] == 1
    assert card["n_clips"] == 2


def test_a_rate_that_the_format_does_not_know_is_a_failure(tree, tmp_path):
    with pytest.raises(ValueError, match=r"none of the 3 files .*cannot be written as flac"):
        resample_tree(make_table(tree), tmp_path / "out", sr=700_000)
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_samples_beyond_full_scale_are_counted(write_wav, tmp_path):
    write_wav("in/x/a.wav", make_tone(440, amplitude=1.5), 44_100, subtype="FLOAT")
    manifest = make_table_of(["x/a.wav"], tmp_path / "in")
    for _ in range(2):
        with pytest.warns(UserWarning, match="samples passed full scale"):
            resample_tree(manifest, tmp_path / "out", sr=16_000)
    waveform, _ = soundfile.read(tmp_path / "out" / "x" / "a.flac")
    assert np.abs(waveform).max() <= 1
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    # |1.5 sin| passes 1 in 53.5 % of the time.
    assert card["n_clipped_samples"] == pytest.approx(0.535 * 16_000, rel=0.02)


def count_copies(monkeypatch):
    made = []
    copy_file = resampling._copy_file

    def counting(path, *args, **settings):
        made.append(Path(path).name)
        return copy_file(path, *args, **settings)

    monkeypatch.setattr(resampling, "_copy_file", counting)
    return made


def test_what_is_done_is_not_done_again(tree, tmp_path, monkeypatch):
    made = count_copies(monkeypatch)
    first = resample_tree(make_table(tree), tmp_path / "out", sr=8_000)
    text = first.read_bytes()
    assert made == ["a.wav", "b.wav", "c.flac"]
    assert resample_tree(make_table(tree), tmp_path / "out", sr=8_000).read_bytes() == text
    assert len(made) == 3


@pytest.mark.parametrize("change", ["source", "copy_gone", "copy_cut"])
def test_what_changed_is_done_again(tree, tmp_path, monkeypatch, change):
    made = count_copies(monkeypatch)
    resample_tree(make_table(tree), tmp_path / "out", sr=8_000)
    copy = tmp_path / "out" / "cello" / "a.flac"
    whole = copy.read_bytes()
    if change == "source":
        os.utime(tree / "cello" / "a.wav", (1, 1))
    elif change == "copy_gone":
        copy.unlink()
    else:
        copy.write_bytes(whole[:100])
    made.clear()
    resample_tree(make_table(tree), tmp_path / "out", sr=8_000)
    assert made == ["a.wav"]
    assert copy.read_bytes() == whole


@pytest.mark.parametrize("n_bytes", [0, 1, 40])
def test_a_note_that_was_cut_costs_only_its_file(tree, tmp_path, monkeypatch, n_bytes):
    resample_tree(make_table(tree), tmp_path / "out", sr=8_000)
    ledger = tmp_path / "out" / ".files.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[:-1]) + lines[-1][:n_bytes])
    made = count_copies(monkeypatch)
    for _ in range(2):
        resample_tree(make_table(tree), tmp_path / "out", sr=8_000)
    assert made == ["c.flac"]


SCRIPT = """
import sys, time
import pandas as pd
from features import resampling
from features.manifest import make_manifest
copy_file = resampling._copy_file
def slow(*args, **settings):
    n_clipped = copy_file(*args, **settings)
    time.sleep(0.05)
    return n_clipped
resampling._copy_file = slow
resampling.BATCH = 2
clips = pd.DataFrame({"path": [f"x/{i}.wav" for i in range(40)], "labels": "x"})
clips["group"] = clips["path"]
resampling.resample_tree(make_manifest(clips, sys.argv[1]), sys.argv[2], sr=8000)
"""


def test_a_killed_run_goes_on_and_ends_the_same(write_wav, tmp_path, monkeypatch):
    for index in range(40):
        write_wav(f"in/x/{index}.wav", make_tone(100 + 10 * index, seconds=0.2), 44_100)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "in"), str(tmp_path / "out")]
    process = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and len(list((tmp_path / "out").rglob("*.flac"))) < 10:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "manifest.csv").exists()
    left = tmp_path / "out" / "x" / ".5.flac.01234567.part"
    left.write_bytes(b"half")
    made = count_copies(monkeypatch)
    manifest = make_table_of([f"x/{index}.wav" for index in range(40)], tmp_path / "in")
    resample_tree(manifest, tmp_path / "out", sr=8_000)
    assert 0 < len(made) <= 32
    assert not left.exists()
    resample_tree(manifest, tmp_path / "again", sr=8_000)
    for path in sorted((tmp_path / "again").rglob("*.*")):
        if path.name != ".files.jsonl":
            twin = tmp_path / "out" / path.relative_to(tmp_path / "again")
            assert twin.read_bytes() == path.read_bytes()


def test_two_workers_write_the_bytes_of_one(tree, tmp_path):
    resample_tree(make_table(tree), tmp_path / "one", sr=16_000)
    resample_tree(make_table(tree), tmp_path / "two", sr=16_000, n_jobs=2)
    for name in ("manifest.csv", "failures.csv", "card.json", "cello/b.flac"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_progress_counts_the_files(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(resampling, "BATCH", 1)
    seen = []
    resample_tree(
        make_table(tree), tmp_path / "out", sr=8_000, progress=lambda *told: seen.append(told)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_memory_does_not_grow_with_the_length(tmp_path):
    path = tmp_path / "in" / "x" / "long.flac"
    path.parent.mkdir(parents=True)
    with soundfile.SoundFile(path, "w", 16_000, 2, format="FLAC") as file:
        for _ in range(30):
            file.write(np.zeros((60 * 16_000, 2), dtype=np.float32))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resample_tree(make_table_of(["x/long.flac"], tmp_path / "in"), tmp_path / "out", sr=8_000)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    # The half hour at once is 230 MB of samples, and half as much again at the new rate.
    assert grown_mb < 60
    assert soundfile.info(tmp_path / "out" / "x" / "long.flac").frames == 1800 * 8_000


def test_a_folder_that_holds_anything_else_is_left_alone(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"must be empty .* it holds others"):
        resample_tree(make_table(tree), tmp_path / "out", sr=8_000)


def test_a_tree_with_other_settings_is_left_alone(tree, tmp_path):
    resample_tree(make_table(tree), tmp_path / "out", sr=8_000)
    with pytest.raises(FileExistsError, match=r"made with .*16000.*, it holds files made .*8000"):
        resample_tree(make_table(tree), tmp_path / "out", sr=16_000)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sr": 10}, "sr must be 1000 to 768000 Hz"),
        ({"format": "mp3"}, "one of flac, wav, got 8000 and 'mp3'"),
        ({"directory": "in/cello"}, "must lie apart from the sound"),
    ],
)
def test_wrong_settings_are_refused(tree, tmp_path, settings, message):
    given = {"directory": "out", "sr": 8_000, **settings}
    directory = tmp_path / given.pop("directory")
    with pytest.raises(ValueError, match=message):
        resample_tree(make_table(tree), directory, **given)
    assert sorted(path.suffix for path in tmp_path.rglob("*.*")) == [".flac", ".wav", ".wav"]


@pytest.mark.filterwarnings("ignore:.*have no 'group'")
def test_a_folder_is_not_copied_into_itself_but_a_manifest_may_lie_beside(tree, tmp_path):
    with pytest.raises(ValueError, match="must lie apart"):
        resample_tree(tree, tree / "out", sr=8_000)
    finished = resample_tree(make_table(tree), tree / "out", sr=8_000)
    assert finished == tree / "out" / "manifest.csv"
