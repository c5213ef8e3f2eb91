"""Values of options, read by hand: nothing of a file is ever evaluated."""

from __future__ import annotations

import re

from deep.backbones.layers_file.section import Scalar, Value

_CONSTANTS = {"true": True, "false": False, "none": None}
# More digits than any size has would only be there to cost memory.
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_FRACTION = re.compile(r"[+-]?([0-9]{1,9}\.?[0-9]{0,17}|\.[0-9]{1,17})(e[+-]?[0-9]{1,2})?", re.I)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_LIST = re.compile(r"\[(.*)\]|\((.*)\)")


def parse_value(text: str) -> Value:
    """Read a value.

    Parameters
    ----------
    text : str
        What stands right of the equals sign.

    Returns
    -------
    int, float, bool, str, None or list
        A number, ``True``, ``False``, ``None``, a word, or a list of these.

    Raises
    ------
    ValueError
        If it is none of them.

    Examples
    --------
    >>> parse_value("3"), parse_value("same"), parse_value("[2, None]")
    (3, 'same', [2, None])
    """
    text = text.strip()
    if found := _LIST.fullmatch(text):
        inside = (found[1] if found[1] is not None else found[2]).strip()
        # As Python writes it, (3,) has a comma at its end.
        return [_parse_scalar(each) for each in inside.removesuffix(",").split(",") if inside]
    return _parse_scalar(text)


def _parse_scalar(text: str) -> Scalar:
    text = text.strip()
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        return float(text)
    if _WORD.fullmatch(text):
        return text
    raise ValueError(
        "a value must be a number, True, False, None, a word, or a list of these in brackets, "
        f"got {text!r}"
    )
