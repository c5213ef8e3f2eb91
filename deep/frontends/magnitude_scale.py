"""Scales on which magnitudes, whose range is far wider than what is heard, are shown to a network.

``"log10"`` is ``log10(1 + 10 x)``: nearly linear for small magnitudes, a logarithm for large ones.
``"log"`` is ``log(x + floor)``. ``"magnitude"`` leaves them as they are. All are exact on silence.
"""

from __future__ import annotations

import torch
from torch import Tensor

from deep.frontends.power_scale import MIN_STD

SCALES = ("log10", "log", "magnitude")


def check_scale(scale: str, floor: float) -> float:
    """Check a scale's settings, and tell the least spread that counts on it.

    Parameters
    ----------
    scale : str
        One of ``SCALES``.
    floor : float
        Magnitude of silence, for ``"log"``.

    Returns
    -------
    float
        Smallest standard deviation to divide by. On the scale of magnitudes it is as much as moves
        the logarithm of silence by ``MIN_STD``.

    Raises
    ------
    ValueError
        If there is no such scale, or the floor is not above zero.
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {list(SCALES)}, got {scale!r}")
    if not floor > 0:
        raise ValueError(f"floor must be above 0, got {floor}")
    return MIN_STD * floor if scale == "magnitude" else MIN_STD


def scale_magnitudes(magnitudes: Tensor, *, scale: str, floor: float) -> Tensor:
    """Put magnitudes on a scale.

    Parameters
    ----------
    magnitudes : Tensor
        At least 0.
    scale : str
        One of ``SCALES``.
    floor : float
        Makes silence finite; for ``"log"`` only.

    Returns
    -------
    Tensor
        Of the same shape.
    """
    if scale == "log10":
        return torch.log10(1 + 10 * magnitudes)
    return torch.log(magnitudes + floor) if scale == "log" else magnitudes
