"""Several corpora as one: what nobody listened for is unknown, not absent."""

import warnings

import numpy as np
import pandas as pd
import pytest

from features.corpora.combining import Part, combine_corpora
from features.labelling.label_map import LabelMap
from features.manifest import make_manifest, read_manifest, write_manifest


def corpus(root, rows, **columns):
    """Make a manifest of path -> labels; groups are the first letter of the name."""
    table = pd.DataFrame({"path": list(rows), "labels": list(rows.values()), **columns})
    if "group" not in table:
        table["group"] = [path[0] for path in rows]
    return make_manifest(table, root)


@pytest.fixture
def irmas(tmp_path):
    return corpus(tmp_path / "irmas", {"a1.wav": "cel", "a2.wav": "cel", "b1.wav": "gac"})


@pytest.fixture
def openmic(tmp_path):
    return corpus(tmp_path / "openmic", {"a1.ogg": "cel;mandolin", "b1.ogg": "mandolin"})


@pytest.fixture
def noises(tmp_path):
    return corpus(tmp_path / "esc50", {"1-a.wav": "rain", "2-a.wav": "dog"}, fold=["0", "1"])


def test_classes_that_a_corpus_was_not_annotated_for_are_unknown_there(irmas, openmic):
    both = combine_corpora([Part("irmas", irmas), Part("openmic", openmic)])
    assert both.classes == ["cel", "gac", "mandolin"]
    np.testing.assert_array_equal(
        both.label_matrix(both.classes),
        [[1, 0, -1], [1, 0, -1], [0, 1, -1], [1, -1, 1], [0, -1, 1]],
    )
    assert both.task == "multi-label"


def test_names_of_clips_and_groups_begin_with_the_corpus_so_that_none_clash(irmas, openmic):
    clips = combine_corpora([Part("irmas", irmas), Part("openmic", openmic)]).clips
    assert clips["clip_id"].tolist()[:1] == ["irmas/a1.wav"]
    assert clips["group"].tolist() == ["irmas/a", "irmas/a", "irmas/b", "openmic/a", "openmic/b"]
    assert clips["corpus"].tolist() == ["irmas"] * 3 + ["openmic"] * 2


def test_negatives_have_none_of_the_classes_and_that_is_known(irmas, noises):
    maps = {"esc50": LabelMap(drop=frozenset({"*"}), absent=frozenset({"*"}))}
    both = combine_corpora([Part("irmas", irmas), Part("esc50", noises)], label_maps=maps)
    assert both.classes == ["cel", "gac"]
    np.testing.assert_array_equal(both.label_matrix(both.classes)[3:], np.zeros((2, 2)))


def test_absent_classes_can_be_named_one_by_one(irmas, openmic):
    maps = {"openmic": LabelMap(absent=frozenset({"gac"}))}
    both = combine_corpora([Part("irmas", irmas), Part("openmic", openmic)], label_maps=maps)
    np.testing.assert_array_equal(both.label_matrix(["gac", "mandolin"])[3:], [[0, 1], [0, 1]])


def test_each_corpus_goes_to_a_split_of_choice_and_only_training_rows_keep_folds(irmas, noises):
    both = combine_corpora([Part("irmas", irmas, "train"), Part("esc50", noises, "test")])
    assert both.clips["split"].tolist() == ["train"] * 3 + ["test"] * 2
    assert both.clips["fold"].tolist() == [-1] * 5
    kept = combine_corpora([Part("irmas", irmas), Part("esc50", noises)])
    assert kept.clips["fold"].tolist() == [-1, -1, -1, 0, 1]


def test_one_corpus_can_come_in_twice_under_two_names(irmas):
    twice = combine_corpora([Part("irmas", irmas, "train"), Part("irmas-2", irmas, "test")])
    assert twice.clips["clip_id"].is_unique
    assert not twice.has_unknown()


def test_a_map_for_all_serves_every_corpus(irmas, openmic):
    maps = {"*": LabelMap(rename={"cel": "cello", "mandolin": "gac"})}
    both = combine_corpora([Part("irmas", irmas), Part("openmic", openmic)], label_maps=maps)
    assert both.classes == ["cello", "gac"]
    assert not both.has_unknown()


def test_clips_are_found_from_wherever_the_manifest_stands(tmp_path, irmas, openmic):
    both = combine_corpora([Part("irmas", irmas), Part("openmic", openmic)])
    write_manifest(both, tmp_path / "irmas" / "both.csv")
    again = read_manifest(tmp_path / "irmas" / "both.csv")
    assert again.clips["path"].tolist()[0] == "a1.wav"
    assert [clip.path for clip in again.audio_clips()] == [clip.path for clip in both.audio_clips()]
    np.testing.assert_array_equal(again.label_matrix(both.classes), both.label_matrix(both.classes))


def test_groups_that_nobody_gave_stay_not_given(tmp_path, irmas):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bare = make_manifest(pd.DataFrame({"path": ["x.wav"], "labels": ["cel"]}), tmp_path)
    with pytest.warns(UserWarning, match="1 of 4 clips have no 'group'"):
        both = combine_corpora([Part("irmas", irmas), Part("bare", bare)])
    assert not both.groups_given
    assert both.given_groups().tolist()[-1] == ""


@pytest.mark.parametrize(
    ("names", "split", "maps", "reason"),
    [
        ([], "", {}, "at least one corpus"),
        (["a", "a"], "", {}, "names of their own, got a twice"),
        (["a"], "training", {}, "one of train, validation, test, got training"),
        (["a"], "", {"b": LabelMap()}, "label maps are for b, the corpora are a"),
    ],
    ids=["none", "same-name", "split", "stray-map"],
)
def test_what_cannot_be_combined_is_refused(irmas, names, split, maps, reason):
    with pytest.raises(ValueError, match=reason):
        combine_corpora([Part(name, irmas, split) for name in names], label_maps=maps)
