"""Augmentations by name, and recipes of them.

A recipe maps names to options: ``{"gain": {"min_db": -12}, "time_mask": {}}``. Options that are not
named keep their defaults; ``None`` or ``True`` for all of them does too, ``False`` switches a kind
off. Sounds are augmented in the order of the recipe, then frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from deep.augmentation.augmentation import Augmentation
from deep.augmentation.options import find_problems
from deep.augmentation.step import Step

Kind = TypeVar("Kind", bound=type[Step])

_REGISTRY: dict[str, type[Step]] = {}

RECIPES: dict[str, dict[str, Any]] = {
    # What helped on orchestral notes, where noise, band masks and mixing cost accuracy in trainings
    # of a few minutes: they are for longer trainings and rougher recordings.
    "default": {"time_mask": {"probability": 1.0}},
    "rough": {
        "time_shift": {"probability": 0.25},
        "filters": {"probability": 0.25},
        "reverb": {"probability": 0.15},
        "noise": {"probability": 0.25, "colour": "any"},
        "time_mask": {"probability": 1.0},
    },
}
"""Recipes by name; `rough` is for recordings from many rooms and devices."""


def register_augmentation(name: str) -> Callable[[Kind], Kind]:
    """Register the decorated dataclass as a kind of augmentation.

    Parameters
    ----------
    name : str
        Its name in recipes.

    Returns
    -------
    callable
        A decorator that gives the class back.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def register(cls: Kind) -> Kind:
        if name in _REGISTRY:
            raise ValueError(f"augmentation names must be unique, {name!r} is registered twice")
        cls.name = name
        _REGISTRY[name] = cls
        return cls

    return register


def list_augmentations() -> list[str]:
    """List the kinds of augmentation.

    Returns
    -------
    list of str
        Sorted names.

    Examples
    --------
    >>> "mixup" in list_augmentations()
    True
    """
    return sorted(_REGISTRY)


def get_augmentation(name: str) -> type[Step]:
    """Look up a kind of augmentation.

    Parameters
    ----------
    name : str
        A name from `list_augmentations`.

    Returns
    -------
    type
        Its dataclass, whose fields are its options.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    if name not in _REGISTRY:
        raise ValueError(f"augmentation must be one of {list_augmentations()}, got {name!r}")
    return _REGISTRY[name]


def create_augmentation(
    recipe: Mapping[str, Any] | str | None, *, sr: int = 22050, multi_label: bool = False
) -> Augmentation:
    """Make augmentations from a recipe.

    Parameters
    ----------
    recipe : mapping, str or None
        Kind to options, see this module; or a name from `RECIPES`; None means nothing is done.
    sr : int
        Sampling rate of the waveforms in Hz.
    multi_label : bool
        Whether labels are decided one by one; kinds that join labels need it.

    Returns
    -------
    Augmentation
        Ready for batches.

    Raises
    ------
    ValueError
        If the recipe has no such name, or holds kinds or options that there are not, values out of
        range, or kinds that join labels where each clip has exactly one; all at once.

    Examples
    --------
    >>> create_augmentation({"gain": {"min_db": -3, "max_db": 3}}).recipe
    {'gain': {'probability': 0.5, 'min_db': -3, 'max_db': 3}}
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(
                f"an augmentation recipe must be one of {sorted(RECIPES)}, or name kinds and "
                f"their options, got {recipe!r}"
            )
        recipe = RECIPES[recipe]
    if recipe is not None and not isinstance(recipe, Mapping):
        raise ValueError(
            f"an augmentation recipe must map kinds to options, got {type(recipe).__name__}"
        )
    steps: list[Step] = []
    problems: list[str] = []
    for name, options in (recipe or {}).items():
        if options is not False:
            step, found = _make_step(name, options, multi_label=multi_label)
            problems += found
            steps += [step] if step else []
    if problems:
        raise ValueError("\n".join(problems))
    return Augmentation(tuple(steps), sr=sr)


def _make_step(name: str, options: Any, *, multi_label: bool) -> tuple[Step | None, list[str]]:
    """Make a step, or say why not."""
    if name not in _REGISTRY:
        return None, [f"there is no augmentation {name!r}; there are {list_augmentations()}"]
    if options in (None, True):
        options = {}
    if not isinstance(options, Mapping):
        return None, [f"{name} must have a mapping of options, got {options!r}"]
    cls = _REGISTRY[name]
    problems = find_problems(name, cls, options)
    if cls.joins_labels and not multi_label:
        problems.append(
            f"{name} joins the labels of several clips, so labels must be multi-label; they are "
            "single-label: use mixup or cutmix"
        )
    if problems:
        return None, problems
    step = cls(**options)
    return step, step.problems()
