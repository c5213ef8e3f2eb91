"""Recordings to manifest, folds and feature table."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Resolved on first use: who decodes a file should not wait for scikit-learn and pandas.
_HOMES = {
    "AudioDecodeError": "features.audio",
    "AudioFeatureExtractor": "features.extractor",
    "Clip": "features.audio",
    "FeatureSet": "features.feature_set",
    "FeatureTable": "features.table",
    "GroupedStratifiedKFold": "features.folds",
    "Manifest": "features.manifest",
    "ManifestError": "features.manifest",
    "compose_feature_set": "features.composition",
    "extract_table": "features.extraction",
    "feature_set_from_card": "features.feature_set_cards",
    "get_feature_set": "features.named_sets",
    "list_feature_sets": "features.named_sets",
    "list_layouts": "features.corpora.layouts",
    "load_audio": "features.audio",
    "load_clip": "features.audio",
    "make_folds": "features.folds",
    "make_manifest": "features.manifest",
    "read_corpus": "features.corpora.layouts",
    "read_feature_set": "features.feature_set_files",
    "read_manifest": "features.manifest",
    "read_table": "features.table",
    "stream_audio": "features.audio",
    "write_manifest": "features.manifest",
    "write_table": "features.table",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'features' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
