"""Settings as earlier versions saved them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Options of frontend and head that once stood among the backbone's.
FRONTEND_OPTIONS = ("n_fft", "hop_length", "n_mels")
HEAD_OPTIONS = {"head_dropout": "dropout"}


def name_parts(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Tell a backbone's options from those of its frontend and head.

    Parameters
    ----------
    settings : mapping
        With ``backbone_params``, as any version saved them.

    Returns
    -------
    dict
        With ``frontend_params`` and ``head_params`` where `backbone_params` held any of theirs;
        what else there is stays as it is.
    """
    settings, options = dict(settings), dict(settings.get("backbone_params") or {})
    parts = {
        "frontend_params": {
            name: options.pop(name) for name in FRONTEND_OPTIONS if name in options
        },
        "head_params": {
            new: options.pop(old) for old, new in HEAD_OPTIONS.items() if old in options
        },
    }
    found = {name: part | (settings.get(name) or {}) for name, part in parts.items() if part}
    return settings | found | ({"backbone_params": options} if found else {})
