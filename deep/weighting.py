"""A loss over rows that do not all count the same."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def weighted_loss(
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    logits: Tensor,
    targets: Tensor,
    embeddings: Tensor,
    weights: Tensor,
) -> Tensor:
    """Average a loss over rows by their weights.

    The loss is a mean over rows, so it is taken of all rows of one weight at a time. A loss that
    compares rows (triplets) so compares those of one weight.

    Parameters
    ----------
    loss : callable
        ``loss(logits, targets, embeddings) -> scalar``.
    logits, targets, embeddings : Tensor of shape (n_samples, ...)
        Of a batch.
    weights : Tensor of shape (n_samples,), on the CPU
        One on average over the epoch; see `TrainingData.window_weights`.

    Returns
    -------
    Tensor, scalar
        Sum of weight times loss over the rows, by their number.
    """
    kinds = weights.unique()
    if len(kinds) == 1:
        return kinds[0].item() * loss(logits, targets, embeddings)
    total = torch.zeros((), device=logits.device)
    for kind in kinds:
        rows = (weights == kind).nonzero()[:, 0]
        places = rows.to(logits.device)
        part = loss(logits[places], targets[places], embeddings[places])
        total = total + kind.item() * len(rows) / len(weights) * part
    return total
