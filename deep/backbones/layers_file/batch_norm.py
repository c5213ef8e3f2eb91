"""Batch normalisation, of channels or of values."""

from __future__ import annotations

from torch import Tensor, nn

from deep.backbones.layers_file.layer import Layer
from deep.backbones.layers_file.option import Options, number
from deep.backbones.layers_file.section import Section
from deep.backbones.layers_file.shape import Shape

_OPTIONS: Options = {"eps": number(1e-5, above=0), "momentum": number(0.1, above=0)}


class BatchNorm1d(Layer):
    """Of the values of a clip, or of those of each of its steps.

    Parameters
    ----------
    section, shape
        See `Layer`.
    """

    options, gives_maps = _OPTIONS, True

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__(section, shape)
        if len(shape) > 2:
            raise self.refuse_axes("values, or values and time in either order")
        # torch takes the first axis for values, which here may be time.
        self.turns = shape.time == 0 and len(shape) == 2
        size = shape.sizes[1 if self.turns else 0]
        if size is None:
            raise self.refuse_axes("values, or values and time in either order")
        self.module = nn.BatchNorm1d(size, **self.settings)

    def forward(self, values: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise.

        Parameters
        ----------
        values : Tensor of shape (n_samples, ...)
            As `given` says.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip.

        Returns
        -------
        values : Tensor of shape (n_samples, ...)
            As given.
        n_steps : Tensor of shape (n_samples,), int64
            As given.
        """
        if not self.turns:
            return self.module(values), n_steps
        return self.module(values.transpose(1, 2)).transpose(1, 2), n_steps


class BatchNorm2d(Layer):
    """Of the channels of maps.

    Parameters
    ----------
    section, shape
        See `Layer`.
    """

    options, gives_maps = _OPTIONS, True

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__(section, shape)
        size = shape.sizes[0]
        if len(shape) != 3 or size is None:
            raise self.refuse_axes("channels and two axes, not time for channels")
        self.module = nn.BatchNorm2d(size, **self.settings)

    def forward(self, values: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise; see `BatchNorm1d.forward`.

        Parameters
        ----------
        values : Tensor of shape (n_samples, n_channels, ...)
            As `given` says.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip.

        Returns
        -------
        values : Tensor of shape (n_samples, n_channels, ...)
            As given.
        n_steps : Tensor of shape (n_samples,), int64
            As given.
        """
        return self.module(values), n_steps
