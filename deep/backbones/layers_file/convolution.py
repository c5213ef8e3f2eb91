"""Convolutions along time, or along bands and time."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from deep.backbones.layers_file.option import Options, count, flag, padding, sizes
from deep.backbones.layers_file.sliding import SlidingLayer


def _options(n_axes: int) -> Options:
    return {
        "out_channels": count(),
        "kernel_size": sizes(n_axes),
        "stride": sizes(n_axes, 1),
        "padding": padding(n_axes),
        "dilation": sizes(n_axes, 1),
        "groups": count(1),
        "bias": flag(True),
    }


class _Convolution(SlidingLayer):
    gives_maps = True
    kind: ClassVar[type[nn.Module]]

    @property
    def n_channels(self) -> int:
        return self.settings["out_channels"]

    def make_module(self) -> nn.Module:
        n_in, n_out, groups = self.given.sizes[0], self.n_channels, self.settings["groups"]
        if n_in is None or n_in % groups or n_out % groups:
            raise self.refusal(
                f"groups must divide the channels that come in and out, {n_in} and {n_out}, "
                f"got {groups}",
                option="groups",
            )
        return self.kind(
            n_in,
            n_out,
            tuple(window.kernel for window in self.windows),
            tuple(window.stride for window in self.windows),
            tuple(window.padding for window in self.windows),
            tuple(window.dilation for window in self.windows),
            groups=groups,
            bias=self.settings["bias"],
        )


class Conv1d(_Convolution):
    """A convolution along one axis."""

    n_axes, kind, options = 1, nn.Conv1d, _options(1)


class Conv2d(_Convolution):
    """A convolution along two axes."""

    n_axes, kind, options = 2, nn.Conv2d, _options(2)
