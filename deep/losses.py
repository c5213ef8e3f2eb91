"""Losses over logits and targets.

Conventions: targets are float (n_samples, n_classes). Single-label rows sum to one; multi-label
rows hold 1, 0 or anything between (mixed clips), and -1 for a label that was never annotated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(
    logits: Tensor, targets: Tensor, *, weight: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Mean softmax cross-entropy.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Network output.
    targets : Tensor of shape (n_samples, n_classes)
        Rows that sum to one.
    weight : Tensor of shape (n_classes,) or None
        Weight of each class.
    label_smoothing : float
        Share of each target that is spread over all classes.

    Returns
    -------
    Tensor, scalar
        Mean over rows.
    """
    return functional.cross_entropy(logits, targets, weight=weight, label_smoothing=label_smoothing)


def masked_binary_cross_entropy(
    logits: Tensor, targets: Tensor, *, weight: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Mean sigmoid cross-entropy over the annotated labels.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Network output.
    targets : Tensor of shape (n_samples, n_classes)
        1, 0 or between; -1 has no loss and no gradient.
    weight : Tensor of shape (n_classes,) or None
        Weight of each label's positives.
    label_smoothing : float
        Targets move this far towards one half.

    Returns
    -------
    Tensor, scalar
        Mean over annotated labels; zero if there are none.
    """
    known = targets >= 0
    smooth = targets.clamp_min(0) * (1 - label_smoothing) + 0.5 * label_smoothing
    losses = functional.binary_cross_entropy_with_logits(
        logits, smooth, pos_weight=weight, reduction="none"
    )
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp_min(1)


def balanced_weights(targets: Tensor, *, multi_label: bool) -> Tensor:
    """Give weights that make up for unequal class counts.

    Parameters
    ----------
    targets : Tensor of shape (n_samples, n_classes)
        Training targets.
    multi_label : bool
        Which of the two losses they are for.

    Returns
    -------
    Tensor of shape (n_classes,), float32
        Single-label: ``n_samples / (n_classes * count)``, as scikit-learn's ``"balanced"``.
        Multi-label: annotated negatives per positive. One for a class without positives.
    """
    positives = (targets == 1).sum(dim=0)
    if multi_label:
        weights = (targets == 0).sum(dim=0) / positives.clamp_min(1)
    else:
        weights = len(targets) / (targets.shape[1] * positives.clamp_min(1))
    return torch.where(positives > 0, weights, torch.ones_like(weights)).float()


def make_losses(
    targets: Tensor, *, multi_label: bool, balanced: bool = False, label_smoothing: float = 0.0
) -> tuple[Loss, Loss]:
    """Make the loss to train by and the plain one to validate by.

    Parameters
    ----------
    targets : Tensor of shape (n_samples, n_classes)
        Training targets, on the device to train on.
    multi_label : bool
        Whether labels are decided one by one.
    balanced : bool
        Whether to weight by `balanced_weights`.
    label_smoothing : float
        See `cross_entropy` and `masked_binary_cross_entropy`.

    Returns
    -------
    loss : callable
        ``(logits, targets) -> scalar``, weighted and smoothed.
    validation_loss : callable
        The same, plain.
    """
    plain = masked_binary_cross_entropy if multi_label else cross_entropy
    weight = balanced_weights(targets, multi_label=multi_label) if balanced else None
    return partial(plain, weight=weight, label_smoothing=label_smoothing), plain
