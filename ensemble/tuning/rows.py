"""The rows that a search may look at: labelled training rows in grouped folds, nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ensemble.labelled_rows import LabelledRows
from features.folds import choose_folds
from features.table import FeatureTable


@dataclass(frozen=True)
class SearchRows:
    """Training rows of a feature table.

    Attributes
    ----------
    classes : list of str
        Labels, in order of the columns.
    task : {"single-label", "multi-label"}
        Whether labels exclude each other.
    X : pd.DataFrame of shape (n_samples, n_features)
        Features other than nuisance, indexed by `clip_id`.
    truth : np.ndarray of shape (n_samples, n_labels), int8
        1 present, 0 absent, -1 unknown.
    groups, parents : np.ndarray of shape (n_samples,)
        What must not be separated; the clip each row is a window of.
    folds : np.ndarray of shape (n_samples,), int
        The fold of each row.
    folds_given : bool
        Whether they come from the clip table.
    untouched : dict of str to int
        How many rows of each kind were left out.
    """

    classes: list[str]
    task: str
    X: pd.DataFrame
    truth: np.ndarray
    groups: np.ndarray
    parents: np.ndarray
    folds: np.ndarray
    folds_given: bool
    untouched: dict[str, int]

    def __len__(self) -> int:
        return len(self.X)

    @property
    def multilabel(self) -> bool:
        """Whether labels are independent of each other."""
        return self.task == "multi-label"

    @property
    def y(self) -> np.ndarray:
        """Labels as estimators take them: names, or the indicator."""
        return self.truth if self.multilabel else self.labels[self.truth.argmax(axis=1)]

    @property
    def labels(self) -> np.ndarray:
        """What an estimator's columns are called."""
        return np.arange(len(self.classes)) if self.multilabel else np.array(self.classes)

    @property
    def scored(self) -> np.ndarray:
        """One row a parent: its windows share one score, which must count once."""
        return ~pd.Series(self.parents).duplicated().to_numpy()

    def outside(self, fold: int, *, n_folds: int, seed: int) -> SearchRows:
        """Give the rows outside a fold, in new folds of their own.

        Parameters
        ----------
        fold : int
            The fold that is left out.
        n_folds : int
            Number of new folds; fewer if there are fewer groups.
        seed : int
            Decides between equals.

        Returns
        -------
        SearchRows
            A part of these.

        Raises
        ------
        ValueError
            If less than two groups are left.
        """
        kept = self.folds != fold
        groups, truth = self.groups[kept], self.truth[kept]
        folds = choose_folds(
            np.full(len(groups), -1),
            truth,
            groups,
            wanted=max(2, min(n_folds, len(set(groups)))),
            random_state=seed,
        )
        return replace(
            self, X=self.X[kept], truth=truth, groups=groups, parents=self.parents[kept],
            folds=folds, folds_given=False,
        )  # fmt: skip

    def digest(self) -> str:
        """Name the rows by their content.

        Returns
        -------
        str
            SHA-256 in hexadecimal of features, labels, folds and groups.
        """
        found = hashlib.sha256(self.task.encode())
        for names in (self.classes, self.X.columns, self.X.index, self.groups, self.parents):
            found.update("\n".join(map(str, names)).encode())
        values = self.X.to_numpy(dtype=np.float32)
        for numbers in (values, self.truth.astype(np.int8), self.folds.astype(np.int64)):
            found.update(np.ascontiguousarray(numbers).tobytes())
        return found.hexdigest()


def take_training_rows(
    table: FeatureTable, *, folds: int | str = 5, task: str | None = None, seed: int = 0
) -> SearchRows:
    """Take the labelled training rows of a feature table.

    Parameters
    ----------
    table : FeatureTable
        Features, with the clip table they were made from.
    folds : int or "group"
        Number of folds, or each group a fold of its own. Folds in the clip table come first.
    task : {"single-label", "multi-label"} or None
        None decides by the labels.
    seed : int
        Decides between equals when folds are dealt.

    Returns
    -------
    SearchRows
        Without rows of split ``validation`` or ``test``, unlabelled rows and nuisance.

    Raises
    ------
    ValueError
        If there is nothing to learn from, the labels do not fit the task, or groups are too few.

    Warns
    -----
    UserWarning
        If clips are unlabelled, or a class is in one group only.
    """
    data = LabelledRows(table, task, False)
    training = data.train
    given = data.manifest.clips["fold"].to_numpy()[training]
    untouched = {
        "validation clips": int(data.validation.sum()),
        "test clips": int(data.test.sum()),
        "unlabelled clips": len(table.values) - len(data.manifest),
    }
    return SearchRows(
        classes=data.classes,
        task=data.task,
        X=data.X.loc[training, data.features],
        truth=data.truth[training],
        groups=data.groups[training],
        parents=data.parents[training],
        folds=data.folds(folds, seed)[training],
        folds_given=bool((given >= 0).all()),
        untouched={what: count for what, count in untouched.items() if count},
    )
