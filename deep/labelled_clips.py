"""Labelled clips as a training gets them: checked, split, and decoded."""

from __future__ import annotations

import tempfile
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from deep.clips import WaveformStore, check_clips
from deep.holdout import hold_out
from deep.targets import Targets, encode_labels
from deep.training_data import TrainingData

# Rows of probabilities that were stored in single precision sum to one within this.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class LabelledClips:
    """Clips with all that is known of them; see `check_labelled_clips`.

    Parameters
    ----------
    clips : list
        `Clip`, paths or waveforms.
    targets : Targets
        Their labels.
    groups : np.ndarray of shape (n_samples,)
        What must not be torn.
    validation : np.ndarray of shape (n_samples,), bool, or None
        Rows to hold out; None leaves the choice to the training.
    soft_targets : np.ndarray of shape (n_samples, n_classes), float32, or None
        What is learned instead of the labels.
    """

    clips: list[Any]
    targets: Targets
    groups: np.ndarray
    validation: np.ndarray | None = None
    soft_targets: np.ndarray | None = None


def check_labelled_clips(
    X: Any, y: Any, *, groups: Any = None, validation: Any = None, soft_targets: Any = None
) -> LabelledClips:
    """Check and encode what a training is given.

    Parameters
    ----------
    X : sequence, DataFrame with one column, or np.ndarray
        Clips; see `check_clips`.
    y : array-like of shape (n_samples,) or (n_samples, n_labels)
        Labels; see `encode_labels`.
    groups : array-like of shape (n_samples,) or None
        None means that each clip is its own.
    validation : array-like of shape (n_samples,), bool, or None
        Rows to hold out.
    soft_targets : array-like of shape (n_samples, n_classes) or None
        Probabilities to learn.

    Returns
    -------
    LabelledClips
        Arrays.

    Raises
    ------
    ValueError
        If shapes differ, all rows or none are held out, or soft targets are no probabilities.
    """
    clips = check_clips(X)
    targets = encode_labels(y, n_samples=len(clips))
    groups = np.arange(len(clips)) if groups is None else np.asarray(groups)
    if groups.shape != (len(clips),):
        raise ValueError(f"groups must have shape ({len(clips)},), got {groups.shape}")
    return LabelledClips(
        clips,
        targets,
        groups,
        _check_validation(validation, len(clips)),
        _check_soft_targets(soft_targets, targets),
    )


def _check_validation(validation: Any, n_samples: int) -> np.ndarray | None:
    if validation is None:
        return None
    validation = np.asarray(validation)
    if validation.shape != (n_samples,) or validation.dtype != bool:
        raise ValueError(
            f"validation must be bool of shape ({n_samples},), got {validation.dtype} of shape "
            f"{validation.shape}"
        )
    if validation.all():
        raise ValueError("validation must leave rows for training, got all of them")
    return validation


def _check_soft_targets(soft_targets: Any, targets: Targets) -> np.ndarray | None:
    if soft_targets is None:
        return None
    soft = np.asarray(soft_targets, dtype=np.float32)
    if soft.shape != targets.values.shape:
        raise ValueError(
            f"soft_targets must have a column for each of the classes {targets.classes.tolist()}, "
            f"shape {targets.values.shape}, got {soft.shape}"
        )
    unknown = (soft == -1) if targets.multi_label else np.zeros(soft.shape, dtype=bool)
    if not (((soft >= 0) & (soft <= 1)) | unknown).all():
        raise ValueError("soft_targets must be from 0 to 1, or -1 for unknown labels")
    if not targets.multi_label and (np.abs(soft.sum(axis=1) - 1) > SUM_TOLERANCE).any():
        raise ValueError("soft_targets of single-label clips must sum to one in each row")
    return soft


def open_store(stack: ExitStack, model: Any, clips: list[Any]) -> WaveformStore:
    """Open the waveforms of clips, which are decoded once.

    Parameters
    ----------
    stack : ExitStack
        Removes a temporary folder in the end.
    model : AudioBackboneClassifier
        Whose parameters count.
    clips : list
        All clips.

    Returns
    -------
    WaveformStore
        In ``cache_dir`` or a temporary folder.
    """
    directory = model.cache_dir
    if directory is None:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="timbrestack-"))
    return WaveformStore(clips, sr=model.find_sr(), source_sr=model.source_sr, directory=directory)


def split_rows(
    given: LabelledClips, *, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out the validation part.

    Parameters
    ----------
    given : LabelledClips
        May say which rows.
    fraction : float
        Share of the rows to hold out otherwise, in whole groups.
    seed : int
        Decides between equals.

    Returns
    -------
    training_rows, validation_rows : np.ndarray, int64
        All rows; a warning names labels without a positive in training.
    """
    targets, held = given.targets, given.validation
    if held is None:
        rng = np.random.default_rng(seed)
        held = hold_out(targets.values, given.groups, fraction=fraction, rng=rng)
    training_rows, validation_rows = np.flatnonzero(~held), np.flatnonzero(held)
    absent = find_absent(targets, training_rows)
    if absent.any():
        warnings.warn(
            f"no training clip has {targets.classes[absent].tolist()}: their probability will be "
            "0.001 for every clip",
            stacklevel=3,
        )
    return training_rows, validation_rows


def find_absent(targets: Targets, rows: np.ndarray) -> np.ndarray:
    """Find labels without a positive.

    Parameters
    ----------
    targets : Targets
        Labels of all rows.
    rows : np.ndarray, int64
        Those that count.

    Returns
    -------
    np.ndarray of shape (n_classes,), bool
        True where there is none.
    """
    return ~(targets.values[rows] == 1).any(axis=0)


def load_data(
    model: Any,
    store: WaveformStore,
    given: LabelledClips,
    training_rows: np.ndarray,
    validation_rows: np.ndarray,
) -> TrainingData:
    """Decode all clips and put them together with their labels.

    Parameters
    ----------
    model : AudioBackboneClassifier
        Whose parameters count.
    store : WaveformStore
        All clips.
    given : LabelledClips
        Their labels.
    training_rows, validation_rows : np.ndarray, int64
        What they are for.

    Returns
    -------
    TrainingData
        For the engine.
    """
    return TrainingData(
        store,
        store.lengths(n_jobs=model.n_jobs),
        given.targets.values,
        training_rows,
        validation_rows,
        given.targets.multi_label,
        windows=model.windows,
        sampling=model.sampling,
        soft_targets=given.soft_targets,
    )
