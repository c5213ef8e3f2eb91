"""Transposed convolutions: each step becomes as many as the stride says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from deep.backbones.layers_file.layer import Steps
from deep.backbones.layers_file.option import Options, count, flag, padding, per_axis, sizes
from deep.backbones.layers_file.sliding import SlidingLayer
from deep.backbones.layers_file.window import Window, make_windows


@dataclass(frozen=True, slots=True)
class SpreadWindow(Window):
    """A window that spreads each value, instead of gathering many.

    Parameters
    ----------
    kernel, stride, dilation : int
        See `Window`.
    padding : int
        Values that are cut off before the first and after the last.
    extra : int
        Values that are added at the end.
    """

    extra: int = 0

    def after(self, size: Steps) -> Steps:  # noqa: D102 - see Window
        return (size - 1) * self.stride - 2 * self.padding + self.reach + self.extra

    def before(self, size: int) -> int:  # noqa: D102 - see Window
        missing = size + 2 * self.padding - self.reach - self.extra
        return max(1, 1 - (-missing // self.stride))


def _options(n_axes: int) -> Options:
    return {
        "out_channels": count(),
        "kernel_size": sizes(n_axes),
        "stride": sizes(n_axes, 1),
        "padding": padding(n_axes, same=False),
        "output_padding": sizes(n_axes, 0, least=0),
        "dilation": sizes(n_axes, 1),
        "bias": flag(True),
    }


class _TransposedConvolution(SlidingLayer):
    gives_maps = True
    kind: ClassVar[type[nn.Module]]

    @property
    def n_channels(self) -> int:
        return self.settings["out_channels"]

    @property
    def looks_past_end(self) -> bool:
        # What stands past the end is spread to places before it.
        return self.given.time is not None

    def make_windows(self) -> tuple[Window, ...]:
        extras = per_axis(self.settings["output_padding"], self.n_axes)
        windows = make_windows(self, self.n_axes)
        if any(
            extra >= max(window.stride, window.dilation)
            for extra, window in zip(extras, windows, strict=True)
        ):
            raise self.refusal(
                "output_padding must be smaller than stride or dilation, "
                f"got {self.settings['output_padding']}",
                option="output_padding",
            )
        return tuple(
            SpreadWindow(w.kernel, w.stride, w.padding, w.dilation, extra)
            for w, extra in zip(windows, extras, strict=True)
        )

    def make_module(self) -> nn.Module:
        return self.kind(
            int(self.given.sizes[0] or 0),
            self.n_channels,
            tuple(window.kernel for window in self.windows),
            tuple(window.stride for window in self.windows),
            tuple(window.padding for window in self.windows),
            per_axis(self.settings["output_padding"], self.n_axes),
            bias=self.settings["bias"],
            dilation=tuple(window.dilation for window in self.windows),
        )


class ConvTranspose1d(_TransposedConvolution):
    """A transposed convolution along one axis."""

    n_axes, kind, options = 1, nn.ConvTranspose1d, _options(1)


class ConvTranspose2d(_TransposedConvolution):
    """A transposed convolution along two axes."""

    n_axes, kind, options = 2, nn.ConvTranspose2d, _options(2)
