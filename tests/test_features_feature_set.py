"""Feature sets: names, sizes, and rows that are finite, gain-invariant and the same in blocks."""

import json
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from threadpoolctl import threadpool_limits

import features.feature_set
from features.cepstral import mfcc
from features.feature_set import NUISANCE, FeatureSet, Part
from features.level import measure_level
from features.named_sets import get_feature_set, list_feature_sets

SR = 22050
SETS = [name for name in list_feature_sets() if isinstance(get_feature_set(name), FeatureSet)]
GAIN_INVARIANT = [name for name in SETS if NUISANCE not in get_feature_set(name).groups]


def plucked(seed=440, duration_s=3.0):
    """Give three decaying notes in noise: a sound with all that real ones have."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(duration_s * SR)) / SR
    waveform = 1e-3 * rng.standard_normal(len(time))
    for onset_s, pitch_hz in zip((0.1, 0.9, 1.8), rng.uniform(110.0, 440.0, 3), strict=True):
        since = np.maximum(time - onset_s, 0.0)
        for k in range(1, 12):
            partial_hz = k * pitch_hz * (1 + 3e-4 * k**2)
            waveform += np.exp(-3 * k * since) * np.sin(2 * np.pi * partial_hz * since) / k
    return (0.2 * waveform).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "n_features"),
    [("compact-v1", 28), ("standard-v1", 967), ("full-v1", 1581), ("nuisance-v1", 13)],
)
def test_sizes_are_pinned(name, n_features):
    feature_set = get_feature_set(name)
    assert feature_set.n_features == n_features
    assert feature_set.compute(plucked()).shape == (n_features,)


@pytest.mark.parametrize("name", SETS)
def test_names_are_unique_and_plain(name):
    names = get_feature_set(name).feature_names
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", feature) for feature in names)


@pytest.mark.parametrize("name", SETS)
def test_groups_share_out_the_features(name):
    feature_set = get_feature_set(name)
    grouped = [feature for group in feature_set.groups.values() for feature in group]
    assert sorted(grouped) == sorted(feature_set.feature_names)


@pytest.mark.parametrize("name", SETS)
def test_a_card_is_json_and_its_digest_stable(name):
    feature_set = get_feature_set(name)
    card = json.loads(json.dumps(feature_set.card()))
    assert card["name"] == name
    assert re.fullmatch("[0-9a-f]{64}", feature_set.digest)
    assert feature_set.digest == get_feature_set(name).digest
    assert len({get_feature_set(other).digest for other in SETS}) == len(SETS)


def test_another_setting_is_another_digest():
    def one_part(n_mfcc):
        numbers = tuple(str(k) for k in range(n_mfcc))
        return (Part("mfcc", "mfcc", mfcc, numbers, settings=(("n_mfcc", n_mfcc),)),)

    sets = [
        FeatureSet("s", one_part(2)),
        FeatureSet("s", one_part(3)),
        FeatureSet("s", one_part(2), n_mels=80),
    ]
    assert len({feature_set.digest for feature_set in sets}) == 3


def test_compact_v1_is_the_baseline_of_28_means():
    names = get_feature_set("compact-v1").feature_names
    assert names == [
        *(f"mfcc_{k:02d}_mean" for k in range(10)),
        "zero_crossing_rate_mean",
        "rms_mean",
        "spectral_rolloff_85_mean",
        "spectral_centroid_mean",
        "spectral_bandwidth_mean",
        *(f"spectral_contrast_{k:02d}_mean" for k in range(7)),
        "spectral_flatness_mean",
        "permutation_entropy_mean",
        "spectral_entropy_mean",
        "svd_entropy_mean",
        "hjorth_mobility_mean",
        "hjorth_complexity_mean",
    ]


def test_columns_hold_what_their_names_say():
    names = get_feature_set("standard-v1").feature_names
    waveform = np.sin(2 * np.pi * 1000 * np.arange(3 * SR) / SR)
    row = dict(zip(names, get_feature_set("standard-v1").compute(waveform), strict=True))
    assert row["spectral_centroid_p50"] == pytest.approx(1000.0, rel=0.01)
    assert row["spectral_rolloff_50_p50"] == pytest.approx(1000.0, rel=0.02)
    assert row["zero_crossing_rate_p50"] == pytest.approx(2000 / SR, rel=0.02)
    assert row["chroma_11_p50"] == pytest.approx(1.0)  # 1000 Hz is nearly a B
    assert row["rms_point_07"] == pytest.approx(1.0, rel=1e-3)
    assert row["spectral_entropy_mean"] < 1e-3
    assert row["mfcc_delta_00_p50"] == pytest.approx(0.0, abs=1e-2)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(3 * SR),
        np.full(SR, 0.5),
        np.ones(1),
        np.zeros(1),
        np.eye(1, 5000, 2500)[0],
        np.tile([1.0, -1.0], 5000),
        np.concatenate([np.zeros(SR), np.ones(10), np.zeros(SR)]),
        np.full(3000, np.finfo(np.float32).max),
        np.arange(-500, 500, dtype=np.int16),
    ],
    ids=["silence", "constant", "one", "zero", "impulse", "nyquist", "blip", "huge", "int16"],
)
def test_an_odd_clip_gives_a_finite_row_without_warnings(name, waveform):
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        row = get_feature_set(name).compute(waveform)
    assert row.dtype == np.float32
    assert np.isfinite(row).all()


@given(
    arrays(
        np.float32,
        st.integers(1, 6000),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
        fill=st.floats(-1, 1, width=32),
    )
)
def test_any_finite_waveform_gives_a_finite_row(waveform):
    row = get_feature_set("standard-v1").compute(waveform)
    assert row.shape == (967,)
    assert np.isfinite(row).all()


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(0), r"non-empty .* got shape \(0,\)"),
        (np.zeros((2, 10)), r"one-dimensional .* got shape \(2, 10\)"),
        (np.array(["a"]), "array of numbers, .* dtype <U1"),
        (np.array([0.0, np.nan, np.inf]), "must be finite, got 2 NaN or inf"),
    ],
    ids=["empty", "stereo", "text", "nan"],
)
def test_what_is_no_waveform_is_refused(waveform, message):
    with pytest.raises(ValueError, match=message):
        get_feature_set("compact-v1").compute(waveform)


@pytest.mark.parametrize("name", GAIN_INVARIANT)
@pytest.mark.parametrize("gain", [0.1, 30.0])
def test_level_does_not_matter(name, gain):
    feature_set = get_feature_set(name)
    clips = [plucked(seed) for seed in range(8)]
    rows = np.stack([feature_set.compute(clip) for clip in clips])
    scaled = np.stack([feature_set.compute(np.float32(gain) * clip) for clip in clips])
    # Rounding of the scaled samples, against how much each feature differs from clip to clip.
    tolerance = 0.01 * rows.std(axis=0) + 1e-6
    assert (np.abs(scaled - rows) <= tolerance).all()


@pytest.mark.parametrize("name", GAIN_INVARIANT)
def test_a_gain_of_a_power_of_two_changes_no_bit(name):
    feature_set = get_feature_set(name)
    row = feature_set.compute(plucked())
    np.testing.assert_array_equal(feature_set.compute(np.float32(0.125) * plucked()), row)


@pytest.mark.parametrize("name", SETS)
def test_a_long_clip_in_blocks_has_the_row_of_the_whole(name, monkeypatch):
    feature_set = get_feature_set(name)
    whole = feature_set.compute(plucked())
    monkeypatch.setattr(features.feature_set, "BLOCK_FRAMES", 10)
    blocks = feature_set.compute(plucked())
    # The filters of the constant-Q transform hear a little beyond their block.
    tonal = [column.startswith(("chroma_cqt", "tonnetz")) for column in feature_set.feature_names]
    tolerance = 1e-5 * (1 + np.abs(whole)) * np.where(tonal, 10, 1)
    assert (np.abs(blocks - whole) <= tolerance).all()


@pytest.mark.parametrize("name", SETS)
def test_a_stream_has_the_row_of_its_blocks_to_the_bit(name, monkeypatch):
    monkeypatch.setattr(features.feature_set, "BLOCK_FRAMES", 40)
    feature_set, waveform = get_feature_set(name), plucked(duration_s=6.0)
    pieces = np.array_split(waveform, 7)
    row = feature_set.compute_stream(pieces, measure_level(pieces))
    np.testing.assert_array_equal(row, feature_set.compute(waveform))


def test_the_number_of_threads_changes_no_bit():
    feature_set = get_feature_set("standard-v1")
    with threadpool_limits(1):
        alone = feature_set.compute(plucked())
    with threadpool_limits(2):
        together = feature_set.compute(plucked())
    np.testing.assert_array_equal(alone, together)


def test_computing_leaves_the_waveform_as_it_was():
    waveform = plucked()
    waveform.flags.writeable = False
    get_feature_set("standard-v1").compute(waveform)
    np.testing.assert_array_equal(waveform, plucked())


def test_an_unknown_set_is_named_with_the_known():
    with pytest.raises(ValueError, match=r"\['compact-v1', .* got 'standard', did you mean 'st"):
        get_feature_set("standard")


def test_two_features_of_one_name_are_refused():
    part = Part("mfcc", "mfcc", mfcc, tuple("abcdefghijklmnopqrst"), ("mean",))
    with pytest.raises(ValueError, match=r"must be unique, got twice: .*'mfcc_a_mean'"):
        FeatureSet("twice", (part, part))
