"""What the results' card holds under ``ablation``: see `reports.ablation` for its words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_REQUIRED = {"metrics": list, "stack": dict, "parts": list, "alone": list, "sentences": list}
_OF_A_PART = ("part", "kind", "without", "gain")


def ablation_problems(found: Any) -> Iterator[str]:
    """Say what is wrong with an ablation.

    Parameters
    ----------
    found : object
        As the card holds it; None means that there is none.

    Yields
    ------
    str
        One sentence a problem.
    """
    if found is None:
        return
    if not isinstance(found, dict):
        yield f"ablation must be an object, got {type(found).__name__}"
        return
    for key, kind in _REQUIRED.items():
        if not isinstance(found.get(key), kind):
            yield f"ablation must have {key} as {kind.__name__}, got {found.get(key)!r}"
            return
    for part in [*found["parts"], *found["alone"]]:
        if not isinstance(part, dict) or not all(key in part for key in _OF_A_PART):
            yield f"each part of an ablation must have {', '.join(_OF_A_PART)}, got {part!r}"
