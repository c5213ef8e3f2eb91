"""Heads: embeddings to logits; importing this package registers all of them."""

from deep.heads.attention import AttentionHead
from deep.heads.audioset import AudioSetHead
from deep.heads.cosine import CosineHead
from deep.heads.head import Head
from deep.heads.linear import LinearHead
from deep.heads.mlp import DeepHead
from deep.heads.per_label import PerLabelAttentionHead, PerLabelHead
from deep.heads.prototypes import PrototypeHead
from deep.heads.registry import create_head, list_heads, register_head

__all__ = [
    "AttentionHead",
    "AudioSetHead",
    "CosineHead",
    "DeepHead",
    "Head",
    "LinearHead",
    "PerLabelAttentionHead",
    "PerLabelHead",
    "PrototypeHead",
    "create_head",
    "list_heads",
    "register_head",
]
