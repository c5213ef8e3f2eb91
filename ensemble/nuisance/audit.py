"""The nuisance audit: how far labels could be guessed from how the clips were recorded.

A model sees the length, level, bandwidth, sampling rate, codec and such of each clip, never its
sound, and is scored on folds of groups it did not see. What it guesses better than chance, a
classifier of the sound may have learnt in the sound's place.

Conventions: a leaf is ``{"value", "low", "high"}``, the last two a 95 % interval: see
`ensemble.nuisance.scores`; None is what cannot be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ensemble.nuisance.rows import RECORDING, TOGETHER, AuditedRows
from ensemble.nuisance.scores import BlockScores, Leaf
from ensemble.nuisance.table import FAILURE, VARIABLES
from ensemble.nuisance.words import describe_audit
from features.manifest import Manifest

# A ROC area from here on is called acceptable discrimination, one above 0.9 outstanding: D. Hosmer,
# S. Lemeshow, R. Sturdivant, Applied Logistic Regression, 3rd edition, 2013, section 5.2.4.
STRONG_AREA = 0.7
GIVEN_AWAY_AREA = 0.9

NONE_FOUND, SOME, STRONG, CANNOT_TELL = "none found", "some", "strong", "cannot tell"


@dataclass(frozen=True)
class NuisanceAudit:
    """What the recording conditions tell of the labels.

    Attributes
    ----------
    verdict : {"none found", "some", "strong", "cannot tell"}
        By the 95 % interval of the macro ROC area of all variables together. None found: it holds
        0.5 or lies below. Some: it lies above. Strong: it lies above 0.7, or that of a single label
        above 0.9. Cannot tell: there is no interval.
    sentences : list of str
        What that means, and what to do.
    counts : dict
        ``clips``, ``groups`` and ``folds`` that it was measured on, ``unreadable`` clips.
    chance : dict of str to float
        Metric -> score without any knowledge but the labels' frequencies.
    together, recording : dict of str to leaf
        Metric -> score of all variables together, and of those that the sound itself does not make
        too; ``macro_roc_auc``, ``map``, ``macro_f1`` and, for single-label, ``accuracy``. Empty if
        there is nothing to measure.
    variables : dict of str to dict of str to leaf
        Variable -> the same of that variable alone, the most telling first; empty for one that is
        the same in all clips.
    of_sound : list of str
        Variables that the sound itself makes too, in any recording.
    labels : dict of str to dict
        Label -> ``roc_auc``, ``ap`` and ``f1`` (leaves) of all variables together, ``frequency``,
        ``variable`` (which alone tells most of it; None if none does better than chance) and
        ``roc_auc_alone`` of that variable.
    left_out : dict of str to str
        Label that cannot be measured -> why.
    failures : list of dict
        ``clip_id`` and ``reason`` of each unreadable clip.
    seed : int
        Of folds, model and bootstrap.
    """

    verdict: str
    sentences: list[str]
    counts: dict[str, int]
    chance: dict[str, float] = field(default_factory=dict)
    together: dict[str, Leaf] = field(default_factory=dict)
    recording: dict[str, Leaf] = field(default_factory=dict)
    variables: dict[str, dict[str, Leaf]] = field(default_factory=dict)
    of_sound: list[str] = field(default_factory=list)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Give the audit as JSON holds it.

        Returns
        -------
        dict
            The attributes by name; no NaN.
        """
        return asdict(self)


def audit_nuisance(
    nuisance: pd.DataFrame,
    manifest: Manifest,
    *,
    folds: int | str | np.ndarray = 5,
    task: str | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> NuisanceAudit:
    """Ask whether labels could be guessed from how the clips were recorded.

    Parameters
    ----------
    nuisance : pd.DataFrame
        From `ensemble.nuisance.table.measure_nuisance`; unreadable clips take no part.
    manifest : Manifest
        The clips. Rows of split validation and test take no part, unless there are no others.
    folds : int, "group" or np.ndarray of shape (n_samples,)
        Number of folds, or each group a fold of its own; folds in the manifest come first. An array
        gives the fold of each row of the manifest.
    task : {"single-label", "multi-label"} or None
        None decides by the labels.
    random_state : int
        Seed of folds, model and bootstrap.
    n_jobs : int or None
        Threads; the numbers don't depend on it.

    Returns
    -------
    NuisanceAudit
        Numbers, a verdict and its meaning. What is too small to be measured has a verdict that says
        so.

    Raises
    ------
    ValueError
        If the clips have no labels, some of them are missing in `nuisance`, windows of one clip
        differ in labels, or folds of the manifest are incomplete.
    """
    nuisance, clips = _align(nuisance, manifest), manifest.clips
    training = clips["split"].isin(["", "train"]).to_numpy()
    labelled = (manifest.label_matrix(manifest.classes) >= 0).any(axis=1)
    wanted = labelled & (training if training.any() else True)
    readable = (nuisance[FAILURE] == "").to_numpy()
    rows = wanted & readable
    failed = nuisance.loc[wanted & ~readable, FAILURE]
    part = manifest.select(rows)
    audit = NuisanceAudit(
        verdict=CANNOT_TELL,
        sentences=[],
        counts={
            "clips": int(part.clips["parent"].nunique()),
            "groups": int(part.clips["group"].nunique()),
            "unreadable": len(failed),
        },
        failures=[{"clip_id": str(k), "reason": str(reason)} for k, reason in failed.items()],
        seed=random_state,
    )
    given = folds[rows] if isinstance(folds, np.ndarray) else part.clips["fold"].to_numpy()
    wish = folds if isinstance(folds, int | str) else 2
    if problem := _problem(part, failed, given, wish):
        return replace(audit, sentences=describe_audit(audit.as_dict(), problem))
    audited = AuditedRows(
        part,
        nuisance[rows],
        folds=given,
        wanted=wish,
        task=task or part.task,
        random_state=random_state,
    )
    audit.counts["folds"] = int(audited.folds.max()) + 1
    return _judge(audit, audited, n_jobs)


def _align(nuisance: pd.DataFrame, manifest: Manifest) -> pd.DataFrame:
    """Give what was measured of each clip, in the manifest's order."""
    if not manifest.labels_given or not manifest.classes:
        raise ValueError("the clips have no labels: there is nothing to give away")
    clip_ids = manifest.clips["clip_id"].astype(str)
    missing = ~clip_ids.isin(nuisance.index)
    if missing.any():
        raise ValueError(
            f"every clip must have been measured, {missing.sum()} have not, such as "
            f"{clip_ids[missing].iloc[0]!r}: measure the same manifest"
        )
    return nuisance.reindex(clip_ids)


def _problem(manifest: Manifest, failed: pd.Series, given: np.ndarray, wanted: int | str) -> str:
    """Say why nothing can be measured; empty if something can."""
    if len(manifest) == 0:
        first = [f", such as {clip_id}: {reason}" for clip_id, reason in failed.head(1).items()]
        return "not one labelled clip could be read" + "".join(first)
    if len(manifest.classes) < 2:
        return f"there is only one label, {manifest.classes[0]!r}, and nothing to tell it from"
    if (given >= 0).all():
        return "" if len(np.unique(given)) > 1 else "all clips that were read are in one fold"
    n_groups, n_needed = manifest.clips["group"].nunique(), wanted if wanted != "group" else 2
    if isinstance(n_needed, int) and n_groups < n_needed:
        return f"{n_needed} folds need at least as many groups, which stay whole; got {n_groups}"
    return ""


def _judge(audit: NuisanceAudit, rows: AuditedRows, n_jobs: int | None) -> NuisanceAudit:
    """Fit, score and give a verdict."""
    audit = replace(audit, left_out=rows.left_out)
    if not rows.measured.any():
        problem = "no label has groups with and without it in two folds"
        return replace(audit, sentences=describe_audit(audit.as_dict(), problem))
    scored = _score_blocks(rows, n_jobs)
    alone = {name: scored[name] for name in rows.columns if name in scored}
    ranked = sorted(alone, key=lambda name: -(alone[name].macro["macro_roc_auc"]["value"] or 0.0))
    together = scored.get(TOGETHER)
    audit = replace(
        audit,
        chance=rows.chance(),
        together=together.macro if together else {},
        recording=scored[RECORDING].macro if RECORDING in scored else {},
        variables={
            **{name: alone[name].macro for name in ranked},
            **{name: {} for name in rows.constant},
        },
        of_sound=[variable.name for variable in VARIABLES if variable.of_sound],
        labels=_labels(rows, together, alone) if together else {},
    )
    audit = replace(audit, verdict=_verdict(audit))
    return replace(audit, sentences=describe_audit(audit.as_dict()))


def _score_blocks(rows: AuditedRows, n_jobs: int | None) -> dict[str, BlockScores]:
    blocks = rows.blocks()
    folds = range(int(rows.folds.max()) + 1)
    # In threads: trees and sums let go of the interpreter, and no worker has to start.
    with threadpool_limits(limits=1), joblib.Parallel(n_jobs=n_jobs or 1, prefer="threads") as run:
        parts = run(joblib.delayed(rows.guess)(X, fold) for X in blocks.values() for fold in folds)
        guesses = []
        for k in range(len(blocks)):
            scores = np.empty(rows.truth.shape)
            for fold in folds:
                scores[rows.folds == fold] = parts[k * len(folds) + fold]
            guesses.append(scores)
        scored = run(joblib.delayed(rows.score)(scores) for scores in guesses)
    return dict(zip(blocks, scored, strict=True))


def _labels(
    rows: AuditedRows, together: BlockScores, alone: Mapping[str, BlockScores]
) -> dict[str, dict[str, Any]]:
    """Say of each label how far it is given away, and by what most."""
    labels = {}
    for k, label in enumerate(rows.classes):
        if not rows.measured[k]:
            continue
        areas = {name: block.labels["roc_auc"][k] for name, block in alone.items()}
        # Where an interval holds one half, or there is none, nothing is told for sure.
        told = (together.labels["roc_auc"][k]["low"] or 0.0) > 0.5
        sure = {name: a for name, a in areas.items() if told and (a["low"] or 0.0) > 0.5}
        best = max(sure, key=lambda name: sure[name]["value"] or 0.0, default=None)
        labels[label] = {
            **{metric: leaves[k] for metric, leaves in together.labels.items()},
            "frequency": float(rows.frequencies[k]),
            "variable": best,
            "roc_auc_alone": None if best is None else sure[best]["value"],
        }
    return labels


def _verdict(audit: NuisanceAudit) -> str:
    if not audit.together:
        # All clips are recorded alike in everything that is measured.
        return NONE_FOUND
    low = audit.together["macro_roc_auc"]["low"]
    if low is None:
        return CANNOT_TELL
    lowest = [label["roc_auc"]["low"] or 0.0 for label in audit.labels.values()]
    if low > STRONG_AREA or max(lowest, default=0.0) > GIVEN_AWAY_AREA:
        return STRONG
    return SOME if low > 0.5 else NONE_FOUND
