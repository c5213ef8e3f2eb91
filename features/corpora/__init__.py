"""Readers of corpora as they unpack on disk, one file each."""

from features.corpora.layouts import detect_layout, list_layouts, read_corpus

__all__ = ["detect_layout", "list_layouts", "read_corpus"]
