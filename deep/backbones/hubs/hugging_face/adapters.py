"""Low-rank adapters: a few trained weights beside those of a transformer, which stay as they are.

References
----------
E. Hu et al., LoRA: low-rank adaptation of large language models, 2021,
https://arxiv.org/abs/2106.09685
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from deep.backbones.hubs.hugging_face.loading import INSTALL

# Queries and values, as in the paper, by the names that transformers has for them.
ATTENTION = ("q_proj", "v_proj", "query", "value")
FEED_FORWARD = ("intermediate_dense", "output_dense")

# It hands the weights of its projections to one function, which knows of no adapter beside them.
WITHOUT_ATTENTION = ("wavlm",)

KNOWN = ("rank", "alpha", "dropout", "targets")
MARK = "lora_"


def add_adapters(model: nn.Module, settings: Mapping[str, Any], *, model_type: str) -> None:
    """Put adapters beside linear layers.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    settings : mapping
        ``rank`` of the products, 8 unless given; ``alpha``, by which they count, divided by the
        rank, and which is twice the rank unless given; ``dropout`` before them; ``targets``, names
        of the layers that get them, queries and values unless given.
    model_type : str
        What transformers calls models of this kind.

    Raises
    ------
    ImportError
        If peft is not installed; says what installs it.
    ValueError
        If there is no such setting, or no such layer.
    """
    if unknown := sorted(set(settings) - set(KNOWN)):
        raise ValueError(f"adapters must have settings among {KNOWN}, got {unknown}")
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ImportError(f"adapters need peft: {INSTALL}") from error
    rank = settings.get("rank", 8)
    targets = _find_targets(model, settings.get("targets"), model_type)
    config = LoraConfig(
        r=rank,
        lora_alpha=settings.get("alpha", 2 * rank),
        lora_dropout=settings.get("dropout", 0.0),
        target_modules=targets,
    )
    inject_adapter_in_model(config, model)


def is_adapter(name: str) -> bool:
    """Tell whether a weight is one of an adapter.

    Parameters
    ----------
    name : str
        Of the weight.

    Returns
    -------
    bool
        By peft's way of naming.
    """
    return MARK in name


def _find_targets(model: nn.Module, wished: Any, model_type: str) -> list[str]:
    usual = FEED_FORWARD if model_type in WITHOUT_ATTENTION else ATTENTION
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    known = {name.rpartition(".")[2] for name in layers}
    if model_type in WITHOUT_ATTENTION:
        known -= {name.rpartition(".")[2] for name in layers if ".attention." in name}
    targets = [name for name in (usual if wished is None else wished) if name in known]
    if not targets or (wished is not None and len(targets) < len(wished)):
        raise ValueError(f"adapters' targets must be among {sorted(known)}, got {wished}")
    return targets
