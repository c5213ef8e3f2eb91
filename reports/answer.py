"""The answer first, in plain words: how good, on what it was measured, how far to trust it."""

from __future__ import annotations

from typing import Any

import numpy as np

from reports.evaluation import EvaluatedRows
from reports.nuisance import nuisance_cautions
from reports.results import Results
from reports.significance import MIN_GROUPS

# Of fewer clips, or from fewer groups, even a perfect score says little.
FEW_CLIPS = 10
FEW_GROUPS = 5


def describe_quality(evaluation: dict[str, Any]) -> str:
    """Say how good the stack is.

    Parameters
    ----------
    evaluation : dict
        From `reports.evaluation.evaluate`.

    Returns
    -------
    str
        One or two sentences.
    """
    stack = evaluation["models"]["stack"]
    if evaluation["task"] == "single-label":
        text = f"The stack names the right label for {_share(stack['accuracy'])} of the clips"
        if chance := evaluation["models"].get("chance"):
            text += f"; chance would do so for {_percent(chance['accuracy']['value'])}"
    else:
        text = (
            f"Of the labels that are there, the stack finds {_share(stack['micro_recall'])}; "
            f"of those it names, {_share(stack['micro_precision'])} are right"
        )
    leaf = stack["macro_f1"]
    text += f". Its macro F1, the mean over labels, is {_score(leaf['value'])}"
    if leaf["low"] is not None:
        text += f" (95 % interval {_score(leaf['low'])} to {_score(leaf['high'])})"
    return text + "."


def describe_evaluation(evaluation: dict[str, Any], *, elsewhere: bool = False) -> str:
    """Say on what the numbers were measured.

    Parameters
    ----------
    evaluation : dict
        From `reports.evaluation.evaluate`.
    elsewhere : bool
        Whether the clips are another corpus than the one that the models come from.

    Returns
    -------
    str
        One or two sentences.
    """
    counts = evaluation["counts"]
    size = f"{counts['clips']:,} clips from {counts['groups']:,} groups"
    if elsewhere:
        text = f"Measured on another corpus: {size}, none of them used for fitting here."
    elif evaluation["evaluated_on"] == "test":
        text = f"Measured on the test split: {size}, kept out of all fitting."
    else:
        text = f"Measured out of fold on {size}: no model saw the fold of a clip that it scored"
        text += f" ({counts['folds']} folds)." if counts["folds"] else "."
    if counts["windows"] > counts["clips"]:
        text += f" {counts['windows']:,} windows were averaged to one score per clip."
    return text


def list_cautions(results: Results, rows: EvaluatedRows, evaluation: dict[str, Any]) -> list[str]:
    """List what limits how far the numbers can be trusted.

    Parameters
    ----------
    results : Results
        The results reported.
    rows : EvaluatedRows
        Their evaluated rows.
    evaluation : dict
        Their evaluation.

    Returns
    -------
    list of str
        Sentences; those of the card's ``warnings`` and ``notes`` last.
    """
    counts, card = evaluation["counts"], results.card
    cautions = [*_leaks(results), *nuisance_cautions(card.get("nuisance")), *_thin_labels(counts)]
    if counts["groups"] < MIN_GROUPS:
        cautions.append(
            f"There are {counts['groups']} groups, fewer than the {MIN_GROUPS} an interval needs: "
            "look at the scores of each group instead."
        )
    if counts["left_out"]:
        cautions.append(
            f"{_clips(counts['left_out'])} not scored by every model "
            "and left out, so that all models are compared on the same rows."
        )
    unknown = int((rows.truth < 0).sum())
    if unknown:
        share = unknown / rows.truth.size
        cautions.append(f"{_percent(share)} of the labels were never annotated and are ignored.")
    failures = card.get("failures")
    n_failures = len(failures) if isinstance(failures, list) else failures
    if n_failures:
        cautions.append(f"{_clips(n_failures)} not readable and are in no number.")
    for key in ("warnings", "notes"):
        told = card.get(key) or []
        cautions.extend(str(line) for line in ([told] if isinstance(told, str) else told))
    return list(dict.fromkeys(cautions))


def _leaks(results: Results) -> list[str]:
    clips = results.clips
    group = clips["group"].astype(str)
    folded = clips["fold"].astype(int) >= 0
    per_fold = clips.loc[folded, "fold"].groupby(group[folded]).nunique()
    per_split = (clips["split"] == "test").groupby(group).nunique()
    found = []
    straddling = {"several folds": per_fold, "the test split and another": per_split}
    for places, numbers in straddling.items():
        torn = int((numbers > 1).sum())
        if torn:
            stand = f"{_count(torn, 'group')} {'stands' if torn == 1 else 'stand'} in {places}"
            found.append(
                f"{stand}: models may have known the recordings they were scored on, "
                "and all scores may be too good."
            )
    return found


def _thin_labels(counts: dict[str, Any]) -> list[str]:
    clips, groups = counts["positives"], counts["positive_groups"]
    none = [label for label, count in clips.items() if count == 0]
    few = [
        f"{label} ({_count(clips[label], 'clip')}, {_count(groups[label], 'group')})"
        for label in clips
        if clips[label] and (clips[label] < FEW_CLIPS or groups[label] < FEW_GROUPS)
    ]
    found = []
    if none:
        found.append(f"Not measured, for want of a clip: {', '.join(none)}.")
    if few:
        found.append(f"Measured on little: {', '.join(few)}.")
    return found


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _clips(number: int) -> str:
    return f"{_count(number, 'clip')} {'was' if number == 1 else 'were'}"


def _score(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "an undefined share"
    digits = 1 if value < 0.1 else 0
    return f"{100 * value:.{digits}f} %"


def _share(leaf: dict[str, float | None]) -> str:
    text = _percent(leaf["value"])
    if leaf["low"] is None or leaf["high"] is None:
        return text
    return f"{text} (95 % interval {100 * leaf['low']:.0f} to {100 * leaf['high']:.0f} %)"
