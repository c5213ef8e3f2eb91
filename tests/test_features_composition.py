"""Sets of one's own: what is chosen is what is computed, and every mistake is named."""

import numpy as np
import pytest

from features.composition import compose_feature_set
from features.feature_set import STATISTICS
from features.functionals import ENVELOPE, POINTS
from features.named_sets import get_feature_set
from features.part_variants import make_part

SR = 22050


def sweep():
    return np.sin(np.arange(SR) ** 1.3 / 30)


def values(feature_set, waveform):
    return dict(zip(feature_set.feature_names, feature_set.compute(waveform), strict=True))


def test_a_name_alone_is_the_part_of_the_catalogue():
    mine = compose_feature_set("mine", ["mfcc", "spectral_contrast"])
    assert mine.parts == (make_part("mfcc"), make_part("spectral_contrast"))
    standard = values(get_feature_set("standard-v1"), sweep())
    assert values(mine, sweep()) == {name: standard[name] for name in mine.feature_names}


def test_functionals_are_kept_in_the_order_asked_for_and_families_spelt_out():
    rms = {"part": "rms", "functionals": ["max", "envelope", "points", "max"]}
    names = compose_feature_set("mine", [rms]).feature_names
    assert names == [f"rms_{name}" for name in ("max", *ENVELOPE, *POINTS)]
    family = {"part": "chroma", "functionals": ["statistics"]}
    assert compose_feature_set("mine", [family]).parts[0].functionals == STATISTICS


def test_contours_are_the_first_so_many_or_those_named():
    standard = values(get_feature_set("standard-v1"), sweep())
    chosen = [
        {"part": "mfcc", "contours": 2, "functionals": ["mean"]},
        {"part": "spectral_moments", "contours": ["kurtosis", "bandwidth"]},
    ]
    mine = values(compose_feature_set("mine", chosen), sweep())
    assert list(mine)[:3] == ["mfcc_00_mean", "mfcc_01_mean", "spectral_kurtosis_mean"]
    assert mine == {name: standard[name] for name in mine}


def test_settings_decide_how_many_contours_there_are():
    parts = [{"part": "mfcc", "settings": {"n_mfcc": 30}, "functionals": ["mean"]}, "mel"]
    mine = compose_feature_set("mine", parts, n_mels=64)
    assert mine.feature_names[29] == "mfcc_29_mean"
    assert mine.feature_names[-1] == "mel_63_std"
    assert mine.compute(sweep()).shape == (30 + 128,)


def test_contours_that_mean_what_a_setting_says_are_named_by_it():
    parts = [{"part": "spectral_rolloff", "settings": {"fractions": [0.25, 0.995]}}]
    names = compose_feature_set("mine", parts).feature_names
    assert names[0] == "spectral_rolloff_25_mean"
    assert names[8] == "spectral_rolloff_99p5_mean"


def test_settings_that_are_the_defaults_change_no_digest():
    said = {"part": "mfcc", "settings": {"n_mfcc": 20}}
    assert compose_feature_set("a", [said]).digest == compose_feature_set("a", ["mfcc"]).digest


def test_a_derivative_is_named_as_one():
    parts = [{"part": "mfcc", "delta": 2}, {"part": "chroma", "delta": 1}]
    mine = values(compose_feature_set("mine", parts), sweep())
    standard = values(get_feature_set("standard-v1"), sweep())
    assert mine["mfcc_delta2_03_std"] == standard["mfcc_delta2_03_std"]
    assert "chroma_delta_11_p90" in mine


def test_a_part_is_there_twice_under_another_column():
    wide = {"part": "mfcc", "column": "mfcc_wide", "settings": {"n_mfcc": 40}}
    assert compose_feature_set("mine", ["mfcc", wide]).n_features == 160 + 320


def test_another_rate_is_taken():
    mine = compose_feature_set("mine", ["chroma"], sr=16000, segment_s=0.05)
    assert mine.sr == 16000
    assert mine.card()["segment_s"] == 0.05


@pytest.mark.parametrize(
    ("parts", "settings", "message"),
    [
        (["mfc"], {}, "part 1: there is no part 'mfc', did you mean 'mfcc'"),
        ([{"parts": "mfcc"}], {}, r"'parts', did you mean 'part'\?; it lacks 'part'"),
        (
            [{"part": "rms", "functionals": ["maen"]}],
            {},
            "no functional 'maen', did you mean 'mean'",
        ),
        (
            [{"part": "rms", "functionals": "mean"}],
            {},
            "functionals must be a list of names, got 'm",
        ),
        ([{"part": "mfcc", "settings": {"n": 3}}], {}, "mfcc has no setting 'n'"),
        ([{"part": "mfcc", "settings": {"n_mfcc": 50}}], {}, "at most n_mels = 40, got 50"),
        ([{"part": "mfcc", "settings": {"n_mfcc": "many"}}], {}, "cannot be computed with"),
        ([{"part": "mfcc", "contours": 21}], {}, "contours must be from 1 to 20, got 21"),
        ([{"part": "mfcc", "contours": ["1"]}], {}, "no contour '1' among 00 to 19, did you mean"),
        ([{"part": "rms", "contours": ["x"]}], {}, "no contour 'x' among one without a name"),
        ([{"part": "mfcc_delta", "delta": 1}], {}, "'mfcc_delta' is a derivative already"),
        ([{"part": "mfcc", "delta": 3}], {}, "delta must be 0, 1 or 2, got 3"),
        ([{"part": "mfcc", "column": "My MFCC"}], {}, "column must be lower-case words"),
        (["rms", "rms"], {}, r"got twice: \['rms_mean'.* needs another 'column'"),
        ([3], {}, "part 1: must be a name or a mapping with 'part', got 3"),
        ([], {}, r"at least one part, got \[\]"),
        ("mfcc", {}, "must be a list of at least one part, got 'mfcc'"),
        (["rms"], {"hop": 100}, "must be one of sr, n_fft, .*got 'hop', did you mean 'hop_length'"),
        (["rms"], {"sr": "22k"}, "sr must be a positive whole number, got '22k'"),
        (["rms"], {"segment_s": -1}, "segment_s must be a positive number of seconds, got -1"),
        (["rms"], {"n_fft": 2047}, "n_fft must be even and a multiple of hop_length, got 2047"),
        (["spectral_contrast"], {"sr": 8000}, "bands must start below sr / 2 = 4000.0 Hz"),
    ],
)
def test_a_mistake_is_named(parts, settings, message):
    with pytest.raises(ValueError, match=message):
        compose_feature_set("mine", parts, **settings)


def test_all_mistakes_are_named_at_once():
    parts = [
        "rsm",
        {"part": "mfcc", "functionals": ["medium"], "contours": 0, "colour": "red", "delta": "x"},
        {"part": "chroma", "functionals": ["sdt"], "settings": {"n_croma": 24}},
    ]
    with pytest.raises(ValueError, match="rsm") as caught:
        compose_feature_set("my set", parts, n_mel=3)
    told = str(caught.value)
    for mistake in (
        "'my set'",
        "'n_mel'",
        "'rsm'",
        "'medium'",
        "'colour'",
        "contours must be",
        "delta must be",
        "'sdt'",
        "'n_croma'",
    ):
        assert mistake in told
