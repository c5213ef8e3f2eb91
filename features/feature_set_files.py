"""Feature sets from files: recipes that people write, and cards that tables and bundles carry.

Conventions: a recipe is YAML with `parts` as in `compose_feature_set`, a `name` (else that of the
file) and the settings of the analysis; a card is the JSON of `FeatureSet.card`, alone or inside
that of a table or a bundle.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from features.composition import ANALYSIS_SETTINGS, compose_feature_set
from features.feature_set import FeatureSet
from features.feature_set_cards import feature_set_from_card
from features.named_sets import (
    AnyFeatureSet,
    get_feature_set,
    join_feature_sets,
    list_feature_sets,
)
from features.naming import did_you_mean

RECIPE_ENDINGS = (".yaml", ".yml")
CARD_ENDINGS = (".json", ".parquet")


def find_feature_set(text: str) -> AnyFeatureSet:
    """Give the feature set that a command was told.

    Parameters
    ----------
    text : str
        A name, a file as of `read_feature_set`, or several of them joined by ``+``.

    Returns
    -------
    FeatureSet or OpenSmileSet
        The set.

    Raises
    ------
    FileNotFoundError
        If it is named like a file and there is none.
    ValueError
        If no set has that name, a file holds none, or they cannot be joined.
    """
    if _is_file(text):
        return read_feature_set(text)
    parts = text.split("+")
    return join_feature_sets(
        [read_feature_set(part) if _is_file(part) else get_feature_set(part) for part in parts]
    )


def _is_file(text: str) -> bool:
    """Whether a file is meant, be it there or not; what is a set's name is meant as such."""
    if text in list_feature_sets():
        return False
    return Path(text).is_file() or (
        "+" not in text and text.endswith(RECIPE_ENDINGS + CARD_ENDINGS)
    )


def read_feature_set(path: str | PathLike[str]) -> AnyFeatureSet:
    """Read a feature set from a recipe, or from the card of a set, a table or a bundle.

    Parameters
    ----------
    path : str or path-like
        ``.yaml`` or ``.yml`` for a recipe, ``.json`` for a card, ``.parquet`` for a feature table,
        whose card lies beside it.

    Returns
    -------
    FeatureSet or OpenSmileSet
        As described; a card's has the same digest.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is of another kind, or holds no set that this version can compute.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        path = path.with_name(f"{path.name}.card.json")
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    if path.suffix not in RECIPE_ENDINGS + CARD_ENDINGS:
        endings = ", ".join(RECIPE_ENDINGS + CARD_ENDINGS)
        raise ValueError(f"a file with a feature set must end in {endings}, got {path}")
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix in RECIPE_ENDINGS:
            return _from_recipe(_parse_yaml(text), path.stem)
        return _from_card(json.loads(text))
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from exc


def _from_card(card: Any) -> AnyFeatureSet:
    if not isinstance(card, Mapping):
        raise ValueError(f"a card must be an object, got {type(card).__name__}")
    if "feature_set" not in card:
        return feature_set_from_card(card)
    versions = card.get("versions")
    made_with = versions.get("timbrestack") if isinstance(versions, Mapping) else None
    return feature_set_from_card(card["feature_set"], made_with=made_with)


def _parse_yaml(text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that is there twice, of which YAML would keep the last."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            keys = [key.value for key, _ in node.value]
            if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
                raise ValueError(f"there twice: {', '.join(twice)}")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as exc:
        raise ValueError(f"not YAML: {' '.join(str(exc).split())}") from exc


def _from_recipe(recipe: Any, stem: str) -> FeatureSet:
    """Compose a set, and say all that is wrong with its recipe at once."""
    if not isinstance(recipe, Mapping):
        raise ValueError(f"a recipe must be a mapping with 'parts', got {type(recipe).__name__}")
    known = ["name", "parts", *ANALYSIS_SETTINGS]
    problems = [
        f"there is no key {key!r}{did_you_mean(key, known)}" for key in recipe if key not in known
    ]
    name = recipe.get("name", stem)
    if name in list_feature_sets():
        problems.append(f"{name!r} is the name of another set; a recipe needs its own")
    settings = {key: recipe[key] for key in ANALYSIS_SETTINGS if key in recipe}
    try:
        composed = compose_feature_set(name, recipe.get("parts", ()), **settings)
    except ValueError as exc:
        problems.append(str(exc))
    if problems:
        raise ValueError("; ".join(problems))
    return composed
