"""Layers that look at each value by itself: activations and dropout."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from deep.backbones.layers_file.layer import Layer
from deep.backbones.layers_file.option import number, share
from deep.backbones.layers_file.section import Section
from deep.backbones.layers_file.shape import Shape


class _Pointwise(Layer):
    kind: ClassVar[type[nn.Module]]

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__(section, shape)
        self.module = self.kind(**self.settings)

    def forward(self, values: Tensor, n_steps: Tensor) -> tuple[Tensor, Tensor]:
        return self.module(values), n_steps


class Relu(_Pointwise):
    """Zero in place of what is below it."""

    kind, gives_maps = nn.ReLU, True


class Elu(_Pointwise):
    """An exponential below zero, never less than ``-alpha``."""

    kind, gives_maps, options = nn.ELU, True, {"alpha": number(1.0, above=0)}


class LeakyRelu(_Pointwise):
    """A share of what is below zero."""

    kind, gives_maps, options = nn.LeakyReLU, True, {"negative_slope": number(0.01)}


class Sigmoid(_Pointwise):
    """The logistic function, from 0 to 1."""

    kind, gives_maps = nn.Sigmoid, True


class Tanh(_Pointwise):
    """The hyperbolic tangent, from -1 to 1."""

    kind, gives_maps = nn.Tanh, True


class Dropout(_Pointwise):
    """Values are dropped while training."""

    kind, options = nn.Dropout, {"p": share(0.5)}


class Dropout2d(_Pointwise):
    """Whole channels are dropped while training.

    Parameters
    ----------
    section, shape
        See `Layer`.
    """

    kind, options = nn.Dropout2d, {"p": share(0.5)}

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__(section, shape)
        if len(shape) != 3 or shape.time == 0:
            raise self.refuse_axes("channels and two axes, not time for channels")
