import numpy as np
from scipy.special import expit

from ensemble.calibration import calibrate, fit_calibration
from ensemble.probabilities import to_logits


def test_calibration_finds_the_line_that_distorted_the_scores(rng):
    logits = rng.normal(0, 1.5, (20_000, 1))
    y_true = (rng.random(logits.shape) < expit(logits)).astype(int)
    distorted = expit(2.0 * logits + 1.0)
    slope, offset = fit_calibration(y_true, distorted)[0]
    np.testing.assert_allclose([slope, offset], [0.5, -0.5], atol=0.06)
    np.testing.assert_allclose(
        calibrate(distorted, np.array([[0.5, -0.5]])), expit(to_logits(expit(logits))), atol=2e-3
    )


def test_calibration_keeps_the_order_even_of_scores_that_point_the_wrong_way(rng):
    scores = np.linspace(0.1, 0.9, 50)[:, None]
    y_true = (scores < 0.5).astype(int)
    assert fit_calibration(y_true, scores).tolist() == [[1.0, 0.0]]


def test_a_label_with_too_few_rows_keeps_its_scores():
    y_true = np.array([[1], [1], [0], [0], [0], [-1]])
    scores = np.array([[0.9], [0.8], [0.3], [0.2], [0.1], [0.5]])
    assert fit_calibration(y_true, scores).tolist() == [[1.0, 0.0]]


def test_no_calibration_changes_nothing(rng):
    scores = rng.random((5, 2))
    assert calibrate(scores, None) is scores
