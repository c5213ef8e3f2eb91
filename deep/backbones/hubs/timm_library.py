"""The timm library's networks and weights, by its own names.

Weights are read from safetensors files only, never from a pickle.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from types import ModuleType

# What the hub calls a model's weights unless the model's description says otherwise.
WEIGHTS_NAME = "model.safetensors"


def import_timm() -> ModuleType:
    """Import timm, which not every installation has.

    Returns
    -------
    module
        The library.

    Raises
    ------
    ImportError
        If it is not installed; says how to.
    """
    try:
        import timm
    except ImportError as error:
        raise ImportError(
            "backbones called timm:... need the timm library: pip install 'timbrestack[timm]'"
        ) from error
    return timm


def read_timm_card(model: str) -> Any:
    """Look up what timm knows of a model and its weights.

    Parameters
    ----------
    model : str
        A name such as ``"convnext_small"``, or ``"convnext_small.fb_in1k"`` for certain weights.

    Returns
    -------
    PretrainedCfg
        Of timm: size of images, licence, where weights are.

    Raises
    ------
    ValueError
        If timm has no such model, or no such weights of it; names the nearest.
    """
    timm = import_timm()
    name, _, tag = model.partition(".")
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=5)
        raise ValueError(
            f"timm {timm.__version__} has no model {name!r}; "
            f"{f'did you mean one of {near}?' if near else 'see timm.list_models()'}"
        )
    tags = timm.list_pretrained(f"{name}.*")
    if tag and model not in tags:
        raise ValueError(f"timm has these weights of {name!r}: {tags or 'none'}, got {model!r}")
    return timm.get_pretrained_cfg(model)


def find_hub_weights(model: str) -> Path:
    """Find the weights of a model in the hub's cache, or fetch them.

    Parameters
    ----------
    model : str
        See `read_timm_card`.

    Returns
    -------
    Path
        A safetensors file.

    Raises
    ------
    ValueError
        If the hub has no weights of it.
    OSError
        If they are not in the cache and the hub cannot be reached; says what to fetch and where
        to put it.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    card = read_timm_card(model)
    if not card.hf_hub_id:
        tags = import_timm().list_pretrained(f"{model.partition('.')[0]}.*")
        raise ValueError(f"the hub has no weights of timm's {model!r}; it has {tags or 'none'}")
    file = card.hf_hub_filename or WEIGHTS_NAME
    check_safetensors(file, f"weights of {card.hf_hub_id}")
    where, _, revision = card.hf_hub_id.partition("@")
    wanted = {"repo_id": where, "filename": file, "revision": revision or None}
    try:
        # What is in the cache needs no network, and asking it first saves waiting for one.
        return Path(hf_hub_download(**wanted, local_files_only=True))
    except (OSError, EntryNotFoundError):
        pass
    try:
        return Path(hf_hub_download(**wanted))
    except (OSError, EntryNotFoundError) as error:
        raise OSError(
            f"{file} of {where} is not in the hub's cache and cannot be fetched. Where the hub can "
            f"be reached, run 'hf download {where} {file}' and either copy the cache (folder "
            "'hub' under HF_HOME) here, or copy the file and name it by the option weights="
        ) from error


def check_safetensors(path: str | Path, what: str) -> None:
    """Make sure that a file is no pickle.

    Parameters
    ----------
    path : str or Path
        A file's name.
    what : str
        What it is, for the message.

    Raises
    ------
    ValueError
        If it is not called ``.safetensors``.
    """
    if Path(path).suffix != ".safetensors":
        raise ValueError(
            f"{what} must be a .safetensors file, got {str(path)!r}: pickles run code when they "
            "are opened, so they are not read; convert it first"
        )


def create_timm_model(
    model: str, *, weights: Path | None = None, **arguments: Any
) -> tuple[nn.Module, int]:
    """Make one of timm's networks without its classifier.

    Parameters
    ----------
    model : str
        See `read_timm_card`.
    weights : Path or None
        A safetensors file, with or without a classifier; None means random weights.
    **arguments
        Of ``timm.create_model``.

    Returns
    -------
    network : nn.Module
        Images to embeddings.
    embedding_size : int
        Values per embedding.

    Raises
    ------
    ValueError
        If the weights are of another network, or the model does not take the arguments.
    """
    timm, card = import_timm(), read_timm_card(model)
    try:
        if weights is None:
            network = timm.create_model(model, num_classes=0, **arguments)
        else:
            # With the classifier of the file, timm checks that every weight has its place.
            n_classes = _count_classes(weights, card.classifier)
            overlay = {"file": str(weights), "num_classes": n_classes, "label_offset": None}
            network = timm.create_model(
                model,
                pretrained=True,
                pretrained_cfg_overlay=overlay,
                num_classes=n_classes,
                **arguments,
            )
            network.reset_classifier(0)
    except TypeError as error:
        raise ValueError(f"timm's {model!r} does not take all of {arguments}: {error}") from error
    except (RuntimeError, AssertionError, KeyError, ValueError) as error:
        of = f" with the weights in {weights}" if weights else ""
        raise ValueError(f"timm's {model!r} cannot be made{of}: {error}") from error
    return network, network.head_hidden_size


def _count_classes(weights: Path, classifier: str | Sequence[str] | None) -> int:
    """Give the number of classes that a file's weights are for, zero without a classifier."""
    from safetensors import SafetensorError, safe_open

    name = classifier if isinstance(classifier, str) or not classifier else classifier[0]
    try:
        with safe_open(weights, framework="pt") as tensors:
            key = f"{name}.weight"
            return tensors.get_slice(key).get_shape()[0] if key in tensors.keys() else 0  # noqa: SIM118 - no dict
    except (OSError, SafetensorError) as error:
        raise ValueError(f"weights must be a safetensors file, got {weights}: {error}") from error
