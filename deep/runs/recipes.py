"""Recipes: the settings of a training as a YAML file that says where they come from.

``train`` holds settings of `AudioBackboneClassifier`, as its parameters are called. What else there
may be is for people: ``about``, ``source``, ``protocol``, ``expected`` (scores that the source
reports) and ``ours`` (scores of our own, filled in by a real run only); and ``miniature``, settings
that replace those of ``train`` where a small corpus is all there is.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

FOR_PEOPLE = ("about", "source", "protocol", "expected", "ours")
MACHINE = ("cache_dir", "device", "n_jobs", "verbose", "tensorboard", "random_state")


def read_recipe(path: str | PathLike[str], *, miniature: bool = False) -> dict[str, Any]:
    """Read the settings of a recipe.

    Parameters
    ----------
    path : str or path-like
        The YAML file.
    miniature : bool
        Whether its block ``miniature`` replaces what it names.

    Returns
    -------
    dict
        Parameters of `AudioBackboneClassifier`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no recipe, or has blocks or settings that do not exist; names all of them.
    """
    import yaml

    from deep.classifier import AudioBackboneClassifier

    if not Path(path).is_file():
        raise FileNotFoundError(f"no such recipe: {path}")
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be YAML: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("train"), dict):
        raise ValueError(f"{path} must have a block 'train' with settings")
    problems = [
        f"unknown block {key!r}" for key in found if key not in (*FOR_PEOPLE, "train", "miniature")
    ]
    defaults = AudioBackboneClassifier().get_params()
    known = sorted(set(defaults) - set(MACHINE))
    blocks = {name: found.get(name) or {} for name in ("train", "miniature")}
    for name, block in blocks.items():
        if not isinstance(block, dict):
            problems.append(f"{name!r} must be a mapping")
            continue
        problems += [f"{name} has no setting {key!r}" for key in block if key not in known]
        for key in block:
            if isinstance(block[key], str) and isinstance(defaults.get(key), float):
                # YAML takes 1e-3 for text; 1.0e-3 would be a number.
                try:
                    block[key] = float(block[key])
                except ValueError:
                    problems.append(f"{key} must be a number, got {block[key]!r}")
    if problems:
        raise ValueError(
            f"{path}: {'; '.join(problems)}. Blocks are train, miniature, {', '.join(FOR_PEOPLE)}; "
            f"settings are {', '.join(known)}"
        )
    return blocks["train"] | (blocks["miniature"] if miniature else {})
