"""Asymmetric loss: easy negatives count for little or nothing, positives for what they are.

References
----------
T. Ridnik, E. Ben-Baruch, N. Zamir, A. Noy, I. Friedman, M. Protter and L. Zelnik-Manor,
"Asymmetric loss for multi-label classification", ICCV 2021. The defaults are those of the authors'
training script.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from deep.losses.label_smoothing import smooth_labels
from deep.losses.masking import known_labels, masked_mean


def asymmetric(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma_positive: float = 0.0,
    gamma_negative: float = 4.0,
    shift: float = 0.05,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Mean asymmetric loss over the annotated labels.

    A positive has the loss :math:`-(1 - p)^{\gamma_+} \log p`, a negative
    :math:`-p_m^{\gamma_-} \log(1 - p_m)` with :math:`p_m = \max(p - m, 0)`; a soft target is the
    mean of both. Unlike the authors', it is a mean and not a sum, and gradients also flow through
    the powers. Probabilities trained so are too high and want calibrating.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Network output.
    targets : Tensor of shape (n_samples, n_classes)
        1, 0 or between; -1 has no loss and no gradient.
    gamma_positive, gamma_negative : float
        How fast the loss falls for positives and negatives that are right; 0 is cross-entropy.
    shift : float
        Probability `m` below which a negative has no loss and no gradient, in [0, 1).
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
    positive = (gamma_positive * log_q).exp() * log_p
    if weight is not None:
        positive = positive * weight
    shifted = logits.sigmoid() - shift
    hard = shifted > torch.finfo(shifted.dtype).tiny
    # 1 - p_m by logarithms, because 1 - p alone would vanish for a confident mistake.
    log_m = torch.full_like(log_q, math.log(shift) if shift > 0 else -math.inf)
    negative = torch.where(hard, shifted, 1.0).pow(gamma_negative) * torch.logaddexp(log_q, log_m)
    negative = torch.where(hard, negative, 0.0)
    return masked_mean(-smooth * positive - (1 - smooth) * negative, known)
