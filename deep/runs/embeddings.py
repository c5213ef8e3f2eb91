"""Embeddings of a frozen network as a table, whose card says which clips the network saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from deep.checkpoint import CARD_NAME
from deep.classifier import AudioBackboneClassifier
from deep.inference import resolve_device
from deep.pretraining.pretrained import PretrainedBackbone, is_pretrained
from deep.runs.folder import NETWORK, read_card
from deep.runs.seen import list_seen_clips
from features.audio import AudioDecodeError, Clip
from features.manifest import Manifest
from features.table import FAILURE_COLUMNS, SCHEMA_VERSION, TableWriter, hash_clip_ids

# Clips embedded at once: their windows fill a few batches, their waveforms little memory.
CLIPS_AT_ONCE = 128

Embedder = AudioBackboneClassifier | PretrainedBackbone


def embed_clips(
    model: str | PathLike[str],
    manifest: Manifest,
    output: str | PathLike[str],
    *,
    fold: int | None = None,
    device: str = "auto",
    n_jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write the embeddings of clips, one row each, beside a card, failures and manifest.

    Embeddings of two networks lie in two spaces, so one network speaks.

    Parameters
    ----------
    model : path-like
        A run, the folder of one network, or a pre-trained backbone.
    manifest : Manifest
        The clips.
    output : path-like
        The `.parquet` file.
    fold : int or None
        Whose network of a run with folds; None means 0.
    device : str
        See `AudioBackboneClassifier`.
    n_jobs : int or None
        Threads; no number depends on it.
    progress : callable or None
        Called as `progress(done, total)`.

    Returns
    -------
    dict
        The table's card, and ``n_clips_seen``: how many of these clips the network was trained on.

    Raises
    ------
    FileNotFoundError
        If there is no such network.
    ValueError
        If no clip can be read.
    """
    network, described, trained_on = _open(Path(model), fold, device, n_jobs)
    clip_ids = list(manifest.clips["clip_id"])
    clips, paths = manifest.audio_clips(), list(manifest.clips["path"])
    width = described.pop("embedding_size")
    names = [f"embedding_{number:04d}" for number in range(width)]
    kept: list[str] = []
    failures: list[tuple[str, str, str]] = []
    with TableWriter(output, names) as writer:
        for first in range(0, len(clips), CLIPS_AT_ONCE):
            part = slice(first, first + CLIPS_AT_ONCE)
            rows = _embed(network.embed, clips[part])
            for clip_id, path, row in zip(clip_ids[part], paths[part], rows, strict=True):
                if isinstance(row, str):
                    failures.append((clip_id, path, row))
                else:
                    writer.add(clip_id, row)
                    kept.append(clip_id)
            if progress is not None:
                progress(min(part.stop, len(clips)), len(clips))
        if not kept:
            raise ValueError(f"none of {len(clips)} clips could be read: {failures[0][2]}")
        card = _card(described, trained_on, manifest, kept, width)
        writer.finish(manifest, pd.DataFrame(failures, columns=FAILURE_COLUMNS), card)
    labelled = () if trained_on.get("labels") is False else trained_on.get("clip_ids") or ()
    return card | {"n_clips_seen": len(set(labelled) & set(kept))}


def find_network(model: Path, fold: int | None) -> tuple[Path, list[str] | None]:
    """Find a network and the clips that it was trained on.

    Parameters
    ----------
    model : Path
        A run, or the folder of one network.
    fold : int or None
        Of a run with folds.

    Returns
    -------
    folder : Path
        Of the network.
    seen : list of str or None
        Names of the clips; None where nothing is known of them.

    Raises
    ------
    FileNotFoundError
        If there is no such network.
    ValueError
        If a fold is asked for where there are none.
    """
    if read_card(model) is None:
        if not (model / CARD_NAME).is_file():
            raise FileNotFoundError(f"{model} is neither a run nor a network of one")
        if fold is not None:
            raise ValueError(f"{model} is one network: --fold is for runs")
        return model, list_seen_clips(model.parent, model.name)
    if (model / NETWORK).is_dir():
        if fold is not None:
            raise ValueError(f"{model} was trained without folds: leave --fold out")
        return model / NETWORK, list_seen_clips(model, NETWORK)
    name = f"fold_{fold or 0}"
    if not (model / name).is_dir():
        there = sorted(path.name for path in model.glob("fold_*"))
        raise FileNotFoundError(f"{model} has no {name}, but {', '.join(there)}")
    return model / name, list_seen_clips(model, name)


def _open(
    model: Path, fold: int | None, device: str, n_jobs: int | None
) -> tuple[Embedder, dict[str, Any], dict[str, Any]]:
    """Open a network; describe it, and tell what it was trained on."""
    if is_pretrained(model):
        if fold is not None:
            raise ValueError(f"{model} is a pre-trained backbone: leave --fold out")
        backbone = PretrainedBackbone.load(model)
        backbone.network.to(resolve_device(device))
        kept = ("backbone", "sr", "max_seconds", "weights_sha256")
        described = {key: backbone.card[key] for key in kept}
        described["embedding_size"] = backbone.network.embedding_size
        return backbone, described, backbone.card["trained_on"]
    folder, seen = find_network(model, fold)
    network = AudioBackboneClassifier.load_model(folder)
    network.set_params(device=device, n_jobs=n_jobs)
    card = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    described = {
        "backbone": network.backbone,
        "sr": network.find_sr(),
        "max_seconds": network.max_seconds,
        "weights_sha256": card["weights_sha256"],
        "embedding_size": network.network_.embedding_size,
    }
    if seen is None:
        return network, described, {"clip_ids_sha256": None}
    before = network.pretrained_on_ or {}
    known = sorted({*seen, *(before.get("clip_ids") or ())})
    return network, described, {"clip_ids_sha256": hash_clip_ids(known), "clip_ids": known}


def _embed(
    embed: Callable[[list[Clip]], np.ndarray], clips: Sequence[Clip]
) -> Sequence[np.ndarray | str]:
    """Give a row each, or why there is none."""
    try:
        return list(embed(list(clips)))
    except AudioDecodeError as error:
        if len(clips) == 1:
            return [str(error)]
    # One of them is at fault: each by itself.
    return [row for clip in clips for row in _embed(embed, [clip])]


def _card(
    described: dict[str, Any],
    trained_on: dict[str, Any],
    manifest: Manifest,
    kept: Sequence[str],
    width: int,
) -> dict[str, Any]:
    return {
        "schema": "timbrestack.table",
        "schema_version": SCHEMA_VERSION,
        "kind": "embeddings",
        "embedding": described,
        "trained_on": trained_on,
        "n_clips": len(manifest),
        "n_rows": len(kept),
        "n_features": width,
        "n_failures": len(manifest) - len(kept),
        "silent": [],
        "task": manifest.task,
        "classes": manifest.classes,
        "clip_ids_sha256": hash_clip_ids(kept),
        "versions": {"torch": torch.__version__},
    }
