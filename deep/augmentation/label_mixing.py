"""What mixed clips are labelled as.

Conventions: see `deep.losses`; -1 is a label that was never annotated.
"""

from __future__ import annotations

import torch
from torch import Tensor


def join_targets(targets: Tensor, others: Tensor) -> Tensor:
    """Label clips that are heard whole, each in its own right: the union.

    Parameters
    ----------
    targets, others : Tensor of shape (n_samples, n_classes)
        Multi-label targets.

    Returns
    -------
    Tensor of shape (n_samples, n_classes)
        The greater of two; 1 with unknown is 1, anything less with unknown is unknown.
    """
    joined = torch.maximum(targets, others)
    unknown = ((targets < 0) | (others < 0)) & (joined < 1)
    return joined.masked_fill(unknown, -1.0)


def weigh_targets(targets: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """Label clips that are heard in part: the weighted mean.

    Parameters
    ----------
    targets, others : Tensor of shape (n_samples, n_classes)
        Targets of either kind.
    shares : Tensor of shape (n_samples, 1)
        Weight of `targets`, above 0.

    Returns
    -------
    Tensor of shape (n_samples, n_classes)
        Rows that summed to one still do; unknown in a clip that takes part is unknown.
    """
    soft = shares * targets + (1 - shares) * others
    unknown = (targets < 0) | ((others < 0) & (shares < 1))
    return soft.masked_fill(unknown, -1.0)
