"""Backbones by name: what they are, and how to make one.

A backbone is registered as a factory ``factory(*, n_classes, sr, **options) -> AudioNetwork``
together with its `BackboneConfig`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from deep.backbones.network import AudioNetwork

Factory = TypeVar("Factory", bound=Callable[..., AudioNetwork])

_REGISTRY: dict[str, tuple[BackboneConfig, Callable[..., AudioNetwork]]] = {}


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """What a user should know of a backbone before using it.

    Parameters
    ----------
    name : str
        Name in the registry.
    source : str
        Where the architecture and, if any, the weights come from.
    licence : str
        Licence of the weights, or of the code if there are none.
    sr : int
        Sampling rate in Hz that it expects.
    embedding_size : int
        Values per embedding with default options.
    pretrained : bool
        Whether it comes with weights.
    """

    name: str
    source: str
    licence: str
    sr: int
    embedding_size: int
    pretrained: bool = False


def register_backbone(config: BackboneConfig) -> Callable[[Factory], Factory]:
    """Register the decorated factory under ``config.name``.

    Parameters
    ----------
    config : BackboneConfig
        Description of the backbone.

    Returns
    -------
    callable
        A decorator that gives the factory back unchanged.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def register(factory: Factory) -> Factory:
        if config.name in _REGISTRY:
            raise ValueError(f"backbone names must be unique, {config.name!r} is registered twice")
        _REGISTRY[config.name] = (config, factory)
        return factory

    return register


def list_backbones() -> list[str]:
    """List the registered names.

    Returns
    -------
    list of str
        Sorted names.

    Examples
    --------
    >>> "crnn" in list_backbones()
    True
    """
    return sorted(_REGISTRY)


def get_backbone_config(name: str) -> BackboneConfig:
    """Look up a backbone's description.

    Parameters
    ----------
    name : str
        A name from `list_backbones`.

    Returns
    -------
    BackboneConfig
        Its description.

    Raises
    ------
    ValueError
        If no such backbone is registered.
    """
    return _lookup(name)[0]


def create_backbone(
    name: str, *, n_classes: int, sr: int | None = None, **options: Any
) -> AudioNetwork:
    """Make a network that is ready to train.

    Parameters
    ----------
    name : str
        A name from `list_backbones`.
    n_classes : int
        Number of logits per row.
    sr : int or None
        Sampling rate of the waveforms in Hz; None means the backbone's own.
    **options
        Settings of the backbone.

    Returns
    -------
    AudioNetwork
        With ``forward(waveforms, lengths)`` and ``embeddings(waveforms, lengths)``.

    Raises
    ------
    ValueError
        If no such backbone is registered.

    Examples
    --------
    >>> create_backbone("crnn", n_classes=11).embedding_size
    128
    """
    config, factory = _lookup(name)
    return factory(n_classes=n_classes, sr=sr or config.sr, **options)


def _lookup(name: str) -> tuple[BackboneConfig, Callable[..., AudioNetwork]]:
    if name not in _REGISTRY:
        raise ValueError(f"backbone must be one of {list_backbones()}, got {name!r}")
    return _REGISTRY[name]
