"""Functionals: known contours, scipy and numpy, one frame."""

import numpy as np
import pytest
import scipy.stats

import features.functionals
from features.functionals import (
    ENVELOPE,
    POINTS,
    PULSE,
    SILENCES,
    list_functionals,
    summarise,
)


def test_statistics_are_scipys_and_numpys(rng):
    contours = rng.gamma(2.0, size=(4, 57)).astype(np.float32).astype(float) * 1024
    names = ["mean", "std", "skewness", "kurtosis", "min", "p10", "p50", "p90", "max", "slope"]
    expected = [
        contours.mean(axis=1),
        contours.std(axis=1),
        scipy.stats.skew(contours, axis=1),
        scipy.stats.kurtosis(contours, axis=1),
        *np.percentile(contours, [0, 10, 50, 90, 100], axis=1),
        [scipy.stats.linregress(np.arange(57), contour).slope for contour in contours],
    ]
    np.testing.assert_allclose(summarise(contours, names), np.transpose(expected), rtol=1e-9)


@pytest.mark.parametrize("n_frames", [1, 2, 100])
def test_a_constant_contour_has_its_value_and_no_change(n_frames):
    names = ["mean", "min", "p10", "p50", "p90", "max", "std", "skewness", "kurtosis", "slope"]
    values = summarise(np.full((2, n_frames), 0.125), names)
    np.testing.assert_allclose(values[:, :6], 0.125, rtol=1e-12)
    np.testing.assert_allclose(values[:, 6:], 0.0, atol=1e-15)


def test_rounding_has_no_shape(rng):
    contour = 1000.0 + 1e-4 * rng.standard_normal((1, 50))
    assert not summarise(contour, ["skewness", "kurtosis"]).any()


def test_points_of_sixteen_frames_are_the_frames(rng):
    contours = rng.standard_normal((3, 16), dtype=np.float32).astype(float)
    np.testing.assert_allclose(summarise(contours, POINTS), contours, atol=1e-12)


def test_points_of_more_frames_are_means(rng):
    contours = rng.standard_normal((3, 64), dtype=np.float32).astype(float)
    expected = contours.reshape(3, 16, 4).mean(axis=2)
    np.testing.assert_allclose(summarise(contours, POINTS), expected, atol=1e-12)


@pytest.mark.parametrize("n_frames", [1, 5, 17, 130])
def test_points_have_the_mean_of_the_contour(rng, n_frames):
    contours = rng.standard_normal((3, n_frames), dtype=np.float32).astype(float)
    points = summarise(contours, POINTS)
    np.testing.assert_allclose(points.mean(axis=1), contours.mean(axis=1), atol=1e-12)


def test_a_fast_attack_and_a_slow_decay_are_told_apart():
    envelope = np.concatenate([np.zeros(10), [0.5, 1.0], np.linspace(1, 0, 100)])
    log_attack, log_decay, centre, crest = summarise(envelope[np.newaxis], ENVELOPE)[0]
    assert log_attack == pytest.approx(0.0)  # one frame from 0.5 to 1
    assert 10**log_decay == pytest.approx(70, abs=2)
    assert 0.3 < centre < 0.5
    assert crest == pytest.approx(1 / envelope.mean())


@pytest.mark.parametrize("value", [0.0, 3.0], ids=["silence", "constant"])
def test_a_flat_envelope_is_balanced(value):
    shape = summarise(np.full((1, 20), value), ENVELOPE)[0]
    np.testing.assert_allclose(shape, [0.0, 0.0, 0.5, 1.0], atol=1e-12)


def test_an_envelope_backwards_has_attack_and_decay_exchanged(rng):
    envelope = np.abs(rng.standard_normal((5, 40), dtype=np.float32)).astype(float)
    attack, decay, centre, _ = summarise(envelope, ENVELOPE).T
    backwards = summarise(envelope[:, ::-1], ENVELOPE).T
    np.testing.assert_allclose(backwards[:3], [decay, attack, 1 - centre])


def test_silence_is_what_lies_60_decibels_below_the_loudest():
    levels = np.concatenate([np.full(3, -75.0), [-70.0, -10.0, -80.0, -20.0], np.full(5, -70.1)])
    np.testing.assert_allclose(summarise(levels[np.newaxis], SILENCES), [[3 / 12, 5 / 12]])


@pytest.mark.parametrize("level", [-120.0, 0.0])
@pytest.mark.parametrize("n_frames", [1, 20])
def test_a_constant_level_has_no_silence(level, n_frames):
    assert not summarise(np.full((1, n_frames), level), SILENCES).any()


@pytest.mark.parametrize("beats_per_minute", [60.0, 90.0, 120.0, 170.0])
def test_clicks_have_the_period_of_their_tempo(beats_per_minute):
    period = 60.0 / beats_per_minute * 22050 / 512
    clicks = np.zeros(860)  # 20 s
    # A click between two frames counts for both by its nearness.
    position = np.arange(2.0, 850.0, period)
    part = position % 1
    np.add.at(clicks, position.astype(int), 1 - part)
    np.add.at(clicks, position.astype(int) + 1, part)
    found, strength, _ = summarise(clicks[np.newaxis], PULSE)[0]
    assert found == pytest.approx(period, abs=0.3)
    assert strength > 0.6


def test_of_a_metres_levels_the_one_near_120_beats_per_minute_is_taken():
    clicks = np.zeros(860)
    clicks[::11] = 1.0  # 235 beats per minute
    period, strength, ratio = summarise(clicks[np.newaxis], PULSE)[0]
    assert period == pytest.approx(22.0, abs=0.1)
    assert strength == pytest.approx(1.0, abs=0.05)
    assert ratio == pytest.approx(0.5, abs=0.02)  # half the period repeats as much


def test_a_period_without_its_half_and_double_has_the_pulse_alone():
    # A swing of 22 frames is its own opposite after 11, and is gone after 44.
    swing = np.zeros(200)
    swing[60:104] = np.sin(2 * np.pi * np.arange(44) / 22)
    period, _, ratio = summarise(swing[np.newaxis], PULSE)[0]
    assert period == pytest.approx(22.0, abs=1.0)
    assert ratio == pytest.approx(1.0)


def test_a_pulse_does_not_depend_on_size_and_offset(rng):
    contour = rng.gamma(1.0, size=(1, 130))
    contour[0, ::20] += 5.0
    expected = summarise(contour, PULSE)
    np.testing.assert_allclose(summarise(7.0 * contour + 3.0, PULSE), expected, rtol=1e-4)


def test_the_strength_of_a_pulse_is_numpys_autocorrelation(rng):
    contour = rng.standard_normal(300).astype(np.float32)
    centred = contour - contour.astype(np.float64).mean()
    similarity = np.correlate(centred, centred, "full")[299:] / np.sum(centred**2)
    period, strength, ratio = summarise(contour[np.newaxis], PULSE)[0]
    lags = np.arange(9, 87)
    peaks = (similarity[8:86] < similarity[9:87]) & (similarity[9:87] >= similarity[10:88])
    scores = np.where(peaks, similarity[9:87], 0.0) * np.exp(-(np.log2(lags / 21.5) ** 2) / 2)
    lag = lags[scores.argmax()]
    parabola = np.polyfit([-1, 0, 1], similarity[lag - 1 : lag + 2], 2)
    top = -parabola[1] / (2 * parabola[0])
    assert period == pytest.approx(lag + top)
    assert strength == pytest.approx(np.polyval(parabola, top))
    rival = max(0.0, *np.interp([period / 2, 2 * period], np.arange(300), similarity))
    assert ratio == pytest.approx(strength / (strength + rival))


@pytest.mark.parametrize(
    "contour",
    [np.ones(1), np.ones(200), 1000.0 + 1e-4 * np.sin(np.arange(200)), np.arange(17.0) % 2],
    ids=["one frame", "constant", "rounding", "too short"],
)
def test_without_repetition_there_is_no_pulse(contour):
    assert not summarise(contour[np.newaxis], PULSE).any()


@pytest.mark.parametrize("max_values", [70, 2**20], ids=["few at a time", "all at once"])
def test_each_contour_is_summarised_alone(rng, monkeypatch, max_values):
    monkeypatch.setattr(features.functionals, "MAX_VALUES_AT_ONCE", max_values)
    contours, names = rng.standard_normal((6, 31)), list_functionals()
    together = summarise(contours, names)
    alone = [summarise(contour[np.newaxis], names)[0] for contour in contours]
    np.testing.assert_array_equal(together, np.stack(alone))


def test_an_unknown_functional_is_named():
    with pytest.raises(ValueError, match=r"got \['median'\]"):
        summarise(np.ones((1, 3)), ["mean", "median"])
