"""Deep branch: waveform to embedding and class probabilities, with a scikit-learn face."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Torch takes seconds to load, so every name is resolved on first use.
_HOMES = {
    "Augmentation": "deep.augmentation",
    "AudioBackboneClassifier": "deep.classifier",
    "BackboneConfig": "deep.backbones.config",
    "EmbeddingExtractor": "deep.embedding",
    "LogMelFrontend": "deep.frontends.log_mel",
    "compute_grad_cam": "deep.explanation.grad_cam",
    "create_augmentation": "deep.augmentation",
    "create_backbone": "deep.backbones.creation",
    "describe_layers": "deep.backbones.layers_file",
    "list_augmentations": "deep.augmentation",
    "list_backbones": "deep.backbones",
    "list_frontends": "deep.frontends",
    "list_heads": "deep.heads",
    "register_backbone": "deep.backbones",
}

__all__ = [
    "AudioBackboneClassifier",
    "Augmentation",
    "BackboneConfig",
    "EmbeddingExtractor",
    "LogMelFrontend",
    "compute_grad_cam",
    "create_augmentation",
    "create_backbone",
    "describe_layers",
    "list_augmentations",
    "list_backbones",
    "list_frontends",
    "list_heads",
    "register_backbone",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deep' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
