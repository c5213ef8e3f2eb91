"""Splits and folds of a manifest."""

import numpy as np
import pandas as pd
import pytest

from features.folds import make_folds
from features.manifest import make_manifest
from features.splitting import split_manifest


@pytest.fixture
def corpus():
    """40 clips of two labels, in 20 groups of two."""
    rows = np.arange(40)
    return make_manifest(
        pd.DataFrame(
            {
                "path": [f"{row}.wav" for row in rows],
                "labels": np.where(rows < 20, "oboe", "cello"),
                "group": [f"take {row // 2}" for row in rows],
            }
        ),
        "/corpus",
    )


def with_splits(manifest, split):
    return make_manifest(manifest.clips.assign(split=split), manifest.root)


def n_splits_of_each_group(manifest, column):
    return manifest.clips.groupby("group")[column].nunique()


def test_every_clip_gets_a_split_and_a_fold_and_the_manifest_given_stays_as_it_is(corpus):
    split = split_manifest(corpus, folds=4, random_state=3)
    expected = make_folds(
        corpus.label_matrix(corpus.classes), corpus.clips["group"], n_folds=4, random_state=3
    )
    assert split.clips["fold"].tolist() == expected.tolist()
    assert (corpus.clips["fold"] == -1).all()
    assert (split.clips["split"] == "train").all()
    assert (corpus.clips["split"] == "").all()
    dealt = ["fold", "split"]
    assert split.clips.drop(columns=dealt).equals(corpus.clips.drop(columns=dealt))


def test_shares_are_dealt_by_groups_with_labels_in_proportion(corpus):
    clips = split_manifest(corpus, folds=2, validation=0.2, test=0.3).clips
    assert clips["split"].value_counts().to_dict() == {"train": 20, "test": 12, "validation": 8}
    for part in ("train", "validation", "test"):
        counts = clips.loc[clips["split"] == part, "labels"].value_counts()
        assert abs(counts["oboe"] - counts["cello"]) <= 4
    assert (n_splits_of_each_group(split_manifest(corpus, test=0.3), "split") == 1).all()


def test_clips_of_validation_and_test_have_no_fold(corpus):
    clips = split_manifest(corpus, folds=3, validation=0.2, test=0.2).clips
    in_training = clips["split"] == "train"
    assert (clips.loc[~in_training, "fold"] == -1).all()
    assert set(clips.loc[in_training, "fold"]) == {0, 1, 2}
    assert clips[in_training].groupby("group")["fold"].nunique().eq(1).all()


def test_a_split_that_is_given_is_kept(corpus):
    given = ["test"] * 8 + [""] * 32
    clips = split_manifest(with_splits(corpus, given), folds=2, validation=0.25).clips
    assert (clips["split"][:8] == "test").all()
    assert clips["split"][8:].value_counts().to_dict() == {"train": 24, "validation": 8}
    assert (clips["fold"][:8] == -1).all()


def test_a_whole_split_needs_no_shares(corpus):
    given = ["test"] * 8 + ["validation"] * 8 + ["train"] * 24
    clips = split_manifest(with_splits(corpus, given), folds=2).clips
    assert clips["split"].tolist() == given
    assert ((clips["fold"] >= 0) == (clips["split"] == "train")).all()


def test_each_group_may_be_a_fold(corpus):
    clips = split_manifest(corpus, folds="group", test=0.2).clips
    folds = clips.loc[clips["split"] == "train"].groupby("group")["fold"]
    assert folds.nunique().eq(1).all()
    assert sorted(folds.first()) == list(range(16))


def test_the_same_seed_gives_the_same_split(corpus):
    first = split_manifest(corpus, test=0.3, random_state=4)
    assert split_manifest(corpus, test=0.3, random_state=4).clips.equals(first.clips)
    assert not split_manifest(corpus, test=0.3, random_state=5).clips.equals(first.clips)


def test_unlabelled_clips_are_split_by_size():
    manifest = make_manifest(
        pd.DataFrame({"path": list("abcdefghij"), "group": list("abcdefghij")}), "/corpus"
    )
    clips = split_manifest(manifest, folds=4, test=0.2).clips
    assert clips["split"].value_counts().to_dict() == {"train": 8, "test": 2}
    assert clips["fold"].value_counts().sort_index().tolist() == [2, 2, 2, 2, 2]


def test_windows_of_a_parent_stay_together():
    manifest = make_manifest(
        pd.DataFrame(
            {
                "path": np.repeat(list("abcd"), 3),
                "start_s": [0, 1, 2] * 4,
                "end_s": [1, 2, 3] * 4,
                "parent": np.repeat(list("abcd"), 3),
                "group": np.repeat(list("abcd"), 3),
            }
        ),
        "/corpus",
    )
    folds = split_manifest(manifest, folds=2).clips.groupby("parent")["fold"]
    assert folds.nunique().eq(1).all()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"validation": 0.5, "test": 0.5}, "leave some clips for training, got 0.5 \\+ 0.5"),
        ({"test": -0.1}, "must not be negative, got 0.0 and -0.1"),
        ({"folds": 1}, "at least 2 folds, got 1"),
        ({"folds": 21}, "21 parts need at least as many groups, got 20"),
        ({"folds": "groups"}, "a number, 'group' or 'given', got 'groups'"),
    ],
    ids=["all-gone", "negative", "one-fold", "too-many-folds", "folds-word"],
)
def test_an_impossible_split_is_refused(corpus, settings, reason):
    with pytest.raises(ValueError, match=reason):
        split_manifest(corpus, **settings)


def test_no_training_clips_are_no_folds(corpus):
    with pytest.raises(ValueError, match="5 parts need at least as many groups, got 0"):
        split_manifest(with_splits(corpus, "test"))


def test_given_folds_are_kept_as_they_are(tmp_path):
    table = pd.DataFrame(
        {
            "path": list("abcdef"),
            "labels": list("xyxyxy"),
            "group": list("abcdef"),
            "fold": [4, 4, 7, 7, 2, ""],
            "split": ["train"] * 5 + ["test"],
        }
    )
    kept = split_manifest(make_manifest(table, tmp_path), folds="given")
    assert kept.clips["fold"].tolist() == [4, 4, 7, 7, 2, -1]


def test_given_folds_that_are_missing_are_named(tmp_path):
    table = pd.DataFrame({"path": list("abc"), "labels": list("xyx"), "group": list("abc")})
    with pytest.raises(ValueError, match="3 of 3 have none: a, b, c"):
        split_manifest(make_manifest(table, tmp_path), folds="given")
