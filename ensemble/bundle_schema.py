"""What the card of a bundle says, version by version, and how an older one is read.

1. The stack sees the logits of each label alone; the only average is the plain one; all columns
   come from one feature set.
2. ``"final"`` says what the stack sees, ``"averages"`` what the averages were fitted to,
   ``"views"`` and ``"runs"`` what was added, ``"nested"`` how out-of-fold scores were made.
   ``"calibration"``, where there are validation rows, holds slope and offset of each label's logit.
3. ``"calibration"`` holds a method and its parameters for each model, as of `Calibration.as_dict`,
   and ``"calibration_asked"`` what was asked for; a view may be of kind ``"columns"``, a model of
   format ``"pipeline"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCHEMA = "timbrestack.bundle"
SCHEMA_VERSION = 3

_AS_OF_1: dict[str, Any] = {
    "final": {"across_labels": False, "stack_on": "logits"},
    "averages": None,
    "views": [],
    "runs": [],
    "nested": False,
}


def upgrade_card(card: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Give a card in the words of this version.

    Parameters
    ----------
    card : mapping
        As read.
    place : str
        What to call the bundle in an error.

    Returns
    -------
    dict
        Of this version; what an older one does not say holds as it did then.

    Raises
    ------
    ValueError
        If the card is of a later version, or of none.
    """
    version = card["schema_version"]
    if version > SCHEMA_VERSION:
        raise ValueError(
            f"{place} has schema {version}, this version reads up to {SCHEMA_VERSION}; upgrade "
            "timbrestack"
        )
    if version < 1:
        raise ValueError(f"{place} has schema {version}, the first is 1: fit it again")
    upgraded = dict(card)
    if version < 2:
        upgraded = {**_AS_OF_1, **upgraded}
    if version < 3:
        upgraded |= _name_calibrations(upgraded)
    return {**upgraded, "schema_version": SCHEMA_VERSION}


def _name_calibrations(card: Mapping[str, Any]) -> dict[str, Any]:
    """Say that slopes and offsets are the method sigmoid."""
    given = card["calibration"]
    if given is None:
        return {"calibration_asked": None}
    multilabel = card["task"] == "multi-label"
    named = {
        name: {"method": "sigmoid", "multilabel": multilabel, "parameters": lines}
        for name, lines in given.items()
    }
    return {"calibration": named, "calibration_asked": "sigmoid"}
