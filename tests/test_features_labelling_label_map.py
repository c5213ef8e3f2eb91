"""Labels renamed, merged and dropped, and what that makes of truth and ignorance."""

import pandas as pd
import pytest

from features.labelling.label_map import LabelMap, apply_label_map, read_label_map
from features.manifest import make_manifest

ROWS = {
    "a.wav": ("gac", ""),
    "b.wav": ("gel;org", ""),
    "c.wav": ("org", "gac"),
    "d.wav": ("gel", "gac"),
    "e.wav": ("", "*"),
}


@pytest.fixture
def manifest(tmp_path):
    table = pd.DataFrame(
        {
            "path": list(ROWS),
            "labels": [labels for labels, _ in ROWS.values()],
            "unknown_labels": [unknown for _, unknown in ROWS.values()],
            "group": list("abcde"),
        }
    )
    return make_manifest(table, tmp_path)


def cells(manifest):
    clips = manifest.clips
    return {
        path[0]: (labels, unknown)
        for path, labels, unknown in zip(
            clips["path"], clips["labels"], clips["unknown_labels"], strict=True
        )
    }


def test_a_merged_label_is_present_where_any_part_is_and_unknown_where_none_is_known(manifest):
    merged = apply_label_map(manifest, LabelMap(rename={"gac": "guitar", "gel": "guitar"}))
    assert cells(merged) == {
        "a": ("guitar", ""),
        "b": ("guitar;org", ""),
        "c": ("org", "guitar"),
        "d": ("guitar", ""),
        "e": ("", "*"),
    }


def test_a_dropped_label_goes_and_its_clip_stays(manifest):
    dropped = apply_label_map(manifest, LabelMap(drop=frozenset({"org"})))
    assert cells(dropped)["b"] == ("gel", "")
    assert cells(dropped)["c"] == ("", "gac")
    assert len(dropped) == 5


def test_all_labels_dropped_leave_rows_without_any(manifest):
    dropped = apply_label_map(manifest, LabelMap(drop=frozenset({"*"})))
    assert {labels for labels, _ in cells(dropped).values()} == {""}
    assert dropped.classes == []


def test_keeping_some_drops_the_others_by_their_new_names(manifest):
    kept = apply_label_map(
        manifest, LabelMap(rename={"gac": "guitar", "gel": "guitar"}, keep=frozenset({"guitar"}))
    )
    assert kept.classes == ["guitar"]
    assert cells(kept)["c"] == ("", "guitar")


def test_clips_with_a_label_that_is_left_out_go_with_it(manifest):
    left = apply_label_map(manifest, LabelMap(leave_out=frozenset({"org"})))
    assert list(cells(left)) == ["a", "d", "e"]


def test_a_map_of_nothing_changes_nothing(manifest):
    assert cells(apply_label_map(manifest, LabelMap())) == cells(manifest)


@pytest.mark.parametrize("key", ["rename", "drop", "keep", "leave_out"])
def test_a_misspelt_label_is_named_with_those_there_are(manifest, key):
    wrong = {"gek": "guitar"} if key == "rename" else frozenset({"gek"})
    with pytest.raises(ValueError, match=rf"{key}: gek.*labels: gac, gel, org"):
        apply_label_map(manifest, LabelMap(**{key: wrong}))


def test_a_map_that_serves_several_corpora_may_name_the_others_labels(manifest):
    mapped = apply_label_map(manifest, LabelMap(rename={"bass": "low"}), also_known={"bass"})
    assert cells(mapped) == cells(manifest)


def test_yaml_gives_a_map_for_all_or_one_for_each(tmp_path):
    file = tmp_path / "map.yaml"
    file.write_text("rename: {gac: guitar}\ndrop: org\n")
    assert read_label_map(file) == {
        "*": LabelMap(rename={"gac": "guitar"}, drop=frozenset({"org"}))
    }
    file.write_text("irmas:\n  keep: [gac]\nesc50:\n  drop: '*'\n  absent: '*'\n")
    assert read_label_map(file) == {
        "irmas": LabelMap(keep=frozenset({"gac"})),
        "esc50": LabelMap(drop=frozenset({"*"}), absent=frozenset({"*"})),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", "must be a label map in YAML"),
        ("- a", "must hold some of absent, drop, keep, leave_out, rename"),
        ("", "must hold some of"),
        ("irmas: {renam: {a: b}}", "irmas: 'renam' is not one of rename, drop"),
        ("drop: [1]", r"drop must be a list of labels, got \[1\]"),
        ("rename: [a]", "rename must hold old: new"),
        ("rename: {a: 'b;c'}", "rename must hold old: new"),
        ("irmas: {drop: [a], keep: [b]}", "irmas: give keep or drop, not both"),
        ("!!python/object/apply:os.system [ls]", "must be a label map in YAML"),
    ],
)
def test_a_broken_map_is_refused_with_its_name(tmp_path, text, reason):
    file = tmp_path / "map.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=reason) as caught:
        read_label_map(file)
    assert "map.yaml" in str(caught.value)


def test_all_problems_of_a_map_come_at_once(tmp_path):
    file = tmp_path / "map.yaml"
    file.write_text("irmas: {drop: [1]}\nopenmic: {rename: 3}\n")
    with pytest.raises(ValueError, match=r"irmas: drop .*; openmic: rename"):
        read_label_map(file)
