"""A head that begins with what a backbone knows of the same instruments from AudioSet."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from deep.backbones.hubs.known_classes import KnownClasses, find_label
from deep.heads.head import Head, frequency_logits
from deep.heads.registry import register_head

if TYPE_CHECKING:
    from deep.backbones.backbone import Backbone

# What AudioSet calls the classes of IRMAS by their codes and names, and other usual names of what
# AudioSet has.
AUDIOSET_LABELS = {
    "cel": "Cello",
    "cla": "Clarinet",
    "flu": "Flute",
    "gac": "Acoustic guitar",
    "gel": "Electric guitar",
    "org": "Organ",
    "pia": "Piano",
    "sax": "Saxophone",
    "tru": "Trumpet",
    "vio": "Violin, fiddle",
    "voi": "Singing",
    "human voice": "Singing",
    "voice": "Singing",
    "vocals": "Singing",
    "bass": "Bass guitar",
    "drums": "Drum kit",
}

# Of the classifier of the Audio Spectrogram Transformer, whose rows are taken over.
NORM_EPS = 1e-12


@register_head("audioset")
class AudioSetHead(Head):
    """Layer normalisation, dropout and one linear layer, which may start with AudioSet's rows.

    Where the backbone came with a classifier, a class that this knows too starts with its row and
    its bias, behind its layer normalisation: the network tells such classes apart before any
    training, each by itself. Other classes start as in any linear layer.

    Parameters
    ----------
    embedding_size : int
        Values per embedding.
    n_classes : int
        Values per row of logits.
    dropout : float
        Probability of dropping a value while training.
    labels : mapping of str to str, or None
        What the backbone's classifier calls a class, where it is not its own name or one that
        `AUDIOSET_LABELS` has.

    References
    ----------
    Y. Gong et al., AST: audio spectrogram transformer, 2021, https://arxiv.org/abs/2104.01778
    """

    def __init__(
        self,
        embedding_size: int,
        n_classes: int,
        *,
        dropout: float = 0.0,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(embedding_size, eps=NORM_EPS)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(embedding_size, n_classes)
        self.labels = dict(labels or {})
        self._started = torch.zeros(n_classes, dtype=torch.bool)

    @torch.no_grad()
    def start_at(self, frequencies: Tensor) -> None:
        """Let classes that nothing is known of start at their frequencies; see `Head`.

        Parameters
        ----------
        frequencies : Tensor of shape (n_classes,)
            Share of the clips that have each label.
        """
        bias = self.linear.bias
        started = self._started.to(bias.device)
        bias.copy_(torch.where(started, bias, frequency_logits(frequencies).to(bias)))

    @torch.no_grad()
    def start_with(self, backbone: Backbone, classes: Sequence[str]) -> None:
        """Take over the rows of the backbone's classifier, if it came with one.

        Parameters
        ----------
        backbone : Backbone
            What the head stands on.
        classes : sequence of str
            Their names, in the order of the logits.

        Raises
        ------
        ValueError
            If the classifier has no class that ``labels`` names.

        Warns
        -----
        UserWarning
            If it does not know some of the classes, which start untrained.
        """
        known: KnownClasses | None = getattr(backbone, "known_classes", None)
        if known is None:
            return
        places = self._find_places(known, [str(name) for name in classes])
        rows = torch.tensor([place is not None for place in places])
        taken = torch.tensor([place for place in places if place is not None], dtype=torch.int64)
        self.norm.weight.copy_(known.norm_weight)
        self.norm.bias.copy_(known.norm_bias)
        self.linear.weight[rows] = known.weight[taken].to(self.linear.weight)
        self.linear.bias[rows] = known.bias[taken].to(self.linear.bias)
        self._started = rows

    def _find_places(self, known: KnownClasses, classes: Sequence[str]) -> list[int | None]:
        if wrong := [
            label for label in self.labels.values() if find_label(label, known.labels) is None
        ]:
            raise ValueError(
                f"labels must name classes of the backbone's own classifier, such as "
                f"{list(known.labels[:3])}, got {wrong}"
            )
        given = {**AUDIOSET_LABELS, **self.labels}
        places = []
        for name in classes:
            plain = name.replace("_", " ").casefold()
            label = given.get(name, given.get(plain, name))
            places.append(find_label(label, known.labels))
        if missing := [name for name, at in zip(classes, places, strict=True) if at is None]:
            warnings.warn(
                f"the backbone's own classifier does not know {missing}, which start untrained; "
                "the head's option 'labels' tells what it calls them",
                stacklevel=2,
            )
        return places

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
        return self.linear(self.dropout(self.norm(embeddings)))
