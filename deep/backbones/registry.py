"""Backbones by name: what they are, and how to make a network of one.

A backbone is registered as a class or function ``factory(frontend, *, options) -> Backbone``
together with its `BackboneConfig`; one that has a parameter ``n_classes`` is told. Names with a
prefix, such as ``timm:resnet18``, belong to a family: ``factory(frontend, *, model, architecture,
options)``, whose config depends on the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from deep.backbones.backbone import Backbone
from deep.backbones.config import BackboneConfig
from deep.backbones.network import AudioNetwork
from deep.frontends.registry import create_frontend
from deep.heads.head import Head
from deep.heads.registry import create_head, get_head_class
from deep.options import check_options

Factory = TypeVar("Factory", bound=Callable[..., Backbone])

# The frontend of backbones that look at the waveform itself.
WAVEFORM = "waveform"

# What `create_backbone` gives a factory itself.
_GIVEN = ("n_classes", "model", "architecture")


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


def create_backbone(
    name: str,
    *,
    n_classes: int,
    sr: int | None = None,
    frontend: str | None = None,
    frontend_params: Mapping[str, Any] | None = None,
    head: str | Head | None = None,
    head_params: Mapping[str, Any] | None = None,
    architecture: dict[str, Any] | None = None,
    **options: Any,
) -> AudioNetwork:
    """Make a network that is ready to train.

    Parameters
    ----------
    name : str
        A name from `list_backbones`, or of a family such as ``timm:resnet18``.
    n_classes : int
        Number of logits per row.
    sr : int or None
        Sampling rate of the waveforms in Hz; None means the backbone's own.
    frontend : str or None
        A name from `list_frontends`; None means what the backbone's config names.
    frontend_params : mapping or None
        Options of the frontend, over those that the config has for it.
    head : str, Head or None
        A name from `list_heads`, or a head; None means what the backbone's config names.
    head_params : mapping or None
        Options of the head, over those that the config has for it.
    architecture : dict or None
        From a checkpoint's card, for what was made after a model from elsewhere.
    **options
        Settings of the backbone.

    Returns
    -------
    AudioNetwork
        With ``forward(waveforms, lengths)`` and ``embeddings(waveforms, lengths)``.

    Raises
    ------
    ValueError
        If there is no such backbone, frontend or head, one has no such option, or they do not go
        together.

    Examples
    --------
    >>> create_backbone("crnn", n_classes=11).embedding_size
    128
    """
    config = get_backbone_config(name, architecture=architecture, options=options)
    wanted = frontend or config.frontend
    if (wanted == WAVEFORM) != (config.frontend == WAVEFORM):
        sees = "the waveform itself" if config.frontend == WAVEFORM else "frames of a spectrum"
        raise ValueError(
            f"backbone {name!r} looks at {sees}: its frontend must be one like "
            f"{config.frontend!r}, got {wanted!r}"
        )
    given = {**(config.frontend_params if wanted == config.frontend else {})}
    made_frontend = create_frontend(
        wanted, sr=sr or config.sr, **{**given, **(frontend_params or {})}
    )
    factory = find_factory(name)
    check_options(f"backbone {name!r}", factory, options, given=_GIVEN)
    known = (n_classes, name.partition(":")[2], architecture)
    asked = inspect.signature(factory).parameters
    told = {key: value for key, value in zip(_GIVEN, known, strict=True) if key in asked}
    backbone = factory(made_frontend, **told, **options)
    if isinstance(head, Head):
        return AudioNetwork(made_frontend, backbone, head)
    made_head = _create_head(name, config, backbone, head, head_params or {}, n_classes)
    return AudioNetwork(made_frontend, backbone, made_head)


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


def _create_head(
    name: str,
    config: BackboneConfig,
    backbone: Backbone,
    head: str | None,
    head_params: Mapping[str, Any],
    n_classes: int,
) -> Head:
    wanted = head or config.head
    size = backbone.embedding_size
    if get_head_class(wanted).of_steps:
        if not backbone.gives_steps:
            raise ValueError(
                f"head {wanted!r} must be given a backbone's steps, and {name!r} gives one "
                "embedding per clip; take another head, or a backbone such as 'cnn' or 'crnn'"
            )
        size = backbone.frame_embedding_size
    given = {**(config.head_params if wanted == config.head else {})}
    return create_head(wanted, size, n_classes, **{**given, **head_params})
