"""A manifest's own leaks, gaps and slips: each planted kind is found, and none in clean tables."""

import warnings

import pandas as pd
import pytest

from features.checking.problem import Problem, Severity, has_errors, tabulate
from features.checking.table_checks import check_table, problems_of_schema
from features.manifest import ManifestError, make_manifest

N = 12


@pytest.fixture
def clean(tmp_path):
    """Make a table without a fault: two labels, a group a clip, three folds, files in place."""
    names = [f"take{chr(97 + i)}.wav" for i in range(N)]
    for name in names:
        (tmp_path / name).touch()
    return pd.DataFrame(
        {
            "path": names,
            "labels": ["cel", "flu"] * (N // 2),
            "group": [f"song {i}" for i in range(N)],
            "fold": [i // 2 % 3 for i in range(N)],
        }
    )


@pytest.fixture
def check(tmp_path):
    def run(table, **settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            manifest = make_manifest(table, tmp_path)
        return {
            (each.check, each.severity.value): each for each in check_table(manifest, **settings)
        }

    return run


def test_a_clean_table_has_no_problem(clean, check):
    assert check(clean) == {}


def test_a_clean_table_of_several_labels_and_splits_has_no_problem(clean, check):
    clean.loc[0, "labels"] = "cel;flu"
    clean["split"] = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    clean["fold"] = [*clean["fold"][:8], *[""] * 4]
    assert check(clean) == {}


def plant_missing_file(table):
    table.loc[3, "path"] = "gone.wav"
    return table, ("missing-file", "error"), "1 clips have no file at their path: gone.wav", 1


def plant_shared_file(table):
    table.loc[[0, 1], "path"] = "takea.wav"
    table["start_s"], table["end_s"] = [0, 5] + [""] * 10, [5, 9] + [""] * 10
    return table, ("shared-file", "error"), "1 files belong to several groups.*takea.wav", 2


def plant_shared_checksum(table):
    table["sha256"] = ["f" * 64] * 2 + [f"{i:064x}" for i in range(N - 2)]
    return table, ("shared-checksum", "error"), "1 checksums belong to several groups", 2


def plant_overlap(table):
    table.loc[[0, 2], "path"] = "takea.wav"
    table.loc[2, "group"] = "song 0"
    table["start_s"], table["end_s"] = [0, "", 4] + [""] * 9, [5, "", 9] + [""] * 9
    table.loc[2, "fold"] = table.loc[0, "fold"]
    return table, ("overlapping-segments", "warning"), "1 clips overlap an earlier clip", 1


def plant_disagreeing_windows(table):
    table["parent"] = ["one", "one"] + [""] * (N - 2)
    table.loc[1, "group"] = "song 0"
    return (
        table,
        ("windows-disagree", "error"),
        "1 parents have windows of different labels: one",
        2,
    )


def plant_no_groups(table):
    table["group"] = ""
    return table, ("no-group", "warning"), "12 of 12 clips have no group", N


def plant_similar_labels(table):
    table.loc[[0, 2, 4], "labels"] = "Cel "
    table.loc[[0], "labels"] = "c_el"
    return table, ("similar-labels", "warning"), "'Cel' and 'c_el' and 'cel' look like one label", 0


def plant_unlabelled(table):
    table = pd.concat([table] * 3, ignore_index=True)
    table["clip_id"] = [f"clip {i}" for i in range(3 * N)]
    table["parent"] = ""
    table.loc[5, "labels"] = ""
    return table, ("unlabelled", "warning"), "1 clips have no label while all others have one", 1


def plant_no_labels(table):
    return table.drop(columns="labels"), ("no-labels", "error"), "no clip has a label", 0


def plant_no_training(table):
    table["split"], table["fold"] = "test", ""
    return table, ("no-training", "error"), "no clip is in training", 0


def plant_label_not_in_training(table):
    table["split"] = ["train"] * 10 + ["test"] * 2
    table.loc[11, "labels"] = "sax"
    return (
        table,
        ("label-not-in-training", "error"),
        "test has labels that no training clip has: sax",
        0,
    )


def plant_label_not_in_test(table):
    table["split"] = ["train"] * 10 + ["test"] * 2
    table.loc[11, "labels"] = "cel"
    return table, ("label-not-in-test", "warning"), "test has no clip of flu", 0


def plant_one_label_in_training(table):
    table["split"] = ["train"] * 10 + ["test"] * 2
    table.loc[10, "labels"] = "cel;flu"
    return table, ("one-label-in-training", "warning"), "thresholds found on the one do not fit", 0


def plant_class_of_one_group(table):
    table.loc[0, "labels"] = "sax"
    return table, ("small-class", "error"), r"fewer than 2 groups: sax \(1\)", 0


def plant_class_of_two_groups(table):
    table.loc[[0, 1], "labels"] = "sax"
    return table, ("small-class", "warning"), r"fewer than 3 groups: sax \(2\)", 0


def plant_one_class(table):
    table["labels"] = "cel"
    return table, ("one-class", "error"), "all clips are 'cel'", 0


PLANTS = [value for name, value in list(globals().items()) if name.startswith("plant_")]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__.removeprefix("plant_"))
def test_a_planted_fault_is_found(clean, check, plant):
    table, kind, message, n_clips = plant(clean)
    found = check(table)
    assert kind in found
    assert len(found[kind].clip_ids) == n_clips
    assert pd.Series([found[kind].message]).str.contains(message, regex=True).all()


def test_files_named_like_siblings_are_pointed_out(clean, check, tmp_path):
    clean["path"] = [f"{'ab'[i % 2]} song-{i}.wav" for i in range(N)]
    clean["group"] = ""
    found = check(clean)[("no-group", "warning")]
    assert "12 of them are named like siblings (a song: 6)" in found.message


def test_numbered_files_of_a_folder_are_no_siblings(clean, check):
    clean["path"] = [f"{'ab'[i % 2]}/{i:03d}.wav" for i in range(N)]
    clean["group"] = ""
    assert "siblings" not in check(clean)[("no-group", "warning")].message.split(";")[1]


def test_the_number_of_folds_counts_where_the_table_has_none(clean, check):
    clean["fold"] = ""
    clean.loc[[0, 2, 4], "labels"] = "sax"
    assert check(clean, n_folds=3) == {}
    assert ("small-class", "warning") in check(clean, n_folds=5)


def test_files_at_uris_are_not_missed(clean, check):
    clean["path"] = [f"memory://corpus/{name}" for name in clean["path"]]
    assert check(clean) == {}


def test_errors_come_first_and_are_told_from_warnings(clean, tmp_path):
    clean["group"] = ""
    with pytest.warns(UserWarning, match="siblings"):
        only_warned = check_table(make_manifest(clean, tmp_path))
    assert not has_errors(only_warned)
    clean.loc[1, "path"] = "gone.wav"
    with pytest.warns(UserWarning, match="siblings"):
        found = check_table(make_manifest(clean, tmp_path))
    assert [each.severity for each in found] == [Severity.ERROR, Severity.WARNING]
    assert has_errors(found)


def test_a_broken_schema_gives_a_finding_for_each_rule():
    error = ManifestError(["'path' must not be empty, row 2", "'clip_id' must be unique"], "m.csv")
    assert [each.check for each in problems_of_schema(error)] == ["schema", "schema"]


def test_an_empty_table_cannot_be_checked(tmp_path):
    with pytest.raises(ValueError, match="must list clips, this one lists none"):
        check_table(make_manifest(pd.DataFrame({"path": []}), tmp_path))


def test_findings_become_a_row_for_each_clip():
    table = tabulate(
        [
            Problem("a", Severity.ERROR, "first", ("x", "y")),
            Problem("b", Severity.WARNING, "second"),
        ]
    )
    assert table.to_dict("list") == {
        "finding": [1, 1, 2],
        "check": ["a", "a", "b"],
        "severity": ["error", "error", "warning"],
        "clip_id": ["x", "y", ""],
        "message": ["first", "first", "second"],
    }
