"""Labels of both kinds come out the same; anything else is refused with the reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.exceptions import DataConversionWarning

from classical.labels import check_labels


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        pytest.param(["flute", "cello", "flute"], ["cello", "flute"], id="list of texts"),
        pytest.param(np.array([7, 3, 7]), [3, 7], id="integers"),
        pytest.param(np.array([True, False, True]), [False, True], id="booleans"),
        pytest.param(np.array(["b", "a", "b"], dtype=object), ["a", "b"], id="object texts"),
        pytest.param(pd.Series(["b", "a", "b"]), ["a", "b"], id="pandas texts"),
        pytest.param(pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"], id="categories"),
    ],
)
def test_one_label_a_row_becomes_a_one_hot_indicator(y, classes):
    labels = check_labels(y)
    assert labels.classes.tolist() == classes
    assert not labels.multilabel
    assert labels.indicator.dtype == np.int8
    np.testing.assert_array_equal(labels.indicator, [[0, 1], [1, 0], [0, 1]])


def test_text_classes_can_be_saved_without_pickle():
    assert check_labels(np.array(["b", "a"], dtype=object)).classes.dtype.kind == "U"


@pytest.mark.parametrize("dtype", [int, np.int8, float, object])
def test_an_indicator_keeps_its_unknown_cells(dtype):
    labels = check_labels(np.array([[1, 0], [-1, 1]], dtype=dtype))
    assert labels.multilabel
    assert labels.classes.tolist() == [0, 1]
    assert labels.indicator.dtype == np.int8
    np.testing.assert_array_equal(labels.indicator, [[1, 0], [-1, 1]])


def test_a_boolean_indicator_is_an_indicator():
    np.testing.assert_array_equal(check_labels([[True, False]]).indicator, [[1, 0]])


def test_one_indicator_column_is_multilabel():
    labels = check_labels(np.array([[1], [0], [-1]]))
    assert labels.multilabel
    assert labels.indicator.shape == (3, 1)


def test_one_column_of_names_is_read_as_single_label():
    with pytest.warns(DataConversionWarning):
        labels = check_labels(np.array([["flute"], ["cello"]]))
    assert labels.classes.tolist() == ["cello", "flute"]


@pytest.mark.parametrize(("y", "binary"), [([0, 1], True), ([0, 1, 2], False), ([[0, 1]], False)])
def test_binary_means_two_classes_of_which_each_row_has_one(y, binary):
    assert check_labels(y).is_binary is binary


@pytest.mark.parametrize(
    ("y", "message"),
    [
        pytest.param(None, "requires y to be passed", id="none"),
        pytest.param([], "at least one label", id="empty"),
        pytest.param(np.empty((0, 3)), r"rows and columns, got shape \(0, 3\)", id="no rows"),
        pytest.param([0.5, 1.5], "Unknown label type", id="continuous"),
        pytest.param([1.0, np.nan], "NaN", id="nan"),
        pytest.param(np.array(["a", 1], dtype=object), "got also int", id="mixed"),
        pytest.param(["a", 1], r"got also int \(1\)\. Convert them with .*astype", id="mixed list"),
        pytest.param(("a", 2.5), "got also float", id="mixed tuple"),
        pytest.param(["a", True], "got also bool", id="truth among texts"),
        pytest.param(np.array(["a", None], dtype=object), "got also NoneType", id="missing"),
        pytest.param(["a", None], "leave rows with a missing label out", id="missing in a list"),
        pytest.param([[1.0, np.nan]], "write an unknown label as -1", id="nan in indicator"),
        pytest.param([[1, 2], [0, -3]], r"got also \[-3\.?0?, 2\.?0?\]", id="other values"),
        pytest.param([[0.5, 1.0]], r"got also \[0.5\]", id="fractions"),
        pytest.param([["a", "b"]], "got dtype <U1", id="texts in two columns"),
        pytest.param(np.zeros((2, 2, 2)), "dim 3", id="three dimensions"),
    ],
)
def test_what_is_no_label_is_refused_with_the_reason(y, message):
    with pytest.raises(ValueError, match=message):
        check_labels(y)


@given(
    arrays(np.int8, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.integers(-1, 1))
)
def test_any_indicator_comes_back_unchanged(indicator):
    np.testing.assert_array_equal(check_labels(indicator.tolist()).indicator, indicator)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=5),
        min_size=1,
    )
)
def test_any_texts_can_be_recovered_from_classes_and_indicator(texts):
    labels = check_labels(texts)
    assert labels.classes[labels.indicator.argmax(axis=1)].tolist() == texts
