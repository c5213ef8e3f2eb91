"""A backbone whose layers a text file names."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor

from deep.backbones.backbone import Backbone
from deep.backbones.config import BackboneConfig
from deep.backbones.layers_file.kinds import check_kinds
from deep.backbones.layers_file.layer import Layer
from deep.backbones.layers_file.parser import parse_layers
from deep.backbones.layers_file.reading import read_layers
from deep.backbones.layers_file.section import LayersFile
from deep.backbones.layers_file.stack import least_frames, make_layers, name_parts
from deep.backbones.registry import register_backbone
from deep.frontends.frontend import Frontend

_MAP_AXES = 3


@register_backbone(
    BackboneConfig(
        name="layers",
        source="the UrbanSound8K CRNN (github.com/ksanjeevan/crnn-audio-classification)",
        licence="MIT",
        sr=44100,
        embedding_size=64,
        frontend_params={"n_fft": 2048, "hop_length": 1024, "n_mels": 128},
        head="last-layer",
    )
)
class LayeredBackbone(Backbone):
    """The layers that a text file lists: one of ours, or `layers=FILE`.

    The file's last layer, which gives the classes, is the head's: what it is given is the
    embedding. A clip's embedding does not depend on padding.

    Parameters
    ----------
    frontend : Frontend
        What makes the frames.
    layers : str or path-like
        A name from `list_layers_files`, or the path of a file.
    architecture : dict or None
        The file's ``name`` and ``text`` from a checkpoint's card, in place of `layers`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line of it is wrong, if a layer does not take what the one before gives, or if it is
        for other frames.

    Examples
    --------
    >>> from deep.backbones.creation import create_backbone
    >>> network = create_backbone("layers", layers="crnn", n_classes=10)
    >>> sum(parameter.numel() for parameter in network.parameters())
    139786
    """

    def __init__(
        self,
        frontend: Frontend,
        *,
        layers: str | os.PathLike[str] = "crnn",
        architecture: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        file = read_layers(layers) if architecture is None else _read_architecture(architecture)
        made = make_layers(file, n_channels=frontend.n_channels, n_bands=frontend.n_bands)
        self.parts = name_parts(made)
        # channels_last more than doubles the speed of convolutions on a processor.
        self.parts.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        last = made[-1].shape.sizes[0] if made else None
        self.embedding_size = int(last or 0)
        self.min_frames = least_frames(made)
        self.map_layer = _find_maps(made)
        self.architecture = {"name": file.file, "text": file.text}

    def forward(self, frames: Tensor, n_frames: Tensor) -> Tensor:
        """Compute one embedding per clip.

        Parameters
        ----------
        frames : Tensor of shape (n_samples, n_channels, n_bands, n_frames)
            Zero past each clip's last frame.
        n_frames : Tensor of shape (n_samples,), int64, on the CPU
            Valid frames of each clip, at least ``min_frames``.

        Returns
        -------
        Tensor of shape (n_samples, embedding_size), float32
            What the file's last layer but one gives.
        """
        values, n_steps = frames.contiguous(memory_format=torch.channels_last), n_frames
        for part in self.parts.values():
            for layer in part.values():  # type: ignore[operator]
                values, n_steps = layer(values, n_steps)
        return values.float()


def _read_architecture(architecture: dict[str, Any]) -> LayersFile:
    name, text = architecture.get("name"), architecture.get("text")
    if not isinstance(name, str) or not isinstance(text, str):
        raise ValueError(
            f"architecture must have the name and text of a layers file, got {architecture!r:.200}"
        )
    return check_kinds(parse_layers(text, file=name))


def _find_maps(layers: list[Layer]) -> str | None:
    """Name the last module that gives maps of bands and time, before they are pooled."""
    for layer in reversed(layers):
        if layer.gives_maps and len(layer.shape) == _MAP_AXES and layer.shape.time == 2:
            return f"parts.{layer.section.part}.{layer.section.name}.module"
    return None
