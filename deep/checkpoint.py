"""A trained network on disk: ``model.safetensors`` and ``card.json``, no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

FORMAT = "timbrestack-deep"
SCHEMA_VERSION = 1
WEIGHTS_NAME = "model.safetensors"
CARD_NAME = "card.json"
CARD_KEYS = {
    "parameters",
    "classes",
    "task",
    "absent",
    "embedding_size",
    "history",
    "stopped_by",
    "best_epoch",
}


def write_checkpoint(
    directory: str | os.PathLike[str], network: nn.Module, card: dict[str, Any]
) -> None:
    """Write a network and its card.

    Parameters
    ----------
    directory : path-like
        Made if it is not there.
    network : nn.Module
        Its weights and buffers are written.
    card : dict
        JSON-able; format, versions and the weights' digest are added.

    Raises
    ------
    TypeError
        If the card holds something that JSON cannot.
    """
    tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    weights = save_tensors(tensors)
    card = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        **card,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(card, indent=2, sort_keys=True)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    # The card last: it names the weights' digest, so a reader notices a change half made.
    _replace(directory / WEIGHTS_NAME, weights)
    _replace(directory / CARD_NAME, text.encode())


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(content)
    os.replace(partial, path)


def read_checkpoint(
    directory: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a card and weights, checking that they belong together.

    Parameters
    ----------
    directory : path-like
        What `write_checkpoint` wrote.

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
        card = json.loads((directory / CARD_NAME).read_text())
        weights = (directory / WEIGHTS_NAME).read_bytes()
    except (OSError, json.JSONDecodeError) as exc:
        raise ValueError(f"{directory} must hold {CARD_NAME} and {WEIGHTS_NAME}: {exc}") from exc
    found = (card.get("format"), card.get("schema_version")) if isinstance(card, dict) else card
    if found != (FORMAT, SCHEMA_VERSION):
        raise ValueError(
            f"{directory / CARD_NAME} must be {FORMAT} version {SCHEMA_VERSION}, got {found}"
        )
    if missing := sorted(CARD_KEYS - card.keys()):
        raise ValueError(f"{directory / CARD_NAME} must have {missing}")
    if hashlib.sha256(weights).hexdigest() != card.get("weights_sha256"):
        raise ValueError(f"{directory / WEIGHTS_NAME} is not the file that its card describes")
    try:
        return card, load_tensors(weights)
    except SafetensorError as exc:
        raise ValueError(f"{directory / WEIGHTS_NAME} cannot be read: {exc}") from exc
