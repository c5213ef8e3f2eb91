"""Layers files by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from deep.backbones.layers_file.kinds import check_kinds
from deep.backbones.layers_file.parser import parse_layers
from deep.backbones.layers_file.section import LayersFile

SUFFIX = ".cfg"
# The largest that anyone writes has some thousands.
MAX_BYTES = 1_000_000


def list_layers_files() -> list[str]:
    """List the names of the files that ship with the library.

    Returns
    -------
    list of str
        Sorted names.

    Examples
    --------
    >>> list_layers_files()
    ['cnn', 'crnn', 'crnn-bidirectional', 'rnn']
    """
    return sorted(path.stem for path in Path(__file__).parent.glob(f"*{SUFFIX}"))


def find_layers_file(layers: str | os.PathLike[str]) -> Path:
    """Find a layers file.

    Parameters
    ----------
    layers : str or path-like
        A name from `list_layers_files`, or a path.

    Returns
    -------
    Path
        An existing file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    if layers in list_layers_files():
        return Path(__file__).parent / f"{layers}{SUFFIX}"
    if not Path(layers).is_file():
        raise FileNotFoundError(
            f"layers must be one of {list_layers_files()}, or the path of a file, got {layers!r}"
        )
    return Path(layers)


def read_layers(layers: str | os.PathLike[str]) -> LayersFile:
    """Read a layers file.

    Parameters
    ----------
    layers : str or path-like
        A name from `list_layers_files`, or a path.

    Returns
    -------
    LayersFile
        Its layers, all of which there are; whether they go together is not looked at.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is no text, or a line is wrong; names all such lines.
    """
    path = find_layers_file(layers)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(
            f"{path} must be a layers file of at most {MAX_BYTES} bytes, got {path.stat().st_size}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text in UTF-8: {error}") from error
    return check_kinds(parse_layers(text, file=path.name))
