"""A pre-trained backbone: on disk ``model.safetensors`` and ``card.json``, no pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from deep.backbones.creation import create_backbone
from deep.backbones.earlier import name_parts
from deep.backbones.network import AudioNetwork
from deep.checkpoint import (
    CARD_NAME,
    CLASSIFIER,
    CheckpointFormat,
    read_checkpoint,
    write_checkpoint,
)
from deep.clips import WaveformStore, check_clips
from deep.heads.head import NoHead
from deep.inference import forward_clips, reproducible_arithmetic
from deep.runs.seen import list_seen_clips
from features.table import hash_clip_ids

PRETRAINED = CheckpointFormat(
    "timbrestack-pretrained",
    1,
    frozenset(
        {"backbone", "backbone_params", "sr", "max_seconds", "task", "trained_on", "history"}
    ),
    "a pre-trained backbone, ",
)


@dataclass(frozen=True, slots=True)
class PretrainedBackbone:
    """A backbone that learned before, mostly from sound alone, and what is known of it.

    Parameters
    ----------
    network : AudioNetwork
        Without a head: its logits are its embeddings.
    card : dict
        JSON-able. ``backbone``, ``backbone_params``, ``frontend``, ``frontend_params``, ``sr``
        and ``architecture`` make the network, which hears ``max_seconds`` at once;
        the other settings, ``history`` (see `learn`), ``score_name``, ``stopped_by`` and
        ``best_epoch`` tell how it learned; ``failures`` lists clips that could not be read.
        ``trained_on`` tells of the clips that it saw: ``clip_ids`` (None: not known, of a
        classifier that was not trained in a run), ``clip_ids_sha256``,
        ``validation_clip_ids`` (those of them that only chose the epoch), ``folds_sha256`` (None:
        it knows of no folds), ``labels`` (False: none was looked at) and ``test_rows`` (how many
        rows of split=test were among them).
    """

    network: AudioNetwork
    card: dict[str, Any]

    def embed(
        self,
        X: Any,
        *,
        source_sr: int | None = None,
        batch_size: int = 32,
        cache_dir: str | PathLike[str] | None = None,
        n_jobs: int | None = None,
    ) -> np.ndarray:
        """Compute embeddings with the frozen backbone.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips; see `check_clips`.
        source_sr : int or None
            Sampling rate in Hz of clips given as arrays; None means the network's.
        batch_size : int
            Windows per batch.
        cache_dir : path-like or None
            Where decoded clips are kept.
        n_jobs : int or None
            Threads.

        Returns
        -------
        np.ndarray of shape (n_samples, embedding_size), float32
            The mean over each clip's covering windows.

        Raises
        ------
        AudioDecodeError
            If a clip cannot be decoded.
        """
        clips, sr = check_clips(X), int(self.card["sr"])
        store = WaveformStore(clips, sr=sr, source_sr=source_sr, directory=cache_dir)
        with reproducible_arithmetic():
            _, embeddings = forward_clips(
                self.network,
                store,
                np.arange(len(clips)),
                max_length=max(1, round(self.card["max_seconds"] * sr)),
                batch_size=batch_size,
                n_jobs=n_jobs,
            )
        return embeddings

    def save(self, directory: str | PathLike[str]) -> None:
        """Write ``model.safetensors`` and ``card.json``.

        Parameters
        ----------
        directory : path-like
            Made if it is not there.
        """
        card = {**self.card, "architecture": self.network.backbone.architecture}
        write_checkpoint(directory, self.network, card, form=PRETRAINED)

    @classmethod
    def load(cls, directory: str | PathLike[str]) -> PretrainedBackbone:
        """Read what `save` wrote, or the backbone of a trained classifier.

        Parameters
        ----------
        directory : path-like
            Its folder; of a run, the folder of one network.

        Returns
        -------
        PretrainedBackbone
            On the CPU.

        Raises
        ------
        ValueError
            If a file is missing or damaged, or comes from another version.
        """
        supervised = _read_format(directory) == CLASSIFIER.name
        form = CLASSIFIER if supervised else PRETRAINED
        card, weights = read_checkpoint(directory, form=form)
        if supervised:
            card = _as_pretrained(card, Path(directory))
            weights = {name: each for name, each in weights.items() if not name.startswith("head.")}
        try:
            card = name_parts(card)
            network = create_headless(card)
            network.load_state_dict(weights)
        except (RuntimeError, TypeError) as exc:
            raise ValueError(f"{directory} does not fit this version: {exc}") from exc
        return cls(network.eval(), card)


def _as_pretrained(card: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Tell of a classifier what is told of a pre-trained backbone."""
    parameters = name_parts(card["parameters"])
    before = card.get("pretrained_on") or {}
    seen = list_seen_clips(folder.parent, folder.name)
    if seen is not None:
        seen = sorted({*seen, *(before.get("clip_ids") or ())})
    return {
        **parameters,
        "backbone_params": parameters["backbone_params"] or {},
        "architecture": card.get("architecture"),
        "task": card["task"],
        "history": card["history"],
        "weights_sha256": card["weights_sha256"],
        "trained_on": {
            "clip_ids": seen,
            "clip_ids_sha256": None if seen is None else hash_clip_ids(seen),
            "validation_clip_ids": [],
            "folds_sha256": None,
            "labels": True,
            "test_rows": 0,
        },
    }


def is_pretrained(directory: str | PathLike[str]) -> bool:
    """Whether a folder holds a pre-trained backbone.

    Parameters
    ----------
    directory : path-like
        Any path.

    Returns
    -------
    bool
        True if its card says so.
    """
    return _read_format(directory) == PRETRAINED.name


def _read_format(directory: str | PathLike[str]) -> str | None:
    """Give the format that a card names, if there is one."""
    try:
        card = json.loads((Path(directory) / CARD_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return card.get("format") if isinstance(card, dict) else None


def create_headless(settings: Mapping[str, Any]) -> AudioNetwork:
    """Make a network whose logits are its embeddings.

    Parameters
    ----------
    settings : mapping
        ``backbone``, ``sr`` and, if there are any, ``backbone_params``, ``frontend``,
        ``frontend_params`` and ``architecture``.

    Returns
    -------
    AudioNetwork
        Untrained.
    """
    return create_backbone(
        settings["backbone"],
        n_classes=1,
        sr=settings["sr"],
        frontend=settings.get("frontend"),
        frontend_params=settings.get("frontend_params"),
        head=NoHead(),
        architecture=settings.get("architecture"),
        **settings["backbone_params"],
    )
