"""Recipes and cards as files: what they hold is computed, what is wrong with them is said."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from features.extraction import extract_table
from features.feature_set_files import find_feature_set, read_feature_set
from features.manifest import make_manifest
from features.named_sets import get_feature_set

RECIPE = """
name: mine
sr: 16000
parts:
  - spectral_moments
  - part: mfcc
    contours: 13
    functionals: [mean, std]
"""


def recipe(folder, text, name="recipe.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def test_a_recipe_is_a_set(tmp_path):
    mine = read_feature_set(recipe(tmp_path, RECIPE))
    assert (mine.name, mine.sr, mine.n_features) == ("mine", 16000, 32 + 26)


def test_a_recipe_without_a_name_has_that_of_its_file(tmp_path):
    assert read_feature_set(recipe(tmp_path, "parts: [rms]", "loud.yml")).name == "loud"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parts: [rms]\nhop: 3", "there is no key 'hop', did you mean 'hop_length'"),
        ("parts: [mfc]", r"recipe.yaml: .*no part 'mfc', did you mean 'mfcc'\?"),
        ("name: standard-v1\nparts: [rms]", "'standard-v1' is the name of another set"),
        ("name: 3\nparts: [rms]", "a name must consist of letters, digits.* got 3"),
        ("name: a+b\nparts: [rms]", r"a name must consist of .* got 'a\+b'"),
        ("name: mine", "parts must be a list of at least one part"),
        ("- rms", "a recipe must be a mapping with 'parts', got list"),
        ("", "a recipe must be a mapping with 'parts', got NoneType"),
        ("parts: [rms]\nparts: [mfcc]", "there twice: parts"),
        ("parts: [rms", "recipe.yaml: not YAML: while parsing a flow sequence"),
        ("parts: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
    ids=["key", "part", "taken", "number", "plus", "no-parts", "list", "empty", "twice", "torn",
         "code"],
)  # fmt: skip
def test_a_mistake_in_a_recipe_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_feature_set(recipe(tmp_path, text))


def test_all_mistakes_in_a_recipe_are_named_at_once(tmp_path):
    text = "nam: x\nsr: fast\nparts: [mfc, {part: rms, functionals: [maximum]}]"
    with pytest.raises(ValueError, match=r"'nam'.* sr must be .*'mfc'.*'maximum'"):
        read_feature_set(recipe(tmp_path, text))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table made with a recipe."""
    root = tmp_path_factory.mktemp("made")
    soundfile.write(root / "a.wav", np.sin(np.arange(4000)), 16000)
    mine = read_feature_set(recipe(root, RECIPE))
    manifest = make_manifest(pd.DataFrame({"path": ["a.wav"], "group": ["a"]}), root)
    extract_table(manifest, root / "X.parquet", feature_set=mine, use_cache=False)
    return root / "X.parquet"


@pytest.mark.parametrize("ending", ["", ".card.json"])
def test_a_table_reproduces_the_set_it_was_made_with(table, ending):
    again = read_feature_set(f"{table}{ending}")
    assert again == read_feature_set(table.with_name("recipe.yaml"))


def test_the_card_of_a_set_alone_is_enough(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps(get_feature_set("compact-v1").card()))
    assert read_feature_set(path) == get_feature_set("compact-v1")


def test_a_table_of_another_revision_names_what_to_install(table, tmp_path):
    card = json.loads(table.with_name("X.parquet.card.json").read_text())
    card["feature_set"]["revision"] = 0
    card["versions"]["timbrestack"] = "9.9"
    (tmp_path / "old.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match=r"old\.json: .*revision 0 .* install timbrestack 9\.9"):
        read_feature_set(tmp_path / "old.json")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1]", "a card must be an object, got list"),
        ("a.json", "{", "a.json: Expecting property name"),
        ("a.json", "{}", "the card of a feature set is damaged"),
        ("a.json", '{"feature_set": 3}', "the card of a feature set is damaged"),
        ("a.json", '{"feature_set": {}, "versions": 3}', "damaged"),
        ("a.txt", "", r"must end in \.yaml, \.yml, \.json, \.parquet, got .*a\.txt"),
    ],
    ids=["list", "torn", "empty", "number", "versions", "ending"],
)
def test_a_file_without_a_set_is_refused(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        find_feature_set(str(recipe(tmp_path, text, name)))


@pytest.mark.parametrize("name", ["no.yaml", "no.json", "no.parquet", "standard-v1+no.yaml"])
def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no such file: no\."):
        find_feature_set(name)


def test_a_name_comes_before_a_file_of_that_name_and_sums_take_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "standard-v1").touch()
    recipe(tmp_path, "parts: [{part: chroma, column: pitch_class}]", "more.yaml")
    assert find_feature_set("standard-v1") == get_feature_set("standard-v1")
    both = find_feature_set("standard-v1+more.yaml")
    assert both.name == "standard-v1+more"
    assert both.n_features == get_feature_set("standard-v1").n_features + 96
