"""Pools of a fixed size along time, or along bands and time."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import nn

from deep.backbones.layers_file.option import Options, padding, sizes
from deep.backbones.layers_file.sliding import SlidingLayer
from deep.backbones.layers_file.window import Window


def _options(n_axes: int) -> Options:
    # Without a stride, torch moves a pool by its size and the format's first parser by one: a file
    # must say what it means.
    return {"kernel_size": sizes(n_axes), "stride": sizes(n_axes), "padding": padding(n_axes)}


class _Pool(SlidingLayer):
    kind: ClassVar[type[nn.Module]]

    def make_windows(self) -> tuple[Window, ...]:
        windows = super().make_windows()
        if any(window.padding > window.kernel // 2 for window in windows):
            raise self.refusal(
                "padding must be at most half of kernel_size, "
                f"got {self.settings['padding']} and {self.settings['kernel_size']}",
                option="padding",
            )
        return windows

    def make_module(self) -> nn.Module:
        kernels, strides, paddings = (
            tuple(getattr(window, name) for window in self.windows)
            for name in ("kernel", "stride", "padding")
        )
        return self.kind(kernels, strides, paddings)


class MaxPool1d(_Pool):
    """The greatest value in windows along one axis."""

    n_axes, kind, options, filling = 1, nn.MaxPool1d, _options(1), -math.inf


class MaxPool2d(_Pool):
    """The greatest value in windows along two axes."""

    n_axes, kind, options, filling = 2, nn.MaxPool2d, _options(2), -math.inf


class AvgPool1d(_Pool):
    """The mean in windows along one axis; zeros beyond the ends count."""

    n_axes, kind, options = 1, nn.AvgPool1d, _options(1)


class AvgPool2d(_Pool):
    """The mean in windows along two axes; zeros beyond the ends count."""

    n_axes, kind, options = 2, nn.AvgPool2d, _options(2)
