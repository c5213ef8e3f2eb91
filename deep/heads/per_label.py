"""One head per label, so that one label's head can be trained while others rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from deep.fixed_weights import fix_weights, free_weights
from deep.heads.head import Head
from deep.heads.registry import create_head, register_head

if TYPE_CHECKING:
    from deep.backbones.backbone import Backbone


@register_head("per-label")
class PerLabelHead(Head):
    """Heads of one logit each, side by side.

    A frozen head is frozen whole: its parameters get no gradient, its normalisation keeps its
    statistics and its dropout is off, whatever the rest of the network does. What it passes on to
    the backbone is not: freeze that too where a frozen head's logits must stay as they are.

    Parameters
    ----------
    embedding_size : int
        Values per embedding.
    n_classes : int
        Values per row of logits, and heads.
    of : str
        What each head is: a name from `list_heads`.
    of_params : dict or None
        Its options; None means its defaults.
    slices : bool
        Whether each head sees its own share of the embedding, cut into equal ones in the order of
        the labels, as `parallel` backbones give them; else all of it.
    frozen : sequence of str or int
        Labels, by name or position, whose heads rest when the network is trained.

    Raises
    ------
    ValueError
        If the embedding cannot be cut into as many equal shares, or there is no such head, option
        or label, or `of` looks at steps; for that see `PerLabelAttentionHead`.

    References
    ----------
    Called "Fluffy" in Lumen 2023's second entry, https://github.com/ciglenecki/lumen-audio.

    Examples
    --------
    >>> head = PerLabelHead(64, 3, of="linear", frozen=[1])
    >>> tuple(head(torch.zeros(2, 64)).shape), head.frozen
    ((2, 3), [1])
    """

    def __init__(
        self,
        embedding_size: int,
        n_classes: int,
        *,
        of: str = "mlp",
        of_params: dict[str, Any] | None = None,
        slices: bool = False,
        frozen: Sequence[str | int] = (),
    ) -> None:
        super().__init__()
        if slices and embedding_size % n_classes:
            raise ValueError(
                f"slices must be equal: {embedding_size} values cannot be cut in {n_classes} parts"
            )
        size = embedding_size // n_classes if slices else embedding_size
        self.heads = nn.ModuleList(
            create_head(of, size, 1, **(of_params or {})) for _ in range(n_classes)
        )
        if any(head.of_steps != self.of_steps for head in self._list_heads()):
            other = "per-label" if self.of_steps else "per-label-attention"
            raise ValueError(f"heads {of!r} must stand side by side in a head {other!r}")
        self.slices = slices
        self._frozen: set[int] = set()
        # Names wait for `name_classes`.
        self._asked = list(frozen)
        self.freeze([label for label in frozen if isinstance(label, int)])

    def _list_heads(self) -> list[Head]:
        return [head for head in self.heads if isinstance(head, Head)]

    @property
    def frozen(self) -> list[int]:
        """Positions of the labels whose heads rest."""
        return sorted(self._frozen)

    def freeze(self, labels: Iterable[int]) -> None:
        """Let heads rest.

        Parameters
        ----------
        labels : iterable of int
            Positions of their labels.

        Raises
        ------
        ValueError
            If there is no such label.
        """
        resting = self._check(labels) - self._frozen
        self._frozen |= resting
        for label in resting:
            fix_weights(self.heads[label])
            self.heads[label].eval()

    def unfreeze(self, labels: Iterable[int]) -> None:
        """Train heads again.

        Parameters
        ----------
        labels : iterable of int
            Positions of their labels.

        Raises
        ------
        ValueError
            If there is no such label.
        """
        thawed = self._check(labels) & self._frozen
        self._frozen -= thawed
        for label in thawed:
            free_weights(self.heads[label])
            self.heads[label].train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Put all heads but those that rest into training, or into evaluation.

        Parameters
        ----------
        mode : bool
            Whether to train.

        Returns
        -------
        PerLabelHead
            Itself.
        """
        super().train(mode)
        for label in self._frozen:
            self.heads[label].eval()
        return self

    def retrain(self, labels: Iterable[int]) -> None:
        """Train some heads and let all others rest.

        Parameters
        ----------
        labels : iterable of int
            Positions of the labels whose heads are trained.

        Raises
        ------
        ValueError
            If there is no such label.
        """
        trained = self._check(labels)
        self.unfreeze(trained)
        self.freeze(set(range(len(self.heads))) - trained)

    def _check(self, labels: Iterable[int]) -> set[int]:
        wanted = set(labels)
        if unknown := sorted(wanted - set(range(len(self.heads)))):
            raise ValueError(f"labels must be positions below {len(self.heads)}, got {unknown}")
        return wanted

    @torch.no_grad()
    def start_at(self, frequencies: Tensor) -> None:  # noqa: D102 - see Head
        for label, head in enumerate(self._list_heads()):
            head.start_at(frequencies[label : label + 1])

    def name_classes(self, classes: Sequence[str]) -> None:
        """Freeze the heads that were named.

        Parameters
        ----------
        classes : sequence of str
            Names, in the order of the logits.

        Raises
        ------
        ValueError
            If a label that is to rest is none of the classes.
        """
        asked = [label for label in self._asked if not isinstance(label, int)]
        if unknown := [label for label in asked if label not in classes]:
            raise ValueError(f"frozen must name some of {list(classes)}, got {unknown}")
        self.freeze([list(classes).index(label) for label in asked])

    def start_with(self, backbone: Backbone, classes: Sequence[str]) -> None:  # noqa: D102
        # A share of the embedding is not what a backbone's own classifier stood on.
        if not self.slices:
            for head, name in zip(self._list_heads(), classes, strict=True):
                head.start_with(backbone, [name])

    def forward(self, embeddings: Tensor, *n_steps: Tensor) -> Tensor:
        """Map embeddings to logits.

        Parameters
        ----------
        embeddings : Tensor of shape (n_samples, embedding_size)
            Output of a backbone.
        *n_steps : Tensor of shape (n_samples,), int64, on the CPU
            For heads that look at steps only: valid steps of each clip.

        Returns
        -------
        Tensor of shape (n_samples, n_classes)
            Logits.
        """
        n_labels = len(self.heads)
        shares = embeddings.chunk(n_labels, dim=-1) if self.slices else [embeddings] * n_labels
        logits = [head(share, *n_steps) for head, share in zip(self.heads, shares, strict=True)]
        return torch.cat(logits, dim=1)


@register_head("per-label-attention")
class PerLabelAttentionHead(PerLabelHead):
    """Heads of one logit each that look at the steps of a clip, as `PerLabelHead` has them.

    Parameters
    ----------
    embedding_size : int
        Values per step.
    n_classes : int
        Values per row of logits, and heads.
    of : str
        What each head is: a name from `list_heads`, of a head that looks at steps.
    of_params : dict or None
        Its options; None means its defaults.
    slices : bool
        See `PerLabelHead`.
    frozen : sequence of str or int
        See `PerLabelHead`.

    Raises
    ------
    ValueError
        See `PerLabelHead`.
    """

    of_steps = True

    def __init__(
        self,
        embedding_size: int,
        n_classes: int,
        *,
        of: str = "attention",
        of_params: dict[str, Any] | None = None,
        slices: bool = False,
        frozen: Sequence[str | int] = (),
    ) -> None:
        super().__init__(
            embedding_size, n_classes, of=of, of_params=of_params, slices=slices, frozen=frozen
        )
