"""Checking options that come from files and command lines against what a factory takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any


def check_options(
    what: str,
    factory: Callable[..., Any],
    options: Collection[str],
    *,
    given: Collection[str] = (),
) -> None:
    """Make sure that a factory takes the options.

    Parameters
    ----------
    what : str
        What is made, for the message.
    factory : callable
        A class or function whose options are keyword-only.
    options : collection of str
        Names of those wished for.
    given : collection of str
        Names of keyword-only parameters that are not for the user to give.

    Raises
    ------
    ValueError
        If there are others; names those there are.
    """
    parameters = inspect.signature(factory).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in given
    ]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"{what} has no option {unknown}; its options are {known or 'none'}")
