"""Train, validation, test and folds for a manifest, groups whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from features.folds import deal_groups, leave_one_group_out, make_folds
from features.manifest import Manifest


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
    folds : int or "group"
        Number of folds, or each group a fold of its own.
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
        If a share is negative, the shares leave nothing for training, `folds` is neither a number
        nor "group", or there are fewer groups than parts.
    """
    if validation + test >= 1.0:
        raise ValueError(
            f"validation and test must leave some clips for training, got {validation} + {test}"
        )
    if min(validation, test) < 0.0:
        raise ValueError(f"a share must not be negative, got {validation} and {test}")
    if isinstance(folds, str) and folds != "group":
        raise ValueError(f"folds must be a number or 'group', got {folds!r}")
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
    if isinstance(folds, str):
        fold[train] = leave_one_group_out(groups[train])
    else:
        fold[train] = make_folds(
            labels[train], groups[train], n_folds=folds, random_state=random_state
        )
    return replace(manifest, clips=clips.assign(split=split, fold=fold))
