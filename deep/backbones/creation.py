"""Making a network of a frontend, a backbone and a head, each by its name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from deep.backbones.backbone import Backbone
from deep.backbones.config import BackboneConfig
from deep.backbones.network import AudioNetwork
from deep.backbones.registry import find_factory, get_backbone_config
from deep.frontends.frontend import Frontend
from deep.frontends.registry import create_frontend
from deep.heads.head import Head
from deep.heads.registry import create_head, get_head_class
from deep.options import check_options

# The frontend of backbones that look at the waveform itself.
WAVEFORM = "waveform"


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
    backbone = make_backbone(
        name, made_frontend, n_classes=n_classes, architecture=architecture, options=options
    )
    if isinstance(head, Head):
        return AudioNetwork(made_frontend, backbone, head)
    made_head = _create_head(name, config, backbone, head, head_params or {}, n_classes)
    return AudioNetwork(made_frontend, backbone, made_head)


def make_backbone(
    name: str,
    frontend: Frontend,
    *,
    n_classes: int,
    architecture: dict[str, Any] | None,
    options: Mapping[str, Any],
) -> Backbone:
    """Make a backbone alone, for frames of a frontend.

    Parameters
    ----------
    name : str
        A name from `list_backbones`, or one of a family.
    frontend : Frontend
        What makes the frames.
    n_classes : int
        For a backbone that asks.
    architecture : dict or None
        From a checkpoint's card, for one that asks.
    options : mapping
        Settings of the backbone.

    Returns
    -------
    Backbone
        From torch's generator.

    Raises
    ------
    ValueError
        If there is no such backbone, or it has no such option.
    """
    factory = find_factory(name)
    known = {
        "n_classes": n_classes,
        "model": name.partition(":")[2],
        "architecture": architecture,
    }
    check_options(f"backbone {name!r}", factory, options, given=known)
    asked = inspect.signature(factory).parameters
    told = {key: value for key, value in known.items() if key in asked}
    return factory(frontend, **told, **options)


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
