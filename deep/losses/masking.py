"""What every loss does first and last: full precision, nothing from what was never annotated.

Logits are put to zero where the target is unknown, so that no gradient passes whatever they hold,
and reduced precision is widened to float32, so that a loss may be called under autocast.
"""

from __future__ import annotations

import torch
from torch import Tensor


def known_labels(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Leave out single labels.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Network output.
    targets : Tensor of shape (n_samples, n_classes)
        Negative where a label is unknown.

    Returns
    -------
    logits : Tensor of shape (n_samples, n_classes), at least float32
        Zero where unknown.
    targets : Tensor of shape (n_samples, n_classes), like `logits`
        Zero where unknown.
    known : Tensor of shape (n_samples, n_classes), bool
        Where a label was annotated.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    logits, targets = _full_precision(logits, targets)
    known = targets >= 0
    return logits.masked_fill(~known, 0.0), targets.masked_fill(~known, 0.0), known


def known_rows(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Leave out whole rows.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Network output.
    targets : Tensor of shape (n_samples, n_classes)
        A row with a negative value is unknown.

    Returns
    -------
    logits : Tensor of shape (n_samples, n_classes), at least float32
        Zero where unknown.
    targets : Tensor of shape (n_samples, n_classes), like `logits`
        Zero where unknown.
    known : Tensor of shape (n_samples,), bool
        Which rows were annotated.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    logits, targets = _full_precision(logits, targets)
    known = (targets >= 0).all(dim=1)
    hidden = ~known[:, None]
    return logits.masked_fill(hidden, 0.0), targets.masked_fill(hidden, 0.0), known


def masked_mean(values: Tensor, known: Tensor) -> Tensor:
    """Average what is known.

    Parameters
    ----------
    values : Tensor
        Finite, also where unknown.
    known : Tensor of the shape of `values`, bool
        What to average.

    Returns
    -------
    Tensor, scalar
        The mean; zero, with a gradient of zero, if nothing is known.
    """
    return torch.where(known, values, 0.0).sum() / known.sum().clamp_min(1)


def _full_precision(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if logits.ndim != 2 or logits.shape != targets.shape:
        raise ValueError(
            "logits and targets must have one shape (n_samples, n_classes), got "
            f"{tuple(logits.shape)} and {tuple(targets.shape)}"
        )
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits, targets.to(logits.dtype)
