"""What every layer of a file is: a module that knows its shape and how time passes through it."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from deep.backbones.layers_file.option import Options
from deep.backbones.layers_file.section import Section
from deep.backbones.layers_file.shape import Shape

Steps = TypeVar("Steps", int, Tensor)


class Layer(nn.Module):
    """A layer, called as ``layer(values, n_steps) -> (values, n_steps)``.

    What a clip's values become depends neither on its neighbours in a batch nor on what stands past
    its end, and past its end there may be anything finite.

    Parameters
    ----------
    section : Section
        What the file says; its options hold for the kind.
    shape : Shape
        What it is given.

    Attributes
    ----------
    options : mapping of str to Option
        What a section of the kind may say.
    gives_maps : bool
        Whether it is worth a look where in the frames something was found; what then gives maps
        is its ``module``.
    shape : Shape
        What it gives.
    """

    options: ClassVar[Options] = {}
    gives_maps: ClassVar[bool] = False

    def __init__(self, section: Section, shape: Shape) -> None:
        super().__init__()
        self.section, self.given, self.shape = section, shape, shape
        self.settings: dict[str, Any] = {
            name: section.options.get(name, option.default) for name, option in self.options.items()
        }

    def steps(self, n_steps: Steps) -> Steps:
        """Tell how many steps come out of so many.

        Parameters
        ----------
        n_steps : int or Tensor of int64
            Steps in time that are given.

        Returns
        -------
        int or Tensor of int64
            As many, unless a layer says otherwise; less than one where too few are given.
        """
        return n_steps

    def least_steps(self, n_steps: int) -> int:
        """Tell how many steps must be given for so many to come out.

        Parameters
        ----------
        n_steps : int
            Steps wanted, at least one.

        Returns
        -------
        int
            At least one.
        """
        return n_steps

    def refusal(self, text: str, *, option: str | None = None) -> ValueError:
        """Make the error for a file that asks for what cannot be.

        Parameters
        ----------
        text : str
            What must hold, and what was given.
        option : str or None
            The option that it is about.

        Returns
        -------
        ValueError
            To be raised.
        """
        return ValueError(self.section.problem(text, option=option))

    def refuse_axes(self, wanted: str) -> ValueError:
        """Make the error for a layer that is given other axes than it takes.

        Parameters
        ----------
        wanted : str
            What it takes.

        Returns
        -------
        ValueError
            To be raised.
        """
        return self.refusal(
            f"must be given {wanted}, got {self.given}; [moddims] can reorder and join axes"
        )
