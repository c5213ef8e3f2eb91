"""Softmax cross-entropy: one class a clip."""

from __future__ import annotations

from torch import Tensor

from deep.losses.label_smoothing import smooth_rows
from deep.losses.masking import known_rows, masked_mean


def cross_entropy(
    logits: Tensor, targets: Tensor, *, weight: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Mean softmax cross-entropy.

    ``-sum_c weight[c] * targets[c] * log p[c]``, where ``p`` is the softmax of the logits.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Network output.
    targets : Tensor of shape (n_samples, n_classes)
        Rows that sum to one, mixed rows too; a row with a -1 has no loss and no gradient.
    weight : Tensor of shape (n_classes,) or None
        Weight of each class.
    label_smoothing : float
        Share of each target that is spread over all classes.

    Returns
    -------
    Tensor, scalar
        Mean over annotated rows; zero if there are none.

    Examples
    --------
    >>> import torch
    >>> round(cross_entropy(torch.zeros(3, 4), torch.eye(4)[:3]).item(), 4)
    1.3863
    """
    logits, targets, known = known_rows(logits, targets)
    losses = -smooth_rows(targets, label_smoothing) * logits.log_softmax(dim=1)
    if weight is not None:
        losses = losses * weight
    return masked_mean(losses.sum(dim=1), known)
