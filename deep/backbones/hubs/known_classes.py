"""What a backbone's weights know of the classes that they were trained to tell apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class KnownClasses:
    """The classifier that came with a backbone: ``linear(layer_norm(embedding))``.

    Parameters
    ----------
    labels : sequence of str
        Names of its classes.
    weight : Tensor of shape (n_labels, embedding_size)
        Of the linear layer.
    bias : Tensor of shape (n_labels,)
        Of the linear layer.
    norm_weight, norm_bias : Tensor of shape (embedding_size,)
        Of the layer normalisation.
    """

    labels: Sequence[str]
    weight: Tensor
    bias: Tensor
    norm_weight: Tensor
    norm_bias: Tensor


def find_label(name: str, labels: Sequence[str]) -> int | None:
    """Find a name among labels such as those of AudioSet, which may hold several, comma-separated.

    Parameters
    ----------
    name : str
        Case does not count, and an underscore is a space.
    labels : sequence of str
        Among which to look.

    Returns
    -------
    int or None
        Its place; None if no label, or more than one, has that name.

    Examples
    --------
    >>> find_label("violin", ["Cello", "Violin, fiddle"])
    1
    """
    wanted = _plain(name)
    whole = [_plain(label) for label in labels]
    if wanted in whole:
        return whole.index(wanted)
    parts = [{part.strip() for part in label.split(",")} for label in whole]
    count = Counter(part for several in parts for part in several)
    if count[wanted] != 1:
        return None
    return next(place for place, several in enumerate(parts) if wanted in several)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())
