"""What a manifest alone tells of leaks, gaps and slips, without a look at the sound."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from features.checking.problem import Problem, Severity
from features.manifest import MAX_SHOWN, Manifest, ManifestError
from features.remote import is_remote, resolve

# Below it, five folds leave less than one group a fold to learn the label from.
MIN_GROUPS = 2

# One clip in twenty without a label, where all others have exactly one, looks like a slip.
FEW_UNLABELLED = 0.05

# "song-1.wav", "song_02.wav", "song (3).wav": one name, counted.
_COUNTED = re.compile(r"[ _.\-]*\(?\d{1,4}\)?$")


def check_table(manifest: Manifest, *, n_folds: int = 5) -> list[Problem]:
    """Find what is wrong in a manifest that keeps the schema.

    Parameters
    ----------
    manifest : Manifest
        The clips.
    n_folds : int
        Folds that cross-validation will have, where the manifest gives none.

    Returns
    -------
    list of Problem
        Errors first. Empty if there is nothing to say.

    Raises
    ------
    ValueError
        If there are no clips.
    """
    if not len(manifest):
        raise ValueError("a manifest must list clips, this one lists none")
    found = [problem for check in _CHECKS for problem in check(manifest)]
    found += _small_classes(manifest, n_folds)
    return sorted(found, key=lambda problem: problem.severity is not Severity.ERROR)


def problems_of_schema(error: ManifestError) -> list[Problem]:
    """Give the broken rules of a manifest as findings.

    Parameters
    ----------
    error : ManifestError
        What reading it raised.

    Returns
    -------
    list of Problem
        One for each rule.
    """
    return [Problem("schema", Severity.ERROR, problem) for problem in error.problems]


def _missing_files(manifest: Manifest) -> Iterator[Problem]:
    there: dict[str, bool] = {}
    for path in manifest.clips["path"].unique():
        there[path] = is_remote(path) or Path(resolve(manifest.root, path)).is_file()
    lost = manifest.clips.loc[~manifest.clips["path"].map(there), "clip_id"]
    if len(lost):
        yield Problem(
            "missing-file",
            Severity.ERROR,
            f"{len(lost)} clips have no file at their path: {_some(lost)}",
            tuple(lost),
        )


def _shared_files(manifest: Manifest) -> Iterator[Problem]:
    """Find files that lie on both sides of a split; their segments hear the same recording."""
    for column, what in (("path", "file"), ("sha256", "checksum")):
        rows = manifest.clips[manifest.clips[column] != ""]
        n_groups = rows.groupby(column, sort=False)["group"].nunique()
        torn = n_groups.index[n_groups > 1]
        inside = rows[rows[column].isin(torn)]
        if len(inside):
            yield Problem(
                f"shared-{what}",
                Severity.ERROR,
                f"{len(torn)} {what}s belong to several groups, so that training may hear what "
                f"the test asks: {_some(torn)}; give their clips one group",
                tuple(inside["clip_id"]),
            )


def _overlaps(manifest: Manifest) -> Iterator[Problem]:
    """Find segments of one file that are listed twice."""
    clips = manifest.clips
    cut = clips.assign(
        start=clips["start_s"].fillna(0.0),
        end=clips["end_s"].fillna(np.inf),
        whole=clips["parent"] == clips["clip_id"],
    )
    cut = cut[cut["whole"] & cut["path"].duplicated(keep=False)].sort_values(["path", "start"])
    ends = cut.groupby("path")["end"].cummax().groupby(cut["path"]).shift()
    overlapping = cut.loc[cut["start"] < ends, "clip_id"]
    if len(overlapping):
        yield Problem(
            "overlapping-segments",
            Severity.WARNING,
            f"{len(overlapping)} clips overlap an earlier clip of the same file: "
            f"{_some(overlapping)}; windows of one clip belong under one parent",
            tuple(overlapping),
        )


def _parents(manifest: Manifest) -> Iterator[Problem]:
    clips = manifest.clips
    for columns in (["labels"], ["unknown_labels"]):
        differing = clips.groupby("parent", sort=False)[columns].nunique().gt(1).any(axis=1)
        torn = differing.index[differing]
        if len(torn):
            yield Problem(
                "windows-disagree",
                Severity.ERROR,
                f"{len(torn)} parents have windows of different {columns[0]}: {_some(torn)}; "
                "labels are the parent's, so give all its windows the same",
                tuple(clips.loc[clips["parent"].isin(torn), "clip_id"]),
            )


def _groups(manifest: Manifest) -> Iterator[Problem]:
    if manifest.groups_given:
        return
    ungrouped = manifest.clips[manifest.given_groups() == ""]
    families = _families(ungrouped["path"])
    hint = ""
    if families:
        name, size = max(families.items(), key=lambda item: item[1])
        hint = f"; {sum(families.values())} of them are named like siblings ({name}: {size})"
    yield Problem(
        "no-group",
        Severity.WARNING,
        f"{len(ungrouped)} of {len(manifest)} clips have no group, so that takes of one song, "
        f"speaker or note may leak between folds{hint}; fill in the column 'group'",
        tuple(ungrouped["clip_id"]),
    )


def _families(paths: pd.Series) -> dict[str, int]:
    """Count files of one folder whose names differ by a number at the end."""
    names: dict[str, int] = defaultdict(int)
    for path in paths.unique():
        folder, _, name = path.rpartition("/")
        stem = name.rpartition(".")[0] or name
        family = _COUNTED.sub("", stem)
        # A bare number, or a folder of nothing but numbered files, tells of no siblings.
        if family and family != stem:
            names[f"{folder}/{family}".lstrip("/")] += 1
    large = {name: size for name, size in names.items() if size > 1}
    return large if len(large) > 1 else {}


def _similar_labels(manifest: Manifest) -> Iterator[Problem]:
    spellings: dict[str, set[str]] = defaultdict(set)
    for label in manifest.classes:
        spellings[re.sub(r"[\s_\-]+", "", label).casefold()].add(label)
    for same in spellings.values():
        if len(same) > 1:
            names = " and ".join(repr(label) for label in sorted(same))
            yield Problem(
                "similar-labels",
                Severity.WARNING,
                f"{names} look like one label, written in {len(same)} ways; merge them with a "
                "label map",
            )


def _unlabelled(manifest: Manifest) -> Iterator[Problem]:
    sizes = np.array([len(labels) for labels in manifest.label_sets()])
    known = np.array(["*" not in unknown for unknown in manifest.unknown_sets()], dtype=bool)
    if not known.any():
        yield Problem("no-labels", Severity.ERROR, "no clip has a label or is known to have none")
        return
    bare = (sizes == 0) & known & (manifest.clips["unknown_labels"] == "").to_numpy()
    if 0 < bare.mean() <= FEW_UNLABELLED and (sizes[~bare] == 1).all():
        ids = manifest.clips.loc[bare, "clip_id"]
        yield Problem(
            "unlabelled",
            Severity.WARNING,
            f"{len(ids)} clips have no label while all others have one: {_some(ids)}; they count "
            "as none of the classes and make the task multi-label",
            tuple(ids),
        )


def _splits(manifest: Manifest) -> Iterator[Problem]:
    split = manifest.clips["split"].to_numpy(dtype=object)
    train = (split == "train") | (split == "")
    if not train.any():
        yield Problem("no-training", Severity.ERROR, "no clip is in training")
        return
    truth = manifest.label_matrix(manifest.classes)
    for name in ("validation", "test"):
        rows = split == name
        if not rows.any():
            continue
        only = _labels_where(
            manifest, (truth[rows] == 1).any(axis=0) & ~(truth[train] == 1).any(axis=0)
        )
        if only:
            yield Problem(
                "label-not-in-training",
                Severity.ERROR,
                f"{name} has labels that no training clip has: {_some(only)}; nothing can learn "
                "them",
            )
        never = _labels_where(
            manifest, (truth[train] == 1).any(axis=0) & ~(truth[rows] == 1).any(axis=0)
        )
        if never:
            yield Problem(
                "label-not-in-" + name,
                Severity.WARNING,
                f"{name} has no clip of {_some(never)}: no score can be given for them there",
            )
    sizes = (truth == 1).sum(axis=1)
    if (sizes[train] == 1).all() and (sizes[split == "test"] > 1).any():
        yield Problem(
            "one-label-in-training",
            Severity.WARNING,
            "training clips have one label each and test clips several: thresholds found on the "
            "one do not fit the other; mix training clips, or give validation clips of several",
        )


def _small_classes(manifest: Manifest, n_folds: int) -> list[Problem]:
    """Find labels with too few groups for every fold to learn from and to be scored on."""
    clips = manifest.clips
    train = clips["split"].isin(["", "train"]).to_numpy()
    folds = clips["fold"].to_numpy()
    wanted = len(np.unique(folds[train & (folds >= 0)])) or n_folds
    truth = manifest.label_matrix(manifest.classes)[train] == 1
    groups = pd.factorize(clips.loc[train, "group"])[0]
    n_groups = [len(np.unique(groups[column])) for column in truth.T]
    found = []
    if len(manifest.classes) == 1 and manifest.task == "single-label":
        message = f"all clips are {manifest.classes[0]!r}: there is nothing to tell apart"
        found.append(Problem("one-class", Severity.ERROR, message))
    for severity, least, what in (
        (Severity.ERROR, MIN_GROUPS, "cannot be learnt and tested on clips of different groups"),
        (Severity.WARNING, wanted, "is missing from some folds, and its score rests on few groups"),
    ):
        low = 0 if severity is Severity.ERROR else MIN_GROUPS - 1
        small = [
            f"{label} ({count})"
            for label, count in zip(manifest.classes, n_groups, strict=True)
            if low < count < least
        ]
        if small:
            found.append(
                Problem(
                    "small-class",
                    severity,
                    f"in training, {len(small)} labels have clips of fewer than {least} groups: "
                    f"{_some(small)}; each {what}",
                )
            )
    return found


def _labels_where(manifest: Manifest, mask: np.ndarray) -> list[str]:
    return [label for label, chosen in zip(manifest.classes, mask, strict=True) if chosen]


def _some(names: Sequence[str] | pd.Series | pd.Index) -> str:
    shown = ", ".join(map(str, list(names[:MAX_SHOWN])))
    return shown + (f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else "")


_CHECKS: tuple[Callable[[Manifest], Iterator[Problem]], ...] = (
    _missing_files,
    _shared_files,
    _overlaps,
    _parents,
    _groups,
    _similar_labels,
    _unlabelled,
    _splits,
)
