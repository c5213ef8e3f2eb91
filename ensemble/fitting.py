"""Feature table to bundle: the main job.

Rows of split `test` are scored once, at the end, by the models that ship. Rows of split
`validation` take no part in training; where there are any, calibration and thresholds come from
them. All others are training rows, in folds. Features of the group `nuisance` stay in the table,
but no member looks at them unless told.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import joblib
import numpy as np
import pandas as pd
from sklearn.utils import get_tags

from ensemble.bundle import CLIP, Bundle, library_versions
from ensemble.members import Member, keeps_folds
from ensemble.nuisance import NuisanceAudit, audit_nuisance
from ensemble.nuisance_table import measure_nuisance, nuisance_names
from ensemble.probabilities import check_windows_agree
from ensemble.recipes import DEFAULT_MEMBERS, MemberSettings, create_member, is_deep
from ensemble.results_tables import component_frame, score_frame
from ensemble.stacking import StackingEnsembleClassifier
from ensemble.training_folds import choose_folds
from features.feature_set import NUISANCE, grouped_columns
from features.folds import hash_folds
from features.manifest import Manifest
from features.remote import local_path
from features.table import FeatureTable, hash_clip_ids
from reports.results import Results

Progress: TypeAlias = Callable[[int, int, str], None]

# Columns of the tables of results, where each label is a column too.
RESERVED_LABELS = ("model", "stage", "clip_id")


def fit_bundle(
    table: FeatureTable,
    *,
    members: Sequence[str | Member] = DEFAULT_MEMBERS,
    folds: int | str = 5,
    task: str | None = None,
    deep_minutes: float | None = 10.0,
    with_nuisance: bool = False,
    audit: bool = True,
    n_jobs: int | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Bundle:
    """Fit the ensemble on a feature table and score every row honestly.

    Parameters
    ----------
    table : FeatureTable
        Features, with the clip table they were made from.
    members : sequence of str or Member
        Ready-made members by name, or your own; one without columns takes all features but
        nuisance, or the clip if its tags say that it takes no table of numbers.
    folds : int or "group"
        Number of folds, or each group a fold of its own. Folds in the clip table come first.
    task : {"single-label", "multi-label"} or None
        None decides by the labels.
    deep_minutes : float or None
        Ceiling on the training of all networks together; None means none.
    with_nuisance : bool
        Whether members take features of the group `nuisance` too, which say more of the recording
        than of the sound. One whose columns are given takes those in any case.
    audit : bool
        Whether the results say how far the training rows' labels could be guessed from how the
        clips were recorded: see `ensemble.nuisance`. The sound is read once more for it, unless the
        table has the features of `nuisance-v1`; not if it would have to be fetched from a URI.
    n_jobs : int or None
        Worker processes; the numbers don't depend on it.
    random_state : int
        Seed of folds and members.
    progress : callable or None
        Called as `progress(done, total, text)`.

    Returns
    -------
    Bundle
        With its results.

    Raises
    ------
    ValueError
        If the table has no labels, too few groups or classes, nothing but nuisance, or does not
        fit the task.
    FileNotFoundError
        If sound files that a member listens to are gone.
    """
    data = _Rows(table, task, with_nuisance)
    fold_of_row = data.folds(folds, random_state)
    with tempfile.TemporaryDirectory(prefix="timbrestack-") as cache_dir:
        names = [member for member in members if isinstance(member, str)]
        settings = MemberSettings(
            feature_names=data.features,
            n_samples=int(data.train.sum()),
            random_state=random_state,
            minutes_per_network=_minutes_each(names, deep_minutes, fold_of_row, n_jobs),
            cache_dir=cache_dir,
        )
        made = [
            create_member(m, settings) if isinstance(m, str) else _with_columns(m, settings)
            for m in members
        ]
        if any(CLIP in (member.columns or ()) for member in made):
            data.check_files()
        audited = None
        if audit and not data.is_elsewhere:
            audited = _audit(table, data, fold_of_row, random_state, n_jobs)
            progress = _after_audit(progress)
        stack = StackingEnsembleClassifier(
            made, cv=fold_of_row[data.train], n_jobs=n_jobs, random_state=random_state,
            progress=progress,
        )  # fmt: skip
        stack.fit(*data.take(data.train), groups=data.groups[data.train],
                  parents=data.parents[data.train])  # fmt: skip
        if data.validation.any():
            stack.calibrate(
                *data.take(data.validation),
                groups=data.groups[data.validation],
                parents=data.parents[data.validation],
            )
        data.warn_if_thresholds_do_not_transfer()
        results = _results(stack, data, fold_of_row, table, audited)
    for member in stack.members_:
        for model in (member.estimator, *stack.named_estimators_[member.name]):
            # Ready-made members only: what the user set stays as it is.
            if model.get_params().get("cache_dir") == cache_dir:
                model.set_params(cache_dir=None)
    card = {
        "seed": random_state,
        "n_folds": int(fold_of_row.max()) + 1,
        "n_training_clips": int(data.train.sum()),
        "folds_sha256": hash_folds(list(data.clip_ids[data.train]), fold_of_row[data.train]),
        "clip_ids_sha256": hash_clip_ids(data.clip_ids[data.train]),
        "silent": list(table.card["silent"]),
    }
    return Bundle(stack, data.classes, data.task, dict(table.card["feature_set"]), card, results)


def _after_audit(progress: Progress | None) -> Progress | None:
    """Count the audit as the first thing done."""
    if progress is None:
        return None
    return lambda done, total, text: progress(done + 1, total + 1, text)


def _audit(
    table: FeatureTable, data: _Rows, folds: np.ndarray, random_state: int, n_jobs: int | None
) -> NuisanceAudit:
    """Audit the training rows, on the folds of the stack."""
    training = data.manifest.select(data.train)
    names = nuisance_names()
    measured = set(names) <= set(grouped_columns(table.card["feature_set"]).get(NUISANCE, ()))
    nuisance = measure_nuisance(
        training, features=table.values[names] if measured else None, n_jobs=n_jobs
    )
    return audit_nuisance(
        nuisance, training, folds=folds[data.train], task=data.task, random_state=random_state,
        n_jobs=n_jobs,
    )  # fmt: skip


def _minutes_each(
    names: Sequence[str], minutes: float | None, folds: np.ndarray, n_jobs: int | None
) -> float | None:
    """Share the ceiling out: networks train side by side in as many workers as there are."""
    n_networks = sum(map(is_deep, names)) * (int(folds.max()) + 1)
    if minutes is None or n_networks == 0:
        return None
    at_once = min(joblib.effective_n_jobs(n_jobs or 1), n_networks)
    return minutes / -(-n_networks // at_once)


def _with_columns(member: Member, settings: MemberSettings) -> Member:
    member = Member(*member)
    if member.columns is not None:
        return member
    takes_numbers = get_tags(member.estimator).input_tags.two_d_array
    return member._replace(columns=list(settings.feature_names) if takes_numbers else [CLIP])


class _Rows:
    """The labelled rows of a feature table, as the ensemble takes them.

    Parameters
    ----------
    table : FeatureTable
        Features and clip table.
    task : str or None
        Wanted task; None decides by the labels.
    with_nuisance : bool
        Whether nuisance counts as features.
    """

    def __init__(self, table: FeatureTable, task: str | None, with_nuisance: bool) -> None:
        manifest = table.rows()
        if not manifest.labels_given or not manifest.classes:
            raise ValueError("the clips have no labels: nothing can be learned from them")
        self.classes = manifest.classes
        if len(self.classes) < 2:
            raise ValueError(f"at least 2 classes are needed, got only {self.classes}")
        if reserved := sorted(set(self.classes) & set(RESERVED_LABELS)):
            raise ValueError(f"results have columns of the same name: rename the labels {reserved}")
        self.task = task or table.manifest.task
        nuisance = set(grouped_columns(table.card["feature_set"]).get(NUISANCE, ()))
        self.left_out = set() if with_nuisance else nuisance & set(table.values.columns)
        self.features = [name for name in table.values.columns if name not in self.left_out]
        if not self.features:
            raise ValueError(
                f"all {len(self.left_out)} features are nuisance, which members see only "
                "with --with-nuisance"
            )
        truth = manifest.label_matrix(self.classes)
        labelled = np.asarray((truth >= 0).any(axis=1))
        if not labelled.all():
            _warn(f"{(~labelled).sum()} clips are unlabelled and take no part")
        manifest, self.truth = manifest.select(labelled), truth[labelled]
        self._check_task()
        self.manifest: Manifest = manifest
        clips = manifest.clips
        self.X = table.values.loc[clips["clip_id"]]
        self.X[CLIP] = pd.Series(manifest.audio_clips(), index=self.X.index, dtype=object)
        self.clip_ids = clips["clip_id"].to_numpy(dtype=object)
        self.groups = clips["group"].to_numpy(dtype=object)
        self.parents = clips["parent"].to_numpy(dtype=object)
        check_windows_agree(self.parents, self.truth)
        self.train = clips["split"].isin(["", "train"]).to_numpy()
        self.validation = (clips["split"] == "validation").to_numpy()
        self.test = (clips["split"] == "test").to_numpy()
        if not self.train.any():
            raise ValueError("no clip is left for training: all are of split validation or test")
        self._check_rare_classes()

    def _check_task(self) -> None:
        truth = self.truth
        if self.task not in ("single-label", "multi-label"):
            raise ValueError(f"task must be single-label or multi-label, got {self.task!r}")
        one_each = ((truth == 1).sum(axis=1) == 1) & (truth >= 0).all(axis=1)
        if self.task == "single-label" and not one_each.all():
            raise ValueError(
                f"one label a clip makes single-label, {(~one_each).sum()} clips have none, "
                "several or unknown ones; use --task multi-label"
            )

    def _check_rare_classes(self) -> None:
        positive = self.truth[self.train] == 1
        for label, rows in zip(self.classes, positive.T, strict=True):
            n_groups = len(set(self.groups[self.train][rows]))
            if n_groups == 0 and self.task == "single-label":
                raise ValueError(
                    f"class {label!r} has no training clip, so nothing can be told of it; leave "
                    "its clips out, or use --task multi-label"
                )
            if n_groups < 2:
                _warn(
                    f"class {label!r} has {rows.sum()} training clips in {n_groups} groups: it "
                    "cannot be learned and tested at once; its score says nothing"
                )

    @property
    def is_elsewhere(self) -> bool:
        """Whether some of the sound would have to be fetched to be read."""
        return any(local_path(clip.path) is None for clip in self.X[CLIP])

    def check_files(self) -> None:
        """Make sure that all sounds are still there, before hours are spent on other members."""
        paths = dict.fromkeys(clip.path for clip in self.X[CLIP])
        gone = [path for path in paths if not os.path.isfile(path)]
        if gone:
            raise FileNotFoundError(
                f"{len(gone)} sound files that members listen to are gone since the features were "
                f"extracted, such as {gone[0]}; extract again"
            )

    def folds(self, wanted: int | str, random_state: int) -> np.ndarray:
        """Give the fold of each row, -1 outside training: the clip table's own, or new ones."""
        given = self.manifest.clips["fold"].to_numpy()
        folds = np.full(len(given), -1)
        folds[self.train] = choose_folds(
            given[self.train],
            self.truth[self.train],
            self.groups[self.train],
            wanted=wanted,
            random_state=random_state,
        )
        return folds

    def take(self, rows: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
        """Give X and y of some rows."""
        truth = self.truth[rows]
        if self.task == "multi-label":
            return self.X[rows], truth
        return self.X[rows], np.array(self.classes)[truth.argmax(axis=1)]

    def warn_if_thresholds_do_not_transfer(self) -> None:
        """Say so if training clips have one label each, test clips several, and none validate."""
        if self.task == "single-label" or self.validation.any() or not self.test.any():
            return
        n_labels = (self.truth == 1).sum(axis=1)
        if (n_labels[self.train] == 1).all() and (n_labels[self.test] != 1).any():
            _warn(
                "training clips have one label each, test clips have not: thresholds found on "
                "single sounds do not transfer to mixtures; add clips of split validation"
            )


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)


def _results(
    stack: StackingEnsembleClassifier,
    data: _Rows,
    folds: np.ndarray,
    table: FeatureTable,
    audited: NuisanceAudit | None,
) -> Results:
    """Gather all that a report needs."""
    stages = [("oof", data.train, stack.oof_scores_, stack.oof_decisions_)]
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
        "calibrated_on": "validation" if stack.calibration_ is not None else "out-of-fold",
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


def _counts(data: _Rows, folds: np.ndarray, table: FeatureTable) -> dict[str, int]:
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


def _cautions(data: _Rows) -> list[str]:
    if data.manifest.groups_given:
        return []
    return [
        "Clips have no groups, so each file counts as its own. If some are siblings (takes of one "
        "note, excerpts of one song, copies), these numbers are too good and their intervals too "
        "narrow: fill in the group column of a manifest."
    ]


def _notes(stack: StackingEnsembleClassifier, data: _Rows) -> list[str]:
    notes = []
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


def _projection(stack: StackingEnsembleClassifier, data: _Rows, folds: np.ndarray) -> pd.DataFrame:
    """Map the features, and the embeddings of rows that one network never saw."""
    features = data.X[data.features]
    views = [component_frame(features.to_numpy(float), data.clip_ids, view="features")]
    # Embeddings of two networks lie in two spaces: one network speaks, of rows it never saw.
    unseen = (folds == 0) | data.test
    for member in stack.members_:
        model = stack.named_estimators_[member.name][0]
        if keeps_folds(member.estimator) and hasattr(model, "embed"):
            embeddings = model.embed(data.X.loc[unseen, list(member.columns or [CLIP])])
            views.append(component_frame(embeddings, data.clip_ids[unseen], view=member.name))
    return pd.concat(views, ignore_index=True)
