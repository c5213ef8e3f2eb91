"""Fine-tuning in two stages: the head alone first, then everything from a named module on.

A frozen module is frozen whole: its parameters get no gradient, its batch normalisation keeps its
statistics, and its dropout is off.
"""

from __future__ import annotations

from torch import nn

HEAD = "head"


def first_trained_module(*, epochs_done: float, head_epochs: int, unfreeze_from: str | None) -> str:
    """Name the module from which on a network is trained.

    Parameters
    ----------
    epochs_done : float
        When.
    head_epochs : int
        Epochs in which only the head is trained.
    unfreeze_from : str or None
        The first module that is trained after that.

    Returns
    -------
    str
        Empty for the whole network.
    """
    return HEAD if epochs_done < head_epochs else unfreeze_from or ""


def train_from(network: nn.Module, first: str) -> None:
    """Put a network into training, all that comes before a module frozen.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    first : str
        Name of a module of it; the order is that in which modules were registered. Empty means
        that all is trained.

    Raises
    ------
    ValueError
        If there is no such module.
    """
    modules = dict(network.named_modules())
    if first not in modules:
        choices = [name for name in modules if 0 < len(name.split(".")) <= 3 and name]
        raise ValueError(f"unfreeze_from must be one of {choices}, got {first!r}")
    reached = False
    for name, module in modules.items():
        reached = reached or name == first
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(reached)
        # What surrounds the named module is in training, but its own parameters come before.
        module.training = reached or first.startswith(f"{name}.") or not name
