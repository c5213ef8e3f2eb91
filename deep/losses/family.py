r"""Family loss: which family the label belongs to, asked beside the label itself.

A violin taken for a viola is a smaller mistake than a violin taken for a drum. The probability of
a family follows from those of its labels: their sum for single-label softmax, and
:math:`1 - \prod_i (1 - p_i)`, the probability of any of them, for independent labels. No head is
added, and nothing changes at prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deep.losses.masking import known_labels, known_rows, masked_mean

# Logit of a label that is not there: exp of it is zero, and sums over many stay finite.
NEVER = -1e30


def family_members(families: Mapping[str, Sequence[Any]], classes: Iterable[Any]) -> Tensor:
    """Make the table of who belongs where.

    Parameters
    ----------
    families : mapping of str to sequence
        Family to labels, as in a recipe. A label in none is a family of its own.
    classes : iterable
        Label of each column of the targets; compared as text.

    Returns
    -------
    Tensor of shape (n_families, n_classes), bool
        Families in the given order, then labels of their own; every label in exactly one.

    Raises
    ------
    ValueError
        If a family is not a list of labels or empty, or a label is unknown or named twice.

    Examples
    --------
    >>> family_members({"strings": ["cel", "vio"]}, ["cel", "flu", "vio"]).int().tolist()
    [[1, 0, 1], [0, 1, 0]]
    """
    if not isinstance(families, Mapping) or not families:
        raise ValueError(f"families must map each family to its labels, got {families!r}")
    if odd := [name for name, labels in families.items() if not _is_list(labels)]:
        raise ValueError(f"every family must list one label or more, got another thing for {odd}")
    columns = {str(label): column for column, label in enumerate(classes)}
    rows = [[str(label) for label in labels] for labels in families.values()]
    named = [label for row in rows for label in row]
    if wrong := sorted(set(named) - columns.keys()):
        raise ValueError(f"families must name labels of {list(columns)}, got {wrong}")
    if twice := sorted({label for label in named if named.count(label) > 1}):
        raise ValueError(f"a label must be in one family only, {twice} are named again")
    rows += [[label] for label in columns if label not in named]
    members = torch.zeros(len(rows), len(columns), dtype=torch.bool)
    for member, row in zip(members, rows, strict=True):
        member[[columns[label] for label in row]] = True
    return members


def _is_list(labels: Any) -> bool:
    return isinstance(labels, Sequence) and not isinstance(labels, str) and len(labels) > 0


def family_loss(
    logits: Tensor, targets: Tensor, *, members: Tensor, multi_label: bool = False
) -> Tensor:
    """Mean cross-entropy of the families.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Network output, of labels.
    targets : Tensor of shape (n_samples, n_classes)
        Single-label: rows that sum to one; a row with a -1 has no loss and no gradient; a
        family's target is the sum of its labels'. Multi-label: 1, 0, between, or -1; a family is
        asked for as far as its labels were annotated, and its target is the largest of theirs.
    members : Tensor of shape (n_families, n_classes), bool
        From `family_members`.
    multi_label : bool
        Whether labels are decided one by one.

    Returns
    -------
    Tensor, scalar
        Mean over annotated rows, or over families with an annotated label; zero if there are
        none.
    """
    if not multi_label:
        logits, targets, known = known_rows(logits, targets)
        log_p = logits.log_softmax(dim=1)[:, None].masked_fill(~members, -torch.inf)
        wanted = (targets[:, None] * members).sum(dim=2)
        return masked_mean(-(wanted * log_p.logsumexp(dim=2)).sum(dim=1), known)
    logits, targets, known = known_labels(logits, targets)
    asked = known[:, None] & members
    wanted = targets[:, None].masked_fill(~asked, 0.0).amax(dim=2)
    losses = functional.binary_cross_entropy_with_logits(
        _logit_of_any(logits[:, None].masked_fill(~asked, NEVER)), wanted, reduction="none"
    )
    return masked_mean(losses, asked.any(dim=2))


def _logit_of_any(logits: Tensor) -> Tensor:
    """Combine independent labels along the last axis.

    If a and b are odds, those of "either or both" are a + b + ab, which holds its precision where
    one minus a product of many ones would not.
    """
    while logits.shape[-1] > 1:
        half = logits.shape[-1] // 2
        a, b, rest = logits.split([half, half, logits.shape[-1] - 2 * half], dim=-1)
        either = torch.stack([a, b, a + b]).logsumexp(dim=0)
        logits = torch.cat([either, rest], dim=-1)
    return logits[..., 0]
