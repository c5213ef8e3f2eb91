"""Linear maps of values."""

from __future__ import annotations

from torch import Tensor, nn

from deep.backbones.layers_file.layer import Layer
from deep.backbones.layers_file.option import count, flag
from deep.backbones.layers_file.section import Section
from deep.backbones.layers_file.shape import Shape


class Linear(Layer):
    """A linear map along the last axis.

    Parameters
    ----------
    section, shape
        See `Layer`.
    """

    options = {"out_features": count(), "bias": flag(True)}

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__(section, shape)
        n_in, n_out = shape.sizes[-1], self.settings["out_features"]
        if n_in is None:
            raise self.refuse_axes("values along the last axis, not time")
        self.shape = Shape((*shape.sizes[:-1], n_out))
        self.module = nn.Linear(n_in, n_out, bias=self.settings["bias"])

    def forward(self, values: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
        """Map.

        Parameters
        ----------
        values : Tensor of shape (n_samples, ..., n_in)
            As `given` says.
        n_steps : Tensor of shape (n_samples,), int64, on the CPU
            Valid steps of each clip.

        Returns
        -------
        values : Tensor of shape (n_samples, ..., out_features)
            As `shape` says.
        n_steps : Tensor of shape (n_samples,), int64
            As given.
        """
        return self.module(values), n_steps
