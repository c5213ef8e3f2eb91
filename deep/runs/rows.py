"""The clips that a run is trained on: labelled, readable, in the folds of the one fold table."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike

import numpy as np
import pandas as pd

from deep.clips import WaveformStore, find_lengths
from features.folds import choose_folds
from features.manifest import Manifest
from features.task import check_task


@dataclass(frozen=True)
class RunRows:
    """What a run is trained on.

    Parameters
    ----------
    manifest : Manifest
        The rows, none of them of split test.
    classes : list of str
        Columns of the truth.
    task : str
        ``"single-label"`` or ``"multi-label"``.
    truth : np.ndarray of shape (n_samples, n_classes), int8
        1, 0 and -1 = never annotated.
    folds : np.ndarray of shape (n_samples,), int
        From 0; all -1 for a run without folds.
    failures : pd.DataFrame
        ``clip_id``, ``path`` and ``reason`` of clips that could not be read.
    """

    manifest: Manifest
    classes: list[str]
    task: str
    truth: np.ndarray
    folds: np.ndarray
    failures: pd.DataFrame

    @property
    def clip_ids(self) -> list[str]:
        """Names of the rows."""
        return list(self.manifest.clips["clip_id"])

    @property
    def parts(self) -> np.ndarray:
        """What each row is for, as numbers: its fold, -1 without folds, -2 for validation."""
        return np.where(self.is_validation, -2, self.folds)

    @property
    def groups(self) -> np.ndarray:
        """What must not be torn."""
        return self.manifest.clips["group"].to_numpy(dtype=object)

    @property
    def is_validation(self) -> np.ndarray:
        """Rows of split validation: (n_samples,), bool."""
        return np.asarray(self.manifest.clips["split"] == "validation")

    def labels(self, rows: np.ndarray) -> np.ndarray | pd.DataFrame:
        """Give the labels of some rows as `AudioBackboneClassifier.fit` takes them.

        Parameters
        ----------
        rows : np.ndarray of shape (n_samples,), bool
            Which.

        Returns
        -------
        np.ndarray of shape (n_rows,) or DataFrame of shape (n_rows, n_classes)
            Class names, or an indicator whose columns are the classes.
        """
        if self.task == "single-label":
            return np.array(self.classes)[self.truth[rows].argmax(axis=1)]
        return pd.DataFrame(self.truth[rows], columns=self.classes)


def take_rows(
    manifest: Manifest,
    *,
    folds: int | str | None,
    task: str | None,
    sr: int,
    cache_dir: str | PathLike[str],
    n_jobs: int | None,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> RunRows:
    """Take the rows that a run may see, decoding all of them once.

    Parameters
    ----------
    manifest : Manifest
        The clip table. Rows of split test take no part; with folds, nor do those of split
        validation, which are kept for thresholds and calibration.
    folds : int, "group" or None
        Number of folds where the clip table has none; None trains one network on all rows.
    task : str or None
        None decides by the labels of all rows.
    sr : int
        Sampling rate in Hz that clips are decoded to.
    cache_dir : path-like
        Where decoded clips are kept.
    n_jobs : int or None
        Threads that decode.
    seed : int
        Decides between equals where folds are made.
    progress : callable or None
        Called as `progress(done, total)` while clips are decoded.

    Returns
    -------
    RunRows
        Those that are labelled and can be read.

    Raises
    ------
    ValueError
        If there are no labels, fewer than two classes, no clip to train on, labels that don't fit
        the task, or groups and folds that don't fit together.
    """
    classes = manifest.classes
    if not manifest.labels_given or len(classes) < 2:
        raise ValueError(f"training needs clips of at least 2 labels, got {classes}")
    task = task or manifest.task
    if reserved := sorted({"clip_id", "fold"} & set(classes)):
        raise ValueError(f"runs have columns of the same name: rename the labels {reserved}")
    split = manifest.clips["split"]
    seen = ~split.isin(["test", "validation"] if folds is not None else ["test"]).to_numpy()
    seen &= (manifest.label_matrix(classes) >= 0).any(axis=1)
    chosen = manifest.select(seen)
    store = WaveformStore(chosen.audio_clips(), sr=sr, directory=cache_dir)
    lengths, reasons = find_lengths(store, n_jobs=n_jobs, progress=progress)
    unread = chosen.clips.loc[list(reasons), ["clip_id", "path"]].reset_index(drop=True)
    failures = unread.assign(reason=list(reasons.values()))
    chosen = chosen.select(lengths > 0)
    if not chosen.clips["split"].isin(["", "train"]).any():
        raise ValueError("no clip is left to train on: all are unlabelled, unreadable or held out")
    truth = chosen.label_matrix(classes)
    check_task(task, truth)
    numbers = np.full(len(chosen), -1)
    if folds is not None:
        groups = chosen.clips["group"].to_numpy(dtype=object)
        given = chosen.clips["fold"].to_numpy()
        numbers = choose_folds(given, truth, groups, wanted=folds, random_state=seed)
    if task == "single-label":
        _check_learnable(truth, numbers, np.asarray(chosen.clips["split"] == "validation"), classes)
    if len(failures):
        clips = "1 clip" if len(failures) == 1 else f"{len(failures)} clips"
        warnings.warn(f"{clips} left out: cannot be read", stacklevel=3)
    return RunRows(chosen, classes, task, truth, numbers, failures)


def _check_learnable(
    truth: np.ndarray, folds: np.ndarray, is_validation: np.ndarray, classes: list[str]
) -> None:
    """Raise before hours are spent if some network has nothing to learn a class from."""
    learned = [folds != fold for fold in np.unique(folds)] if folds[0] >= 0 else [~is_validation]
    lost = {
        classes[column]
        for rows in learned
        for column in np.flatnonzero(~(truth[rows] == 1).any(axis=0))
    }
    if lost:
        raise ValueError(
            f"classes {sorted(lost)} have no clip to train on, or only clips of one fold: ask for "
            "fewer folds, give finer groups, or leave these labels out"
        )
