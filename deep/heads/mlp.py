"""A head of some layers, each normalised before it is rectified and mapped."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from deep.heads.head import Head, frequency_logits
from deep.heads.registry import register_head

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
}


@register_head("mlp")
class DeepHead(Head):
    """Layer normalisation, activation and a linear map, once per layer.

    Dropout stands between layers only: after the last one it would drop logits.

    Parameters
    ----------
    embedding_size : int
        Values per embedding.
    n_classes : int
        Values per row of logits.
    hidden : sequence of int
        Sizes of the layers between; none leaves one layer.
    dropout : float
        Probability of dropping a value of a hidden layer while training.
    activation : str
        One of `ACTIVATIONS`.

    Raises
    ------
    ValueError
        If a size is below one, or there is no such activation.
    """

    def __init__(
        self,
        embedding_size: int,
        n_classes: int,
        *,
        hidden: Sequence[int] = (256,),
        dropout: float = 0.2,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if any(size < 1 for size in hidden):
            raise ValueError(f"hidden must be sizes of at least 1, got {list(hidden)}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {list(ACTIVATIONS)}, got {activation!r}")
        self.hidden = nn.Sequential()
        for n_in, n_out in pairwise((embedding_size, *hidden)):
            self.hidden.extend([nn.LayerNorm(n_in), ACTIVATIONS[activation]()])
            self.hidden.extend([nn.Linear(n_in, n_out), nn.Dropout(dropout)])
        last = hidden[-1] if hidden else embedding_size
        self.last = nn.Sequential(nn.LayerNorm(last), ACTIVATIONS[activation]())
        self.linear = nn.Linear(last, n_classes)

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
        return self.linear(self.last(self.hidden(embeddings)))
