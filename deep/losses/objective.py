"""The objective of a training: a loss over logits, and maybe a weighted term beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

# ``(logits, targets, embeddings=None) -> scalar``.
Loss = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss as a training calls it: ``objective(logits, targets, embeddings) -> scalar``.

    Parameters
    ----------
    main : callable
        ``(logits, targets) -> scalar``.
    term : callable or None
        ``(logits, targets) -> scalar``, or ``(embeddings, targets) -> scalar``.
    alpha : float
        Weight of the term.
    of_embeddings : bool
        Whether the term wants embeddings, which then must be given.
    """

    main: Callable[[Tensor, Tensor], Tensor]
    term: Callable[[Tensor, Tensor], Tensor] | None = None
    alpha: float = 0.0
    of_embeddings: bool = False

    def __call__(self, logits: Tensor, targets: Tensor, embeddings: Tensor | None = None) -> Tensor:
        """Compute the loss of a batch.

        Parameters
        ----------
        logits : Tensor of shape (n_samples, n_classes)
            Network output.
        targets : Tensor of shape (n_samples, n_classes)
            See `deep.losses`.
        embeddings : Tensor of shape (n_samples, embedding_size) or None
            What the logits were made of.

        Returns
        -------
        Tensor, scalar
            The loss.

        Raises
        ------
        ValueError
            If the term wants embeddings and there are none.
        """
        value = self.main(logits, targets)
        if self.term is None:
            return value
        if not self.of_embeddings:
            return value + self.alpha * self.term(logits, targets)
        if embeddings is None:
            raise ValueError("this loss must be given embeddings beside logits, got none")
        return value + self.alpha * self.term(embeddings, targets)
