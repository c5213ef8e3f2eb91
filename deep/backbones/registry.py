"""Backbones by name: what they are, and what makes them.

A backbone is registered as a class or function ``factory(frontend, *, options) -> Backbone``
together with its `BackboneConfig`; one that has a parameter ``n_classes`` is told. Names with a
prefix, such as ``timm:resnet18``, belong to a family: ``factory(frontend, *, model, architecture,
options)``, whose config depends on the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from deep.backbones.backbone import Backbone
from deep.backbones.config import BackboneConfig

Factory = TypeVar("Factory", bound=Callable[..., Backbone])


# Of a model, of the architecture on a checkpoint's card or None, and of options.
Describe = Callable[[str, dict[str, Any] | None, Mapping[str, Any]], BackboneConfig]

_REGISTRY: dict[str, tuple[BackboneConfig, Callable[..., Backbone]]] = {}
_FAMILIES: dict[str, tuple[Describe, Callable[..., Backbone]]] = {}


def register_backbone(config: BackboneConfig) -> Callable[[Factory], Factory]:
    """Register the decorated class or function under ``config.name``.

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


def register_family(prefix: str, describe: Describe) -> Callable[[Factory], Factory]:
    """Register the decorated class or function for all names ``prefix:model``.

    Parameters
    ----------
    prefix : str
        What stands before the colon.
    describe : callable
        ``describe(model, architecture, options) -> BackboneConfig``.

    Returns
    -------
    callable
        A decorator that gives the factory back unchanged.

    Raises
    ------
    ValueError
        If the prefix is taken.
    """

    def register(factory: Factory) -> Factory:
        if prefix in _FAMILIES:
            raise ValueError(f"prefixes must be unique, {prefix!r} is registered twice")
        _FAMILIES[prefix] = (describe, factory)
        return factory

    return register


def list_backbones() -> list[str]:
    """List the registered names.

    Returns
    -------
    list of str
        Sorted names; see `list_families` for those with a prefix.

    Examples
    --------
    >>> "crnn" in list_backbones()
    True
    """
    return sorted(_REGISTRY)


def list_families() -> list[str]:
    """List the prefixes of families, such as ``timm`` of ``timm:resnet18``.

    Returns
    -------
    list of str
        Sorted prefixes.
    """
    return sorted(_FAMILIES)


def check_backbone(name: str) -> str:
    """Make sure that a backbone is known, or that its family is.

    Parameters
    ----------
    name : str
        A name.

    Returns
    -------
    str
        The same.

    Raises
    ------
    ValueError
        If there is no such backbone.
    """
    prefix, colon, model = name.partition(":")
    if name in _REGISTRY or (colon and model and prefix in _FAMILIES):
        return name
    families = [f"{each}:MODEL" for each in list_families()]
    raise ValueError(f"backbone must be one of {[*list_backbones(), *families]}, got {name!r}")


def get_backbone_config(
    name: str,
    *,
    architecture: dict[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> BackboneConfig:
    """Look up a backbone's description.

    Parameters
    ----------
    name : str
        A name from `list_backbones`, or one of a family, which may have to be fetched.
    architecture : dict or None
        From a checkpoint's card; nothing is fetched then.
    options : mapping or None
        Settings of the backbone, where a family's description depends on them.

    Returns
    -------
    BackboneConfig
        Its description.

    Raises
    ------
    ValueError
        If no such backbone is registered.
    """
    if check_backbone(name) in _REGISTRY:
        return _REGISTRY[name][0]
    prefix, _, model = name.partition(":")
    return _FAMILIES[prefix][0](model, architecture, options or {})


def find_factory(name: str) -> Callable[..., Backbone]:
    """Look up what makes a backbone.

    Parameters
    ----------
    name : str
        A name from `list_backbones`, or one of a family.

    Returns
    -------
    callable
        ``factory(frontend, *, options) -> Backbone``.

    Raises
    ------
    ValueError
        If no such backbone is registered.
    """
    if check_backbone(name) in _REGISTRY:
        return _REGISTRY[name][1]
    return _FAMILIES[name.partition(":")[0]][1]
