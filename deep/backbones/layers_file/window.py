"""Windows that move along an axis, as those of convolutions and of pools do."""

from __future__ import annotations

from dataclasses import dataclass

from deep.backbones.layers_file.layer import Layer, Steps
from deep.backbones.layers_file.option import SAME, VALID, per_axis


@dataclass(frozen=True, slots=True)
class Window:
    """A window along one axis.

    Parameters
    ----------
    kernel : int
        Values that it sees.
    stride : int
        How far it moves.
    padding : int
        Values that stand before the first and after the last.
    dilation : int
        How far apart the values are that it sees.
    """

    kernel: int
    stride: int
    padding: int
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Values from the first to the last that it sees."""
        return self.dilation * (self.kernel - 1) + 1

    def after(self, size: Steps) -> Steps:
        """Count the places that it takes.

        Parameters
        ----------
        size : int or Tensor of int64
            Values along the axis.

        Returns
        -------
        int or Tensor of int64
            Less than one if it does not fit in.
        """
        return (size + 2 * self.padding - self.reach) // self.stride + 1

    def before(self, size: int) -> int:
        """Count the values that it needs to take so many places.

        Parameters
        ----------
        size : int
            Places.

        Returns
        -------
        int
            At least one.
        """
        return max(1, (size - 1) * self.stride + self.reach - 2 * self.padding)


def make_windows(layer: Layer, n_axes: int) -> tuple[Window, ...]:
    """Make the windows that the settings of a layer ask for.

    Parameters
    ----------
    layer : Layer
        With settings ``kernel_size``, ``stride``, ``padding`` and perhaps ``dilation``.
    n_axes : int
        Axes besides channels.

    Returns
    -------
    tuple of Window
        One for each axis.

    Raises
    ------
    ValueError
        If ``padding=same`` goes with an even kernel, for which it would have to be lopsided.
    """
    kernels, strides, dilations = (
        per_axis(layer.settings.get(name, 1), n_axes)
        for name in ("kernel_size", "stride", "dilation")
    )
    padding = layer.settings["padding"]
    if padding == SAME and any(kernel % 2 == 0 for kernel in kernels):
        raise layer.refusal(
            "padding=same must go with an odd kernel_size, as it puts as much before as after; "
            f"got {layer.settings['kernel_size']}",
            option="padding",
        )
    if padding == SAME:
        # With a stride of s, ceil(n / s) of n places are left.
        paddings = tuple(d * (k - 1) // 2 for k, d in zip(kernels, dilations, strict=True))
    else:
        paddings = per_axis(0 if padding == VALID else padding, n_axes)
    return tuple(map(Window, kernels, strides, paddings, dilations))
