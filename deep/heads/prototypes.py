"""A head that compares with what is typical of each class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deep.heads.head import Head, frequency_logits
from deep.heads.registry import register_head


@register_head("prototypes")
class PrototypeHead(Head):
    """Logits that fall with the squared distance to the nearest prototype of a class.

    With an embedding ``e`` of D values, each standardised over the training clips, and prototypes
    ``p``, the logit of class c is ``b_c - s * min over k of |e - p_ck|^2 / D``. All of ``p``, the
    scale ``s`` and the offsets ``b`` are learned. The offsets say how near is near enough where
    labels are decided one by one. Computed in float32 under autocast too.

    Parameters
    ----------
    embedding_size : int
        Values per embedding.
    n_classes : int
        Values per row of logits.
    n_prototypes : int
        Prototypes per class, for classes that sound in several ways.
    scale : float
        What ``s`` starts at; it stays above zero.

    Raises
    ------
    ValueError
        If there is to be no prototype, or `scale` is not above zero.

    References
    ----------
    J. Snell et al., Prototypical networks for few-shot learning, NeurIPS 2017; there prototypes
    are means of embeddings, here they are learned.
    """

    def __init__(
        self, embedding_size: int, n_classes: int, *, n_prototypes: int = 1, scale: float = 10.0
    ) -> None:
        super().__init__()
        if n_prototypes < 1:
            raise ValueError(f"n_prototypes must be at least 1, got {n_prototypes}")
        if not scale > 0:
            raise ValueError(f"scale must be above 0, got {scale!r}")
        self.norm = nn.BatchNorm1d(embedding_size, affine=False)
        # As far from the embeddings' mean as embeddings are.
        self.prototypes = nn.Parameter(torch.randn(n_classes, n_prototypes, embedding_size))
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.offsets = nn.Parameter(torch.zeros(n_classes))
        self.start_at(torch.full((n_classes,), 0.5))

    @torch.no_grad()
    def start_at(self, frequencies: Tensor) -> None:  # noqa: D102 - see Head
        # A standardised embedding has a mean square of one, and knows no prototype yet.
        apart = 1 + self.prototypes.square().mean(dim=2).amin(dim=1)
        self.offsets.copy_(frequency_logits(frequencies) + self.log_scale.exp() * apart)

    def distances(self, embeddings: Tensor) -> Tensor:
        """Measure how far embeddings are from what is typical of each class.

        Parameters
        ----------
        embeddings : Tensor of shape (n_samples, embedding_size)
            Output of a backbone.

        Returns
        -------
        Tensor of shape (n_samples, n_classes, n_prototypes), float32
            Mean squared differences of standardised values.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            points = self.norm(embeddings.float())
            # |e - p|^2 as three products: no array of samples x prototypes x values is needed.
            products = torch.einsum("nd,ckd->nck", points, self.prototypes)
            squares = points.square().sum(dim=1)[:, None, None]
            squares = squares + self.prototypes.square().sum(dim=2)
            return (squares - 2 * products).clamp_min(0) / points.shape[1]

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings to logits.

        Parameters
        ----------
        embeddings : Tensor of shape (n_samples, embedding_size)
            Output of a backbone.

        Returns
        -------
        Tensor of shape (n_samples, n_classes), float32
            Logits.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            nearest = self.distances(embeddings).amin(dim=2)
            return self.offsets - self.log_scale.exp() * nearest
