"""Scales on which powers are shown to a network."""

from __future__ import annotations

import torch
from torch import Tensor

SCALES = ("log", "db", "power")

# In units of a scale: what moves less than this in the training clips counts as not moving.
MIN_STD = 1e-3


def check_scale(scale: str, floor: float) -> float:
    """Check a scale's settings, and tell the least spread that counts on it.

    Parameters
    ----------
    scale : str
        One of ``SCALES``.
    floor : float
        Power below which is silence.

    Returns
    -------
    float
        Smallest standard deviation to divide by. On the scale of powers it is as much as moves the
        logarithm of silence by ``MIN_STD``.

    Raises
    ------
    ValueError
        If there is no such scale, or the floor is not above zero.
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {list(SCALES)}, got {scale!r}")
    if not floor > 0:
        raise ValueError(f"floor must be above 0, got {floor}")
    return MIN_STD * floor if scale == "power" else MIN_STD


def scale_power(power: Tensor, *, scale: str, floor: float) -> Tensor:
    """Put powers on a scale.

    Parameters
    ----------
    power : Tensor
        Powers, at least 0.
    scale : {"log", "db", "power"}
        ``log(power + floor)``, ``10 log10(max(power, floor))`` as librosa and torchaudio have it,
        or the power itself.
    floor : float
        Makes silence finite; not used for ``"power"``.

    Returns
    -------
    Tensor
        Of the same shape.
    """
    if scale == "log":
        return torch.log(power + floor)
    if scale == "db":
        return 10.0 * torch.log10(power.clamp_min(floor))
    return power
