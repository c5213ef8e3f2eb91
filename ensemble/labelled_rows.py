"""The labelled rows of a feature table, as the ensemble takes them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from ensemble.bundle import CLIP
from ensemble.column_checks import check_columns
from ensemble.manifest_columns import COLUMNS
from ensemble.probabilities import check_windows_agree
from ensemble.trained_run import TrainedRun
from ensemble.views import MAIN, View, check_views
from features.feature_set import NUISANCE, grouped_columns
from features.folds import choose_folds
from features.manifest import Manifest
from features.remote import local_path
from features.table import FeatureTable
from features.task import check_task

# Columns of the tables of results, where each label is a column too.
RESERVED_LABELS = ("model", "stage", "clip_id")


class LabelledRows:
    """The labelled rows of a feature table, as the ensemble takes them.

    Parameters
    ----------
    table : FeatureTable
        Features and clip table.
    task : str or None
        Wanted task; None decides by the labels.
    with_nuisance : bool
        Whether nuisance counts as features.
    views : sequence of View
        More tables for the same clips.
    failed : mapping or None
        Run -> clips that it could not read.
    """

    def __init__(
        self,
        table: FeatureTable,
        task: str | None,
        with_nuisance: bool,
        views: Sequence[View] = (),
        failed: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        if "feature_set" not in table.card:
            raise ValueError(
                "the first table must hold features, from extract; a table of "
                f"{table.card.get('kind')} joins one as --add TABLE"
            )
        manifest = table.rows()
        check_views(views, manifest)
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
        gaps = _find_gaps(manifest, views, failed or {})
        self.notes = _describe_gaps(manifest, gaps)
        for note in self.notes:
            _warn(note)
        kept = labelled & ~np.any([np.zeros(len(labelled), dtype=bool), *gaps.values()], axis=0)
        manifest, self.truth = manifest.select(kept), truth[kept]
        check_task(self.task, self.truth)
        self.manifest: Manifest = manifest
        clips = manifest.clips
        self.views = {MAIN: self.features, **{view.name: view.columns for view in views}}
        parts = [values.loc[clips["clip_id"]] for values in _all_values(table, views)]
        self.X = pd.concat(parts, axis=1) if len(parts) > 1 else parts[0]
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
        self.cautions: list[str] = []
        if COLUMNS in self.views:
            self._check_columns()

    def _check_columns(self) -> None:
        names = self.views[COLUMNS]
        named = self.X.loc[self.train, names].rename(
            columns={name: name.removeprefix(f"{COLUMNS}.") for name in names}
        )
        truth, groups = self.truth[self.train], self.groups[self.train]
        self.cautions = check_columns(named, truth, groups, classes=self.classes)
        for caution in self.cautions:
            _warn(caution)

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
        """Make sure that all sounds are still there, before hours are spent on other members.

        Raises
        ------
        FileNotFoundError
            If some are gone.
        """
        paths = dict.fromkeys(clip.path for clip in self.X[CLIP])
        gone = [path for path in paths if not os.path.isfile(path)]
        if gone:
            raise FileNotFoundError(
                f"{len(gone)} sound files that members listen to are gone since the features were "
                f"extracted, such as {gone[0]}; extract again"
            )

    def folds(
        self, wanted: int | str, random_state: int, runs: Sequence[TrainedRun] = ()
    ) -> np.ndarray:
        """Give the folds: the clip table's own, those of a run, or new ones.

        Parameters
        ----------
        wanted : int or "group"
            Number of new folds, or each group a fold of its own.
        random_state : int
            Decides between equals.
        runs : sequence of TrainedRun
            Whose folds are taken where the clip table has none.

        Returns
        -------
        np.ndarray of shape (n_samples,), int
            The fold of each row, -1 outside training.
        """
        given = self.manifest.clips["fold"].to_numpy()
        if runs and (given[self.train] < 0).all():
            given = runs[0].table["fold"].reindex(self.clip_ids).fillna(-1).to_numpy(int)
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
        """Give X and y of some rows.

        Parameters
        ----------
        rows : np.ndarray of shape (n_samples,), bool
            Which.

        Returns
        -------
        X : pd.DataFrame
            All columns, the clip last.
        y : np.ndarray of shape (n_rows,) or (n_rows, n_labels)
            Classes, or an indicator of 1, 0 and -1.
        """
        truth = self.truth[rows]
        if self.task == "multi-label":
            return self.X[rows], truth
        return self.X[rows], np.array(self.classes)[truth.argmax(axis=1)]

    def warn_if_thresholds_do_not_transfer(self) -> None:
        """Say so if training clips have one label each, test clips several, and none validate.

        Warns
        -----
        UserWarning
            Then.
        """
        if self.task == "single-label" or self.validation.any() or not self.test.any():
            return
        n_labels = (self.truth == 1).sum(axis=1)
        if (n_labels[self.train] == 1).all() and (n_labels[self.test] != 1).any():
            _warn(
                "training clips have one label each, test clips have not: thresholds found on "
                "single sounds do not transfer to mixtures; add clips of split validation"
            )


def _all_values(table: FeatureTable, views: Sequence[View]) -> list[pd.DataFrame]:
    return [table.values, *(view.values for view in views)]


def _find_gaps(
    manifest: Manifest, views: Sequence[View], failed: Mapping[str, Collection[str]]
) -> dict[str, np.ndarray]:
    """Mark clips of which an added table has no row, or which a run could not read."""
    clip_ids = manifest.clips["clip_id"]
    gaps = {f"table {view.name}": ~clip_ids.isin(view.values.index).to_numpy() for view in views}
    return gaps | {f"run {name}": clip_ids.isin(ids).to_numpy() for name, ids in failed.items()}


def _describe_gaps(manifest: Manifest, gaps: Mapping[str, np.ndarray]) -> list[str]:
    clip_ids = manifest.clips["clip_id"].to_numpy(dtype=object)
    return [
        f"{rows.sum()} clips take no part: they failed in the added {what}, such as "
        f"{clip_ids[rows][0]}"
        for what, rows in gaps.items()
        if rows.any()
    ]


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=4)
