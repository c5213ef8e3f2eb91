"""Sigmoid cross-entropy: every label is decided for itself."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from deep.losses.label_smoothing import smooth_labels
from deep.losses.masking import known_labels, masked_mean


def masked_binary_cross_entropy(
    logits: Tensor, targets: Tensor, *, weight: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Mean sigmoid cross-entropy over the annotated labels.

    ``-weight * target * log p - (1 - target) * log(1 - p)``, where ``p`` is the sigmoid of the
    logit.

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

    Examples
    --------
    >>> import torch
    >>> targets = torch.tensor([[1.0, 0.0, -1.0]])
    >>> round(masked_binary_cross_entropy(torch.zeros(1, 3), targets).item(), 4)
    0.6931
    """
    logits, targets, known = known_labels(logits, targets)
    losses = functional.binary_cross_entropy_with_logits(
        logits, smooth_labels(targets, label_smoothing), pos_weight=weight, reduction="none"
    )
    return masked_mean(losses, known)
