"""Frontends by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from deep.frontends.frontend import Frontend
from deep.options import check_options

FrontendClass = TypeVar("FrontendClass", bound=type[Frontend])

_REGISTRY: dict[str, type[Frontend]] = {}


def register_frontend(name: str) -> Callable[[FrontendClass], FrontendClass]:
    """Register the decorated class, whose constructor takes ``sr`` and options by keyword.

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

    def register(frontend: FrontendClass) -> FrontendClass:
        if name in _REGISTRY:
            raise ValueError(f"frontend names must be unique, {name!r} is registered twice")
        _REGISTRY[name] = frontend
        return frontend

    return register


def list_frontends() -> list[str]:
    """List the registered names.

    Returns
    -------
    list of str
        Sorted names.

    Examples
    --------
    >>> "log-mel" in list_frontends()
    True
    """
    return sorted(_REGISTRY)


def get_frontend_class(name: str) -> type[Frontend]:
    """Look up a frontend.

    Parameters
    ----------
    name : str
        A name from `list_frontends`.

    Returns
    -------
    type
        Its class.

    Raises
    ------
    ValueError
        If no such frontend is registered.
    """
    if name not in _REGISTRY:
        raise ValueError(f"frontend must be one of {list_frontends()}, got {name!r}")
    return _REGISTRY[name]


def create_frontend(name: str, *, sr: int, **options: Any) -> Frontend:
    """Make a frontend.

    Parameters
    ----------
    name : str
        A name from `list_frontends`.
    sr : int
        Sampling rate of the waveforms in Hz.
    **options
        Settings of the frontend.

    Returns
    -------
    Frontend
        Not yet fitted to any clips.

    Raises
    ------
    ValueError
        If there is no such frontend, or it has no such option.
    """
    kind = get_frontend_class(name)
    check_options(f"frontend {name!r}", kind, options, given=("sr",))
    return kind(sr=sr, **options)
