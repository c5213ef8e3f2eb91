"""Distillation: the labels of a fold's training rows, softened by a teacher that never saw it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deep.runs.folder import read_card
from deep.runs.rows import RunRows
from features.folds import hash_folds
from features.table import hash_clip_ids

# Hinton et al. find soft targets best weighed well above the hard ones.
TEACHER_SHARE = 0.7


def check_teacher(teacher: Path, rows: RunRows) -> None:
    """Make sure that a teacher's folds are those of its pupil.

    Parameters
    ----------
    teacher : Path
        A finished run.
    rows : RunRows
        What the pupil is trained on.

    Raises
    ------
    ValueError
        If there is no run, or it was trained on other clips, other folds or for another task: its
        network for a fold could have seen that fold.
    """
    card = read_card(teacher)
    if card is None:
        raise ValueError(f"{teacher} is no finished run")
    ours = {
        "task": rows.task,
        "classes": rows.classes,
        "clip_ids_sha256": hash_clip_ids(rows.clip_ids),
        "folds_sha256": hash_folds(rows.clip_ids, rows.parts),
    }
    words = {
        "task": "task",
        "classes": "classes",
        "clip_ids_sha256": "clips",
        "folds_sha256": "folds",
    }
    if other := [words[key] for key, value in ours.items() if card.get(key) != value]:
        raise ValueError(
            f"the teacher {teacher} was trained on other {', '.join(other)}: its network for a "
            "fold may have seen that fold. Train both on one manifest that has its folds"
        )


def soften(truth: np.ndarray, taught: np.ndarray, *, share: float = TEACHER_SHARE) -> np.ndarray:
    """Mix labels with what a teacher says.

    Parameters
    ----------
    truth : np.ndarray of shape (n_samples, n_classes)
        1, 0 and -1 = never annotated.
    taught : np.ndarray of shape (n_samples, n_classes)
        The teacher's probabilities.
    share : float
        Weight of the teacher.

    Returns
    -------
    np.ndarray of shape (n_samples, n_classes), float32
        ``(1 - share) * truth + share * taught``; what was never annotated is the teacher's alone.

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean, Distilling the knowledge in a neural network, 2015.
    """
    mixed = (1 - share) * truth + share * taught
    return np.where(truth < 0, taught, mixed).astype(np.float32)
