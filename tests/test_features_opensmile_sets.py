"""openSMILE's sets behind our interface; without the package, a message that says how to get it."""

import json
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import soundfile

from features.extraction import extract_table
from features.extractor import AudioFeatureExtractor
from features.feature_set_cards import feature_set_from_card
from features.level import Level, measure_level
from features.manifest import make_manifest
from features.named_sets import get_feature_set
from features.opensmile_sets import LONGEST_S, OPENSMILE_SETS, OpenSmileSet

SR = 16000
SETS = list(OPENSMILE_SETS)


@pytest.fixture
def opensmile():
    return pytest.importorskip("opensmile")


@pytest.fixture
def sound(rng):
    t = np.arange(SR) / SR
    tone = sum(np.sin(2 * np.pi * 220 * k * t) / k for k in range(1, 10))
    return (0.2 * tone + 0.01 * rng.standard_normal(SR)).astype(np.float32)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    absent = OpenSmileSet("absent", "eGeMAPSv02", 88)
    message = r"'absent' needs the package opensmile.*pip install \"timbrestack\[opensmile\]\""
    with pytest.raises(ImportError, match=message):
        absent.compute(np.zeros(SR))
    with pytest.raises(ImportError, match=message):
        absent.library_versions()
    with pytest.raises(ImportError, match=message):
        _ = absent.feature_names


@pytest.mark.parametrize("name", SETS)
def test_size_groups_and_digest_are_known_without_the_package(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    feature_set = get_feature_set(name)
    assert feature_set.n_by_group == {"opensmile": feature_set.n_features}
    assert feature_set_from_card(json.loads(json.dumps(feature_set.card()))) is feature_set


@pytest.mark.usefixtures("opensmile")
@pytest.mark.parametrize("name", SETS)
def test_columns_have_opensmiles_own_names(name):
    names = get_feature_set(name).feature_names
    assert len(set(names)) == len(names) == get_feature_set(name).n_features
    assert ("F0semitoneFrom27.5Hz_sma3nz_amean" in names) == (name == "opensmile-egemaps-v02")


@pytest.mark.parametrize("name", SETS)
def test_a_row_is_opensmiles_bit_for_bit(opensmile, sound, name):
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet[OPENSMILE_SETS[name].config],
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    expected = smile.process_signal(sound, SR).iloc[0]
    row = get_feature_set(name).compute(sound)
    assert row.dtype == np.float32
    assert list(expected.index) == get_feature_set(name).feature_names
    np.testing.assert_array_equal(row, expected.to_numpy(np.float32))


@pytest.mark.usefixtures("opensmile")
@pytest.mark.parametrize("name", SETS)
def test_a_row_does_not_depend_on_the_clip_before(sound, name):
    feature_set = get_feature_set(name)
    first = feature_set.compute(sound)
    feature_set.compute(sound[::-1].copy())
    np.testing.assert_array_equal(feature_set.compute(sound), first)


@pytest.mark.usefixtures("opensmile")
def test_a_tone_has_its_pitch_in_semitones(sound):
    feature_set = get_feature_set("opensmile-egemaps-v02")
    row = dict(zip(feature_set.feature_names, feature_set.compute(sound), strict=True))
    expected = 12 * np.log2(220 / 27.5)
    assert row["F0semitoneFrom27.5Hz_sma3nz_percentile50.0"] == pytest.approx(expected, abs=0.2)


@pytest.mark.usefixtures("opensmile")
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(SR),
        np.full(SR, 0.5),
        np.ones(1),
        np.eye(1, 5000, 2500)[0],
        np.tile([1.0, -1.0], 5000),
        np.full(3000, np.finfo(np.float32).max),
    ],
    ids=["silence", "constant", "one", "impulse", "nyquist", "huge"],
)
def test_an_odd_clip_gives_a_finite_row_without_warnings(name, waveform):
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        row = get_feature_set(name).compute(waveform)
    assert np.isfinite(row).all()


@pytest.mark.usefixtures("opensmile")
def test_full_scale_is_not_turned_over(sound):
    feature_set = get_feature_set("opensmile-egemaps-v02")
    loudest = sound / np.abs(sound).max()
    # The sample of +1.0 would read as -1.0 in 16 bits, and be heard as a click.
    nearly = np.clip(loudest, -1.0, 1.0 - 2.0**-15)
    np.testing.assert_array_equal(feature_set.compute(loudest), feature_set.compute(nearly))


@pytest.mark.usefixtures("opensmile")
@pytest.mark.parametrize("waveform", [np.zeros(0), np.zeros((2, 9)), np.array([np.nan, 0.0])])
def test_what_is_no_waveform_is_refused(waveform):
    with pytest.raises(ValueError, match="a waveform must be"):
        get_feature_set("opensmile-egemaps-v02").compute(waveform)


@pytest.mark.usefixtures("opensmile")
def test_a_clip_in_pieces_has_the_row_of_the_whole(sound):
    feature_set = get_feature_set("opensmile-egemaps-v02")
    pieces = [sound[:5000], sound[5000:]]
    row = feature_set.compute_stream(pieces, measure_level(pieces))
    np.testing.assert_array_equal(row, feature_set.compute(sound))


def test_a_clip_too_long_to_hold_is_refused_with_advice(sound):
    long = Level((LONGEST_S + 1) * SR, peak=1.0, sum_of_squares=1.0)
    with pytest.raises(ValueError, match="at most 1800 s, got 1801 s; give start_s and end_s"):
        get_feature_set("opensmile-egemaps-v02").compute_stream([sound], long)


@pytest.mark.usefixtures("opensmile")
def test_extraction_names_the_library_and_gives_the_rows_of_the_extractor(sound, tmp_path):
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", sound, SR, subtype="FLOAT")
    clips = pd.DataFrame({"path": ["a.wav", "b.wav"], "group": ["a", "b"]})
    manifest = make_manifest(clips, tmp_path)
    table = extract_table(manifest, tmp_path / "X.parquet", feature_set="opensmile-egemaps-v02")
    assert "opensmile" in table.card["versions"]
    extractor = AudioFeatureExtractor("opensmile-egemaps-v02")
    rows = extractor.fit_transform([tmp_path / "a.wav", sound])
    np.testing.assert_array_equal(table.values.to_numpy(), rows)
    assert list(extractor.get_feature_names_out()) == list(table.values.columns)
