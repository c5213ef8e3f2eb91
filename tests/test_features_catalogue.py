"""The catalogue: every part is checked, documented and gives the contours that it names."""

import ast
from pathlib import Path

import numpy as np
import pytest

from features.analysis import ClipAnalysis
from features.catalogue import CATALOGUE, FUNCTIONAL_FAMILIES
from features.descriptions import locate_test
from features.docstrings import read_docstring
from features.feature_set import FeatureSet
from features.functionals import list_functionals
from features.named_sets import get_feature_set, join_feature_sets, list_feature_sets
from features.part_variants import default_settings

ROOT = Path(__file__).resolve().parents[1]


def functions_in(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_part_names_a_reference_a_tolerance_and_the_test_that_compares_them(name):
    entry = CATALOGUE[name]
    assert entry.checks, f"{name} has no check: what says that its numbers are right?"
    for check in entry.checks:
        assert check.reference
        assert check.tolerance
        file, _, function = locate_test(entry.part, check).partition("::")
        assert (ROOT / file).is_file(), f"{name}: there is no {file}"
        assert function in functions_in(ROOT / file), f"{name}: {file} has no {function}"


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_part_says_what_it_gives(name):
    doc = read_docstring(CATALOGUE[name].part.descriptor)
    assert doc.summary
    assert "n_frames)" in doc.gives[0] or "n_segments)" in doc.gives[0]
    assert doc.gives[1], "unit, range and what silence gives belong under Returns"
    documented = [name for name, (_, meaning) in doc.settings.items() if meaning]
    assert documented == list(default_settings(CATALOGUE[name].part.descriptor))


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_part_names_all_contours_of_its_descriptor(name):
    part = CATALOGUE[name].part
    settings = FeatureSet("any", ()).settings
    contours = part.descriptor(ClipAnalysis(np.zeros(1), **settings), **dict(part.settings))
    assert len(part.contours) == len(contours)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_features_of_a_part_begin_with_its_name_or_group(name):
    part = CATALOGUE[name].part
    assert name.startswith(part.name)
    assert set(part.functionals) <= set(list_functionals())


def test_one_name_of_a_descriptor_means_one_function():
    functions = {entry.part.descriptor for entry in CATALOGUE.values()}
    assert len({function.__name__ for function in functions}) == len(functions)


def test_families_hold_functionals_and_are_none_themselves():
    for name, functionals in FUNCTIONAL_FAMILIES.items():
        assert set(functionals) <= set(list_functionals())
        assert name not in list_functionals()


def test_the_parts_of_the_catalogue_can_all_be_in_one_set():
    FeatureSet("all", tuple(entry.part for entry in CATALOGUE.values()))


def test_names_joined_are_the_sets_one_after_the_other():
    first = FeatureSet("first-v1", (CATALOGUE["mfcc"].part,))
    second = FeatureSet("second-v1", (CATALOGUE["chroma"].part,))
    both = join_feature_sets([first, second])
    assert both.name == "first-v1+second-v1"
    assert both.feature_names == first.feature_names + second.feature_names
    assert both.digest != (second + first).digest
    row = both.compute(np.sin(np.arange(5000)))
    np.testing.assert_array_equal(row[:160], first.compute(np.sin(np.arange(5000))))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("standard-v1+compact-v1", "'standard-v1' and 'compact-v1' have n_mels 40 and 128"),
        ("compact-v1+compact-v1", r"got twice: \['mfcc_00_mean', .* and 23 more"),
        ("standard-v1+opensmile-egemaps-v02", "'opensmile-egemaps-v02' cannot be joined"),
        ("standard-v1+compakt-v1", "got 'compakt-v1', did you mean 'compact-v1'"),
    ],
    ids=["other-settings", "twice", "opensmile", "misspelt"],
)
def test_sets_that_cannot_be_joined_say_why(name, message):
    with pytest.raises(ValueError, match=message):
        get_feature_set(name)


@pytest.mark.parametrize("name", list_feature_sets())
def test_a_set_says_what_it_is_for_and_how_large_it_is(name):
    feature_set = get_feature_set(name)
    assert feature_set.summary
    assert sum(feature_set.n_by_group.values()) == feature_set.n_features
