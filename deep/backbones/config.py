"""What is known of a backbone before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """What a user should know of a backbone before using it.

    Parameters
    ----------
    name : str
        Name in the registry.
    source : str
        Where the architecture and, if any, the weights come from.
    licence : str
        Licence of the weights, or of the code if there are none.
    sr : int
        Sampling rate in Hz that it expects.
    embedding_size : int
        Values per embedding with default options.
    pretrained : bool
        Whether it comes with weights.
    frontend : str
        What it looks at unless told otherwise, a name from `list_frontends`.
    frontend_params : mapping
        Options of that frontend.
    head : str
        What stands on it unless told otherwise, a name from `list_heads`.
    head_params : mapping
        Options of that head.
    """

    name: str
    source: str
    licence: str
    sr: int
    embedding_size: int
    pretrained: bool = False
    frontend: str = "log-mel"
    frontend_params: Mapping[str, Any] = field(default_factory=dict)
    head: str = "linear"
    head_params: Mapping[str, Any] = field(default_factory=dict)
