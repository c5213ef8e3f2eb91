"""Pretext tasks by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from deep.backbones.network import AudioNetwork
from deep.pretraining.contrastive import CropContrast
from deep.pretraining.masked import MaskedSpectrogram
from deep.pretraining.patches import ShuffledPatches
from deep.pretraining.pretext import PretextTask

TASKS: Mapping[str, type[PretextTask]] = {
    "contrastive": CropContrast,
    "masked": MaskedSpectrogram,
    "patches": ShuffledPatches,
}


def list_tasks() -> list[str]:
    """List the pretext tasks.

    Returns
    -------
    list of str
        Sorted names.

    Examples
    --------
    >>> list_tasks()
    ['contrastive', 'masked', 'patches']
    """
    return sorted(TASKS)


def create_task(name: str, network: AudioNetwork, options: Mapping[str, Any]) -> PretextTask:
    """Make a pretext task and its decoder.

    Parameters
    ----------
    name : str
        A name from `list_tasks`.
    network : AudioNetwork
        Whose backbone is to learn.
    options : mapping
        Options of the task.

    Returns
    -------
    PretextTask
        On the device of the network.

    Raises
    ------
    ValueError
        If there is no such task, or it has no such option or value.
    """
    if name not in TASKS:
        raise ValueError(f"task must be one of {list_tasks()}, got {name!r}")
    known = [each for each in inspect.signature(TASKS[name]).parameters if each != "network"]
    if unknown := sorted(set(options) - set(known)):
        raise ValueError(f"task_params of {name!r} may have {known}, got {unknown}")
    task = TASKS[name](network, **options)
    return task.to(next(network.parameters()).device)
