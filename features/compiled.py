"""Compilation of the few inner loops that numpy cannot say fast."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Make a kernel run as machine code from its first call on.

    numba is imported and the kernel compiled only then (some 0.2 s); the code is kept on disk, so
    that the next process loads it in milliseconds.

    Parameters
    ----------
    kernel : callable
        A function of arrays and numbers, of finite values only: infinities, NaN and the order of
        sums may be treated as fast arithmetic likes. It may not call another kernel.

    Returns
    -------
    callable
        The same function; `__wrapped__` is the Python one.
    """
    machine_code: Callable[..., Any] | None = None

    @wraps(kernel)
    def call(*arguments: Any) -> Any:
        nonlocal machine_code
        if machine_code is None:
            machine_code = _compile(kernel)
        return machine_code(*arguments)

    return call


def _compile(kernel: Callable[..., Any]) -> Callable[..., Any]:
    import numba

    options: Any = {"nogil": True, "error_model": "numpy", "fastmath": True}
    try:
        return numba.njit(cache=True, **options)(kernel)
    except RuntimeError:
        # Neither the package's folder nor the user's cache may be written to.
        return numba.njit(**options)(kernel)
