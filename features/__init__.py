"""Recordings to manifest, folds and feature table."""

from features.audio import AudioDecodeError, Clip, load_audio, load_clip, stream_audio
from features.corpora.layouts import list_layouts, read_corpus
from features.extraction import extract_table
from features.extractor import AudioFeatureExtractor
from features.feature_set import FeatureSet, get_feature_set, list_feature_sets
from features.folds import GroupedStratifiedKFold, make_folds
from features.manifest import Manifest, ManifestError, make_manifest, read_manifest, write_manifest
from features.table import FeatureTable, read_table, write_table

__all__ = [
    "AudioDecodeError",
    "AudioFeatureExtractor",
    "Clip",
    "FeatureSet",
    "FeatureTable",
    "GroupedStratifiedKFold",
    "Manifest",
    "ManifestError",
    "extract_table",
    "get_feature_set",
    "list_feature_sets",
    "list_layouts",
    "load_audio",
    "load_clip",
    "make_folds",
    "make_manifest",
    "read_corpus",
    "read_manifest",
    "read_table",
    "stream_audio",
    "write_manifest",
    "write_table",
]
