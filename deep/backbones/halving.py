"""Halving maps of any size."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

# Along bands and along time.
HALF = 2


def halve(maps: Tensor, pool: Callable[[Tensor, tuple[int, int]], Tensor]) -> Tensor:
    """Pool pairs of neighbours along bands and along time, but for sides of length one.

    So a network made for large images works for small ones too, and for those that it was made for
    as it always did.

    Parameters
    ----------
    maps : Tensor of shape (n_images, n_maps, height, width)
        Any size.
    pool : callable
        ``pool(maps, kernel_size) -> maps``, such as `torch.nn.functional.max_pool2d`.

    Returns
    -------
    Tensor of shape (n_images, n_maps, max(1, height // 2), max(1, width // 2))
        A last value that has no neighbour is left out.
    """
    height, width = maps.shape[-2:]
    return pool(maps, (min(HALF, height), min(HALF, width)))
