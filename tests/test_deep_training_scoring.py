"""Scores of whole clips by scikit-learn's scorers, against scikit-learn itself."""

import numpy as np
import pytest
from sklearn import metrics
from sklearn.metrics import make_scorer

from deep.training.scoring import find_scorer, macro_f1, score_clips

CLASSES = np.array(["flute", "harp", "oboe"])


def soften(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def make_answers(rng, n_classes=3, n=40):
    codes = np.arange(n) % n_classes
    targets = np.eye(n_classes, dtype=np.float32)[codes]
    logits = (rng.normal(size=targets.shape) + 1.5 * targets).astype(np.float32)
    return targets, logits, CLASSES[:n_classes][codes]


def score(scoring, targets, logits, *, multi_label=False, classes=None):
    classes = CLASSES[: targets.shape[1]] if classes is None else classes
    scorer = find_scorer(scoring, targets, classes=classes, multi_label=multi_label)
    return score_clips(scorer, targets, logits, classes=classes, multi_label=multi_label)


def test_scorers_of_decisions_see_class_names(rng):
    targets, logits, truth = make_answers(rng)
    predicted = CLASSES[logits.argmax(axis=1)]
    for name in ("balanced_accuracy", "accuracy"):
        expected = getattr(metrics, f"{name}_score")(truth, predicted)
        assert score(name, targets, logits) == pytest.approx(expected)
    expected = metrics.f1_score(truth, predicted, average="macro")
    assert score("f1_macro", targets, logits) == pytest.approx(expected)


def test_scorers_of_probabilities_see_a_softmax(rng):
    targets, logits, truth = make_answers(rng)
    expected = -metrics.log_loss(truth, soften(logits), labels=CLASSES)
    assert score("neg_log_loss", targets, logits) == pytest.approx(expected, rel=1e-6)
    expected = metrics.roc_auc_score(truth, soften(logits), multi_class="ovr")
    assert score("roc_auc_ovr", targets, logits) == pytest.approx(expected)


def test_two_classes_are_scored_as_scikit_learn_does(rng):
    targets, logits, _ = make_answers(rng, n_classes=2)
    expected = metrics.roc_auc_score(targets[:, 1], logits[:, 1] - logits[:, 0])
    assert score("roc_auc", targets, logits) == pytest.approx(expected)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_fully_annotated_labels_are_scored_as_an_indicator(rng, n_labels):
    truth = rng.integers(0, 2, size=(30, n_labels))
    logits = (rng.normal(size=truth.shape) + truth).astype(np.float32)
    labels = {"multi_label": True, "classes": np.arange(n_labels)}
    expected = metrics.average_precision_score(truth, logits, average="macro")
    found = score("average_precision", truth.astype(np.float32), logits, **labels)
    assert found == pytest.approx(expected)
    expected = metrics.f1_score(truth, logits >= 0, average="micro")
    assert score("f1_micro", truth.astype(np.float32), logits, **labels) == pytest.approx(expected)


def test_with_unknown_labels_each_is_scored_over_its_annotated_clips(rng):
    targets = rng.integers(-1, 2, size=(60, 3)).astype(np.float32)
    targets[:, 2] = np.where(targets[:, 2] == 1, -1, targets[:, 2])
    logits = (rng.normal(size=targets.shape) + targets).astype(np.float32)
    for name, of in (("average_precision", metrics.average_precision_score), ("f1", None)):
        expected = []
        for label in (0, 1):
            known = targets[:, label] >= 0
            truth, values = targets[known, label], logits[known, label]
            expected.append(
                of(truth, values) if of else metrics.f1_score(truth, (values > 0).astype(int))
            )
        found = score(name, targets, logits, multi_label=True)
        assert found == pytest.approx(np.mean(expected))


def test_a_scorer_of_ones_own_gets_rows_and_true_classes(rng):
    targets, logits, truth = make_answers(rng)

    def share_of_flutes(estimator, X, y):
        assert y.tolist() == truth.tolist()
        return float((estimator.predict(X) == "flute").mean())

    expected = (logits.argmax(axis=1) == 0).mean()
    assert score(share_of_flutes, targets, logits) == pytest.approx(expected)
    doubled = make_scorer(lambda y, predicted: 2 * metrics.accuracy_score(y, predicted))
    assert score(doubled, targets, targets) == pytest.approx(2)


def test_a_class_that_is_never_predicted_makes_no_noise(rng):
    targets, _, _ = make_answers(rng)
    logits = np.tile(np.array([1, 0, 0], dtype=np.float32), (len(targets), 1))
    assert 0 < score("precision_macro", targets, logits) < 1


@pytest.mark.parametrize(
    ("scoring", "rows", "message"),
    [
        ("beauty", 9, "scoring='beauty' must work on the 9 validation clips"),
        ("roc_auc_ovr", 2, "scoring='roc_auc_ovr' must work on the 2 validation clips"),
        ("accuracy", 0, "scoring needs validation clips, got none"),
    ],
    ids=["unknown", "undefined", "nothing"],
)
def test_a_scorer_that_cannot_work_is_refused_before_training(rng, scoring, rows, message):
    targets, logits, _ = make_answers(rng)
    with pytest.raises(ValueError, match=message):
        score(scoring, targets[:rows], logits[:rows])


def test_macro_f1_leaves_unknown_and_absent_labels_out():
    targets = np.array([[1, -1, 0], [0, 1, 0], [1, 0, 0]], dtype=np.float32)
    logits = np.array([[1, 1, -1], [1, 1, -1], [-1, -1, -1]], dtype=np.float32)
    # Label 0: one hit, one false alarm, one miss; label 1: all right; label 2: no positive.
    assert macro_f1(targets, logits, multi_label=True) == pytest.approx((0.5 + 1) / 2)
