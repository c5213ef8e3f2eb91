"""Backbones: registered network architectures; importing this package registers all of them."""

from deep.backbones.alexnet import AlexNetBackbone
from deep.backbones.backbone import Backbone
from deep.backbones.cnn import ConvolutionalBackbone
from deep.backbones.cnn14 import Cnn14Backbone
from deep.backbones.config import BackboneConfig
from deep.backbones.convlstm import ConvLSTMBackbone
from deep.backbones.creation import create_backbone
from deep.backbones.crnn import ConvRecurrentBackbone
from deep.backbones.hubs.hugging_face import create_hugging_face
from deep.backbones.hubs.timm_models import TimmBackbone
from deep.backbones.hubs.torchaudio_pipelines import TorchaudioPipeline
from deep.backbones.image import ImageBackbone
from deep.backbones.irnet import IRNetBackbone
from deep.backbones.layered import LayeredBackbone
from deep.backbones.network import AudioNetwork
from deep.backbones.parallel import ParallelBackbones
from deep.backbones.registry import (
    get_backbone_config,
    list_backbones,
    list_families,
    register_backbone,
    register_family,
)
from deep.backbones.resnet import ResNetBackbone
from deep.backbones.resnetish import ResNetishBackbone
from deep.backbones.small_cnn import SmallConvolutionalBackbone
from deep.backbones.vggish import VGGishBackbone

__all__ = [
    "AlexNetBackbone",
    "AudioNetwork",
    "Backbone",
    "BackboneConfig",
    "Cnn14Backbone",
    "ConvLSTMBackbone",
    "ConvRecurrentBackbone",
    "ConvolutionalBackbone",
    "IRNetBackbone",
    "ImageBackbone",
    "LayeredBackbone",
    "ParallelBackbones",
    "ResNetBackbone",
    "ResNetishBackbone",
    "SmallConvolutionalBackbone",
    "TimmBackbone",
    "TorchaudioPipeline",
    "VGGishBackbone",
    "create_backbone",
    "create_hugging_face",
    "get_backbone_config",
    "list_backbones",
    "list_families",
    "register_backbone",
    "register_family",
]
