"""Pools that leave a fixed number of values, however many there are."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from deep.backbones.layers_file.layer import Layer
from deep.backbones.layers_file.option import per_axis, sizes_or_none
from deep.backbones.layers_file.section import Section
from deep.backbones.layers_file.shape import Shape


class _AdaptivePool(Layer):
    """Channels first, then the axes that are pooled; None leaves one as it is.

    Where time is pooled, what is left of it is an axis like any other: every clip has as much.
    """

    n_axes: ClassVar[int]
    kind: ClassVar[type[nn.Module]]

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__(section, shape)
        if len(shape) != 1 + self.n_axes or shape.time == 0:
            axes = "one axis" if self.n_axes == 1 else "two axes"
            raise self.refuse_axes(f"channels and {axes}, not time for channels")
        wanted = per_axis(self.settings["output_size"], self.n_axes)
        left = [
            size if want is None else want
            for size, want in zip(shape.sizes[1:], wanted, strict=True)
        ]
        self.shape = Shape((shape.sizes[0], *left))
        self.pools_time = shape.time is not None and self.shape.time is None
        # None along one axis means the same to torch, but not as the only size there is.
        self.module: nn.Module = (
            nn.Identity()
            if all(want is None for want in wanted)
            else self.kind(wanted if self.n_axes > 1 else wanted[0])
        )

    def least_steps(self, n_steps: int) -> int:
        return 1 if self.pools_time else n_steps

    def forward(self, values: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
        if self.given.time is None or not self.pools_time:
            return self.module(values), n_steps
        # Where its windows are depends on a clip's length: clips of one length go together.
        axis, rows, pooled = 1 + self.given.time, [], []
        for length in n_steps.unique().tolist():
            rows.append((n_steps == length).nonzero()[:, 0])
            chosen = values if len(rows[-1]) == len(values) else values[rows[-1].to(values.device)]
            pooled.append(self.module(chosen.narrow(axis, 0, length)))
        if len(pooled) == 1:
            return pooled[0], n_steps
        order = torch.cat(rows).argsort()
        return torch.cat(pooled)[order.to(values.device)], n_steps


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means along one axis."""

    n_axes, kind, options = 1, nn.AdaptiveAvgPool1d, {"output_size": sizes_or_none(1)}


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means along two axes."""

    n_axes, kind, options = 2, nn.AdaptiveAvgPool2d, {"output_size": sizes_or_none(2)}


class AdaptiveMaxPool1d(_AdaptivePool):
    """Greatest values along one axis."""

    n_axes, kind, options = 1, nn.AdaptiveMaxPool1d, {"output_size": sizes_or_none(1)}


class AdaptiveMaxPool2d(_AdaptivePool):
    """Greatest values along two axes."""

    n_axes, kind, options = 2, nn.AdaptiveMaxPool2d, {"output_size": sizes_or_none(2)}
