"""What a corpus holds: known answers on hand-made manifests, nothing invented, and quickly."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from features.manifest import ManifestError, make_manifest
from features.statistics import describe_corpus

CLIPS = pd.DataFrame(
    [
        ("a.wav", "cello", "", "s1", "train", 0, 3.0),
        ("b.wav", "cello;flute", "", "s1", "train", 0, 1.0),
        ("c.wav", "flute", "oboe", "s2", "train", 1, np.nan),
        ("d.wav", "", "", "s3", "test", "", 2.0),
        ("e.wav", "", "*", "s4", "", "", np.nan),
        ("f.wav", "oboe;flute;cello", "", "s5", "test", "", 10.0),
    ],
    columns=["path", "labels", "unknown_labels", "group", "split", "fold", "duration_s"],
)


def describe(table, scan=None):
    return describe_corpus(make_manifest(table, "/corpus"), scan=scan)


@pytest.fixture(scope="module")
def known():
    return describe(CLIPS)


def test_clips_groups_and_labels_are_counted(known):
    assert (known.clips, known.parents, known.groups) == (6, 6, 5)
    assert known.labels == ["cello", "flute", "oboe"]
    assert known.task == "multi-label"
    assert known.groups_given
    assert known.labels_given


def test_each_label_has_its_clips_groups_seconds_and_share(known):
    assert known.per_label["cello"] == {
        "clips": 3, "groups": 2, "seconds": 14.0, "timed_clips": 3, "unknown": 1, "share": 3 / 5,
    }  # fmt: skip
    assert known.per_label["flute"] == {
        "clips": 3, "groups": 3, "seconds": 11.0, "timed_clips": 2, "unknown": 1, "share": 3 / 5,
    }  # fmt: skip
    assert known.per_label["oboe"] == {
        "clips": 1, "groups": 1, "seconds": 10.0, "timed_clips": 1, "unknown": 2, "share": 1 / 4,
    }  # fmt: skip


def test_labels_per_clip_leave_out_the_clips_nobody_labelled(known):
    assert known.labels_per_clip == {"0": 1, "1": 2, "2": 1, "3": 1}
    assert (known.unlabelled, known.partly_unknown, known.unknown_cells) == (1, 1, 4)


def test_labels_that_sound_together_are_counted_both_ways(known):
    assert known.together == [[3, 2, 1], [2, 3, 1], [1, 1, 1]]


def test_splits_and_folds_hold_their_labels(known):
    assert list(known.splits) == ["train", "test", ""]
    assert known.splits["train"] == {
        "clips": 3, "groups": 2, "seconds": 4.0, "timed_clips": 2,
        "labels": {"cello": 2, "flute": 2, "oboe": 0},
    }  # fmt: skip
    assert known.splits[""]["seconds"] is None
    assert [(name, part["clips"]) for name, part in known.folds.items()] == [
        ("0", 2), ("1", 1), ("", 3),
    ]  # fmt: skip


def test_folds_come_in_the_order_of_their_numbers():
    table = pd.DataFrame({"path": [f"{k}.wav" for k in range(12)], "group": range(12)})
    found = describe(table.assign(labels="x", fold=range(12)))
    assert list(found.folds) == [str(k) for k in range(12)]


def test_durations_have_extremes_and_a_histogram_that_holds_them_all(known):
    found = known.durations
    assert (found["clips"], found["total_s"]) == (4, 16.0)
    assert (found["min_s"], found["median_s"], found["max_s"]) == (1.0, 2.5, 10.0)
    assert sum(found["counts"]) == 4
    assert len(found["edges_s"]) == len(found["counts"]) + 1
    assert found["edges_s"][0] == 1.0
    assert found["edges_s"][-2] == 10.0
    assert found["counts"][0] == found["counts"][-1] == 1


@pytest.mark.parametrize("seconds", [0.001, 0.1, 1.0, 10.0, 1000.0])
def test_a_clip_as_long_as_an_edge_counts_above_it(seconds):
    found = describe(CLIPS.assign(duration_s=seconds)).durations
    assert found["edges_s"][0] == seconds
    assert found["counts"] == [6]


def test_an_empty_clip_is_counted_and_no_logarithm_fails():
    found = describe(CLIPS.assign(duration_s=0.0)).durations
    assert (found["min_s"], found["counts"]) == (0.0, [6])


def test_what_nobody_knows_is_none_and_never_zero():
    found = describe(CLIPS.drop(columns=["duration_s", "split", "fold"]))
    assert found.durations is None
    assert found.sample_rates is found.channels is found.codecs is None
    assert found.per_label["cello"]["seconds"] is None
    assert found.splits == found.folds == {}


@pytest.mark.filterwarnings("ignore:.*have no 'group':UserWarning")
def test_a_manifest_of_nothing_but_paths_is_described():
    found = describe(CLIPS[["path"]])
    assert (found.clips, found.unlabelled, found.labels) == (6, 6, [])
    assert (found.per_label, found.labels_per_clip, found.together) == ({}, {}, [])
    assert not found.groups_given
    assert not found.labels_given


def test_a_label_never_annotated_anywhere_has_no_share():
    found = describe(CLIPS.assign(labels="", unknown_labels="oboe"))
    assert found.per_label["oboe"]["share"] is None
    assert found.labels_per_clip == {"0": 6}


def test_segments_without_a_duration_are_as_long_as_their_ends_say():
    table = pd.DataFrame({"path": "long.wav", "labels": "x", "group": "g", "start_s": [0.0, 2.0],
                          "end_s": [2.0, ""]})  # fmt: skip
    found = describe(table).durations
    assert (found["clips"], found["total_s"]) == (1, 2.0)


def test_a_scan_of_the_sound_comes_before_the_manifest():
    scan = pd.DataFrame(
        {"clip_id": ["f.wav", "a.wav", "c.wav"], "duration_s": [9.0, np.nan, 4.0],
         "sr": [44100, 22050, 44100], "n_channels": [2, 1, 2],
         "codec": ["WAV PCM_16", "", "WAV PCM_16"]}
    )  # fmt: skip
    found = describe(CLIPS, scan)
    assert found.scanned == 3
    assert found.durations["total_s"] == 3.0 + 1.0 + 4.0 + 2.0 + 9.0
    assert found.sample_rates == {"44100": 2, "22050": 1}
    assert found.channels == {"2": 2, "1": 1}
    assert found.codecs == {"WAV PCM_16": 2}


def test_a_clip_in_which_nothing_was_found_is_in_no_count():
    scan = pd.DataFrame(
        {"clip_id": ["a.wav", "b.wav"], "duration_s": [3.0, np.nan], "sr": [8000, 0],
         "n_channels": [1, 0], "codec": ["WAV PCM_16", ""], "readable": [True, False]}
    )  # fmt: skip
    found = describe(CLIPS, scan)
    assert (found.scanned, found.sample_rates, found.channels) == (1, {"8000": 1}, {"1": 1})
    assert found.codecs == {"WAV PCM_16": 1}


def test_rates_stay_whole_numbers_where_some_are_missing():
    scan = pd.DataFrame({"clip_id": ["a.wav", "b.wav"], "sr": [22050.0, np.nan]})
    assert describe(CLIPS, scan).sample_rates == {"22050": 1}


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        (pd.DataFrame({"file": ["a.wav"]}), "'clip_id' column is required, found columns: file"),
        (pd.DataFrame({"clip_id": ["a.wav", "a.wav"]}), "must be unique, got 1 others such as"),
        (pd.DataFrame({"clip_id": ["z.wav"]}), "must be in the manifest, got 1 others such as"),
        (pd.DataFrame({"clip_id": ["a.wav"], "duration_s": [-1.0]}), "at least 0, got -1.0"),
    ],
    ids=["no ids", "twice", "stranger", "negative"],
)
def test_a_scan_that_does_not_fit_is_refused(scan, message):
    with pytest.raises(ManifestError, match=message):
        describe(CLIPS, scan)


def test_the_statistics_are_plain_json(known):
    text = json.dumps(known.as_dict(), allow_nan=False)
    assert json.loads(text) == known.as_dict()


def test_a_hundred_thousand_clips_of_two_hundred_labels_take_under_five_seconds(rng):
    n_samples, classes = 100_000, np.array([f"label {number:03d}" for number in range(200)])
    drawn = classes[rng.integers(0, 200, size=(n_samples, 3))]
    table = pd.DataFrame(
        {"path": np.arange(n_samples).astype(str), "labels": [";".join(row) for row in drawn],
         "group": np.arange(n_samples) // 7, "duration_s": rng.lognormal(size=n_samples)}
    )  # fmt: skip
    manifest = make_manifest(table, "/corpus")
    start = time.process_time()
    found = describe_corpus(manifest)
    assert time.process_time() - start < 5
    together = np.array(found.together)
    clips = [numbers["clips"] for numbers in found.per_label.values()]
    assert np.diag(together).tolist() == clips
    assert (together == together.T).all()
    assert sum(clips) == sum(int(k) * count for k, count in found.labels_per_clip.items())
