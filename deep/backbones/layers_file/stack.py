"""All layers of a file but the last, one upon the other."""

from __future__ import annotations

from torch import nn

from deep.backbones.layers_file.kinds import create_layer
from deep.backbones.layers_file.layer import Layer
from deep.backbones.layers_file.section import LayersFile, Section
from deep.backbones.layers_file.shape import Shape

_INPUT_AXES = 3


def make_layers(layers: LayersFile, *, n_channels: int, n_bands: int) -> list[Layer]:
    """Make the layers of a file, each for what the one before gives.

    Parameters
    ----------
    layers : LayersFile
        What `read_layers` gave.
    n_channels, n_bands : int
        Of the frames.

    Returns
    -------
    list of Layer
        All but the last, whose input is an embedding.

    Raises
    ------
    ValueError
        If a layer does not take what the one before gives, if the file says that it is for other
        frames, or if the last layer is given more than one axis.
    """
    if layers.input:
        check_input(layers.input, n_channels=n_channels, n_bands=n_bands)
    shape = Shape((n_channels, n_bands, None))
    made: list[Layer] = []
    for section in layers.layers[:-1]:
        made.append(create_layer(section, shape))
        shape = made[-1].shape
    last = layers.layers[-1]
    if len(shape) != 1 or shape.time is not None:
        raise ValueError(
            last.problem(
                f"must be given one axis of values where it is the last layer, got {shape}; "
                "[moddims] can leave out time, which takes the last step, and join other axes"
            )
        )
    if last.options.get("bias") is False:
        raise ValueError(last.problem("bias must be True in the last layer", option="bias"))
    return made


def check_input(section: Section, *, n_channels: int, n_bands: int) -> None:
    """Make sure that a file is for such frames.

    Parameters
    ----------
    section : Section
        Its ``[input]``; how many frames it names does not matter.
    n_channels, n_bands : int
        Of the frames.

    Raises
    ------
    ValueError
        If it is for others, or does not say ``shape=[channels, bands, frames]``.
    """
    given_channels, given_bands, _ = input_shape(section)
    if (given_channels, given_bands) != (n_channels, n_bands):
        raise ValueError(
            section.problem(
                f"is for {given_channels} x {given_bands} channels and bands, and the frontend "
                f"gives {n_channels} x {n_bands}: change one of them, or leave [input] out",
                option="shape",
            )
        )


def input_shape(section: Section) -> tuple[int, int, int | None]:
    """Read what a file says of its input.

    Parameters
    ----------
    section : Section
        Its ``[input]``.

    Returns
    -------
    tuple of int, int and int or None
        Channels, bands and frames; None where any number of frames will do.

    Raises
    ------
    ValueError
        If it does not say ``shape=[channels, bands, frames]``.
    """
    shape = section.options.get("shape")
    sizes = shape if isinstance(shape, list) else []
    if (
        set(section.options) != {"shape"}
        or len(sizes) != _INPUT_AXES
        or not all(type(size) is int and size >= 1 for size in sizes[:2])
        or not (sizes[2] is None or (type(sizes[2]) is int and sizes[2] >= 1))
    ):
        raise ValueError(
            section.problem(
                "must set shape=[channels, bands, frames] and nothing else, where frames can be "
                f"None; got {dict(section.options)}"
            )
        )
    n_channels, n_bands, n_frames = sizes
    return n_channels, n_bands, n_frames  # type: ignore[return-value]


def name_parts(layers: list[Layer]) -> nn.ModuleDict:
    """Put layers under the names of their parts and their own.

    Parameters
    ----------
    layers : list of Layer
        In their order.

    Returns
    -------
    nn.ModuleDict
        Of a dictionary per part.

    Raises
    ------
    ValueError
        If a part has a name that torch has for something else.
    """
    parts = nn.ModuleDict()
    for layer in layers:
        part = layer.section.part
        if part not in parts:
            if hasattr(parts, part):
                raise layer.refusal(f"must not be in a part that is called {part!r}: torch uses it")
            parts[part] = nn.ModuleDict()
        parts[part][layer.section.name] = layer  # type: ignore[operator]
    return parts


def least_frames(layers: list[Layer]) -> int:
    """Count the frames that a clip must have for each layer to give something.

    Parameters
    ----------
    layers : list of Layer
        In their order.

    Returns
    -------
    int
        At least one.
    """
    needed = 1
    for layer in reversed(layers):
        needed = layer.least_steps(needed)
    return needed
