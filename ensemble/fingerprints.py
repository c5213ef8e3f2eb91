"""Names for what the numbers of a fit depend on, the same in every process."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from ensemble.members import Member, select_columns
from ensemble.training_rows import TrainingRows
from ensemble.versions import library_versions
from features.audio import Clip
from features.remote import identify

# Settings that change no number: where things are kept, how many work, what is shown.
WITHOUT_EFFECT = ("cache_dir", "n_jobs", "verbose")


class UnnamedValueError(ValueError):
    """A setting has no name that would be the same in another process."""


def hash_rows(member: Member, data: TrainingRows) -> str:
    """Name the rows that a member sees: names, values, labels, groups.

    Parameters
    ----------
    member : Member
        Whose columns count.
    data : TrainingRows
        The rows. A clip is named by its file's path, size and time of change.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    digest = hashlib.sha256()
    seen = select_columns(data.X, member.columns)
    frame = seen if isinstance(seen, pd.DataFrame) else pd.DataFrame(seen, copy=False)
    digest.update(json.dumps([str(name) for name in (*frame.index, *frame.columns)]).encode())
    for column in map(frame.iloc.__getitem__, ((slice(None), n) for n in range(frame.shape[1]))):
        digest.update(_column_bytes(column.to_numpy()))
    for values in (data.y, data.groups, data.classes):
        digest.update(b"none" if values is None else _column_bytes(np.asarray(values)))
    digest.update(str(data.multilabel).encode())
    return digest.hexdigest()


def _column_bytes(values: np.ndarray) -> bytes:
    if values.dtype.kind in "biuf":
        return values.dtype.str.encode() + np.ascontiguousarray(values).tobytes()
    lines = [str(value) for value in values]
    clips = sorted({value.path for value in values if isinstance(value, Clip)})
    lines += [f"{path} {state}" for path, state in identify(clips).items()]
    return json.dumps(lines).encode()


def hash_fit(member: Member, held_out: np.ndarray, rows: str) -> str:
    """Name a fit by all that its numbers depend on.

    Parameters
    ----------
    member : Member
        Whose settings count.
    held_out : np.ndarray of shape (n_samples,), bool
        The rows left out.
    rows : str
        From `hash_rows`.

    Returns
    -------
    str
        SHA-256 in hexadecimal.

    Raises
    ------
    UnnamedValueError
        If a setting has no lasting name.
    """
    described = [describe_setting(member.estimator), rows, library_versions()]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    digest.update(np.packbits(held_out).tobytes())
    return digest.hexdigest()


def describe_setting(value: Any) -> Any:
    """Give a setting's JSON form: an estimator by its class and parameters.

    Parameters
    ----------
    value : object
        An estimator or the value of a parameter.

    Returns
    -------
    object
        JSON-able, equal for equal settings.

    Raises
    ------
    UnnamedValueError
        If it is neither plain nor importable by name.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(_column_bytes(value)).hexdigest()
        return [str(value.dtype), list(value.shape), digest]
    if isinstance(value, list | tuple):
        return [describe_setting(each) for each in value]
    if isinstance(value, dict):
        pairs = ([describe_setting(name), describe_setting(v)] for name, v in value.items())
        return sorted(pairs, key=json.dumps)
    if isinstance(value, BaseEstimator):
        params = value.get_params(deep=False)
        kept = {name: v for name, v in params.items() if name not in WITHOUT_EFFECT}
        return [_name(type(value)), describe_setting(kept)]
    if is_dataclass(value) and not isinstance(value, type):
        return [_name(type(value)), describe_setting(asdict(value))]
    return _name(value)


def _name(value: Any) -> str:
    name = f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', '<none>')}"
    if "<" in name:
        raise UnnamedValueError(f"a setting must be plain or importable by name, got {value!r}")
    return name
