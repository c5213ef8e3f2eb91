"""Image networks of the timm library, by its own names: ``timm:convnext_small``.

Frames are cut into images of a fixed width, see `ImageBackbone`, which the network takes for
pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from deep.backbones.config import BackboneConfig
from deep.backbones.hubs.timm_library import (
    check_safetensors,
    create_timm_model,
    find_hub_weights,
    read_timm_card,
)
from deep.backbones.image import REPEAT, ImageBackbone
from deep.backbones.registry import register_family
from deep.frontends.frontend import Frontend

PROJECT = "PyTorch Image Models, https://github.com/huggingface/pytorch-image-models"
PROJECT_LICENCE = "Apache-2.0"

INTERPOLATIONS = ("nearest-exact", "bilinear", "bicubic")


def describe_timm_model(
    model: str, architecture: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> BackboneConfig:
    """Describe one of timm's models as a backbone.

    Parameters
    ----------
    model : str
        See `read_timm_card`.
    architecture : mapping or None
        From a checkpoint's card.
    options : mapping
        Of `TimmBackbone`.

    Returns
    -------
    BackboneConfig
        With licence and source of the weights, if there are any.

    Raises
    ------
    ValueError
        If timm has no such model.
    """
    card = read_timm_card(model)
    source, licence = PROJECT, PROJECT_LICENCE
    if options.get("weights"):
        source, licence = f"{PROJECT}; weights of the user's", "that of the weights"
    elif options.get("pretrained"):
        source = f"{PROJECT}; weights https://huggingface.co/{card.hf_hub_id}"
        licence = card.license or "not stated by timm: see the weights' page"
    if architecture is not None:
        embedding_size = architecture["embedding_size"]
    else:
        with torch.device("meta"):
            _, embedding_size = create_timm_model(model)
    return BackboneConfig(
        name=f"timm:{model}",
        source=source,
        licence=licence,
        sr=22050,
        embedding_size=embedding_size,
        pretrained=bool(options.get("weights") or options.get("pretrained")),
        frontend_params={"n_mels": 128},
    )


@register_family("timm", describe_timm_model)
class TimmBackbone(ImageBackbone):
    """Frames to embeddings by one of timm's image networks.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    model : str
        See `read_timm_card`.
    architecture : dict or None
        From a checkpoint's card: weights are not looked for then, since the checkpoint has them.
    pretrained : bool
        Whether to start from the weights that timm names, out of the hub or its cache.
    weights : str or None
        A safetensors file with weights of the model to start from instead.
    image_frames : int
        Width of an image, before it is resized.
    image_size : int, (int, int) or None
        Height and width that images are resized to; None leaves them as they are. Networks of one
        size only, such as vision transformers, are made for it.
    interpolation : str
        How images are resized: ``"nearest-exact"``, ``"bilinear"`` or ``"bicubic"``.
    fill : str
        See `ImageBackbone`.
    in_chans : int or None
        Channels that the network is made for; None means those of the frontend. A single channel
        is repeated as often as it takes.
    drop_rate : float
        Probability of dropping a value of the embedding, or whatever the model takes it for.
    drop_path : float
        Probability of leaving out a block while training, for models that have it.

    Raises
    ------
    ValueError
        If the network cannot take such images or options, or the weights are of another one.
    OSError
        If weights are neither in the hub's cache nor can be fetched.

    References
    ----------
    R. Wightman, PyTorch Image Models, https://github.com/huggingface/pytorch-image-models
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        model: str,
        architecture: dict[str, Any] | None = None,
        pretrained: bool = False,
        weights: str | None = None,
        image_frames: int = 96,
        image_size: int | Sequence[int] | None = None,
        interpolation: str = "bilinear",
        fill: str = REPEAT,
        in_chans: int | None = None,
        drop_rate: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__(frontend, image_frames=image_frames, fill=fill)
        if interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"interpolation must be one of {INTERPOLATIONS}, got {interpolation!r}"
            )
        self.interpolation = interpolation
        self.image_size = _check_size(image_size, (self.n_bands, image_frames))
        self.in_chans = self.n_channels if in_chans is None else in_chans
        if self.n_channels not in (1, self.in_chans):
            raise ValueError(
                f"in_chans must be the frontend's {self.n_channels} channels, got {in_chans}"
            )
        if architecture is None:
            architecture = _make_architecture(model, self.in_chans, self.image_size)
            start = _find_weights(model, pretrained, weights)
        else:
            start = None
        self.map_layer = _try_out(architecture, self.image_size)
        drops = {"drop_rate": drop_rate or None, "drop_path_rate": drop_path or None}
        self.model, self.embedding_size = create_timm_model(
            architecture["model"], weights=start, **architecture["arguments"], **drops
        )
        # Up to one and a half times as fast on a processor.
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.architecture = {**architecture, "embedding_size": self.embedding_size}

    def embed_images(self, images: Tensor) -> Tensor:  # noqa: D102 - see ImageBackbone
        if images.shape[-2:] != self.image_size:
            # Averages what a smaller image has no room for, instead of leaving it out.
            antialias = self.interpolation != "nearest-exact"
            images = functional.interpolate(
                images, self.image_size, mode=self.interpolation, antialias=antialias
            )
        if images.shape[1] != self.in_chans:
            images = images.expand(-1, self.in_chans, -1, -1)
        return self.model(images.contiguous(memory_format=torch.channels_last))


def _check_size(size: int | Sequence[int] | None, own: tuple[int, int]) -> tuple[int, int]:
    """Give height and width."""
    if size is None:
        return own
    sizes = (size, size) if isinstance(size, int) else tuple(size)
    if len(sizes) != 2 or any(each < 1 for each in sizes):
        raise ValueError(f"image_size must be height and width, at least 1 each, got {size}")
    return sizes[0], sizes[1]


def _make_architecture(model: str, in_chans: int, size: tuple[int, int]) -> dict[str, Any]:
    """Give what makes the network anew, as JSON has it."""
    arguments: dict[str, Any] = {"in_chans": in_chans}
    if read_timm_card(model).fixed_input_size:
        arguments["img_size"] = list(size)
    return {"model": model, "arguments": arguments}


def _find_weights(model: str, pretrained: bool, weights: str | None) -> Path | None:
    if weights is not None:
        check_safetensors(weights, "weights")
        if not Path(weights).is_file():
            raise ValueError(f"weights must be a file, got {weights!r}")
        return Path(weights)
    return find_hub_weights(model) if pretrained else None


def _try_out(architecture: Mapping[str, Any], size: tuple[int, int]) -> str | None:
    """Make sure that the network takes such images, and name the layer of its last maps.

    No number is computed: the network is made on a device that has shapes only.
    """
    name, arguments = architecture["model"], architecture["arguments"]
    with torch.device("meta"), torch.no_grad():
        network: Any = create_timm_model(name, **arguments)[0].eval()
        images = torch.zeros(2, arguments["in_chans"], *size)
        try:
            features = network.forward_features(images)
            network.forward_head(features)
        except (RuntimeError, AssertionError, ValueError) as error:
            raise ValueError(
                f"timm's {name!r} cannot take images of {size[0]} x {size[1]}: {error}; "
                "resize them by image_size, such as 224"
            ) from error
    # Tokens, and maps with channels last, are no maps for whoever asks for this layer.
    is_maps = features.ndim == 4 and features.shape[1] == network.num_features
    layers = getattr(network, "feature_info", None)
    last = layers[-1].get("module") if is_maps and isinstance(layers, list) and layers else None
    return f"model.{last}" if last in dict(network.named_modules()) else None
