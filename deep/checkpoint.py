"""Weights and their card on disk: ``model.safetensors`` and ``card.json``, no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from features.replacing import replacing

WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "card.json"


@dataclass(frozen=True, slots=True)
class CheckpointFormat:
    """What a card says of itself, and must hold.

    Parameters
    ----------
    name : str
        Its ``format``.
    version : int
        Its ``schema_version``.
    keys : frozenset of str
        What its card must have besides.
    what : str
        Before the names of the files where they are missed.
    """

    name: str
    version: int
    keys: frozenset[str]
    what: str = ""


CLASSIFIER = CheckpointFormat(
    "timbrestack-deep",
    1,
    frozenset(
        {
            "parameters",
            "classes",
            "task",
            "absent",
            "embedding_size",
            "history",
            "stopped_by",
            "best_epoch",
        }
    ),
)


def write_checkpoint(
    directory: str | os.PathLike[str],
    network: nn.Module,
    card: dict[str, Any],
    *,
    form: CheckpointFormat = CLASSIFIER,
) -> None:
    """Write a network and its card.

    Parameters
    ----------
    directory : path-like
        Made if it is not there.
    network : nn.Module
        Its weights and buffers are written.
    card : dict
        JSON-able but for paths, which become texts; format, versions and the weights' digest are
        added.
    form : CheckpointFormat
        What it is written as.

    Raises
    ------
    TypeError
        If the card holds something that JSON cannot.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    weights = save_tensors(tensors)
    card = {
        **card,
        "format": form.name,
        "schema_version": form.version,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(card, indent=2, sort_keys=True, default=os.fspath)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    # The card last: it names the weights' digest, so a reader notices a change half made.
    for name, content in ((WEIGHTS_NAME, weights), (CARD_NAME, text.encode())):
        with replacing(directory / name) as partial:
            partial.write_bytes(content)


def read_checkpoint(
    directory: str | os.PathLike[str], *, form: CheckpointFormat = CLASSIFIER
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a card and weights, checking that they belong together.

    Parameters
    ----------
    directory : path-like
        What `write_checkpoint` wrote.
    form : CheckpointFormat
        What it must be.

    Returns
    -------
    card : dict
        The card.
    weights : dict of Tensor
        On the CPU.

    Raises
    ------
    ValueError
        If a file is missing or damaged, or the format is another one.
    """
    directory = Path(directory)
    try:
        card = json.loads((directory / CARD_NAME).read_text(encoding="utf-8"))
        weights = (directory / WEIGHTS_NAME).read_bytes()
    except (OSError, ValueError) as exc:
        raise ValueError(
            f"{directory} must hold {form.what}{CARD_NAME} and {WEIGHTS_NAME}: {exc}"
        ) from exc
    found = (card.get("format"), card.get("schema_version")) if isinstance(card, dict) else card
    if found != (form.name, form.version):
        raise ValueError(
            f"{directory / CARD_NAME} must be {form.name} version {form.version}, got {found}"
        )
    if missing := sorted(form.keys - card.keys()):
        raise ValueError(f"{directory / CARD_NAME} must have {missing}")
    if hashlib.sha256(weights).hexdigest() != card.get("weights_sha256"):
        raise ValueError(f"{directory / WEIGHTS_NAME} is not the file that its card describes")
    try:
        return card, load_tensors(weights)
    except SafetensorError as exc:
        raise ValueError(f"{directory / WEIGHTS_NAME} cannot be read: {exc}") from exc
