r"""ArcFace: softmax over cosines, with an angle to be won by the right class.

The logits come from a `CosineHead`: :math:`s \cos\theta_c` for the angle between an embedding and
the direction of class c. In the loss alone, the right class gets :math:`s \cos(\theta_c + m)`, so
that embeddings end up within a narrower cone than the decision needs.

References
----------
J. Deng, J. Guo, N. Xue and S. Zafeiriou, "ArcFace: additive angular margin loss for deep face
recognition", CVPR 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deep.heads.cosine import COSINE_SCALE
from deep.losses.cross_entropy import cross_entropy


def arcface(
    logits: Tensor,
    targets: Tensor,
    *,
    scale: float = COSINE_SCALE,
    margin: float = 0.5,
    easy_margin: bool = False,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Mean softmax cross-entropy with an additive angular margin.

    Past :math:`\theta = \pi - m` the cosine of :math:`\theta + m` rises again, which would reward
    the worst embeddings. There the margin is taken from the cosine instead,
    :math:`\cos\theta - m \sin m`, as the authors do. An easy margin is given only to embeddings
    that are on the right side already, :math:`\cos\theta > 0`.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Output of a `CosineHead`; of another head, beyond ``[-scale, scale]``, there is no gradient.
    targets : Tensor of shape (n_samples, n_classes)
        Rows that sum to one; a row with a -1 has no loss and no gradient. In a mixed row each
        class gets its share of the margin.
    scale : float
        That of the head.
    margin : float
        Angle in radians, in [0, pi / 2).
    easy_margin : bool
        Whether the margin is for acute angles only.
    weight : Tensor of shape (n_classes,) or None
        Weight of each class.
    label_smoothing : float
        Share of each target that is spread over all classes; it moves no margin.

    Returns
    -------
    Tensor, scalar
        Mean over annotated rows; zero if there are none.
    """
    cosines = logits.to(torch.promote_types(logits.dtype, torch.float32)) / scale
    cosines = cosines.clamp(-1.0, 1.0)
    margins = margin * targets.to(cosines.dtype).clamp_min(0.0)
    # The root has no slope at zero.
    sines = (1 - cosines.square()).clamp_min(torch.finfo(cosines.dtype).eps).sqrt()
    turned = cosines * margins.cos() - sines * margins.sin()
    if easy_margin:
        turned = torch.where(cosines > 0, turned, cosines)
    else:
        turned = torch.where(cosines > -margins.cos(), turned, cosines - margins * margins.sin())
    return cross_entropy(scale * turned, targets, weight=weight, label_smoothing=label_smoothing)
