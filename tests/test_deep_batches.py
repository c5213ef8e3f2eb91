"""Windows, batches by length, decoded clips and the validation part."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deep.batches import collate, covering_windows, length_batches, random_windows
from deep.clips import WaveformStore, check_clips
from deep.holdout import hold_out
from deep.targets import encode_labels
from features.audio import AudioDecodeError, Clip


@given(length=st.integers(1, 500), max_length=st.integers(1, 100))
def test_covering_windows_leave_no_gap_and_overlap_by_half(length, max_length):
    windows = covering_windows(length, max_length)
    assert windows[0, 0] == 0
    assert windows[-1, 1] == length
    assert (windows[:, 1] - windows[:, 0] == min(length, max_length)).all()
    assert (np.diff(windows[:, 0]) <= max(1, -(-max_length // 2))).all()


def test_random_windows_lie_within_their_clips(rng):
    lengths = np.array([5, 50, 51, 500])
    windows = random_windows(lengths, 50, rng)
    assert (windows[:, 1] >= 0).all()
    assert (windows[:, 2] <= lengths).all()
    assert (windows[:, 2] - windows[:, 1] == [5, 50, 50, 50]).all()


@given(lengths=st.lists(st.integers(1, 1000), min_size=1, max_size=300), seed=st.integers(0, 9))
def test_every_position_is_in_one_batch_of_at_most_the_size(lengths, seed):
    batches = length_batches(np.array(lengths), 8, rng=np.random.default_rng(seed))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) <= 8


def test_sorted_buckets_waste_little_on_padding(rng):
    lengths = rng.integers(1, 1000, 2000)
    batches = length_batches(lengths, 16, rng=rng)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.15 * lengths.sum()


def test_batches_repeat_for_a_seed_and_differ_between_epochs():
    lengths = np.arange(1, 100)
    first, again, other = (
        np.concatenate(length_batches(lengths, 8, rng=np.random.default_rng(seed)))
        for seed in ([1, 1], [1, 1], [1, 2])
    )
    assert (first == again).all()
    assert (first != other).any()


def test_collate_pads_with_zeros():
    batch, lengths = collate([np.ones(2), np.ones(4)])
    assert batch.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert lengths.tolist() == [2, 4]


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
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_second_store_does_not_decode_again(tmp_path, write_wav, monkeypatch):
    path = write_wav("a.wav", np.ones(4000))
    cache = tmp_path / "cache"
    WaveformStore([path], sr=22050, directory=cache).lengths()
    monkeypatch.setattr("deep.clips.load_clip", None)
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
    assert not list(Path(tmp_path).glob("cache/*"))


def test_the_validation_part_keeps_groups_whole_and_classes_in_proportion(rng):
    codes = rng.integers(0, 4, 600)
    groups = codes * 100 + rng.integers(0, 30, 600)
    held = hold_out(np.eye(4)[codes], groups, fraction=0.15, rng=rng)
    assert not set(groups[held]) & set(groups[~held])
    np.testing.assert_allclose(np.bincount(codes[held]) / np.bincount(codes), 0.15, atol=0.03)


def test_the_last_group_of_a_label_stays_in_training(rng):
    targets = np.eye(2)[[0] * 10 + [1] * 10]
    groups = np.r_[np.zeros(10), np.arange(1, 11)]
    held = hold_out(targets, groups, fraction=0.3, rng=rng)
    assert held.any()
    assert not held[:10].any()


@pytest.mark.parametrize("n_groups", [1, 2])
def test_nothing_is_held_out_where_no_group_can_be_spared(n_groups, rng):
    codes = np.array([0, 0, 1, 1])
    groups = codes if n_groups == 2 else np.zeros(4)
    assert not hold_out(np.eye(2)[codes], groups, fraction=0.5, rng=rng).any()


def test_single_labels_become_one_hot_rows_in_the_order_of_their_classes():
    targets = encode_labels(["b", "a", "b"], n_samples=3)
    assert targets.classes.tolist() == ["a", "b"]
    assert targets.values.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert not targets.multi_label


def test_a_dataframe_of_labels_names_the_classes():
    targets = encode_labels(pd.DataFrame({"x": [1, -1], "y": [0, 1]}), n_samples=2)
    assert targets.classes.tolist() == ["x", "y"]
    assert targets.values.tolist() == [[1, 0], [-1, 1]]
    assert targets.multi_label


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a"], "as many rows, got 2 and 1"),
        (["a", "a"], "at least two classes"),
        ([[2, 0], [0, 1]], "1, 0 or -1"),
        ([1.0, np.nan], "NaN"),
    ],
    ids=["rows", "one-class", "indicator", "nan"],
)
def test_labels_that_cannot_be_learned_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        encode_labels(y, n_samples=2)
