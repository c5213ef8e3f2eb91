"""Recipes: the settings of a training as a YAML file that says where they come from.

``train`` holds settings of `AudioBackboneClassifier`, as its parameters are called. ``trials``, if
there, names several trainings by what replaces those settings in each. ``miniature`` replaces them
where a small corpus is all there is. What else there may be is for people: ``about``, ``source``,
``protocol``, ``expected`` (scores that the source reports) and ``ours`` (scores of our own, filled
in by a real run only).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

FOR_PEOPLE = ("about", "source", "protocol", "expected", "ours")
OF_SETTINGS = ("train", "miniature")
TRIALS = "trials"
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
    blocks = _read_blocks(path)
    return replace_settings(blocks["train"], blocks["miniature"] if miniature else {})


def read_trials(path: str | PathLike[str]) -> dict[str, dict[str, Any]]:
    """Read the settings of each trial of a recipe.

    Parameters
    ----------
    path : str or path-like
        The YAML file.

    Returns
    -------
    dict of str to dict
        Trial -> what replaces settings of `read_recipe`; empty if it has no trials.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        As `read_recipe`.
    """
    return _read_blocks(path)[TRIALS]


def replace_settings(settings: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Put settings over others; of options, such as ``backbone_params``, only those that are named.

    Parameters
    ----------
    settings, others : mapping
        Parameters of `AudioBackboneClassifier`.

    Returns
    -------
    dict
        A new one. Options are kept where a part is exchanged for another: null them in `others`.
    """
    merged = dict(settings)
    for name, value in others.items():
        before = merged.get(name)
        if name.endswith("_params") and isinstance(before, Mapping) and isinstance(value, Mapping):
            value = {**before, **value}
        merged[name] = value
    return merged


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Read settings from a command line.

    Parameters
    ----------
    texts : sequence of str
        ``name=value``, or ``name.option=value`` for one of the options that a setting holds, such
        as ``backbone_params.depth=34``; values as in YAML.

    Returns
    -------
    dict
        Parameters of `AudioBackboneClassifier`.

    Raises
    ------
    ValueError
        If one is not written so, or there is no such setting; names all of them.
    """
    import yaml

    found: dict[str, Any] = {}
    problems = []
    for text in texts:
        name, equals, value = text.partition("=")
        name, dot, option = name.partition(".")
        try:
            if not (equals and name and bool(dot) == bool(option)):
                raise ValueError("a setting must be NAME=VALUE or NAME.OPTION=VALUE")
            read = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError) as error:
            problems.append(f"{text!r}: {error}")
            continue
        found = replace_settings(found, {name: {option: read} if dot else read})
    problems += _check_names("--set", found)
    if problems:
        raise ValueError(
            f"{'; '.join(problems)}. Settings are {', '.join(sorted(_list_settings()))}"
        )
    return found


def _read_blocks(path: str | PathLike[str]) -> dict[str, dict[str, Any]]:
    """Read a recipe and check the names in it."""
    import yaml

    if not Path(path).is_file():
        raise FileNotFoundError(f"no such recipe: {path}")
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be YAML: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("train"), dict):
        raise ValueError(
            f"{path} must have a block 'train' with settings of a network; one with a block "
            "'members' is for fit-ensemble --settings"
        )
    known = (*OF_SETTINGS, TRIALS, *FOR_PEOPLE)
    problems = [f"unknown block {key!r}" for key in found if key not in known]
    blocks = {name: found.get(name) or {} for name in (*OF_SETTINGS, TRIALS)}
    trials = blocks[TRIALS] if isinstance(blocks[TRIALS], dict) else {}
    checked = {name: blocks[name] for name in OF_SETTINGS}
    checked |= {f"trial {name}": block for name, block in trials.items()}
    for name, block in checked.items():
        problems += _check_names(name, block)
    if not isinstance(blocks[TRIALS], dict):
        problems.append("'trials' must be a mapping")
    # Each is the name of a folder in the output.
    problems += [
        f"a trial's name must be a text of letters, digits, - and _, got {name!r}"
        for name in trials
        if not (isinstance(name, str) and re.fullmatch(r"[\w-]+", name))
    ]
    if problems:
        raise ValueError(
            f"{path}: {'; '.join(problems)}. Blocks are {', '.join(known)}; settings are "
            f"{', '.join(sorted(_list_settings()))}"
        )
    return blocks


def _list_settings() -> dict[str, Any]:
    """Give the settings that a recipe may have, with their defaults."""
    from deep.classifier import AudioBackboneClassifier

    defaults = AudioBackboneClassifier().get_params()
    return {name: value for name, value in defaults.items() if name not in MACHINE}


def _check_names(what: str, block: Any) -> list[str]:
    """Tell what is wrong with a block of settings; texts that are numbers become numbers."""
    if not isinstance(block, dict):
        return [f"{what!r} must be a mapping"]
    known = _list_settings()
    problems = [f"{what} has no setting {key!r}" for key in block if key not in known]
    for key, value in block.items():
        if isinstance(value, str) and isinstance(known.get(key), float):
            # YAML takes 1e-3 for text; 1.0e-3 would be a number.
            try:
                block[key] = float(value)
            except ValueError:
                problems.append(f"{key} must be a number, got {value!r}")
    return problems
