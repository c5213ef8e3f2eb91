"""Layers whose windows slide over bands and time."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from deep.backbones.layers_file.layer import Layer, Steps
from deep.backbones.layers_file.past_end import fill_past_end
from deep.backbones.layers_file.section import Section
from deep.backbones.layers_file.shape import Shape
from deep.backbones.layers_file.window import Window, make_windows


class SlidingLayer(Layer):
    """Channels first, then one or two axes along which windows slide, one of which may be time.

    A window that reaches past a clip's end must find there what it would find beyond the clip
    alone. One that does not must not be asked: its places past the end are of no clip.

    Parameters
    ----------
    section, shape
        See `Layer`.

    Attributes
    ----------
    n_axes : int
        Axes besides channels.
    filling : float
        What stands beyond a clip alone.
    """

    n_axes: ClassVar[int]
    filling: ClassVar[float] = 0.0

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__(section, shape)
        if len(shape) != 1 + self.n_axes or shape.time == 0:
            axes = "one axis" if self.n_axes == 1 else "two axes"
            raise self.refuse_axes(f"channels and {axes}, not time for channels")
        self.windows = self.make_windows()
        sizes = [
            None if size is None else window.after(size)
            for size, window in zip(shape.sizes[1:], self.windows, strict=True)
        ]
        if any(size is not None and size < 1 for size in sizes):
            needed = [window.before(1) for window in self.windows]
            raise self.refusal(
                f"must be given at least {needed} along the axes after channels, got {shape}"
            )
        self.shape = Shape((self.n_channels, *sizes))
        self.module = self.make_module()

    @property
    def n_channels(self) -> int:
        """Channels that come out: as many as come in, unless a layer says otherwise."""
        return int(self.given.sizes[0] or 0)

    def make_windows(self) -> tuple[Window, ...]:
        """Make the windows of all axes but the channels.

        Returns
        -------
        tuple of Window
            In the order of the axes.
        """
        return make_windows(self, self.n_axes)

    def make_module(self) -> nn.Module:
        """Make what computes it.

        Returns
        -------
        nn.Module
            Of values alone.

        Raises
        ------
        NotImplementedError
            If a layer does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} must define make_module")

    @property
    def time_window(self) -> Window | None:
        """The window that moves along time, if there is time."""
        return None if self.given.time is None else self.windows[self.given.time - 1]

    @property
    def looks_past_end(self) -> bool:
        """Whether a window of a clip's own sees what stands past its end."""
        return self.time_window is not None and self.time_window.padding > 0

    def steps(self, n_steps: Steps) -> Steps:  # noqa: D102 - see Layer
        return n_steps if self.time_window is None else self.time_window.after(n_steps)

    def least_steps(self, n_steps: int) -> int:  # noqa: D102 - see Layer
        return n_steps if self.time_window is None else self.time_window.before(n_steps)

    def forward(self, values: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
        """Slide.

        Parameters
        ----------
        values : Tensor of shape (n_samples, n_channels, ...)
            As `given` says.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip.

        Returns
        -------
        values : Tensor of shape (n_samples, n_channels, ...)
            As `shape` says.
        n_steps : Tensor of shape (n_samples,), int64
            Valid steps of each clip.
        """
        left = self.steps(n_steps)
        if self.given.time is None or not self.looks_past_end:
            return self.module(values), left
        axis = 1 + self.given.time
        filled = fill_past_end(values, n_steps, axis=axis, filling=self.filling)
        values = self.module(filled)
        # What was filled in to be passed over must not stay: it may be infinite.
        return (fill_past_end(values, left, axis=axis) if self.filling else values), left
