"""Triplet loss: embeddings of one class nearer to each other than to those of another.

References
----------
F. Schroff, D. Kalenichenko and J. Philbin, "FaceNet: a unified embedding for face recognition and
clustering", CVPR 2015: all pairs of a class, semi-hard negatives, margin 0.2, unit length.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deep.heads.cosine import unit_length

# A row is of one class from here: two mixed clips of a class sum to one but for rounding.
ONE_CLASS = 0.999


def triplet(embeddings: Tensor, targets: Tensor, *, margin: float = 0.2) -> Tensor:
    """Mean triplet loss over all pairs of a class, each with a semi-hard negative.

    ``max(0, d(anchor, positive) - d(anchor, negative) + margin)``, where ``d`` is the squared
    distance of embeddings of unit length. The negative is the nearest of those that are farther
    from the anchor than the positive is; where all are nearer, the least hard, which is the
    farthest. The hardest of all would make embeddings collapse.

    Parameters
    ----------
    embeddings : Tensor of shape (n_samples, embedding_size)
        Output of a backbone.
    targets : Tensor of shape (n_samples, n_classes)
        Rows that sum to one. A mixed row is of no one class: it is in no triplet, like a row with
        a -1, and gets no gradient.
    margin : float
        What negatives are to be farther by.

    Returns
    -------
    Tensor, scalar
        Mean over pairs; zero, with a gradient of zero, in a batch without a pair of one class and
        a negative.

    Raises
    ------
    ValueError
        If there are not as many embeddings as targets.
    """
    if len(embeddings) != len(targets):
        raise ValueError(
            "embeddings and targets must have as many rows, got "
            f"{len(embeddings)} and {len(targets)}"
        )
    directions = unit_length(embeddings)
    with torch.autocast(directions.device.type, enabled=False):
        distances = 2 - 2 * directions @ directions.T
    positive, negative = _pairs(targets)
    n_negatives = negative.sum(dim=1, keepdim=True)
    chosen = _semi_hard(distances.detach(), negative, n_negatives)
    losses = (distances - distances.gather(1, chosen) + margin).relu()
    known = positive & (n_negatives > 0)
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp_min(1)


def _pairs(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Tell which rows are of the same and of another class; (n_samples, n_samples), bool."""
    largest, labels = targets.max(dim=1)
    certain = largest > ONE_CLASS
    usable = certain[:, None] & certain
    same = labels[:, None] == labels
    other = ~torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    return same & usable & other, ~same & usable


def _semi_hard(distances: Tensor, negative: Tensor, n_negatives: Tensor) -> Tensor:
    """Find the negative for each anchor (row) and positive (column); (n_samples, n_samples)."""
    ordered, order = distances.masked_fill(~negative, torch.inf).sort(dim=1, stable=True)
    nearest_farther = torch.searchsorted(ordered, distances, right=True)
    place = torch.minimum(nearest_farther, n_negatives - 1).clamp_min(0)
    return order.gather(1, place)
