"""Parameters by how fast they learn and whether they decay."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor, nn

# A layer is named by all up to the first number, or by the backbone's own child: an item of a list
# of blocks, however deep, is a layer; what has no list around it is one with its siblings inside.
_LAYER = re.compile(r"(?P<numbered>.*?\.\d+)\.|(?P<child>backbone\.[^.]+|[^.]+)")
# Heads of single labels, and backbones of single labels, stand side by side, none above another.
_SIDE_BY_SIDE = re.compile(r"^(head)\.heads\.\d+|^(backbone)\.backbones\.\d+")


def layer_of(parameter_name: str) -> str:
    """Name the layer that a parameter belongs to.

    Parameters
    ----------
    parameter_name : str
        As in ``named_parameters``.

    Returns
    -------
    str
        The name up to the first number in it; without one, the backbone's child, or the part of
        the network. Of heads or backbones of single labels, as if there were one.

    Examples
    --------
    >>> layer_of("backbone.blocks.2.0.weight"), layer_of("backbone.lstm.weight_ih_l0")
    ('backbone.blocks.2', 'backbone.lstm')
    >>> layer_of("head.linear.bias"), layer_of("head.heads.3.linear.bias")
    ('head', 'head')
    """
    name = _SIDE_BY_SIDE.sub(lambda found: found[1] or found[2], parameter_name)
    found = _LAYER.match(name)
    return found.group(0).rstrip(".") if found else name


def parameter_groups(
    network: nn.Module, *, layer_decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Group the parameters of a network for an optimiser.

    Biases and normalisations, which are what has one dimension, do not decay: they are few and
    set scales rather than fit.

    Parameters
    ----------
    network : nn.Module
        Layers are counted from its end, in the order in which they were registered.
    layer_decay : float
        A layer's rate is this, to the power of the number of layers after it.
    weight_decay : float
        Of all other parameters.

    Returns
    -------
    list of dict
        With ``params``, ``weight_decay`` and ``share``: that of the learning rate.

    References
    ----------
    J. Howard, S. Ruder, Universal language model fine-tuning for text classification, 2018,
    https://arxiv.org/abs/1801.06146 (discriminative fine-tuning)
    """
    named = list(network.named_parameters())
    layers = list(dict.fromkeys(layer_of(name) for name, _ in named))
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, parameter in named:
        share = layer_decay ** (len(layers) - 1 - layers.index(layer_of(name)))
        groups.setdefault((share, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": params, "weight_decay": weight_decay if decays else 0.0, "share": share}
        for (share, decays), params in groups.items()
    ]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every group.

    Parameters
    ----------
    optimizer : Optimizer
        Over `parameter_groups`.
    rate : float
        Of the layer nearest to the head.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
