"""Class weights: what makes up for unequal class counts."""

from __future__ import annotations

import torch
from torch import Tensor


def balanced_weights(targets: Tensor, *, multi_label: bool) -> Tensor:
    """Give weights that make up for unequal class counts.

    Parameters
    ----------
    targets : Tensor of shape (n_samples, n_classes)
        Training targets; soft ones count by their share, unknown ones not at all.
    multi_label : bool
        Which kind of loss they are for.

    Returns
    -------
    Tensor of shape (n_classes,), float32
        Single-label: ``n_samples / (n_classes * count)``, as scikit-learn's ``"balanced"``.
        Multi-label: annotated negatives per positive. One for a class without positives; a count
        of less than one is taken as one.
    """
    known = targets >= 0
    shares = targets.double().masked_fill(~known, 0.0)
    positives = shares.sum(dim=0)
    if multi_label:
        weights = (known.sum(dim=0) - positives) / positives.clamp_min(1)
    else:
        n_known = known.all(dim=1).sum()
        weights = n_known / (targets.shape[1] * positives.clamp_min(1))
    return torch.where(positives > 0, weights, 1.0).float()
