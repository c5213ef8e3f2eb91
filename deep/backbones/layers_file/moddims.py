"""Axes put in another order, joined, or left out."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from deep.backbones.layers_file.layer import Layer
from deep.backbones.layers_file.option import axes
from deep.backbones.layers_file.section import Section
from deep.backbones.layers_file.shape import Shape


class ModDims(Layer):
    """Axes in the order of ``permute``, then those of ``collapse`` made one, at the first's place.

    Axes are counted from 0 without that of the clips. Where ``permute`` leaves out time, the last
    valid step stays; of a recurrence both ways the last one that each direction has read, which is
    the first step for that backwards. Other axes can be left out if their size is 1.

    Parameters
    ----------
    section, shape
        See `Layer`.
    """

    options = {"permute": axes(), "collapse": axes()}

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__(section, shape)
        self.order = tuple(self.settings["permute"] or range(len(shape)))
        self._check_axes("permute", self.order, shape)
        self.left_out = tuple(axis for axis in range(len(shape)) if axis not in self.order)
        self.takes_last = shape.time in self.left_out
        if any(shape.sizes[axis] not in (None, 1) for axis in self.left_out):
            raise self.refusal(
                "permute must name all axes but time and those of size 1, "
                f"got {list(self.order)} for {shape}",
                option="permute",
            )
        both_ways = shape.both_ways and self.order == tuple(range(len(shape)))
        self.ordered = Shape(tuple(shape.sizes[axis] for axis in self.order), both_ways=both_ways)
        self.joined = tuple(self.settings["collapse"] or ())
        self.shape = self._join() if self.joined else self.ordered

    def _check_axes(self, option: str, given: tuple[int, ...], shape: Shape) -> None:
        if any(axis >= len(shape) for axis in given):
            raise self.refusal(
                f"{option} must name axes from 0 to {len(shape) - 1} of {shape}, got {list(given)}",
                option=option,
            )

    def _join(self) -> Shape:
        self._check_axes("collapse", self.joined, self.ordered)
        joined = [self.ordered.sizes[axis] for axis in self.joined]
        if None in joined and len(joined) > 1:
            raise self.refusal(
                f"collapse must leave time alone, got {list(self.joined)} for {self.ordered}: an "
                "adaptive pool before makes as many steps of any clip",
                option="collapse",
            )
        sizes = [
            prod(size or 1 for size in joined) if axis == self.joined[0] else size
            for axis, size in enumerate(self.ordered.sizes)
            if axis not in self.joined[1:]
        ]
        return self.ordered if None in joined else Shape(tuple(sizes))

    def forward(self, values: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
        """Reorder and join.

        Parameters
        ----------
        values : Tensor of shape (n_samples, ...)
            As `given` says.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip.

        Returns
        -------
        values : Tensor of shape (n_samples, ...)
            As `shape` says.
        n_steps : Tensor of shape (n_samples,), int64
            As given.
        """
        if self.takes_last:
            values = self._last_steps(values, n_steps)
        # Axes that are left out have a size of 1 by now, and vanish in the last one that is not.
        order = [1 + axis for axis in (*self.order, *self.left_out)]
        values = values.permute(0, *order).flatten(start_dim=len(self.order))
        return self._join_values(values), n_steps

    def _last_steps(self, values: Tensor, n_steps: Tensor) -> Tensor:
        """Leave one step of each clip."""
        axis = 1 + int(self.given.time or 0)
        steps = values.movedim(axis, 1)
        rows = torch.arange(len(steps), device=steps.device)
        last = steps[rows, (n_steps - 1).to(steps.device)]
        if self.given.both_ways:
            half = last.shape[-1] // 2
            last = torch.cat([last[:, :half], steps[:, 0, half:]], dim=1)
        return last.unsqueeze(axis)

    def _join_values(self, values: Tensor) -> Tensor:
        if not self.joined:
            return values
        order = [
            each
            for axis in range(len(self.ordered))
            if axis not in self.joined[1:]
            for each in (self.joined if axis == self.joined[0] else (axis,))
        ]
        first = 1 + order.index(self.joined[0])
        values = values.permute(0, *(1 + axis for axis in order))
        return values.flatten(start_dim=first, end_dim=first + len(self.joined) - 1)
