"""The clip table: what is filled in, what is refused, and that files give back what was written."""

import os
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.audio import Clip
from features.manifest import (
    COLUMNS,
    ManifestError,
    make_manifest,
    read_csv,
    read_manifest,
    write_manifest,
)


def manifest_of(root="/corpus", **columns):
    """Make a manifest with one group a path, where no groups are given."""
    return make_manifest(pd.DataFrame({"group": columns["path"], **columns}), root)


def problems_of(**columns):
    """Give the problems that a table of these columns has."""
    with pytest.raises(ManifestError) as caught:
        manifest_of(**columns)
    return caught.value.problems


@pytest.fixture
def write_csv(tmp_path):
    """Write text as it stands to m.csv and give its path."""

    def write(text):
        path = tmp_path / "m.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_path_is_enough_and_the_rest_is_filled_in():
    with pytest.warns(UserWarning, match=r"have no 'group'.*siblings .* may leak"):
        manifest = make_manifest(pd.DataFrame({"path": ["b/x.wav", "a.wav"]}), "/corpus")
    row = manifest.clips.iloc[0]
    assert list(manifest.clips.columns) == list(COLUMNS)
    assert (row["clip_id"], row["group"], row["parent"]) == ("b/x.wav",) * 3
    assert (row["labels"], row["unknown_labels"], row["split"], row["fold"]) == ("", "*", "", -1)
    assert row[["start_s", "end_s", "duration_s"]].isna().all()
    assert not manifest.groups_given
    assert not manifest.labels_given
    assert len(manifest) == 2


def test_an_empty_group_cell_means_the_source_file_and_is_warned_of():
    with pytest.warns(UserWarning, match="1 of 2 clips have no 'group'"):
        manifest = manifest_of(path=["a.wav", "b.wav"], group=["", "song"])
    assert manifest.clips["group"].tolist() == ["a.wav", "song"]
    assert not manifest.groups_given


def test_segments_of_one_file_are_told_apart_by_their_times():
    manifest = manifest_of(
        path=["a.wav"] * 6,
        start_s=["", 0, 1.5, "", 10000.05, 10000.06],
        end_s=["", 2, "", 0.25, 10000.1, 10000.11],
    )
    assert manifest.clips["clip_id"].tolist() == [
        "a.wav",
        "a.wav#0-2",
        "a.wav#1.5-",
        "a.wav#-0.25",
        "a.wav#10000.05-10000.1",
        "a.wav#10000.06-10000.11",
    ]


def test_windows_keep_the_parent_they_came_from():
    manifest = manifest_of(
        path=["a.wav", "a.wav", "b.wav"],
        start_s=[0, 1, ""],
        end_s=[1, 2, ""],
        parent=["a", "a", ""],
    )
    assert manifest.clips["parent"].tolist() == ["a", "a", "b.wav"]


def test_columns_that_are_not_ours_pass_through_untouched(tmp_path):
    table = {"path": ["a.wav", "b.wav"], "note": [" 01 ", ""], "Tempo": ["1e3", "NA"]}
    manifest = manifest_of(tmp_path, **table)
    write_manifest(manifest, tmp_path / "m.csv")
    clips = read_manifest(tmp_path / "m.csv").clips
    assert list(clips.columns) == [*COLUMNS, "note", "Tempo"]
    assert clips["note"].tolist() == [" 01 ", ""]
    assert clips["Tempo"].tolist() == ["1e3", "NA"]


def test_the_table_given_stays_as_it_is():
    table = pd.DataFrame({"path": [" a.wav"], "group": ["g"]}, index=[7])
    make_manifest(table, "/corpus")
    pd.testing.assert_frame_equal(table, pd.DataFrame({"path": [" a.wav"], "group": ["g"]}, [7]))


def test_missing_cells_of_a_data_frame_are_empty():
    manifest = manifest_of(path=["a.wav", "b.wav"], labels=["x", None], split=[np.nan, "test"])
    assert manifest.label_sets() == [{"x"}, set()]
    assert manifest.clips["split"].tolist() == ["", "test"]


def test_backslashes_of_windows_become_slashes():
    manifest = manifest_of("/corpus", path=[r"cello\a b.wav"])
    assert manifest.clips.loc[0, ["path", "clip_id"]].tolist() == ["cello/a b.wav"] * 2
    assert manifest.audio_clips() == [Clip("/corpus/cello/a b.wav")]


def test_audio_clips_start_from_the_root_and_carry_their_segments():
    manifest = manifest_of(
        "/corpus", path=["a.wav", "/other/b.wav"], start_s=["", 1], end_s=["", 2.5]
    )
    assert manifest.audio_clips() == [Clip("/corpus/a.wav"), Clip("/other/b.wav", 1.0, 2.5)]


PROBLEMS = {
    "empty-path": ({"path": ["a.wav", ""]}, "'path' must not be empty, row 3: ''"),
    "repeated-clip": (
        {"path": ["a.wav", "b.wav", "a.wav"]},
        "'clip_id' must be unique, row 2: 'a.wav'; row 4: 'a.wav'",
    ),
    "split": (
        {"path": ["a.wav"], "split": ["eval"]},
        "'split' must be one of train, validation, test, row 2: 'eval'",
    ),
    "segment-backwards": (
        {"path": ["a.wav"], "start_s": ["2"], "end_s": ["1"]},
        "a segment must have 0 <= start_s < end_s, row 2: '2.0 to 1.0'",
    ),
    "segment-empty": (
        {"path": ["a.wav"], "end_s": ["0"]},
        "a segment must have 0 <= start_s < end_s, row 2: 'nan to 0.0'",
    ),
    "segment-negative": (
        {"path": ["a.wav"], "start_s": ["-1"]},
        "a segment must have 0 <= start_s < end_s, row 2: '-1.0 to nan'",
    ),
    "start-text": (
        {"path": ["a.wav"], "start_s": ["soon"]},
        "'start_s' must hold numbers, row 2: 'soon'",
    ),
    "end-infinite": (
        {"path": ["a.wav"], "end_s": ["inf"]},
        "'end_s' must hold numbers, row 2: 'inf'",
    ),
    "duration-text": (
        {"path": ["a.wav"], "duration_s": ["3 s"]},
        "'duration_s' must hold numbers, row 2: '3 s'",
    ),
    "fold-text": ({"path": ["a.wav"], "fold": ["x"]}, "'fold' must hold numbers, row 2: 'x'"),
    "fold-infinite": (
        {"path": ["a.wav"], "fold": ["inf"]},
        "'fold' must hold numbers, row 2: 'inf'",
    ),
    "fold-half": (
        {"path": ["a.wav", "b.wav"], "fold": ["0", "0.5"]},
        "'fold' must be a whole number from 0, row 3: '0.5'",
    ),
    "fold-negative": (
        {"path": ["a.wav"], "fold": ["-2"]},
        "'fold' must be a whole number from 0, row 2: '-2'",
    ),
    "fold-huge": (
        {"path": ["a.wav"], "fold": ["1e20"]},
        "'fold' must be a whole number from 0, row 2: '1e20'",
    ),
    "group-in-two-splits": (
        {"path": ["a.wav", "b.wav"], "group": ["g", "g"], "split": ["train", "test"]},
        "a group must stay in one split, row 2: 'g'",
    ),
    "group-half-in-a-split": (
        {"path": ["a.wav", "b.wav"], "group": ["g", "g"], "split": ["train", ""]},
        "a group must stay in one split, row 2: 'g'",
    ),
    "group-in-two-folds": (
        {"path": ["a.wav", "b.wav"], "group": ["g", "g"], "fold": ["0", "1"]},
        "a group must stay in one fold, row 2: 'g'",
    ),
    "parent-in-two-groups": (
        {"path": ["a.wav", "b.wav"], "group": ["g", "h"], "parent": ["p", "p"]},
        "all windows of a parent must be in one group, row 2: 'p'; row 3: 'p'",
    ),
    "label-both-given-and-unknown": (
        {"path": ["a.wav"], "labels": ["x;y"], "unknown_labels": ["y"]},
        "a label cannot be both given and unknown, row 2: 'x;y'",
    ),
    "star-as-label": (
        {"path": ["a.wav"], "labels": ["*"]},
        "'*' belongs in 'unknown_labels', row 2: '*'",
    ),
}


@pytest.mark.parametrize(("columns", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_broken_rule_is_told_with_row_and_value(columns, problem):
    assert problems_of(**columns) == [problem]


def test_all_problems_come_in_one_error():
    with pytest.raises(ManifestError, match=r"manifest: 5 problems\n  - ") as caught:
        manifest_of(
            path=["", "b.wav", "b.wav"],
            split=["", "x", ""],
            start_s=["a", "", ""],
            group=["", "g", "g"],
        )
    text = "\n".join(caught.value.problems)
    for sign in ("'start_s' must", "'path' must", "'clip_id' must", "'split' must", "a group must"):
        assert sign in text


def test_of_many_bad_rows_the_first_ten_are_shown_and_the_rest_counted():
    problem, *_ = problems_of(path=[f"{k}.wav" for k in range(15)], split=["x"] * 15)
    assert problem.endswith("row 11: 'x' (and 5 more)")
    assert problem.count("row") == 10


def test_a_fold_of_none_is_minus_one():
    manifest = manifest_of(path=["a.wav", "b.wav", "c.wav"], fold=["", "-1", "3"])
    assert manifest.clips["fold"].tolist() == [-1, -1, 3]


def test_a_group_may_have_folds_for_some_of_its_rows_alone():
    manifest = manifest_of(path=["a.wav", "b.wav"], group=["g", "g"], fold=["1", ""])
    assert manifest.clips["fold"].tolist() == [1, -1]


def test_a_table_without_paths_names_the_columns_it_has():
    with pytest.raises(
        ManifestError, match="'path' column is required, found columns: file, label"
    ):
        make_manifest(pd.DataFrame({"file": [], "label": []}), "/corpus")


def test_labels_are_separated_by_semicolons_and_sorted_into_classes():
    manifest = manifest_of(path=list("abc"), labels=["oboe; cello", "", "cello;;cello"])
    assert manifest.label_sets() == [{"cello", "oboe"}, set(), {"cello"}]
    assert manifest.classes == ["cello", "oboe"]


def test_the_label_matrix_says_present_absent_or_never_annotated():
    manifest = manifest_of(
        path=list("abcde"),
        labels=["x", "x;y", "", "", "z"],
        unknown_labels=["y", "", "*", "x;w", "*"],
    )
    assert manifest.classes == ["w", "x", "y", "z"]
    matrix = manifest.label_matrix(manifest.classes)
    assert matrix.dtype == np.int8
    np.testing.assert_array_equal(
        matrix,
        [[0, 1, -1, 0], [0, 1, 1, 0], [-1, -1, -1, -1], [-1, -1, 0, 0], [-1, -1, -1, 1]],
    )


def test_labels_outside_the_classes_asked_for_are_left_out():
    manifest = manifest_of(path=list("ab"), labels=["x;y", "y"])
    np.testing.assert_array_equal(manifest.label_matrix(["q", "x"]), [[0, 1], [0, 0]])


@pytest.mark.parametrize(
    ("labels", "unknown", "task"),
    [
        (["x", "y"], ["", ""], "single-label"),
        (["x", "x;y"], ["", ""], "multi-label"),
        (["x", ""], ["", ""], "multi-label"),
        (["x", "y"], ["", "x"], "multi-label"),
        (["x", "x;x"], ["", ""], "single-label"),
    ],
    ids=["one-each", "two", "none", "unknown", "one-twice"],
)
def test_the_task_follows_from_the_labels(labels, unknown, task):
    assert manifest_of(path=["a", "b"], labels=labels, unknown_labels=unknown).task == task


def test_a_table_without_labels_knows_nothing_of_its_clips():
    manifest = manifest_of(path=["a", "b"])
    assert manifest.classes == []
    assert manifest.has_unknown()
    np.testing.assert_array_equal(manifest.label_matrix(["x"]), [[-1], [-1]])


def test_rows_are_selected_by_mask_or_position():
    manifest = manifest_of(path=list("abc"), labels=list("xyz"))
    by_mask = manifest.select(np.array([True, False, True]))
    by_position = manifest.select(np.array([2, 0]))
    assert by_mask.clips["path"].tolist() == ["a", "c"]
    assert by_position.clips["path"].tolist() == ["c", "a"]
    assert by_position.clips.index.tolist() == [0, 1]
    assert len(manifest) == 3


def test_a_byte_order_mark_and_foreign_letters_are_read(write_csv):
    path = write_csv("\ufeffpath,group,labels\nflöte/é.wav,g,Flöte\n".encode())
    assert read_manifest(path).clips.loc[0, ["path", "labels"]].tolist() == ["flöte/é.wav", "Flöte"]


def test_an_empty_cell_stays_empty_and_na_is_a_word(write_csv):
    manifest = read_manifest(write_csv("path,group,labels\na.wav,NA,nan\nb.wav,g,\n"))
    assert manifest.clips["group"].tolist() == ["NA", "g"]
    assert manifest.clips["labels"].tolist() == ["nan", ""]


def test_a_header_alone_is_a_manifest_of_no_clips(write_csv):
    manifest = read_manifest(write_csv("path,labels\n"))
    assert len(manifest) == 0
    assert manifest.classes == []
    assert manifest.audio_clips() == []
    assert manifest.label_matrix([]).shape == (0, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not a CSV table in UTF-8"),
        (b"\xff\xfe\x00", "not a CSV table in UTF-8"),
        (b"path\n\xe9.wav\n", "not a CSV table in UTF-8"),
        ('path,labels\n"a.wav,x\n', "not a CSV table in UTF-8"),
        ("path,labels\na.wav,x\nb.wav,y,z\n", "not a CSV table in UTF-8.*line 3"),
        ("path,labels\na.wav,x,\nb.wav,y,\n", r"more cells than the header \(path, labels\)"),
        ("path;labels\na.wav;x\n", "'path' column is required, found columns: path;labels"),
    ],
    ids=["empty", "utf-16", "latin-1", "open-quote", "long-row", "trailing-commas", "semicolons"],
)
def test_what_is_no_table_is_refused_by_name(write_csv, content, reason):
    path = write_csv(content)
    with pytest.raises(ManifestError, match=reason) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


def test_cells_are_read_as_the_text_they_are(write_csv):
    table = read_csv(write_csv("path,fold,note\na.wav,01,NA\n,,\n"))
    assert table.to_dict("list") == {"path": ["a.wav", ""], "fold": ["01", ""], "note": ["NA", ""]}


def test_a_missing_manifest_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_manifest(tmp_path / "missing.csv")


def test_relative_paths_start_from_the_manifests_folder(tmp_path, monkeypatch):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "m.csv").write_text("path,group\nx/a.wav,g\n")
    monkeypatch.chdir(tmp_path)
    manifest = read_manifest("corpus/m.csv")
    assert manifest.audio_clips() == [Clip(str(tmp_path / "corpus" / "x" / "a.wav"))]


def test_clips_below_the_target_are_written_relative_and_others_absolute(tmp_path):
    manifest = manifest_of(
        tmp_path / "corpus", path=["x/a.wav", "/elsewhere/b.wav", f"{tmp_path}/out/c.wav"]
    )
    write_manifest(manifest, tmp_path / "m.csv")
    write_manifest(manifest, tmp_path / "out" / "m.csv")
    below = read_csv(tmp_path / "m.csv")["path"].tolist()
    beside = read_csv(tmp_path / "out" / "m.csv")["path"].tolist()
    assert below == ["corpus/x/a.wav", "/elsewhere/b.wav", "out/c.wav"]
    assert beside == [f"{tmp_path}/corpus/x/a.wav", "/elsewhere/b.wav", "c.wav"]
    for path in (tmp_path / "m.csv", tmp_path / "out" / "m.csv"):
        assert [os.path.normpath(clip.path) for clip in read_manifest(path).audio_clips()] == [
            clip.path for clip in manifest.audio_clips()
        ]
        assert read_manifest(path).clips["clip_id"].equals(manifest.clips["clip_id"])


def test_a_folder_whose_name_only_begins_alike_is_elsewhere(tmp_path):
    manifest = manifest_of(tmp_path / "corpus2", path=["a.wav"])
    write_manifest(manifest, tmp_path / "corpus" / "m.csv")
    assert read_csv(tmp_path / "corpus" / "m.csv")["path"].tolist() == [f"{tmp_path}/corpus2/a.wav"]


def test_columns_that_say_nothing_are_not_written(tmp_path):
    with pytest.warns(UserWarning, match="have no 'group'"):
        manifest = make_manifest(pd.DataFrame({"path": ["a.wav"]}), tmp_path)
    write_manifest(manifest, tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text() == "path,clip_id,group\na.wav,a.wav,\n"


def test_a_table_without_groups_warns_again_when_read(tmp_path):
    with pytest.warns(UserWarning, match="have no 'group'"):
        manifest = make_manifest(pd.DataFrame({"path": ["a.wav"], "labels": ["x"]}), tmp_path)
    write_manifest(manifest, tmp_path / "m.csv")
    with pytest.warns(UserWarning, match="m.csv: 1 of 1 clips have no 'group'"):
        again = read_manifest(tmp_path / "m.csv")
    assert not again.groups_given
    assert again.labels_given


def test_writing_leaves_nothing_but_the_file(tmp_path):
    write_manifest(manifest_of(tmp_path, path=["a.wav"]), tmp_path / "new" / "m.csv")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["m.csv"]


def test_writing_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    manifest = manifest_of(tmp_path, path=["a.wav"])
    write_manifest(manifest, tmp_path / "m.csv")
    before = (tmp_path / "m.csv").read_bytes()

    def fill_the_disk(self, path, **_):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        write_manifest(manifest, tmp_path / "m.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]
    assert (tmp_path / "m.csv").read_bytes() == before


# Any text that a table may hold; surrounding space is taken off, a backslash is a slash.
words = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\;*"),
    min_size=1,
    max_size=8,
).filter(lambda word: word == word.strip())
names = words.filter(lambda word: not word.startswith("/"))
seconds = st.floats(0, 1e6).map(lambda second: round(second, 4))


@st.composite
def tables(draw):
    """Draw a table that keeps the rules."""
    paths = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    n_rows = len(paths)

    def column(cells):
        return draw(st.lists(cells, min_size=n_rows, max_size=n_rows))

    starts = column(seconds)
    table = {
        "path": paths,
        "labels": [";".join(labels) for labels in column(st.sets(words, max_size=3))],
        "unknown_labels": column(st.sampled_from(["", "*"])),
        "group": [f"g{k}" for k in range(n_rows)],
        "split": column(st.sampled_from(["", "train", "validation", "test"])),
        "fold": column(st.integers(-1, 9)),
        "start_s": starts,
        "end_s": [start + length for start, length in zip(starts, column(seconds), strict=True)],
        "note": column(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=5)),
    }
    table["end_s"] = [
        max(end, start + 1e-3) for start, end in zip(starts, table["end_s"], strict=True)
    ]
    return pd.DataFrame(table)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_what_is_written_is_read_back(tmp_path, table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manifest = make_manifest(table, tmp_path)
        write_manifest(manifest, tmp_path / "m.csv")
        again = read_manifest(tmp_path / "m.csv")
    pd.testing.assert_frame_equal(again.clips, manifest.clips, check_dtype=False, check_exact=True)
    assert again.audio_clips() == manifest.audio_clips()
    assert again.classes == manifest.classes
    assert again.task == manifest.task
