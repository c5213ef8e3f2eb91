r"""Focal loss: cross-entropy that counts what is already right for little.

The focal loss of a target of probability :math:`p_t` (of the class that is there; for a label
that is absent, :math:`p_t = 1 - p`) is :math:`-(1 - p_t)^\gamma \log p_t`. A soft target is the
mean of its parts. With :math:`\gamma = 0` it is cross-entropy. The best probabilities under it are
less certain than the truth, so they want calibrating.

References
----------
T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollar, "Focal loss for dense object detection",
ICCV 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from deep.losses.label_smoothing import smooth_labels, smooth_rows
from deep.losses.masking import known_labels, known_rows, masked_mean


def softmax_focal(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean focal loss of single-label rows.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Network output.
    targets : Tensor of shape (n_samples, n_classes)
        Rows that sum to one, mixed rows too; a row with a -1 has no loss and no gradient.
    gamma : float
        How fast the loss falls for what is right; 0 is cross-entropy.
    weight : Tensor of shape (n_classes,) or None
        Weight of each class.
    label_smoothing : float
        Share of each target that is spread over all classes.

    Returns
    -------
    Tensor, scalar
        Mean over annotated rows; zero if there are none.
    """
    logits, targets, known = known_rows(logits, targets)
    log_p = logits.log_softmax(dim=1)
    # A power below one has no slope at zero, where the loss is flat.
    doubt = (-log_p.expm1()).clamp_min(torch.finfo(log_p.dtype).tiny)
    losses = -smooth_rows(targets, label_smoothing) * doubt.pow(gamma) * log_p
    if weight is not None:
        losses = losses * weight
    return masked_mean(losses.sum(dim=1), known)


def binary_focal(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Mean focal loss over the annotated labels.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Network output.
    targets : Tensor of shape (n_samples, n_classes)
        1, 0 or between; -1 has no loss and no gradient.
    gamma : float
        How fast the loss falls for what is right; 0 is cross-entropy.
    weight : Tensor of shape (n_classes,) or None
        Weight of each label's positives.
    label_smoothing : float
        Targets move this far towards one half.

    Returns
    -------
    Tensor, scalar
        Mean over annotated labels; zero if there are none.
    """
    logits, targets, known = known_labels(logits, targets)
    smooth = smooth_labels(targets, label_smoothing)
    log_p, log_q = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    # Powers of probabilities by their logarithms: finite slopes, however certain a label is.
    positive = (gamma * log_q).exp() * log_p
    negative = (gamma * log_p).exp() * log_q
    if weight is not None:
        positive = positive * weight
    return masked_mean(-smooth * positive - (1 - smooth) * negative, known)
