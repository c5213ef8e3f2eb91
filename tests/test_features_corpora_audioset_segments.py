"""AudioSet's listings and their likes: segments of long files, files already cut, events."""

import numpy as np
import pytest

from features.corpora.layouts import LAYOUTS, detect_layout, read_corpus
from features.manifest import ManifestError

SR = 1000

# Header and first lines of balanced_train_segments.csv, as quoted in a comment of its own reader,
# and the example of eval_segments.csv on https://research.google.com/audioset/download.html.
BALANCED = """\
# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=22160, num_segs=22160, num_unique_labels=527, num_positive_labels=52882
# YTID, start_seconds, end_seconds, positive_labels
--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"
--ZhevVpy1s, 50.000, 60.000, "/m/012xff"
--aE2O5G5WE, 0.000, 10.000, "/m/03fwl,/m/04rlf,/m/09x0r"
--aO5cdqSAg, 30.000, 40.000, "/t/dd00003,/t/dd00005"
"""
EVAL = """\
# Segments csv created Sun Mar  5 10:54:25 2017
# num_ytids=20371, num_segs=20371, num_unique_labels=527, num_positive_labels=51804
# YTID, start_seconds, end_seconds, positive_labels
-0RWZT-miFs, 420.000, 430.000, "/m/03v3yw,/m/0k4j"
"""
# The example of https://research.google.com/audioset/download_strong.html; the events of no segment
# of ours and those of other labels are made up, in the same form.
STRONG = """\
segment_id\tstart_time_seconds\tend_time_seconds\tlabel
s9d-2nhuJCQ_30000\t2.627\t7.237\t/m/053hz1
"""
# Lines of class_labels_indices.csv, from the copy in
# https://github.com/danterossi12/Youtube-Download-Automation---Google-Audio-Set.
NAMES = """\
index,mid,display_name
0,/m/09x0r,Speech
32,/t/dd00003,Male singing
34,/t/dd00005,Child singing
66,/m/053hz1,Cheering
95,/m/03fwl,Goat
122,/m/01z5f,"Canidae, dogs, wolves"
137,/m/04rlf,Music
307,/m/0k4j,Car
375,/m/012xff,Toothbrush
379,/m/03v3yw,Keys jangling
451,/t/dd00088,Gush
"""


@pytest.fixture
def corpus(tmp_path, write_wav):
    """Write tables, and sounds of some length: {name: seconds}."""

    def make(tables, sounds):
        for name, text in tables.items():
            (tmp_path / name).write_text(text)
        for name, seconds in sounds.items():
            write_wav(f"audio/{name}", np.zeros(round(seconds * SR)), sr=SR)
        return tmp_path

    return make


def segments(manifest):
    """Give path -> start, end (None for the file's own)."""
    clips = manifest.clips[["start_s", "end_s"]].astype(object)
    bounds = clips.where(clips.notna(), None).to_numpy().tolist()
    return {path: tuple(bound) for path, bound in zip(manifest.clips["path"], bounds, strict=True)}


ALL_FOUR = {
    "--PJHxphWEs.wav": 10,
    "--ZhevVpy1s.wav": 10,
    "--aE2O5G5WE.wav": 10,
    "--aO5cdqSAg.wav": 10,
}
WEAK = {"balanced_train_segments.csv": BALANCED, "class_labels_indices.csv": NAMES}


@pytest.mark.parametrize(
    "name",
    ["balanced_train_segments.csv", "eval_segments.csv", "audioset_eval_strong.tsv"],
)
def test_a_folder_is_detected_by_its_listing(corpus, name):
    assert detect_layout(corpus({name: ""}, {})) == ("audioset", f"it holds {name}")


@pytest.mark.parametrize(
    ("name", "text"), [("mine.csv", EVAL), ("mine.tsv", STRONG)], ids=["segments", "events"]
)
def test_a_file_is_detected_by_its_header(corpus, name, text):
    root = corpus({name: text}, {}) / name
    assert detect_layout(root) == ("audioset", "it has the header of AudioSet's listings")


def test_any_other_table_is_left_to_the_csv_layout(corpus):
    assert detect_layout(corpus({"a.csv": "path,labels\n"}, {}) / "a.csv")[0] == "csv"


def test_labels_have_their_names_and_videos_are_groups(corpus):
    manifest = read_corpus(corpus(WEAK, ALL_FOUR))
    clips = manifest.clips.set_index("path")
    columns = ["labels", "group", "split", "listing"]
    assert clips.loc["audio/--aE2O5G5WE.wav", columns].tolist() == [
        "Goat;Music;Speech",
        "--aE2O5G5WE",
        "train",
        "balanced_train_segments",
    ]
    assert manifest.task == "multi-label"
    assert manifest.groups_given


def test_a_name_with_commas_is_one_label(corpus):
    table = '# YTID, start_seconds, end_seconds, positive_labels\nab, 0, 10, "/m/01z5f"\n'
    root = corpus({"eval_segments.csv": table, "class_labels_indices.csv": NAMES}, {"ab.wav": 10})
    assert read_corpus(root).classes == ["Canidae, dogs, wolves"]


def test_without_names_labels_are_machine_ids(corpus):
    root = corpus({"eval_segments.csv": EVAL}, {"-0RWZT-miFs.wav": 10})
    manifest = read_corpus(root)
    assert manifest.clips["labels"].tolist() == ["/m/03v3yw;/m/0k4j"]
    assert manifest.clips["split"].tolist() == ["test"]


def test_several_listings_of_a_folder_are_read_together(corpus):
    root = corpus({**WEAK, "eval_segments.csv": EVAL}, {**ALL_FOUR, "-0RWZT-miFs.wav": 10})
    clips = read_corpus(root).clips
    assert clips["split"].value_counts().to_dict() == {"train": 4, "test": 1}


@pytest.mark.parametrize(
    ("name", "seconds", "bounds"),
    [
        ("--PJHxphWEs.wav", 60, (30.0, 40.0)),
        ("Y--PJHxphWEs.flac", 60, (30.0, 40.0)),
        ("--PJHxphWEs.wav", 39.5, (30.0, None)),
        ("--PJHxphWEs.wav", 9.9, (None, None)),
        ("Y--PJHxphWEs.wav", 10.2, (None, None)),
        ("--PJHxphWEs_30000.wav", 10, (None, None)),
        ("Y--PJHxphWEs_30000.wav", 10, (None, None)),
        ("--PJHxphWEs_30.wav", 10, (None, None)),
        ("--PJHxphWEs_30.000_40.000.wav", 10, (None, None)),
        ("--PJHxphWEs_30000_40000.wav", 10, (None, None)),
    ],
    ids=["whole", "Y", "ends-early", "cut", "Y-cut", "ms", "Y-ms", "s", "s-s", "ms-ms"],
)
def test_long_files_are_cut_and_cut_files_are_not(corpus, name, seconds, bounds):
    root = corpus(WEAK, {name: seconds})
    with pytest.warns(UserWarning, match="3 of 4 clips that balanced_train_segments.csv lists"):
        manifest = read_corpus(root)
    assert segments(manifest) == {f"audio/{name}": bounds}


def test_the_file_of_the_segment_goes_before_that_of_the_video(corpus):
    root = corpus(WEAK, {**ALL_FOUR, "--PJHxphWEs.wav": 60, "--PJHxphWEs_30.wav": 10})
    assert "audio/--PJHxphWEs_30.wav" in segments(read_corpus(root))


def test_another_segment_of_the_video_is_not_this_one(corpus):
    with pytest.raises(ManifestError, match="none of the 4 clips"):
        read_corpus(corpus(WEAK, {"--PJHxphWEs_90.wav": 10}))


def test_segments_of_one_video_are_clips_of_their_own(corpus):
    table = "# YTID, start_seconds, end_seconds, positive_labels\n" + "".join(
        f'vid_1, {start}.000, {start + 10}.000, "/m/09x0r"\n' for start in (0, 30)
    )
    root = corpus({"my_segments.csv": table}, {"vid_1.wav": 50})
    manifest = read_corpus(root / "my_segments.csv")
    assert manifest.clips["clip_id"].tolist() == ["audio/vid_1.wav#0-10", "audio/vid_1.wav#30-40"]
    assert set(manifest.clips["group"]) == {"vid_1"}
    assert set(manifest.clips["split"]) == {""}


def test_a_file_that_cannot_be_read_keeps_the_listings_times(corpus):
    root = corpus(WEAK, ALL_FOUR)
    (root / "audio" / "--PJHxphWEs.wav").write_bytes(b"")
    assert segments(read_corpus(root))["audio/--PJHxphWEs.wav"] == (30.0, 40.0)


EVENTS = {
    "audioset_eval_strong.tsv": STRONG
    + "s9d-2nhuJCQ_30000\t0.000\t3.000\t/m/09x0r\n"
    + "s9d-2nhuJCQ_30000\t0.000\t3.000\t/m/04rlf\n"
    + "s9d-2nhuJCQ_30000\t7.237\t10.000\t/m/0k4j\n",
    "mid_to_display_name.tsv": "/m/053hz1\tCheering\n/m/09x0r\tSpeech\n/m/04rlf\tMusic\n"
    "/m/0k4j\tCar\n",
}


@pytest.mark.parametrize(
    ("name", "seconds", "offset"),
    [("s9d-2nhuJCQ.wav", 60, 30.0), ("s9d-2nhuJCQ_30000.wav", 10, 0.0)],
    ids=["whole", "cut"],
)
def test_a_span_has_the_labels_of_all_events_in_it(corpus, name, seconds, offset):
    manifest = read_corpus(corpus(EVENTS, {name: seconds}))
    clips = manifest.clips
    rows = clips[["start_s", "end_s", "labels"]].sort_values("start_s").to_numpy().tolist()
    assert [
        (round(a - offset, 3), round(b - offset, 3), set(c.split(";"))) for a, b, c in rows
    ] == [
        (0.0, 3.0, {"Speech", "Music", "Cheering"}),
        (2.627, 7.237, {"Cheering", "Speech", "Music"}),
        (7.237, 10.0, {"Car"}),
    ]
    assert set(clips["group"]) == {"s9d-2nhuJCQ"}
    assert set(clips["split"]) == {"test"}


def test_an_event_to_the_end_of_a_short_file_goes_to_its_end(corpus):
    manifest = read_corpus(corpus(EVENTS, {"s9d-2nhuJCQ_30000.wav": 9.98}))
    assert manifest.clips["end_s"].isna().tolist() == [False, False, True]


def test_an_event_without_length_is_left_out_and_told(corpus):
    text = STRONG + "s9d-2nhuJCQ_30000\t9.000\t9.000\t/m/053hz1\n"
    root = corpus({"audioset_train_strong.tsv": text}, {"s9d-2nhuJCQ_30000.wav": 10})
    with pytest.warns(UserWarning, match="1 of 2 events do not end after they start"):
        assert len(read_corpus(root)) == 1


def test_listings_of_both_kinds_ask_for_one(corpus):
    root = corpus({**WEAK, **EVENTS}, ALL_FOUR)
    with pytest.raises(ManifestError, match=r"balanced_train_segments\.csv and audioset_ev"):
        read_corpus(root)
    assert len(read_corpus(root / "balanced_train_segments.csv", layout="audioset")) == 4


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("abc, 0.000, 10.000, /m/1,/m/2", "line 8: 4 cells are needed, found 5"),
        ("abc, 0.000", "line 8: 4 cells are needed, found 2"),
        ('abc, zero, 10.000, "/m/1"', "line 8: 0 <= start < end must hold, found zero to 10.000"),
        ('abc, 10.000, 10.000, "/m/1"', "line 8: .* found 10.000 to 10.000"),
        ('abc, nan, 10.000, "/m/1"', "line 8: .* found nan to 10.000"),
    ],
    ids=["unquoted", "short", "no-number", "no-length", "nan"],
)
def test_a_malformed_segment_is_named_by_its_line(corpus, line, reason):
    root = corpus({"balanced_train_segments.csv": BALANCED + line + "\n"}, ALL_FOUR)
    with pytest.raises(ManifestError, match=rf"balanced_train_segments\.csv, {reason}"):
        read_corpus(root)


@pytest.mark.parametrize(
    "line",
    ["abc\t0.0\t1.0\t/m/1", "abc_x\t0.0\t1.0\t/m/1", "abc_0\tx\t1.0\t/m/1", "abc_0\t0.0\t1.0"],
    ids=["no-start", "odd-start", "no-number", "short"],
)
def test_a_malformed_event_is_named_by_its_line(corpus, line):
    root = corpus({"audioset_eval_strong.tsv": STRONG + line + "\n"}, {})
    with pytest.raises(ManifestError, match=r"audioset_eval_strong\.tsv, line 3: "):
        read_corpus(root)


@pytest.mark.parametrize(
    "rest", [b"abc\xff, 0, 1, x\n", b'abc, 0, 1, "' + b"x" * 200_000], ids=["bytes", "endless"]
)
def test_what_is_no_table_is_named(corpus, rest):
    root = corpus({}, {})
    (root / "eval_segments.csv").write_bytes(EVAL.encode() + rest)
    with pytest.raises(
        ManifestError, match=r"eval_segments\.csv, after line \d+: no table in UTF-8"
    ):
        read_corpus(root)


def test_many_malformed_lines_are_told_at_once_and_counted(corpus):
    root = corpus({"eval_segments.csv": EVAL + "abc, 1\n" * 14}, {})
    with pytest.raises(ManifestError, match="and 4 more like these") as caught:
        read_corpus(root)
    assert len(caught.value.problems) == 11


def test_a_label_without_a_name_is_named_by_its_line(corpus):
    names = NAMES.replace("/t/dd00088", "/t/other")
    root = corpus({**WEAK, "class_labels_indices.csv": names}, ALL_FOUR)
    with pytest.raises(ManifestError, match="line 4: labels need a name, found /t/dd00088"):
        read_corpus(root)


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"class_labels_indices.csv": "0,/m/1,Bark; loud\n"}, "indices.csv: a label must not cont"),
        ({"class_labels_indices.csv": "/m/1,Bark\n"}, "line 1: 3 cells are needed, found 2"),
        ({"mid_to_display_name.tsv": ""}, "mid_to_display_name.tsv lists nothing"),
    ],
    ids=["separator", "cells", "empty"],
)
def test_a_broken_table_of_names_is_refused(corpus, tables, reason):
    with pytest.raises(ManifestError, match=reason):
        read_corpus(corpus({"eval_segments.csv": EVAL, **tables}, {}))


def test_a_video_in_two_splits_is_refused(corpus):
    both = BALANCED.splitlines()[3] + "\n"
    root = corpus({"balanced_train_segments.csv": BALANCED, "eval_segments.csv": both}, ALL_FOUR)
    with pytest.raises(ManifestError, match="--PJHxphWEs"):
        read_corpus(root)


def test_a_folder_without_listings_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \*_segments\.csv and no \*_strong\.tsv"):
        read_corpus(tmp_path, layout="audioset")


def test_its_provenance_is_told():
    assert LAYOUTS["audioset"].licence.startswith("CC BY 4.0")
    assert "Gemmeke" in LAYOUTS["audioset"].citation
