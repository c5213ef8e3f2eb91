"""Which of a transformer's layers an embedding is taken from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LAST, WEIGHTED = "last", "weighted"


class LayerChoice(nn.Module):
    """The output of a transformer, that of one of its layers, or a learned mean of all.

    Parameters
    ----------
    layer : str or int
        ``"last"`` is what the network itself gives; a number is what comes after so many of its
        layers, counted from the end if negative; ``"weighted"`` is the mean of all hidden states,
        from what goes into the first layer to what comes out of the last one, with weights that
        are learned and equal at first.
    n_layers : int
        Layers there are.

    Attributes
    ----------
    n_kept : int
        Layers that have to be computed.
    weighted : bool
        Whether all hidden states are needed.

    Raises
    ------
    ValueError
        If there is no such layer.

    References
    ----------
    S. Yang et al., SUPERB: speech processing universal performance benchmark, 2021,
    https://arxiv.org/abs/2105.01051 (weighted sums of layers)
    """

    def __init__(self, layer: str | int, n_layers: int) -> None:
        super().__init__()
        counted = isinstance(layer, int) and not isinstance(layer, bool)
        known = range(-n_layers - 1, n_layers + 1) if counted else (LAST, WEIGHTED)
        if layer not in known:
            raise ValueError(
                f"layer must be {LAST!r}, {WEIGHTED!r} or a number from {-n_layers - 1} to "
                f"{n_layers}, got {layer!r}"
            )
        self.layer, self.weighted = layer, layer == WEIGHTED
        self.n_kept = layer % (n_layers + 1) if isinstance(layer, int) else n_layers
        if self.weighted:
            self.scores = nn.Parameter(torch.zeros(n_layers + 1))

    @property
    def is_last(self) -> bool:
        """Whether it is the network's own output."""
        return self.layer == LAST

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Take what is chosen.

        Parameters
        ----------
        states : sequence of Tensor of one shape
            All hidden states if ``weighted``, else the chosen one alone.

        Returns
        -------
        Tensor of the same shape
            The chosen one, or the mean.

        Raises
        ------
        ValueError
            If there are not as many as there should be.
        """
        wanted = len(self.scores) if self.weighted else 1
        if len(states) != wanted:
            raise ValueError(f"there must be {wanted} hidden states, got {len(states)}")
        if not self.weighted:
            return states[0]
        weights = self.scores.softmax(dim=0)
        return sum(
            (weight * state for weight, state in zip(weights, states, strict=True)),
            start=torch.zeros_like(states[0]),
        )
