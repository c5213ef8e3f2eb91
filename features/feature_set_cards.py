"""The way back from a card to the feature set that it describes.

Conventions: a card is that of `FeatureSet.card` or `OpenSmileSet.card`. What it names is looked up
in the catalogue and nowhere else, so that a foreign card runs no code of its own. The set is given
only if it has the card's digest: equal digests mean equal features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from features.catalogue import CATALOGUE
from features.feature_set import REVISION, FeatureSet, Part, hash_card
from features.functionals import list_functionals
from features.named_sets import AnyFeatureSet
from features.naming import did_you_mean
from features.opensmile_sets import OPENSMILE_SETS
from features.part_variants import DELTA_SUFFIXES, freeze_settings


def feature_set_from_card(
    card: Mapping[str, Any], *, made_with: str | None = None
) -> AnyFeatureSet:
    """Give the feature set that a table or a bundle was made with.

    Parameters
    ----------
    card : mapping
        Its card.
    made_with : str or None
        The version of timbrestack that wrote the card, to be named if this one computes otherwise.

    Returns
    -------
    FeatureSet or OpenSmileSet
        With the same digest.

    Raises
    ------
    ValueError
        If the card is none, of another revision, names what the catalogue lacks, or this version
        would compute other features under it.
    """
    try:
        name, revision = card["name"], card["revision"]
        remedy = _remedy(made_with)
        if "parts" not in card:
            found = _find_opensmile(name)
        elif revision != REVISION:
            raise ValueError(
                f"feature set {name!r} has revision {revision} of the numbers, this version of "
                f"timbrestack computes revision {REVISION}; {remedy}"
            )
        else:
            found = _rebuild(card)
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"the card of a feature set is damaged: {exc!r}") from exc
    if found.digest != hash_card(card):
        raise ValueError(
            f"this version computes {name!r} otherwise than its card says (digest "
            f"{found.digest[:12]}, the card's is {hash_card(card)[:12]}); {remedy}"
        )
    return found


def _remedy(made_with: str | None) -> str:
    install = f"timbrestack {made_with}" if made_with else "the version that wrote the card"
    return f"install {install}, or extract and fit again"


def _find_opensmile(name: str) -> AnyFeatureSet:
    if name not in OPENSMILE_SETS:
        near = did_you_mean(name, OPENSMILE_SETS)
        raise ValueError(f"the card has no parts, and {name!r} is none of openSMILE's sets{near}")
    return OPENSMILE_SETS[name]


def _rebuild(card: Mapping[str, Any]) -> FeatureSet:
    descriptors = {
        entry.part.descriptor.__name__: entry.part.descriptor for entry in CATALOGUE.values()
    }
    parts, problems = [], []
    for described in card["parts"]:
        try:
            parts.append(_rebuild_part(described, descriptors))
        except ValueError as exc:
            problems.append(str(exc))
    if problems:
        raise ValueError(
            f"feature set {card['name']!r} cannot be made from its card: "
            f"{'; '.join(dict.fromkeys(problems))}"
        )
    settings = {key: card[key] for key in FeatureSet("", ()).settings}
    return FeatureSet(card["name"], tuple(parts), **settings)


def _rebuild_part(
    described: Mapping[str, Any], descriptors: Mapping[str, Callable[..., np.ndarray]]
) -> Part:
    name = described["descriptor"]
    if name not in descriptors:
        raise ValueError(f"there is no descriptor {name!r}{did_you_mean(name, descriptors)}")
    known = list_functionals()
    problems = [
        f"there is no functional {functional!r}{did_you_mean(functional, known)}"
        for functional in described["functionals"]
        if functional not in known
    ]
    if described["delta"] not in range(len(DELTA_SUFFIXES)):
        problems.append(f"delta must be 0, 1 or 2, got {described['delta']!r}")
    if problems:
        raise ValueError("; ".join(problems))
    return Part(
        described["group"],
        described["name"],
        descriptors[name],
        tuple(described["contours"]),
        tuple(described["functionals"]),
        described["delta"],
        freeze_settings(descriptors[name], described["settings"]),
        tuple(described.get("rows", ())),
    )
