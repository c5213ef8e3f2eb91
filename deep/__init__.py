"""Deep branch: waveform to embedding and class probabilities, with a scikit-learn face."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Torch takes seconds to load, so every name is resolved on first use.
_HOMES = {
    "Augmentation": "deep.augmentation",
    "AudioBackboneClassifier": "deep.classifier",
    "BackboneConfig": "deep.backbones.registry",
    "EmbeddingExtractor": "deep.embedding",
    "LogMelFrontend": "deep.frontends.log_mel",
    "create_backbone": "deep.backbones.creation",
    "list_backbones": "deep.backbones.registry",
    "register_backbone": "deep.backbones.registry",
}

__all__ = [
    "AudioBackboneClassifier",
    "Augmentation",
    "BackboneConfig",
    "EmbeddingExtractor",
    "LogMelFrontend",
    "create_backbone",
    "list_backbones",
    "register_backbone",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deep' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
