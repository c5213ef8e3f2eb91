"""Two labelings of the same clips: agreement by clip, by cell and by label."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, hamming_loss

from features.labelling.comparison import compare_labelings
from features.manifest import make_manifest


def labelling(rows, **columns):
    table = {"path": list(rows), "labels": list(rows.values()), "group": list(rows)}
    return make_manifest(pd.DataFrame(table | columns), ".")


def test_shares_of_clips_and_cells_are_those_counted_by_hand():
    first = labelling({"a": "cel", "b": "cel;vio", "c": "vio", "d": ""})
    second = labelling({"a": "cel", "b": "vio", "c": "cel", "d": ""})
    found = compare_labelings(first, second)
    assert found.n_clips == 4
    assert found.exact_match == 0.5  # a and d
    assert found.at_least_one == pytest.approx(2 / 3)  # a and b; d gives none
    assert found.hamming == 5 / 8
    assert found.labels.loc["cel", ["both", "only_first", "only_second", "neither"]].tolist() == [
        1,
        1,
        1,
        1,
    ]
    assert found.labels.loc["cel", "agreement"] == 0.5
    assert found.labels.loc["cel", "kappa"] == 0.0
    assert found.clips.to_dict("records") == [
        {"clip_id": "b", "first": "cel;vio", "second": "vio"},
        {"clip_id": "c", "first": "vio", "second": "cel"},
    ]


def test_clips_are_joined_by_id_whatever_their_order_and_strays_are_counted():
    first = labelling({"a": "x", "b": "y", "c": "x"})
    second = labelling({"d": "x", "b": "y", "a": "x"})
    found = compare_labelings(first, second)
    assert (found.n_clips, found.n_only_first, found.n_only_second) == (2, 1, 1)
    assert found.exact_match == 1.0
    assert found.clips.empty


def test_unknown_cells_count_nowhere():
    first = labelling({"a": "x", "b": "y"}, unknown_labels=["y", ""])
    second = labelling({"a": "x;y", "b": "y"})
    found = compare_labelings(first, second)
    assert found.exact_match == 1.0
    assert found.labels.loc["y", "both"] == 1
    assert found.labels.loc["y", ["both", "only_first", "only_second", "neither"]].sum() == 1


def test_agreement_is_that_of_scikit_learn(rng):
    names = np.array(list("vwxyz"), dtype=object)
    a, b = rng.random((2, 200, 5)) < 0.3
    rows = [{f"{i}": ";".join(names[row]) for i, row in enumerate(truth)} for truth in (a, b)]
    found = compare_labelings(*map(labelling, rows))
    assert found.hamming == pytest.approx(1 - hamming_loss(a, b))
    for i, name in enumerate(names):
        assert found.labels.loc[name, "kappa"] == pytest.approx(cohen_kappa_score(a[:, i], b[:, i]))


def test_a_label_that_all_have_in_both_has_no_kappa_and_json_says_null():
    found = compare_labelings(labelling({"a": "x", "b": "x"}), labelling({"a": "x", "b": "x"}))
    assert np.isnan(found.labels.loc["x", "kappa"])
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["labels"]["x"]["kappa"] is None


def test_labelings_of_other_clips_are_refused_with_examples():
    with pytest.raises(ValueError, match=r"must share clips.*a, b against c"):
        compare_labelings(labelling({"a": "x", "b": "x"}), labelling({"c": "x"}))


def test_labelings_without_any_label_are_refused():
    with pytest.raises(ValueError, match="at least one of the labelings must give labels"):
        compare_labelings(labelling({"a": ""}), labelling({"a": ""}))
