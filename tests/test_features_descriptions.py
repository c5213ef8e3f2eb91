"""What is said of descriptors and sets is what the code has, and docs/features.md says no other."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from features.analysis import ClipAnalysis
from features.catalogue import CATALOGUE, FUNCTIONAL_FAMILIES
from features.catalogue_page import COMMAND, FUNCTIONALS, render_page
from features.composition import compose_feature_set
from features.descriptions import describe, list_all, render_text
from features.docstrings import read_docstring
from features.functionals import list_functionals
from features.named_sets import get_feature_set, list_feature_sets
from features.naming import abbreviate, did_you_mean

PAGE = Path(__file__).resolve().parents[1] / "docs" / "features.md"


def example(
    analysis: ClipAnalysis, *, width: int = 3, height: float = 0.5, depth: float = 1.0
) -> np.ndarray:
    """Say one thing
    in two lines.

    More of it,

    in two paragraphs.

    Parameters
    ----------
    analysis : ClipAnalysis
        The clip.
    width : int
        Frames,
        on both sides.
    height, depth : float
        Shares.

    Returns
    -------
    np.ndarray of shape (1, n_frames), float64
        Hz; 0 in silence.

    Notes
    -----
    ``a - b``

    References
    ----------
    Somebody (1999).
    """


def test_a_docstring_comes_apart_into_its_sections():
    doc = read_docstring(example)
    assert doc.summary == "Say one thing in two lines."
    assert doc.extended == "More of it,\n\nin two paragraphs."
    assert list(doc.settings) == ["width", "height", "depth"]
    assert doc.settings["depth"] == ("float", "Shares.")
    assert doc.settings["width"] == ("int", "Frames,\non both sides.")
    assert doc.gives == ("np.ndarray of shape (1, n_frames), float64", "Hz; 0 in silence.")
    assert (doc.notes, doc.references) == ("``a - b``", "Somebody (1999).")


def test_a_docstring_of_one_line_has_a_summary_only():
    doc = read_docstring(lambda analysis: None)
    assert (doc.summary, doc.gives, doc.settings) == ("", ("", ""), {})


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ([], ""),
        (["a"], "a"),
        (["00", "01"], "00, 01"),
        (["00", "01", "02", "04"], "00 to 02, 04"),
        (["a_9", "a_10", "a_11", "b"], "a_9 to a_11, b"),
        (["08", "09", "10"], "08 to 10"),
        (["50", "85", "95"], "50, 85, 95"),
    ],
)
def test_names_in_sequence_are_a_range(names, short):
    assert abbreviate(names) == short


def test_the_nearest_name_is_suggested_or_none():
    assert did_you_mean("spectral_flx", CATALOGUE) == ", did you mean 'spectral_flux'?"
    assert did_you_mean("hop", ["sr", "hop_length"]) == ", did you mean 'hop_length'?"
    assert did_you_mean("zebra", CATALOGUE) == ""


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_descriptor_is_described_by_formula_unit_columns_sets_and_checks(name):
    part = CATALOGUE[name].part
    described = json.loads(json.dumps(describe(name)))
    text = render_text(described)
    for word in (name, described["group"], described["function"], described["shape"], "Columns"):
        assert word in text
    assert described["n_features"] == len(part.contours) * len(part.functionals)
    held = [
        key
        for key in list_feature_sets()
        if any(column.startswith(f"{part.name}_") for column in described_columns(key))
    ]
    assert set(described["sets"]) <= set(held)
    assert "`" not in text


def described_columns(name):
    feature_set = get_feature_set(name)
    return feature_set.feature_names if hasattr(feature_set, "parts") else []


@pytest.mark.parametrize("name", list_feature_sets())
def test_a_set_is_described_by_parts_settings_and_digest(name):
    described = json.loads(json.dumps(describe(name)))
    assert described["digest"] == get_feature_set(name).digest
    assert sum(described["groups"].values()) == described["n_features"]
    if described["parts"]:
        assert sum(part["n_features"] for part in described["parts"]) == described["n_features"]
    else:
        assert "16 kHz" in described["notes"]
        assert "level is heard" in described["notes"]
    assert described["summary"] in render_text(described)


def test_a_recipe_and_a_table_can_be_described_too(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("parts: [rms]")
    assert describe(str(path))["n_features"] == 28
    mine = compose_feature_set("mine", ["mfcc"])
    (tmp_path / "card.json").write_text(json.dumps(mine.card()))
    assert describe(str(tmp_path / "card.json"))["digest"] == mine.digest


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(
        ValueError, match=r"no feature set or descriptor 'mfc', did you mean 'mfcc'\?"
    ):
        describe("mfc")
    with pytest.raises(ValueError, match=r"'compactv1', did you mean 'compact-v1'\?"):
        describe("compactv1")


def test_the_list_has_every_set_and_every_descriptor():
    listed = list_all()
    assert [each["name"] for each in listed["sets"]] == list_feature_sets()
    assert [each["name"] for each in listed["descriptors"]] == list(CATALOGUE)
    assert all(each["summary"] for each in [*listed["sets"], *listed["descriptors"]])


def test_the_page_in_docs_is_what_the_catalogue_gives_now():
    told = f"docs/features.md is out of date; make it anew: {COMMAND}"
    assert PAGE.read_text(encoding="utf-8") == render_page(), told


def test_the_page_has_every_functional_in_a_family_and_every_family_explained():
    named = {name for names in FUNCTIONAL_FAMILIES.values() for name in names}
    assert named == set(list_functionals())
    text = render_page()
    for name in FUNCTIONAL_FAMILIES:
        assert f"| `{name}` |" in text
    for function in FUNCTIONALS:
        assert read_docstring(function).summary in text


def test_the_recipe_on_the_page_can_be_computed():
    text = re.search(r"```yaml\n(.*?)```", render_page(), re.DOTALL).group(1)
    recipe = yaml.safe_load(text)
    mine = compose_feature_set(recipe["name"], recipe["parts"], sr=recipe["sr"])
    assert "rolloff_25_mean" in mine.feature_names
    assert "mfcc_delta_12_p90" in mine.feature_names
    assert np.isfinite(mine.compute(np.sin(np.arange(9000)))).all()
