"""Audio models of the Hugging Face hub as backbones; importing this package registers them."""

from deep.backbones.hubs.hugging_face.family import create_hugging_face, describe_hugging_face

__all__ = ["create_hugging_face", "describe_hugging_face"]
