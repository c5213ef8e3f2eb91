"""Heads by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from deep.heads.head import Head
from deep.options import check_options

HeadClass = TypeVar("HeadClass", bound=type[Head])

_REGISTRY: dict[str, type[Head]] = {}


def register_head(name: str) -> Callable[[HeadClass], HeadClass]:
    """Register the decorated class: ``kind(embedding_size, n_classes, **options)``.

    Parameters
    ----------
    name : str
        Name in the registry.

    Returns
    -------
    callable
        A decorator that gives the class back unchanged.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def register(head: HeadClass) -> HeadClass:
        if name in _REGISTRY:
            raise ValueError(f"head names must be unique, {name!r} is registered twice")
        _REGISTRY[name] = head
        return head

    return register


def list_heads() -> list[str]:
    """List the registered names.

    Returns
    -------
    list of str
        Sorted names.

    Examples
    --------
    >>> "linear" in list_heads()
    True
    """
    return sorted(_REGISTRY)


def get_head_class(name: str) -> type[Head]:
    """Look up a head.

    Parameters
    ----------
    name : str
        A name from `list_heads`.

    Returns
    -------
    type
        Its class.

    Raises
    ------
    ValueError
        If no such head is registered.
    """
    if name not in _REGISTRY:
        raise ValueError(f"head must be one of {list_heads()}, got {name!r}")
    return _REGISTRY[name]


def create_head(name: str, embedding_size: int, n_classes: int, **options: Any) -> Head:
    """Make an untrained head.

    Parameters
    ----------
    name : str
        A name from `list_heads`.
    embedding_size : int
        Values per embedding, or per step for a head that looks at steps.
    n_classes : int
        Values per row of logits.
    **options
        Settings of the head.

    Returns
    -------
    Head
        From torch's generator.

    Raises
    ------
    ValueError
        If there is no such head, or it has no such option.
    """
    kind = get_head_class(name)
    check_options(f"head {name!r}", kind, options)
    return kind(embedding_size, n_classes, **options)
