"""Backbones: registered network architectures; importing this package registers all of them."""

from deep.backbones.backbone import Backbone
from deep.backbones.cnn import ConvolutionalBackbone
from deep.backbones.config import BackboneConfig
from deep.backbones.crnn import ConvRecurrentBackbone
from deep.backbones.network import AudioNetwork
from deep.backbones.registry import (
    create_backbone,
    get_backbone_config,
    list_backbones,
    list_families,
    register_backbone,
    register_family,
)

__all__ = [
    "AudioNetwork",
    "Backbone",
    "BackboneConfig",
    "ConvRecurrentBackbone",
    "ConvolutionalBackbone",
    "create_backbone",
    "get_backbone_config",
    "list_backbones",
    "list_families",
    "register_backbone",
    "register_family",
]
