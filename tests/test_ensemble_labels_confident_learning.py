"""Confident learning: hand-made cases, what must not matter, and agreement with cleanlab."""

import importlib.util

import numpy as np
import pytest

from ensemble.labels.confident_learning import (
    class_thresholds,
    confident_classes,
    confident_joint,
    find_contradicted,
    noise_matrix,
    normalised_margin,
    own_scores,
)

GIVEN = np.array([0, 0, 0, 1, 1, 1])
SCORES = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.45, 0.55]])


def noisy_classes(seed, *, n_samples=600, n_classes=4, share=0.1, rarest=1.0):
    """Given labels of which a share is wrong, and probabilities that know better."""
    rng = np.random.default_rng(seed)
    weights = np.append(np.ones(n_classes - 1), rarest)
    true = rng.choice(n_classes, size=n_samples, p=weights / weights.sum())
    logits = rng.normal(size=(n_samples, n_classes)) + 3.0 * np.eye(n_classes)[true]
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = rng.random(n_samples) < share
    given = np.where(wrong, (true + rng.integers(1, n_classes, n_samples)) % n_classes, true)
    return given, scores, wrong


def test_thresholds_joint_and_noise_by_hand():
    assert class_thresholds(GIVEN, SCORES) == pytest.approx([0.6, (0.8 + 0.7 + 0.55) / 3])
    assert confident_classes(GIVEN, SCORES).tolist() == [0, 0, 1, 1, 1, -1]
    joint = confident_joint(GIVEN, SCORES)
    np.testing.assert_allclose(joint, [[2, 1], [0, 3]])
    np.testing.assert_allclose(noise_matrix(joint), [[1, 0.25], [0, 0.75]])
    assert find_contradicted(GIVEN, SCORES).tolist() == [False, False, True, False, False, False]


def test_margin_and_self_confidence_by_hand():
    scores = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    assert own_scores(np.array([0, 2]), scores).tolist() == [0.2, 0.8]
    assert normalised_margin(np.array([0, 2]), scores) == pytest.approx([0.35, 0.85])


def test_a_class_that_nobody_gave_is_no_suggestion():
    scores = np.column_stack([SCORES, np.full(6, 1.0)]) / 2.0
    assert np.isinf(class_thresholds(GIVEN, scores)[2])
    assert 2 not in confident_classes(GIVEN, scores)
    assert np.isfinite(confident_joint(GIVEN, scores)).all()


def test_a_row_whose_own_label_is_the_most_probable_is_not_contradicted():
    # Class 1 is hard, so that 0.4 is confident for it; 0.6 is not for class 0.
    given = np.array([0, 0, 1, 1])
    scores = np.array([[1.0, 0.0], [0.6, 0.4], [0.7, 0.3], [0.7, 0.3]])
    assert confident_classes(given, scores)[1] == 1
    assert not find_contradicted(given, scores)[1]


def test_nothing_depends_on_the_order_of_rows_or_classes(rng):
    given, scores, _ = noisy_classes(1)
    rows, columns = rng.permutation(len(given)), rng.permutation(4)
    number = np.argsort(columns)
    found = find_contradicted(given, scores)
    assert (find_contradicted(given[rows], scores[rows]) == found[rows]).all()
    assert (find_contradicted(number[given], scores[:, columns]) == found).all()
    joint = confident_joint(given, scores)
    renamed = confident_joint(number[given], scores[:, columns])
    np.testing.assert_allclose(renamed, joint[columns][:, columns])


def test_the_joint_keeps_the_counts_of_given_labels():
    given, scores, _ = noisy_classes(2, rarest=0.05)
    joint = confident_joint(given, scores)
    np.testing.assert_allclose(joint.sum(axis=1), np.bincount(given, minlength=4))


@pytest.mark.skipif(importlib.util.find_spec("cleanlab") is None, reason="needs cleanlab")
@pytest.mark.parametrize("rarest", [1.0, 0.05], ids=["even", "rare-class"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_all_numbers_agree_with_cleanlab(n_classes, rarest):
    from cleanlab.count import compute_confident_joint, get_confident_thresholds
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_normalized_margin_for_each_label

    given, scores, _ = noisy_classes(3, n_classes=n_classes, rarest=rarest)
    np.testing.assert_allclose(
        class_thresholds(given, scores), get_confident_thresholds(given, scores), atol=1e-12
    )
    np.testing.assert_allclose(
        normalised_margin(given, scores),
        get_normalized_margin_for_each_label(given, scores),
        atol=1e-12,
    )
    theirs = find_label_issues(given, scores, filter_by="confident_learning", n_jobs=1)
    assert (find_contradicted(given, scores) == theirs).all()
    # Theirs is rounded to whole rows.
    np.testing.assert_allclose(
        confident_joint(given, scores), compute_confident_joint(given, scores), atol=1.0
    )
