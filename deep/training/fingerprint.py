"""What the numbers of a training depend on, so that another one's checkpoints are refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from features.audio import Clip
from features.remote import identify


def hash_data(
    clips: Sequence[Any],
    targets: np.ndarray,
    groups: np.ndarray,
    *,
    others: Sequence[np.ndarray | None] = (),
) -> str:
    """Name clips, labels and groups.

    Parameters
    ----------
    clips : sequence of Clip, path or np.ndarray
        A file is named by its path, size and time of change, an array by its content.
    targets : np.ndarray of shape (n_samples, n_classes)
        Encoded labels.
    groups : np.ndarray of shape (n_samples,)
        Named by which rows are together.
    others : sequence of np.ndarray or None
        What else is given for each clip.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    digest = hashlib.sha256(np.ascontiguousarray(targets).tobytes())
    digest.update(np.unique(groups, return_inverse=True)[1].astype(np.int64).tobytes())
    for number, array in enumerate(others):
        if array is not None:
            digest.update(bytes([number]) + np.ascontiguousarray(array).tobytes())
    described = [_describe_clip(clip) for clip in clips]
    states = identify({path for path, _ in described if path})
    for path, detail in described:
        digest.update(json.dumps([path, states.get(path), detail]).encode())
    return digest.hexdigest()


def _describe_clip(clip: Any) -> tuple[str, Any]:
    if isinstance(clip, np.ndarray | list | tuple):
        samples = np.ascontiguousarray(clip)
        return "", [str(samples.dtype), hashlib.sha256(samples.tobytes()).hexdigest()]
    if isinstance(clip, Clip):
        return str(clip.path), [clip.start_s, clip.end_s]
    return str(clip), None


def hash_files(parameters: Mapping[str, Any]) -> str | None:
    """Name the files that settings point to, such as a network's layers or a model's folder.

    Parameters
    ----------
    parameters : mapping
        Of `AudioBackboneClassifier`; options in it are looked through, too.

    Returns
    -------
    str or None
        SHA-256 in hexadecimal of their paths, sizes and times of change; None if there are none.
    """
    paths = [Path(text).expanduser() for text in _list_texts(parameters)]
    found = {str(path) for path in paths if path.is_file()}
    for folder in filter(Path.is_dir, paths):
        found |= {str(path) for path in folder.rglob("*") if path.is_file()}
    if not found:
        return None
    return hashlib.sha256(json.dumps(sorted(identify(found).items())).encode()).hexdigest()


def _list_texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _list_texts(each)]
    if isinstance(value, os.PathLike):
        return [os.fspath(value)]
    if not isinstance(value, str):
        return []
    if value.startswith("hf:"):
        return [value.removeprefix("hf:")]
    # The name of a loss or a schedule is no path, though a file may be called so.
    return [value] if os.sep in value or "." in value else []


def describe_training(
    parameters: Mapping[str, Any], *, seed: int | None, data: str, n_classes: int
) -> dict[str, Any]:
    """Describe a training by all that its numbers depend on.

    Parameters
    ----------
    parameters : mapping
        Settings.
    seed : int or None
        None if any seed will do.
    data : str
        From `hash_data`.
    n_classes : int
        Columns of the targets.

    Returns
    -------
    dict
        Equal after a way through JSON for equal trainings.
    """
    described = {
        "settings": dict(parameters),
        "seed": seed,
        "data": data,
        "n_classes": n_classes,
        "torch": torch.__version__,
    }
    return json.loads(json.dumps(described, default=_describe, sort_keys=True))


def _describe(value: Any) -> Any:
    """Describe what JSON cannot: by name and content, never by an address in memory."""
    if isinstance(value, np.generic):
        return value.item()
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__qualname__, asdict(value)]
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return [type(value).__qualname__, vars(value)] if hasattr(value, "__dict__") else str(value)


def name_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Tell in what two trainings differ.

    Parameters
    ----------
    before, now : mapping
        From `describe_training`.

    Returns
    -------
    list of str
        Empty if they are the same training.
    """
    differences = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if name == "data":
            differences.append("its clips, labels or groups are others")
        elif isinstance(old, dict) and isinstance(new, dict):
            differences += name_differences(old, new)
        else:
            differences.append(f"{name} was {old!r} and is {new!r} now")
    return differences
