"""Heads: embeddings to logits; importing this package registers all of them."""

from deep.heads.cosine import CosineHead
from deep.heads.head import Head
from deep.heads.linear import LinearHead
from deep.heads.registry import create_head, list_heads, register_head

__all__ = ["CosineHead", "Head", "LinearHead", "create_head", "list_heads", "register_head"]
