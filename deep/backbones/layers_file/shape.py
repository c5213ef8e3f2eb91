"""Shapes between layers, where one axis may be time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """The axes of a batch but for its clips.

    Parameters
    ----------
    sizes : tuple of int or None
        Size of each axis; None for time, of which each clip has as much as it has. One at most.
    both_ways : bool
        Whether the halves of the last axis come from a recurrence forwards and from one backwards.

    Examples
    --------
    >>> str(Shape((1, 128, None)))
    '(1, 128, time)'
    """

    sizes: tuple[int | None, ...]
    both_ways: bool = False

    @property
    def time(self) -> int | None:
        """Which axis is time, if there is one."""
        return self.sizes.index(None) if None in self.sizes else None

    def __len__(self) -> int:
        return len(self.sizes)

    def __str__(self) -> str:
        names = ["time" if size is None else str(size) for size in self.sizes]
        return f"({', '.join(names)})"
