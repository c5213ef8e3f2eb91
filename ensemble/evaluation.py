"""A bundle on another labelled corpus."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from ensemble.bundle import Bundle, library_versions
from ensemble.clip_scores import gather_scores
from ensemble.probabilities import check_windows_agree
from ensemble.results_tables import score_frame
from features.manifest import MAX_SHOWN, Manifest
from reports.results import Results


def evaluate_bundle(
    bundle: Bundle,
    manifest: Manifest,
    *,
    n_jobs: int | None = None,
    tta: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Results:
    """Score every clip of a corpus that the bundle was not made from.

    Parameters
    ----------
    bundle : Bundle
        An opened bundle.
    manifest : Manifest
        The labelled clips; all of them are test clips.
    n_jobs : int or None
        Worker processes for the features.
    tta : int
        Test-time augmentation: small variations of each clip whose mean is taken, which costs as
        many times the work; see `ensemble.variations`.
    progress : callable or None
        Called with (clips done, clips in all).

    Returns
    -------
    Results
        With stage ``test`` only.

    Raises
    ------
    ValueError
        If no clip has a label that the bundle knows, windows of one clip differ in labels, no clip
        can be read, columns that the bundle looks at are not there, or `tta` is negative.

    Warns
    -----
    UserWarning
        If the label sets differ, some clips are those that the bundle was made from, take no
        part or cannot be read.
    """
    truth = _truth(bundle, manifest)
    usable = _is_scored(bundle, truth)
    notes = _reconcile(bundle, manifest, n_unusable=int((~usable).sum()))
    if not usable.any():
        raise ValueError(f"no clip has a label that the bundle knows: {bundle.classes}")
    manifest, truth = manifest.select(usable), truth[usable]
    check_windows_agree(manifest.clips["parent"].to_numpy(dtype=object), truth)
    clips = manifest.audio_clips()
    gathered, failures = gather_scores(
        bundle, clips, n_jobs=n_jobs, tta=tta, clip_ids=list(manifest.clips["clip_id"]),
        columns=manifest.clips, progress=progress,
    )  # fmt: skip
    good = np.array([position not in failures for position in range(len(clips))])
    if not good.any():
        raise ValueError(
            f"none of the {len(clips)} clips could be read; the first: {clips[0].path}: "
            f"{failures[0]}"
        )
    if failures:
        notes.append(_describe_failures(list(manifest.clips["clip_id"]), failures))
        warnings.warn(notes[-1], stacklevel=2)
    if tta:
        notes.append(f"each clip was asked about {tta + 1} times: as it is, and varied a little")
    card = {
        "members": [member.name for member in bundle.stack.members_],
        "feature_set": bundle.feature_set["name"],
        "counts": {"clips": len(clips), "test clips": int(good.sum())},
        "failures": len(failures),
        "warnings": []
        if manifest.groups_given
        else ["Clips have no groups: each file counts as one."],
        "notes": notes,
        "elsewhere": True,
        "versions": library_versions(),
    }
    return _results(bundle, manifest.select(good), truth[good],
                    {name: values[good] for name, values in gathered.items()}, card)  # fmt: skip


def _reconcile(bundle: Bundle, manifest: Manifest, *, n_unusable: int) -> list[str]:
    """Say in what the corpus does not fit the bundle."""
    notes = []
    if n_unusable:
        wanted = "exactly one label" if bundle.task == "single-label" else "any known label"
        notes.append(f"{n_unusable} clips without {wanted} of the bundle's take no part")
    if foreign := sorted(set(manifest.classes) - set(bundle.classes)):
        notes.append(
            f"labels that the bundle does not know count as none of its classes: {foreign}"
        )
    if absent := sorted(set(bundle.classes) - set(manifest.classes)):
        notes.append(f"classes of the bundle that never occur here: {absent}")
    if bundle.results is not None:
        seen = bundle.results.clips
        trained = set(seen.index[seen["split"] != "test"])
        if n_seen := int(manifest.clips["clip_id"].isin(trained).sum()):
            notes.append(
                f"{n_seen} clips are named like clips that the bundle was made from; if they are "
                "the same recordings, these scores mean nothing"
            )
    for note in notes:
        warnings.warn(note, stacklevel=3)
    return notes


def _describe_failures(clip_ids: list[str], failures: dict[int, str]) -> str:
    shown = "; ".join(f"{clip_ids[k]}: {failures[k]}" for k in sorted(failures)[:MAX_SHOWN])
    more = len(failures) - MAX_SHOWN
    return f"{len(failures)} clips could not be read: {shown}" + (
        f" (and {more} more)" if more > 0 else ""
    )


def _truth(bundle: Bundle, manifest: Manifest) -> np.ndarray:
    truth = manifest.label_matrix(bundle.classes)
    if bundle.task == "multi-label":
        # A label that a corpus never uses was not annotated there: unknown, not absent.
        never = [label not in manifest.classes for label in bundle.classes]
        truth[:, never] = -1
    return truth


def _is_scored(bundle: Bundle, truth: np.ndarray) -> np.ndarray:
    if bundle.task == "single-label":
        return np.asarray(((truth == 1).sum(axis=1) == 1) & (truth >= 0).all(axis=1))
    return np.asarray((truth >= 0).any(axis=1))


def _results(
    bundle: Bundle,
    manifest: Manifest,
    truth: np.ndarray,
    scores: dict[str, np.ndarray],
    card: dict[str, Any],
) -> Results:
    clips = manifest.clips
    parents = clips["parent"].to_numpy(dtype=object)
    scores = bundle.stack.pool_scores(scores, parents)
    clip_ids = clips["clip_id"].to_numpy(dtype=object)
    index = pd.Index(clip_ids.astype(str), name="clip_id")
    described = pd.DataFrame(
        {"parent": parents, "group": clips["group"].to_numpy(), "fold": -1, "split": "test"},
        index=index,
    )
    decisions = bundle.stack.decide_models(scores)
    return Results(
        classes=bundle.classes,
        task=bundle.task,
        clips=described,
        truth=pd.DataFrame(truth, index=index, columns=bundle.classes),
        scores=score_frame(scores, bundle.classes, clip_ids, stage="test", dtype=np.float32),
        decisions=score_frame(decisions, bundle.classes, clip_ids, stage="test", dtype=np.int8),
        projection=pd.DataFrame({"view": [], "clip_id": []}, dtype=str),
        card=card,
    )
