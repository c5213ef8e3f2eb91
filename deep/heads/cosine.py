"""Cosines to directions of classes, where lengths do not count."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from deep.heads.head import Head
from deep.heads.registry import register_head

# Logit of a cosine of one: softmax over bare cosines could never become certain. The 64 of the
# ArcFace paper is for many thousands of faces, 30 is usual for fewer classes.
COSINE_SCALE = 30.0

# Shorter embeddings have no direction worth the gradient of 1 / length.
MIN_LENGTH = 1e-3


def unit_length(embeddings: Tensor) -> Tensor:
    """Scale rows to unit length.

    Parameters
    ----------
    embeddings : Tensor of shape (n_samples, embedding_size)
        Embeddings of any length.

    Returns
    -------
    Tensor of shape (n_samples, embedding_size), at least float32
        Rows of length one; one that was shorter than 0.001 stays shorter than one, and zero
        stays zero.
    """
    embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    return functional.normalize(embeddings, dim=1, eps=MIN_LENGTH)


@register_head("cosine")
class CosineHead(Head):
    """Scaled cosines between embeddings and one direction per class; there is no bias.

    Only an embedding's direction counts, so clips of a class gather around an axis and cosines
    between embeddings mean something. What `arcface` needs; with cross-entropy it is a cosine
    classifier. Computed in float32 under autocast too.

    Parameters
    ----------
    embedding_size : int
        Values per embedding.
    n_classes : int
        Values per row of logits.
    scale : float
        Logit of a cosine of one.

    Raises
    ------
    ValueError
        If `scale` is not above zero.
    """

    def __init__(self, embedding_size: int, n_classes: int, *, scale: float = COSINE_SCALE) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"scale must be above 0, got {scale!r}")
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(n_classes, embedding_size))
        nn.init.xavier_normal_(self.weight)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings to logits.

        Parameters
        ----------
        embeddings : Tensor of shape (n_samples, embedding_size)
            Output of a backbone.

        Returns
        -------
        Tensor of shape (n_samples, n_classes), at least float32
            Cosines times ``scale``.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.scale * unit_length(embeddings) @ unit_length(self.weight).T
