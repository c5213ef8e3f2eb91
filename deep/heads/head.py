"""What every head is: embeddings to logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from deep.backbones.backbone import Backbone


class Head(nn.Module):
    """Embeddings to logits.

    Called as ``head(embeddings) -> logits`` with embeddings of shape (n_samples, embedding_size);
    one that looks at the steps of a clip, ``of_steps``, as ``head(steps, n_steps) -> logits`` with
    what `Backbone.frame_embeddings` gives.

    Attributes
    ----------
    of_steps : bool
        What it is called with.
    """

    of_steps: bool = False

    @torch.no_grad()
    def start_at(self, frequencies: Tensor) -> None:
        """Let an untrained head say of each label how frequent it is, if it can.

        Where clips have few of many labels, the first epochs would be spent on learning just that.

        Parameters
        ----------
        frequencies : Tensor of shape (n_classes,)
            Share of the clips that have each label; kept within 0.01 to 0.99.

        References
        ----------
        T.-Y. Lin et al., Focal loss for dense object detection, ICCV 2017, section 4.1.
        """

    def name_classes(self, classes: Sequence[str]) -> None:
        """Learn what the logits are called.

        Parameters
        ----------
        classes : sequence of str
            Names, in the order of the logits.
        """

    def start_with(self, backbone: Backbone, classes: Sequence[str]) -> None:
        """Take over what a backbone's weights know of the classes, if there is anything.

        Called once, before the head is trained.

        Parameters
        ----------
        backbone : Backbone
            What the head stands on.
        classes : sequence of str
            Their names, in the order of the logits.
        """


class NoHead(Head):
    """Logits that are the embeddings, for a network without classes."""

    def forward(self, embeddings: Tensor) -> Tensor:
        """Give embeddings back.

        Parameters
        ----------
        embeddings : Tensor of shape (n_samples, embedding_size)
            Output of a backbone.

        Returns
        -------
        Tensor of shape (n_samples, embedding_size)
            The same.
        """
        return embeddings


def frequency_logits(frequencies: Tensor) -> Tensor:
    """Give the logits at which a head that knows nothing starts.

    Parameters
    ----------
    frequencies : Tensor of shape (n_classes,)
        Share of the clips that have each label.

    Returns
    -------
    Tensor of shape (n_classes,)
        Of the shares, kept within 0.01 to 0.99.
    """
    return frequencies.clamp(0.01, 0.99).logit()
