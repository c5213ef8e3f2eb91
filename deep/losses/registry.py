"""Losses by name: which there are, and how to make one for a training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from torch import Tensor

from deep.losses.arcface import arcface
from deep.losses.asymmetric import asymmetric
from deep.losses.binary_cross_entropy import masked_binary_cross_entropy
from deep.losses.class_weights import balanced_weights
from deep.losses.config import LossConfig, find_out_of_range, find_wrong
from deep.losses.cross_entropy import cross_entropy
from deep.losses.family import family_loss, family_members
from deep.losses.focal import binary_focal, softmax_focal
from deep.losses.objective import Loss, Objective
from deep.losses.triplet import ONE_CLASS, triplet

# Stands for the cross-entropy of the task.
AUTO = "auto"

# A term beside the loss proper: clearly felt, and the label still the main thing.
DEFAULT_ALPHA = 0.3

_ANY_SIZE = (0.0, math.inf)

_LOSSES = {
    config.name: config
    for config in (
        LossConfig(
            "arcface",
            single_label=arcface,
            ranges={"scale": (1.0, math.inf), "margin": (0.0, math.pi / 2)},
            flags=("easy_margin",),
            needs_cosine_head=True,
        ),
        LossConfig(
            "asymmetric",
            multi_label=asymmetric,
            ranges={
                "gamma_positive": _ANY_SIZE,
                "gamma_negative": _ANY_SIZE,
                "shift": (0.0, 1.0),
            },
        ),
        LossConfig("binary_cross_entropy", multi_label=masked_binary_cross_entropy),
        LossConfig("cross_entropy", single_label=cross_entropy),
        LossConfig(
            "family",
            single_label=family_loss,
            multi_label=partial(family_loss, multi_label=True),
            others=("families",),
            is_term=True,
        ),
        LossConfig(
            "focal",
            single_label=softmax_focal,
            multi_label=binary_focal,
            ranges={"gamma": _ANY_SIZE},
        ),
        LossConfig(
            "triplet",
            single_label=triplet,
            ranges={"margin": _ANY_SIZE},
            is_term=True,
            needs_embeddings=True,
        ),
    )
}


def list_losses(*, multi_label: bool | None = None) -> list[str]:
    """List the names of losses.

    Parameters
    ----------
    multi_label : bool or None
        Those for one task; None lists all.

    Returns
    -------
    list of str
        Sorted names; ``"auto"`` is understood besides.

    Examples
    --------
    >>> list_losses(multi_label=True)
    ['asymmetric', 'binary_cross_entropy', 'family', 'focal']
    """
    if multi_label is None:
        return sorted(_LOSSES)
    return sorted(name for name in _LOSSES if _LOSSES[name].of_task(multi_label=multi_label))


def get_loss_config(name: str, *, multi_label: bool) -> LossConfig:
    """Look up a loss.

    Parameters
    ----------
    name : str
        A name from `list_losses`, or ``"auto"``: the cross-entropy of the task.
    multi_label : bool
        Whether labels are decided one by one.

    Returns
    -------
    LossConfig
        Its description.

    Raises
    ------
    ValueError
        If there is no such loss, or not for the task.

    Examples
    --------
    >>> get_loss_config("auto", multi_label=True).name
    'binary_cross_entropy'
    """
    if name == AUTO:
        name = "binary_cross_entropy" if multi_label else "cross_entropy"
    fit = list_losses(multi_label=multi_label)
    if name in fit:
        return _LOSSES[name]
    task = "multi-label" if multi_label else "single-label"
    unfit = ", which is not for this task" if name in _LOSSES else ""
    raise ValueError(f"a {task} loss must be one of {[AUTO, *fit]}, got {name!r}{unfit}")


def create_losses(
    name: str,
    targets: Tensor,
    *,
    multi_label: bool,
    classes: Iterable[Any] | None = None,
    class_weight: str | None = None,
    label_smoothing: float = 0.0,
    **options: Any,
) -> tuple[Loss, Loss]:
    """Make the loss to train by and the plain one to validate by.

    Parameters
    ----------
    name : str
        A name from `list_losses`, or ``"auto"``: the cross-entropy of the task.
    targets : Tensor of shape (n_samples, n_classes)
        Training targets, on the device to train on.
    multi_label : bool
        Whether labels are decided one by one.
    classes : iterable or None
        Label of each column, which ``"family"`` needs.
    class_weight : None or "balanced"
        Whether to weight by `balanced_weights`.
    label_smoothing : float
        Share of certainty that is taken from each target, in [0, 1).
    **options
        Settings of the loss: those of the function of its name. ``"family"`` and ``"triplet"``
        are terms, which are added with the weight ``alpha`` to another loss: ``main`` is its
        name (``"auto"`` if not given), and its own settings stand beside the term's. The
        ``families`` are as in `family_members`.

    Returns
    -------
    loss : callable
        ``(logits, targets, embeddings) -> scalar``, weighted and smoothed. Only a loss whose
        `LossConfig` says so needs the embeddings.
    validation_loss : callable
        ``(logits, targets) -> scalar``: the same without weights, smoothing, margin and term.

    Raises
    ------
    ValueError
        If there is no such loss for the task; if settings are unknown, missing or out of range;
        or if no triplet can be made of the targets.

    Examples
    --------
    >>> import torch
    >>> loss, _ = create_losses("focal", torch.eye(2), multi_label=False, gamma=0.0)
    >>> round(loss(torch.zeros(2, 2), torch.eye(2)).item(), 4)
    0.6931
    """
    config = get_loss_config(name, multi_label=multi_label)
    configs = [config]
    if config.is_term:
        configs.append(_get_main(options.get("main", AUTO), multi_label=multi_label))
    alpha = options.get("alpha", DEFAULT_ALPHA)
    wrong = find_wrong(options, *configs)
    wrong += find_out_of_range("alpha", alpha, _ANY_SIZE)
    wrong += find_out_of_range("label_smoothing", label_smoothing, (0.0, 1.0))
    if class_weight not in (None, "balanced"):
        wrong.append(f"class_weight must be None or 'balanced', got {class_weight!r}")
    if wrong:
        raise ValueError("; ".join(wrong))
    weight = balanced_weights(targets, multi_label=multi_label) if class_weight else None
    plain = configs[-1].with_options(options, multi_label=multi_label)
    loss = partial(plain, weight=weight, label_smoothing=label_smoothing)
    # A margin is for training alone: nothing adds one at prediction.
    validation_loss = Objective(cross_entropy if config.name == "arcface" else plain)
    if not config.is_term:
        return Objective(loss), validation_loss
    term = _create_term(config, options, targets, classes, multi_label=multi_label)
    return Objective(loss, term, alpha, config.needs_embeddings), validation_loss


def _create_term(
    config: LossConfig,
    options: Mapping[str, Any],
    targets: Tensor,
    classes: Iterable[Any] | None,
    *,
    multi_label: bool,
) -> Loss:
    """Make a term, if the targets fit it."""
    term = config.with_options(options, multi_label=multi_label)
    if config.name == "triplet":
        _check_triplets(targets)
        return term
    members = _check_families(options.get("families"), classes, n_classes=targets.shape[1])
    return partial(term, members=members.to(targets.device))


def _get_main(name: str, *, multi_label: bool) -> LossConfig:
    """Look up the loss that a term is added to."""
    config = get_loss_config(name, multi_label=multi_label)
    # A term on a term would have two weights of one name, and ArcFace beside triplets two margins.
    if config.is_term or config.name == "arcface":
        raise ValueError(f"main must be a loss that takes a term beside it, got {name!r}")
    return config


def _check_families(families: Any, classes: Iterable[Any] | None, *, n_classes: int) -> Tensor:
    """Give the table of families, if they and the classes fit the targets."""
    columns = [] if classes is None else list(classes)
    if len(columns) != n_classes:
        raise ValueError(
            f"the loss 'family' must be given classes, one for each of {n_classes} columns, got "
            f"{columns}"
        )
    return family_members(families, columns)


def _check_triplets(targets: Tensor) -> None:
    """Raise if no triplet can be made of the training targets."""
    counts = (targets > ONE_CLASS).sum(dim=0)
    if counts.max() < 2 or (counts > 0).sum() < 2:
        raise ValueError(
            "the loss 'triplet' must be given two rows or more of one class alone and one of "
            f"another, got {counts.tolist()} per class; soft rows do not count"
        )
