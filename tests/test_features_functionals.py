"""Functionals: known contours, scipy and numpy, one frame."""

import numpy as np
import pytest
import scipy.stats

import features.functionals
from features.functionals import ENVELOPE, POINTS, list_functionals, summarise


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
