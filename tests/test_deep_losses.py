"""Losses: closed forms, scikit-learn, and labels that were never annotated."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from deep.losses import balanced_weights, cross_entropy, masked_binary_cross_entropy


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_number_of_classes():
    loss = cross_entropy(torch.zeros(3, 5), torch.eye(5)[:3])
    assert loss.item() == pytest.approx(np.log(5))


def test_cross_entropy_equals_scikit_learns(rng):
    logits, codes = torch.from_numpy(rng.normal(size=(20, 4))), rng.integers(0, 4, 20)
    expected = log_loss(codes, logits.softmax(dim=1).numpy(), labels=range(4))
    assert cross_entropy(logits, torch.eye(4)[codes].double()).item() == pytest.approx(expected)


def test_binary_cross_entropy_equals_scikit_learns_over_known_labels(rng):
    logits = torch.from_numpy(rng.normal(size=(20, 3)))
    targets = torch.from_numpy(rng.integers(-1, 2, (20, 3)))
    known = targets >= 0
    expected = log_loss(targets[known], logits.sigmoid()[known])
    assert masked_binary_cross_entropy(logits, targets).item() == pytest.approx(expected)


def test_an_unknown_label_has_no_gradient():
    logits = torch.zeros(2, 2, requires_grad=True)
    masked_binary_cross_entropy(logits, torch.tensor([[1.0, -1.0], [-1.0, 0.0]])).backward()
    assert torch.equal(logits.grad != 0, torch.tensor([[True, False], [False, True]]))


def test_a_batch_of_unknown_labels_has_no_loss():
    logits = torch.zeros(2, 2, requires_grad=True)
    loss = masked_binary_cross_entropy(logits, -torch.ones(2, 2))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_label_smoothing_moves_the_best_logit_to_the_smoothed_odds():
    best = torch.logit(torch.tensor([[0.95]])).requires_grad_()
    masked_binary_cross_entropy(best, torch.ones(1, 1), label_smoothing=0.1).backward()
    assert best.grad.abs().item() < 1e-6


def test_balanced_weights_equal_scikit_learns_for_single_labels():
    codes = np.array([0, 0, 0, 1, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=codes)
    actual = balanced_weights(torch.eye(3)[codes], multi_label=False)
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_balanced_weights_count_annotated_negatives_per_positive():
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, -1.0], [-1.0, -1.0]])
    assert balanced_weights(targets, multi_label=True).tolist() == [2.0, 1.0]
