"""Listing, dealing, comparing and checking clips, as people type it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(tmp_path):
    """Run a command and give its exit code and what it printed."""

    def call(*words, code=0):
        done = subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *map(str, words)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        return done

    return call


@pytest.fixture
def tree(tmp_path):
    """Two folder trees of the same labels but one, and a table of the second's groups."""
    for corpus, labels in {"one": ("cel", "vio"), "two": ("cel", "gac")}.items():
        for label in labels:
            (tmp_path / corpus / label).mkdir(parents=True)
            for number in range(6):
                (tmp_path / corpus / label / f"{label}{number}.wav").touch()
    return tmp_path


def test_several_corpora_become_one_with_a_split_each(tree, run):
    done = run("manifest", "--layout", "folder:one", "--layout", "test=folder:two", "-o", "m.csv")
    assert "24 clips, 3 labels" in done.stdout
    table = pd.read_csv(tree / "m.csv", keep_default_na=False)
    assert set(table["corpus"]) == {"folder", "folder-2"}
    assert set(table.loc[table["corpus"] == "folder-2", "split"]) == {"test"}
    assert set(table.loc[table["corpus"] == "folder", "unknown_labels"]) == {"gac"}


def test_a_label_map_renames_and_drops(tree, run):
    (tree / "map.yaml").write_text("rename: {cel: cello}\ndrop: [gac]\n")
    run("manifest", "two", "--label-map", "map.yaml", "-o", "m.csv")
    assert set(pd.read_csv(tree / "m.csv", keep_default_na=False)["labels"]) == {"cello", ""}


def test_columns_of_any_table_become_the_manifests(tree, run):
    (tree / "t.csv").write_text("wav,species,site\none/cel/cel0.wav,owl,north\n")
    run("manifest", "t.csv", "--columns", "path=wav,labels=species,group=site", "-o", "m.csv")
    row = pd.read_csv(tree / "m.csv").iloc[0]
    assert row[["path", "labels", "group"]].tolist() == ["one/cel/cel0.wav", "owl", "north"]


def test_a_table_relabels_the_clips_it_names(tree, run):
    (tree / "new.csv").write_text("filename,labels\ncel0.wav,cel;vio\n")
    run("manifest", "one", "--relabel", "new.csv", "-o", "m.csv")
    labels = pd.read_csv(tree / "m.csv").set_index("path")["labels"]
    assert labels["one/cel/cel0.wav"] == "cel;vio"
    assert labels["one/cel/cel1.wav"] == "cel"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "name the corpus's folder"),
        (["--layout", "folder"], "must be NAME:PATH or SPLIT=NAME:PATH"),
        (["--layout", "fold:one"], "got 'fold:one'"),
        (["one", "--layout", "folder", "--layout", "csv"], "one folder has one --layout"),
        (["one", "--columns", "labels"], "must hold NAME=COLUMN"),
        (["one", "--columns", "labels=a,labels=b"], "must name each column once"),
        (["one", "--columns", "labels=genre"], "has no column genre"),
        (["--layout", "folder:one", "--columns", "labels=x"], "--columns is for one corpus"),
        (["one", "--label-map", "missing.yaml"], "missing.yaml"),
    ],
    ids=[
        "nothing",
        "no-path",
        "no-layout",
        "two-layouts",
        "pair",
        "twice",
        "column",
        "which",
        "no-map",
    ],
)
def test_a_mistake_in_listing_is_one_clear_line(tree, run, words, reason):
    done = run("manifest", *words, "-o", "m.csv", code=2)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert reason in errors[0]
    assert not (tree / "m.csv").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("one", "one is a folder: name a file"), ("one/cel/cel0.wav/m.csv", "is a file")],
    ids=["folder", "below-a-file"],
)
def test_a_place_for_no_file_is_refused(tree, run, name, reason):
    assert reason in run("manifest", "two", "-o", name, code=2).stderr


def test_what_is_no_ordinary_file_is_not_replaced(tree, run):
    os.mkfifo(tree / "pipe")
    assert "pipe is no ordinary file" in run("manifest", "one", "-o", "pipe", code=2).stderr
    assert (tree / "pipe").is_fifo()


def test_a_name_that_is_not_unicode_is_named(tree, run):
    try:
        Path(os.fsdecode(bytes(tree / "one" / "cel") + b"/\xff.wav")).touch()
    except OSError:
        pytest.skip("this file system takes Unicode only")
    done = run("manifest", "one", "-o", "m.csv", code=2)
    assert "1 file names are not in UTF-8: 'cel/\\udcff.wav'" in done.stderr


def test_a_blank_before_a_column_s_name_hides_nothing(tree, run):
    (tree / "t.csv").write_text("path, labels\none/cel/cel0.wav,owl\n")
    assert "1 clip, 1 label" in run("manifest", "t.csv", "-o", "m.csv").stdout


def test_a_split_that_stands_is_told(tree, run):
    run("manifest", "--layout", "train=folder:one", "-o", "m.csv")
    done = run("split", "m.csv", "-o", "m2.csv", "--folds", "2", "--test", "0.3")
    assert "12 of 12 clips had a split, which they keep" in done.stderr


@pytest.mark.parametrize("folds", ["1", "two", "9" * 30, "\u00b2"])
def test_folds_must_be_a_number_that_can_be(tree, run, folds):
    run("manifest", "one", "-o", "m.csv")
    done = run("split", "m.csv", "-o", "m2.csv", "--folds", folds, code=2)
    assert "--folds must be a number from 2" in done.stderr


def test_split_tells_how_well_labels_were_kept_beside_a_random_deal(tree, run):
    run("manifest", "one", "-o", "m.csv")
    done = run("split", "m.csv", "-o", "m2.csv", "--folds", "3")
    assert "off by 0.0% on average; groups dealt at random: " in done.stdout
    found = json.loads(run("split", "m2.csv", "-o", "m3.csv", "--folds", "given", "--json").stdout)
    assert found["deviation"] == 0.0
    assert found["parts"]["fold 0"] == {"clips": 4, "groups": 4, "cel": 2, "vio": 2}
    pd.testing.assert_frame_equal(pd.read_csv(tree / "m2.csv"), pd.read_csv(tree / "m3.csv"))


def test_replacing_folds_is_told(tree, run):
    run("manifest", "one", "-o", "m.csv")
    run("split", "m.csv", "-o", "m2.csv", "--folds", "3")
    assert "folds, which are replaced" in run("split", "m2.csv", "-o", "m3.csv").stderr


def test_given_folds_must_be_there(tree, run):
    run("manifest", "one", "-o", "m.csv")
    done = run("split", "m.csv", "-o", "m2.csv", "--folds", "given", code=2)
    assert "every training clip must have one; 12 of 12 have none" in done.stderr


def test_two_labelings_are_compared(tree, run):
    run("manifest", "one", "-o", "m.csv")
    table = pd.read_csv(tree / "m.csv")
    table.loc[0, "labels"] = "vio"
    table.to_csv(tree / "other.csv", index=False)
    done = run("compare", "m.csv", "other.csv", "-o", "differing.csv")
    assert "exactly the same labels: 91.7%" in done.stdout
    assert pd.read_csv(tree / "differing.csv")["clip_id"].tolist() == ["cel/cel0.wav"]
    found = json.loads(run("compare", "m.csv", "other.csv", "--json").stdout)
    assert found["exact_match"] == pytest.approx(11 / 12)


def test_check_finds_nothing_in_a_clean_manifest_and_leaves_with_0(tree, run):
    run("manifest", "one", "-o", "m.csv")
    table = pd.read_csv(tree / "m.csv").assign(group=range(12))
    table.to_csv(tree / "m.csv", index=False)
    assert "no problems found" in run("check", "m.csv").stdout


def test_check_leaves_with_1_for_errors_and_when_strict_for_warnings(tree, run):
    run("manifest", "one", "-o", "m.csv")
    assert "no-group" in run("check", "m.csv").stdout
    run("check", "m.csv", "--strict", code=1)
    (tree / "one" / "cel" / "cel0.wav").unlink()
    done = run("check", "m.csv", "-o", "problems.csv", code=1)
    assert "missing-file" in done.stdout
    assert "1 error, 1 warning" in done.stdout
    found = pd.read_csv(tree / "problems.csv")
    assert found["check"].tolist() == ["missing-file"] + ["no-group"] * 12
    listed = json.loads(run("check", "m.csv", "--json", code=1).stdout)
    assert [each["severity"] for each in listed] == ["error", "warning"]


def test_check_lists_every_broken_rule_of_a_table(tree, run):
    (tree / "m.csv").write_text("path,clip_id,split\na.wav,x,training\nb.wav,x,\n")
    done = run("check", "m.csv", code=1)
    assert "'clip_id' must be unique" in done.stdout
    assert "'split' must be one of" in done.stdout
