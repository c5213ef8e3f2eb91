"""The layers of a file as a table, for whoever looks for a mistake in their shapes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from deep.backbones.layers_file.reading import read_layers
from deep.backbones.layers_file.shape import Shape
from deep.backbones.layers_file.stack import input_shape, least_frames, make_layers

if TYPE_CHECKING:
    import pandas as pd

    from deep.backbones.layers_file.section import Section


def describe_layers(
    layers: str | os.PathLike[str],
    *,
    n_channels: int | None = None,
    n_bands: int | None = None,
    n_frames: int | None = None,
    n_classes: int | None = None,
) -> pd.DataFrame:
    """Tell what each layer of a file gives; no weights are made.

    Parameters
    ----------
    layers : str or path-like
        A name from `list_layers_files`, or a path.
    n_channels, n_bands : int or None
        Of the frames; None means what the file says under ``[input]``, else 1 and 128.
    n_frames : int or None
        Length of a clip; None means what the file says under ``[input]``, else the fewest frames
        of which each layer gives something.
    n_classes : int or None
        Classes, which the last layer gives; None means what the file says.

    Returns
    -------
    DataFrame
        A row for the input and one for each layer: ``line`` of the file, ``part``, ``layer``,
        ``options``, the ``shape`` it gives, ``n_steps`` that are left of the clip (0 from where it
        is too short; missing where no axis is time) and ``n_parameters``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a line of it is wrong, or a layer does not take what the one before gives.

    Examples
    --------
    >>> table = describe_layers("rnn", n_bands=64, n_frames=87)
    >>> print(table[["line", "layer", "shape", "n_steps", "n_parameters"]][:4].to_string())
       line      layer          shape  n_steps  n_parameters
    0  <NA>      input  (1, 64, time)       87             0
    1     3  moddims_0     (time, 64)       87             0
    2     8     lstm_0     (time, 64)       87         66560
    3    14  moddims_1           (64)     <NA>             0
    """
    import pandas as pd

    file = read_layers(layers)
    said = input_shape(file.input) if file.input else (1, 128, None)
    shape = Shape((n_channels or said[0], n_bands or said[1], None))
    with torch.device("meta"):
        made = make_layers(file, n_channels=n_channels or said[0], n_bands=n_bands or said[1])
    n_steps = n_frames or said[2] or least_frames(made)
    rows = [_row("input", "", file.input, shape, n_steps, 0)]
    for layer in made:
        n_steps = max(0, layer.steps(n_steps)) if n_steps else 0
        size = sum(parameter.numel() for parameter in layer.parameters())
        section, shape = layer.section, layer.shape
        rows.append(_row(section.name, section.part, section, shape, n_steps, size))
    last, n_in = file.layers[-1], int(shape.sizes[0] or 0)
    n_out = n_classes or int(last.options["out_features"])  # type: ignore[arg-type]
    rows.append(_row(last.name, last.part, last, Shape((n_out,)), 0, (n_in + 1) * n_out))
    table = pd.DataFrame(rows)
    return table.astype({"line": "Int64", "n_steps": "Int64", "n_parameters": "Int64"})


def _row(
    name: str, part: str, section: Section | None, shape: Shape, n_steps: int, n_parameters: int
) -> dict[str, Any]:
    options = section.options.items() if section else ()
    return {
        "line": section.line if section else None,
        "part": part,
        "layer": name,
        "options": " ".join(f"{key}={value}" for key, value in options),
        "shape": str(shape),
        "n_steps": None if shape.time is None else n_steps,
        "n_parameters": n_parameters,
    }
