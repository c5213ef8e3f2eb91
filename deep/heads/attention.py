"""A head that listens to each label where in a clip it can be heard."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deep.frontends.padding import valid_mask
from deep.heads.head import Head, frequency_logits
from deep.heads.registry import register_head


@register_head("attention")
class AttentionHead(Head):
    """Each label's logits at the steps of a clip, averaged by weights of its own.

    With the embedding ``h_t`` of step t, the logit of label c is
    ``sum over t of softmax_t(a_c(h_t)) * z_c(h_t)`` over the clip's valid steps. ``z`` is linear;
    ``a`` is linear too, or has a layer of tanh before. An instrument that plays for one second of
    ten is judged by that second, while another one is judged by the other nine.

    With weights that labels share, since ``z`` is linear, it is additive attention pooling
    followed by a linear layer.

    Parameters
    ----------
    embedding_size : int
        Values per step.
    n_classes : int
        Values per row of logits.
    tanh_size : int or None
        Values of the layer of tanh; None means none.
    shared : bool
        Whether labels share one weight per step.
    dropout : float
        Probability of dropping a value of a step while training.

    Raises
    ------
    ValueError
        If `tanh_size` is below one.

    References
    ----------
    D. Bahdanau et al., Neural machine translation by jointly learning to align and translate, ICLR
    2015 (additive attention); Q. Kong et al., Audio Set classification with attention model: a
    probabilistic perspective, ICASSP 2018 (weights of classes, there of probabilities).
    """

    of_steps = True

    def __init__(
        self,
        embedding_size: int,
        n_classes: int,
        *,
        tanh_size: int | None = None,
        shared: bool = False,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if tanh_size is not None and tanh_size < 1:
            raise ValueError(f"tanh_size must be at least 1, got {tanh_size}")
        # Of each step alone: statistics over steps would be those of padding too.
        self.norm = nn.LayerNorm(embedding_size)
        self.dropout = nn.Dropout(dropout)
        n_weights = 1 if shared else n_classes
        self.weigh = nn.Sequential(nn.Linear(tanh_size or embedding_size, n_weights))
        if tanh_size is not None:
            layer = nn.Linear(embedding_size, tanh_size)
            self.weigh = nn.Sequential(layer, nn.Tanh(), *self.weigh)
        self.linear = nn.Linear(embedding_size, n_classes)
        # Every step counts the same until there is a reason: the head starts as the mean.
        for values in self.weigh[-1].parameters():
            nn.init.zeros_(values)

    @torch.no_grad()
    def start_at(self, frequencies: Tensor) -> None:  # noqa: D102 - see Head
        # Weights of a clip's steps add up to one, so what is added to each step's logit stays.
        self.linear.bias.copy_(frequency_logits(frequencies))

    def weights(self, steps: Tensor, n_steps: Tensor) -> Tensor:
        """Give how much each step of a clip counts for each label.

        Parameters
        ----------
        steps : Tensor of shape (n_samples, n_steps, embedding_size)
            Embeddings of steps.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip, at least one.

        Returns
        -------
        Tensor of shape (n_samples, n_steps, n_classes), float32
            Each column sums to one over a clip's valid steps and is zero past them.
        """
        weights = self._weights(self.norm(steps), n_steps)
        return weights.expand(-1, -1, self.linear.out_features)

    def _weights(self, steps: Tensor, n_steps: Tensor) -> Tensor:
        valid = valid_mask(n_steps, steps.shape[1], device=steps.device)[..., None]
        # A softmax over hundreds of steps is too much for the 8 bits of bfloat16.
        return self.weigh(steps).float().masked_fill(~valid, -torch.inf).softmax(dim=1)

    def forward(self, steps: Tensor, n_steps: Tensor) -> Tensor:
        """Map steps to logits; see `weights`.

        Parameters
        ----------
        steps : Tensor of shape (n_samples, n_steps, embedding_size)
            Embeddings of steps; those past a clip's end do not matter.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip, at least one.

        Returns
        -------
        Tensor of shape (n_samples, n_classes), float32
            Logits.
        """
        steps = self.dropout(self.norm(steps))
        return (self._weights(steps, n_steps) * self.linear(steps)).sum(dim=1)
