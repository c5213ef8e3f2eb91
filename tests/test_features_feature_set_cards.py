"""From a card back to the set: the same digest, or a reason why not."""

import json

import pytest

from features.cepstral import mfcc
from features.composition import compose_feature_set
from features.feature_set import FeatureSet, Part, grouped_columns
from features.feature_set_cards import feature_set_from_card
from features.functionals import ENVELOPE, POINTS
from features.named_sets import get_feature_set, list_feature_sets
from features.temporal import rms


def written(card):
    """Give a card as it comes back from a file."""
    return json.loads(json.dumps(card))


@pytest.mark.parametrize("name", list_feature_sets())
def test_the_card_of_a_named_set_gives_the_set(name):
    feature_set = get_feature_set(name)
    again = feature_set_from_card(written(feature_set.card()))
    assert again == feature_set
    assert again.digest == feature_set.digest


def test_the_card_of_a_set_of_ones_own_gives_the_set():
    parts = [
        {"part": "spectral_rolloff", "settings": {"fractions": [0.25]}},
        {"part": "spectral_moments", "contours": ["skewness", "centroid"]},
        {"part": "chroma", "delta": 1, "functionals": ["max"]},
    ]
    mine = compose_feature_set("mine", parts, sr=16000, segment_s=0.05)
    assert feature_set_from_card(written(mine.card())) == mine


def test_parts_that_the_catalogue_holds_in_one_may_have_been_several():
    parts = tuple(
        Part("temporal", "rms", rms, functionals=functionals) for functionals in (POINTS, ENVELOPE)
    )
    before = FeatureSet("before-v1", parts)
    assert feature_set_from_card(before.card()) == before


def test_settings_that_are_the_defaults_are_kept_as_the_card_has_them():
    contours = tuple(f"{k:02d}" for k in range(20))
    said = FeatureSet("said", (Part("mfcc", "mfcc", mfcc, contours, settings=(("n_mfcc", 20),)),))
    assert feature_set_from_card(written(said.card())) == said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"revision": 99}, "revision 99 of the numbers, this version .*; install timbrestack 7.8"),
        ({"level": "peak"}, "otherwise than its card says .*install timbrestack 7.8"),
        ({"feature_names": ["one"]}, "computes 'compact-v1' otherwise"),
        ({"another": 1}, "computes 'compact-v1' otherwise"),
    ],
    ids=["revision", "level", "names", "more"],
)
def test_what_this_version_computes_otherwise_is_refused(change, message):
    card = get_feature_set("compact-v1").card() | change
    with pytest.raises(ValueError, match=message):
        feature_set_from_card(card, made_with="7.8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"descriptor": "os.system"}, "no descriptor 'os.system'"),
        ({"descriptor": "mfc"}, "no descriptor 'mfc', did you mean 'mfcc'"),
        ({"settings": {"n_mfc": 3}}, "mfcc has no setting 'n_mfc', did you mean 'n_mfcc'"),
        ({"functionals": ["meen"]}, "no functional 'meen', did you mean 'mean'"),
        ({"delta": 7}, "delta must be 0, 1 or 2, got 7"),
    ],
    ids=["foreign", "misspelt", "setting", "functional", "delta"],
)
def test_what_the_catalogue_lacks_is_named(change, message):
    card = written(get_feature_set("compact-v1").card())
    card["parts"][0] |= change
    card["parts"][1] |= {"functionals": ["medium"]}
    with pytest.raises(ValueError, match=message) as caught:
        feature_set_from_card(card)
    assert "'medium'" in str(caught.value)


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"name": "x", "revision": 1, "parts": [{}]},
        {"name": "x", "revision": 1, "parts": 3},
        {"name": "x", "revision": 1, "parts": []},
        {"name": "x", "revision": 1},
    ],
    ids=["empty", "empty-part", "no-list", "no-settings", "no-parts"],
)
def test_what_is_no_card_is_refused(card):
    with pytest.raises(ValueError, match="card"):
        feature_set_from_card(card)


def test_groups_are_known_from_a_card_alone():
    feature_set = get_feature_set("standard-v1")
    card = written(feature_set.card() | {"revision": 99})
    assert grouped_columns(card) == feature_set.groups
    assert grouped_columns({"name": "no-parts"}) == {}


def test_a_card_whose_set_is_computed_gives_the_rows_of_the_first(rng):
    waveform = rng.standard_normal(5000)
    first = get_feature_set("compact-v1")
    again = feature_set_from_card(written(first.card()))
    assert (again.compute(waveform) == first.compute(waveform)).all()
