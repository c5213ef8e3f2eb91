"""All that a report needs to know of a fitted ensemble."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ensemble.bundle import CLIP
from ensemble.labelled_rows import LabelledRows
from ensemble.manifest_columns import COLUMNS
from ensemble.members import keeps_folds
from ensemble.nuisance.audit import NuisanceAudit
from ensemble.results_tables import component_frame, score_frame
from ensemble.stacking import StackingEnsembleClassifier
from ensemble.versions import library_versions
from features.table import FeatureTable
from reports.results import Results


def gather_results(
    stack: StackingEnsembleClassifier,
    data: LabelledRows,
    folds: np.ndarray,
    table: FeatureTable,
    audited: NuisanceAudit | None,
) -> Results:
    """Gather all that a report needs.

    Parameters
    ----------
    stack : StackingEnsembleClassifier
        Fitted.
    data : LabelledRows
        What on.
    folds : np.ndarray of shape (n_samples,), int
        The fold of each row, -1 outside training.
    table : FeatureTable
        Where the rows come from.
    audited : NuisanceAudit or None
        What the recording conditions tell of the labels, if that was asked.

    Returns
    -------
    Results
        Of all training rows out of fold, and of test rows by the models that ship.
    """
    stages = [("oof", data.train, stack.oof_scores_, stack.oof_decisions_)]
    if stack.uncalibrated_scores_ is not None:
        # What else is learned from scores, such as an ablation's stacks, starts before calibration.
        names = ["stack", *(member.name for member in stack.members_)]
        raw, decided = stack.uncalibrated_scores_, stack.oof_decisions_
        given = ({name: raw[name] for name in names}, {name: decided[name] for name in names})
        stages.append(("uncalibrated", data.train, *given))
    if data.test.any():
        scores = stack.score_models(data.X[data.test], data.parents[data.test])
        stages.append(("test", data.test, scores, stack.decide_models(scores)))
    score_frames, decision_frames = [], []
    for stage, rows, scores, decisions in stages:
        frame = partial(score_frame, classes=data.classes, clip_ids=data.clip_ids[rows])
        score_frames.append(frame(scores, stage=stage, dtype=np.float32))
        decision_frames.append(frame(decisions, stage=stage, dtype=np.int8))
    index = pd.Index(data.clip_ids.astype(str), name="clip_id")
    split = data.manifest.clips["split"].replace("", "train").to_numpy()
    clips = pd.DataFrame(
        {"parent": data.parents, "group": data.groups, "fold": folds, "split": split}, index=index
    )
    thresholds = stack.thresholds_
    card = {
        "seed": stack.random_state,
        "members": [member.name for member in stack.members_],
        "feature_set": table.card["feature_set"]["name"],
        "thresholds": None
        if thresholds is None
        else dict(zip(data.classes, thresholds["stack"].tolist(), strict=True)),
        "calibration": stack.calibration_card_,
        "calibrated_on": "validation" if data.validation.any() else "out-of-fold",
        "counts": _counts(data, folds, table),
        "failures": len(table.failures),
        "histories": _histories(stack),
        "nuisance": None if audited is None else audited.as_dict(),
        "warnings": _cautions(data),
        "notes": _notes(stack, data),
        "versions": library_versions(),
    }
    return Results(
        classes=data.classes,
        task=data.task,
        clips=clips,
        truth=pd.DataFrame(data.truth, index=index, columns=data.classes),
        scores=pd.concat(score_frames, ignore_index=True),
        decisions=pd.concat(decision_frames, ignore_index=True),
        projection=_projection(stack, data, folds),
        card={key: value for key, value in card.items() if value is not None},
    )


def _counts(data: LabelledRows, folds: np.ndarray, table: FeatureTable) -> dict[str, int]:
    counts = {
        "clips": len(table.manifest),
        "training clips": int(data.train.sum()),
        "validation clips": int(data.validation.sum()),
        "test clips": int(data.test.sum()),
        "groups": len(set(data.groups)),
        "classes": len(data.classes),
        "folds": int(folds.max()) + 1,
        "features": len(data.features),
        "nuisance features left out": len(data.left_out),
        "silent clips": len(table.card["silent"]),
    }
    return {name: count for name, count in counts.items() if count}


def _histories(stack: StackingEnsembleClassifier) -> dict[str, list[list[dict[str, Any]]]]:
    """Learning curves of the networks, one for each fold."""
    return {
        name: [list(model.history_) for model in models]
        for name, models in stack.named_estimators_.items()
        if all(hasattr(model, "history_") for model in models)
    }


def _cautions(data: LabelledRows) -> list[str]:
    if data.manifest.groups_given:
        return list(data.cautions)
    return [
        *data.cautions,
        "Clips have no groups, so each file counts as its own. If some are siblings (takes of one "
        "note, excerpts of one song, copies), these numbers are too good and their intervals too "
        "narrow: fill in the group column of a manifest.",
    ]


def _notes(stack: StackingEnsembleClassifier, data: LabelledRows) -> list[str]:
    notes = list(data.notes)
    if data.left_out:
        notes.append(
            f"{len(data.left_out)} features of the group nuisance, such as {min(data.left_out)}, "
            "were left out: they say more of the recording than of the sound"
        )
    if data.is_elsewhere:
        notes.append(
            "the sound lies elsewhere and was not fetched to see whether the recording conditions "
            "give the labels away: python cli.py audit nuisance does so"
        )
    for member in stack.members_:
        models = stack.named_estimators_[member.name]
        cut = sum(getattr(model, "stopped_by_", "") == "time" for model in models)
        if cut:
            notes.append(
                f"{member.name}: the time ceiling ended the training of {cut} of {len(models)} "
                "networks; another run may give other numbers"
            )
    return notes


def _projection(
    stack: StackingEnsembleClassifier, data: LabelledRows, folds: np.ndarray
) -> pd.DataFrame:
    """Map the features, and the embeddings of rows that one network never saw."""
    views = [
        component_frame(data.X[columns].to_numpy(float), data.clip_ids, view=name)
        for name, columns in data.views.items()
        if name != COLUMNS
    ]
    # Embeddings of two networks lie in two spaces: one network speaks, of rows it never saw.
    unseen = (folds == 0) | data.test
    for member in stack.members_:
        model = stack.named_estimators_[member.name][0]
        if keeps_folds(member.estimator) and hasattr(model, "embed"):
            embeddings = model.embed(data.X.loc[unseen, list(member.columns or [CLIP])])
            views.append(component_frame(embeddings, data.clip_ids[unseen], view=member.name))
    return pd.concat(views, ignore_index=True)
