"""What a clip's labels make: one of several classes, or any number of labels."""

from __future__ import annotations

import numpy as np

TASKS = ("single-label", "multi-label")


def check_task(task: str, truth: np.ndarray) -> str:
    """Give the task if it is known and the labels allow it.

    Parameters
    ----------
    task : str
        ``"single-label"`` or ``"multi-label"``.
    truth : np.ndarray of shape (n_samples, n_labels)
        1 present, 0 absent, -1 never annotated.

    Returns
    -------
    str
        The same.

    Raises
    ------
    ValueError
        If it is neither, or it is single-label and some clips have no label, several or unknown
        ones.

    Examples
    --------
    >>> check_task("single-label", np.array([[1, 0], [0, 1]]))
    'single-label'
    """
    if task not in TASKS:
        raise ValueError(f"task must be single-label or multi-label, got {task!r}")
    one_each = ((truth == 1).sum(axis=1) == 1) & (truth >= 0).all(axis=1)
    if task == "single-label" and not one_each.all():
        raise ValueError(
            f"one label a clip makes single-label, {(~one_each).sum()} clips have none, several or "
            "unknown ones; use --task multi-label"
        )
    return task
