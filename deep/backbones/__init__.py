"""Backbones: registered network architectures; importing this package registers all of them."""

from deep.backbones.cnn import create_cnn
from deep.backbones.crnn import create_crnn
from deep.backbones.network import AudioNetwork
from deep.backbones.registry import (
    BackboneConfig,
    create_backbone,
    get_backbone_config,
    list_backbones,
    register_backbone,
)

__all__ = [
    "AudioNetwork",
    "BackboneConfig",
    "create_backbone",
    "create_cnn",
    "create_crnn",
    "get_backbone_config",
    "list_backbones",
    "register_backbone",
]
