"""The last layer of a layers file, as a head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deep.heads.head import Head, frequency_logits
from deep.heads.registry import register_head


@register_head("last-layer")
class LastLayerHead(Head):
    """One linear layer and nothing before it: whatever else there is belongs to the backbone.

    Parameters
    ----------
    embedding_size : int
        Values per embedding.
    n_classes : int
        Values per row of logits.
    """

    def __init__(self, embedding_size: int, n_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(embedding_size, n_classes)

    @torch.no_grad()
    def start_at(self, frequencies: Tensor) -> None:  # noqa: D102 - see Head
        self.linear.bias.copy_(frequency_logits(frequencies))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings to logits.

        Parameters
        ----------
        embeddings : Tensor of shape (n_samples, embedding_size)
            Output of a backbone.

        Returns
        -------
        Tensor of shape (n_samples, n_classes)
            Logits.
        """
        return self.linear(embeddings)
