"""How well a split kept labels in proportion, against groups dealt at random."""

import numpy as np
import pandas as pd
import pytest

from features.manifest import make_manifest
from features.split_quality import measure_split, name_parts
from features.splitting import split_manifest


def make(labels, groups, **columns):
    table = {"path": [f"{i}.wav" for i in range(len(labels))], "labels": labels, "group": groups}
    return make_manifest(pd.DataFrame(table | columns), ".")


def test_a_split_in_perfect_proportion_deviates_by_nothing():
    manifest = make(["a", "b"] * 4, list("ccddeeff"), fold=[0, 0, 1, 1, 2, 2, 3, 3])
    quality = measure_split(manifest)
    assert quality.deviation == 0.0
    assert quality.missing == 0
    assert quality.parts.index.tolist() == ["fold 0", "fold 1", "fold 2", "fold 3"]
    assert quality.parts["a"].tolist() == [1, 1, 1, 1]


def test_labels_kept_apart_deviate_by_their_whole_share():
    # Shares in the folds are 1 and 0 where the whole has 0.5: each is off by 0.5 / 0.5.
    manifest = make(["a", "a", "b", "b"], list("cdef"), fold=[0, 0, 1, 1])
    quality = measure_split(manifest)
    assert quality.deviation == 1.0
    assert quality.missing == 2


def test_parts_are_folds_in_order_then_splits():
    manifest = make(
        ["a"] * 14,
        [str(i) for i in range(14)],
        split=["train"] * 12 + ["validation", "test"],
        fold=[*range(11), 0, "", ""],
    )
    parts = measure_split(manifest).parts
    assert parts.index.tolist() == [f"fold {i}" for i in range(11)] + ["validation", "test"]
    assert parts["clips"].tolist() == [2] + [1] * 12
    assert name_parts(manifest).iloc[-1] == "test"


def test_unknown_cells_count_in_no_share():
    # Fold 1 knows of one clip only, which has the label: its share is 1 of 1, fold 0's 1 of 2.
    manifest = make(
        ["a", "", "a", ""],
        list("cdef"),
        fold=[0, 0, 1, 1],
        unknown_labels=["", "", "", "a"],
    )
    whole = 2 / 3
    expected = np.mean([abs(0.5 - whole) / whole, abs(1.0 - whole) / whole])
    assert measure_split(manifest).deviation == pytest.approx(expected)


def test_stratified_folds_keep_labels_better_than_random_ones(rng):
    labels = [";".join(rng.choice(list("abcdefgh"), 2, replace=False)) for _ in range(600)]
    groups = rng.integers(0, 150, 600).astype(str)
    quality = measure_split(split_manifest(make(labels, groups), folds=5))
    assert quality.deviation < 0.5 * quality.random_deviation
    assert quality.parts["clips"].sum() == 600
    assert quality.parts["groups"].sum() == len(set(groups))


def test_the_random_deals_are_as_bad_as_a_random_deal(rng):
    labels = rng.choice(list("abcd"), 400).tolist()
    groups = [str(i) for i in range(400)]
    found = [measure_split(make(labels, groups, fold=rng.integers(0, 5, 400))) for _ in range(20)]
    deviations = [quality.deviation for quality in found]
    assert np.mean(deviations) == pytest.approx(found[0].random_deviation, rel=0.15)


def test_the_same_seed_gives_the_same_numbers():
    manifest = make(["a", "b", "a", "c"], list("wxyz"), fold=[0, 0, 1, 1])
    assert measure_split(manifest, seed=3).as_dict() == measure_split(manifest, seed=3).as_dict()


def test_a_manifest_without_labels_has_nothing_to_deviate_from():
    with pytest.warns(UserWarning, match="siblings"):
        manifest = make_manifest(pd.DataFrame({"path": ["a.wav", "b.wav"]}), ".")
    quality = measure_split(manifest)
    assert (quality.deviation, quality.random_deviation, quality.missing) == (0.0, 0.0, 0)
