"""Train, validation, test and folds for a manifest, groups whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from features.folds import deal_groups, leave_one_group_out, make_folds
from features.manifest import MAX_SHOWN, Manifest


def split_manifest(
    manifest: Manifest,
    *,
    folds: int | str = 5,
    validation: float = 0.0,
    test: float = 0.0,
    random_state: int = 0,
) -> Manifest:
    """Give every clip a split and every training clip a fold.

    Parameters
    ----------
    manifest : Manifest
        The clips; those with a split keep it.
    folds : int, "group" or "given"
        Number of folds, or each group a fold of its own, or those that the manifest gives.
    validation, test : float
        Shares of the clips that have no split yet.
    random_state : int
        Decides between equals.

    Returns
    -------
    Manifest
        With `split` and `fold`; clips of validation and test have no fold.

    Raises
    ------
    ValueError
        If a share is negative, the shares leave nothing for training, `folds` is neither a number,
        "group" nor "given", training clips have no given fold, or there are fewer groups than
        parts.
    """
    if validation + test >= 1.0:
        raise ValueError(
            f"validation and test must leave some clips for training, got {validation} + {test}"
        )
    if min(validation, test) < 0.0:
        raise ValueError(f"a share must not be negative, got {validation} and {test}")
    if isinstance(folds, str) and folds not in ("group", "given"):
        raise ValueError(f"folds must be a number, 'group' or 'given', got {folds!r}")
    clips = manifest.clips.copy()
    labels = manifest.label_matrix(manifest.classes)
    groups = clips["group"].to_numpy(dtype=object)
    split = clips["split"].to_numpy(dtype=object)
    shares = {"train": 1.0 - validation - test, "validation": validation, "test": test}
    wanted = {name: share for name, share in shares.items() if share > 0}
    undecided = split == ""
    if undecided.any() and len(wanted) > 1:
        parts = deal_groups(
            labels[undecided],
            groups[undecided],
            shares=list(wanted.values()),
            random_state=random_state,
        )
        split[undecided] = np.array(list(wanted), dtype=object)[parts]
    split[split == ""] = "train"
    train = split == "train"
    fold = np.full(len(clips), -1)
    if folds == "given":
        fold[train] = _given_folds(manifest, train)
    elif folds == "group":
        fold[train] = leave_one_group_out(groups[train])
    else:
        fold[train] = make_folds(
            labels[train], groups[train], n_folds=int(folds), random_state=random_state
        )
    return replace(manifest, clips=clips.assign(split=split, fold=fold))


def _given_folds(manifest: Manifest, train: np.ndarray) -> np.ndarray:
    given = manifest.clips["fold"].to_numpy()[train]
    without = manifest.clips.loc[train, "clip_id"].to_numpy()[given < 0]
    if len(without):
        shown = ", ".join(without[:MAX_SHOWN])
        raise ValueError(
            f"to keep the given folds, every training clip must have one; {len(without)} of "
            f"{train.sum()} have none: {shown}"
        )
    return given
