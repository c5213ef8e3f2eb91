"""Blocks to mix in: groups whole, folds kept, labels enough, none in two."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from features.manifest import make_manifest, read_manifest, write_manifest
from features.synthesis.blocks import (
    BLOCKS_WANTED,
    LABELS_PER_VOICE,
    Block,
    deal_blocks,
    gather_blocks,
    share_mixes,
)


def manifest_of(root="/corpus", **columns):
    return make_manifest(pd.DataFrame(columns), root)


def notes(n_labels, n_groups, *, n_clips=2, **columns):
    """A manifest of so many groups a label, each of a few clips of one label."""
    labels = np.repeat([f"label{k}" for k in range(n_labels)], n_groups * n_clips)
    numbers = np.tile(np.repeat(np.arange(n_groups), n_clips), n_labels)
    groups = [f"{label}-{number}" for label, number in zip(labels, numbers, strict=True)]
    paths = [f"{k}.wav" for k in range(len(labels))]
    return manifest_of(path=paths, labels=labels, group=groups, **columns)


def blocks_of(dealt):
    """Rows of each block."""
    return dealt.clips.groupby("group").indices.values()


@st.composite
def corpora(draw):
    """Rows in groups, of any labels, some splits with folds of their own."""
    n_labels, n_groups = draw(st.integers(2, 5)), draw(st.integers(8, 30))
    group_of_row = draw(st.lists(st.integers(0, n_groups - 1), min_size=30, max_size=60))
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    splits = draw(st.sampled_from([[""], ["train", "train", "test"], ["train", "validation"]]))
    split_of_group = rng.choice(splits, n_groups)
    fold_of_group = rng.integers(0, 3, n_groups) if draw(st.booleans()) else None
    labels = [
        ";".join(f"l{k}" for k in range(n_labels) if rng.random() < 0.5) for _ in group_of_row
    ]
    table = {
        "path": [f"{k}.wav" for k in range(len(group_of_row))],
        "labels": labels,
        "group": [f"g{group}" for group in group_of_row],
        "split": split_of_group[group_of_row],
    }
    if fold_of_group is not None:
        table["fold"] = fold_of_group[group_of_row]
    return manifest_of(**table), seed


@given(corpora(), st.integers(1, 3) | st.none())
def test_no_group_is_torn_and_no_block_crosses_a_split_or_fold(corpus, n_blocks):
    manifest, seed = corpus
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            dealt = deal_blocks(
                manifest, voices=(2, 3), n_folds=2, n_blocks=n_blocks, seed=seed % 1000
            )
        except ValueError as exc:
            assert "ask for fewer" in str(exc)  # noqa: PT017 - a corpus too small is refused
            assume(False)
    clips = dealt.clips
    assert clips["clip_id"].tolist() == manifest.clips["clip_id"].tolist()
    assert (clips["source_group"] == manifest.clips["group"]).all()
    assert (clips.groupby("source_group")["group"].nunique() == 1).all()
    for column in ("split", "fold"):
        assert (clips.groupby("group")[column].nunique() == 1).all()
    assert (clips["split"] == manifest.clips["split"].replace("", "train")).all()
    assert (clips.loc[clips["split"] == "train", "fold"] >= 0).all()
    for rows in blocks_of(dealt):
        assert (dealt.select(rows).label_matrix(dealt.classes) == 1).any(axis=0).sum() >= 2


def test_a_large_corpus_makes_five_blocks_in_each_of_five_folds():
    dealt = deal_blocks(notes(8, 50))
    counts = dealt.clips.groupby("fold")["group"].nunique()
    assert counts.to_dict() == dict.fromkeys(range(5), 5)
    assert dealt.clips["group"].nunique() == BLOCKS_WANTED
    assert dealt.clips.loc[0, "group"].startswith("train-fold-")
    labels = [len(dealt.select(rows).classes) for rows in blocks_of(dealt)]
    assert min(labels) == 8


def test_clips_of_a_block_are_spread_evenly():
    sizes = [len(rows) for rows in blocks_of(deal_blocks(notes(8, 50)))]
    assert max(sizes) - min(sizes) <= 8


def test_few_groups_make_fewer_blocks_with_a_warning():
    # Each fold has two groups of each of six labels: no third block could have six labels.
    with pytest.warns(UserWarning, match=r"of 60 groups, make 10 blocks .* needs 20"):
        dealt = deal_blocks(notes(6, 10))
    assert dealt.clips.groupby("fold")["group"].nunique().tolist() == [2] * 5


@pytest.mark.parametrize("voices", [(2, 2), (2, 4)], ids=str)
def test_blocks_hold_twice_as_many_labels_as_a_mix_has_voices(voices):
    with pytest.warns(UserWarning, match="make .* blocks"):
        dealt = deal_blocks(notes(12, 6, n_clips=1), voices=voices, n_folds=3)
    labels = [len(dealt.select(rows).classes) for rows in blocks_of(dealt)]
    assert min(labels) >= LABELS_PER_VOICE * voices[1]


def test_folds_of_the_manifest_are_kept():
    folds = [k // 2 % 3 for k in range(4 * 12 * 2)]
    manifest = notes(4, 12, fold=folds)
    dealt = deal_blocks(manifest, n_blocks=2, n_folds=5)
    assert dealt.clips["fold"].tolist() == folds
    assert dealt.clips.groupby("fold")["group"].nunique().tolist() == [2, 2, 2]


def test_validation_and_test_are_dealt_apart_and_have_no_folds():
    splits = [("train", "train", "test")[k // 2 % 3] for k in range(4 * 30 * 2)]
    dealt = deal_blocks(notes(4, 30, split=splits), n_blocks=3, n_folds=4)
    test = dealt.clips[dealt.clips["split"] == "test"]
    assert sorted(set(test["group"])) == ["test-block-00", "test-block-01", "test-block-02"]
    assert set(test["fold"]) == {-1}
    assert dealt.clips.loc[dealt.clips["split"] == "train", "group"].nunique() == 12


def test_a_split_that_is_not_mixed_keeps_its_groups():
    splits = [("train", "test")[k // 2 % 2] for k in range(4 * 30 * 2)]
    manifest = notes(4, 30, split=splits)
    dealt = deal_blocks(manifest, n_blocks=3, splits=["test"])
    train = (dealt.clips["split"] == "train").to_numpy()
    assert dealt.clips.loc[train, "group"].tolist() == manifest.clips.loc[train, "group"].tolist()
    assert set(dealt.clips.loc[train, "fold"]) == {-1}
    assert dealt.clips.loc[~train, "group"].nunique() == 3


def test_dealing_is_the_same_for_a_seed_and_another_for_another():
    first, again, other = (deal_blocks(notes(8, 50), seed=seed) for seed in (1, 1, 2))
    assert first.clips.equals(again.clips)
    assert not first.clips["group"].equals(other.clips["group"])


def test_windows_of_one_recording_stay_together():
    manifest = manifest_of(
        path=[f"{k // 4}.wav" for k in range(160)],
        start_s=[float(k % 4) for k in range(160)],
        end_s=[float(k % 4 + 1) for k in range(160)],
        labels=[f"label{k // 4 % 4}" for k in range(160)],
        group=[f"{k // 4}" for k in range(160)],
        parent=[f"{k // 4}.wav" for k in range(160)],
    )
    dealt = deal_blocks(manifest, n_folds=2, n_blocks=3)
    assert (dealt.clips.groupby("parent")["group"].nunique() == 1).all()


def test_what_was_dealt_is_a_manifest_again(tmp_path):
    dealt = replace(deal_blocks(notes(8, 50)), root=tmp_path)
    write_manifest(dealt, tmp_path / "m.csv")
    assert read_manifest(tmp_path / "m.csv").clips["group"].equals(dealt.clips["group"])


@pytest.mark.parametrize(
    ("manifest", "settings", "reason"),
    [
        (notes(3, 4), {"n_blocks": 0}, "at least 1 block in each fold, got 0"),
        (notes(3, 4), {"n_folds": 13}, "13 folds need at least as many groups, the train clips"),
        (notes(3, 4), {"n_folds": 2, "n_blocks": 7}, "7 blocks need .*train-fold-0 has 6"),
        (notes(3, 4), {"n_folds": 2, "n_blocks": 4}, "must have at least 2 labels to mix"),
        (notes(1, 9), {"n_folds": 2}, "one of 1 has 1; ask for fewer blocks"),
        (notes(2, 4, fold=[0, 0, 1, 1] * 3 + [""] * 4), {}, "12 of 16 have"),
        (notes(2, 4), {"splits": ["test"]}, r"clips \(train\), got 'test'"),
        (notes(2, 4), {"splits": []}, "got none"),
    ],
    ids=["none", "folds", "groups", "labels", "one-label", "half-folds", "split", "no-split"],
)
def test_what_cannot_be_dealt_is_refused(manifest, settings, reason):
    with pytest.raises(ValueError, match=reason):
        deal_blocks(manifest, **settings)


def test_blocks_gather_their_labelled_clips():
    manifest = manifest_of(
        path=["a.wav", "b.wav", "c.wav", "d.wav"],
        labels=["x", "y", "", "x;z"],
        unknown_labels=["", "z;w", "*", ""],
        group=["A", "A", "A", "B"],
        split=["train", "train", "train", "test"],
        fold=[1, 1, 1, ""],
        genre=["jazz", "", "pop", "jazz"],
    )
    first, second = gather_blocks(manifest, column="genre")
    assert [first.name, first.split, first.fold, first.key] == ["A", "train", 1, (0, 2, 0)]
    assert [source.clip_id for source in first.sources] == ["a.wav", "b.wav"]
    assert first.sources[1].unknown == {"z", "w"}
    assert first.sources[0].clip.path == "/corpus/a.wav"
    assert np.isnan(first.sources[1].value)
    assert first.sources[0].value == second.sources[0].value
    assert second.sources[0].labels == {"x", "z"}
    assert [block.name for block in gather_blocks(manifest, splits=["test"])] == ["B"]


@pytest.mark.parametrize(
    ("n_mixes", "expected"), [(None, [3, 5, 0]), (8, [3, 5, 0]), (3, [1, 2, 0]), (16, [6, 10, 0])]
)
def test_mixes_are_shared_out_by_the_number_of_sources(n_mixes, expected):
    blocks = [Block(str(n), "train", 0, (0,), [None] * n, n) for n in (3, 5, 0)]
    assert [block.n_mixes for block in share_mixes(blocks, n_mixes)] == expected
