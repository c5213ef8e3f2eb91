"""A finished training as a member: its out-of-fold probabilities, and a network a fold.

The folder of a run holds

- ``card.json``: ``"schema"`` (``"timbrestack.run"``), ``"schema_version"``, ``"backbone"``,
  ``"task"`` (``"single-label"`` or ``"multi-label"``), ``"classes"`` (in the order of the columns),
  ``"clip_ids_sha256"`` and ``"folds_sha256"`` of the rows of ``oof.parquet``;
- ``oof.parquet``: ``clip_id`` (text), ``fold`` (int) and a column of probabilities for each class,
  one row for each clip that the run was trained on, from the network that did not see its fold;
- ``fold_<k>/``: the network trained on all folds but k, as `AudioBackboneClassifier.save_model`
  writes it (safetensors and a card).

``failures.csv`` lists, if it is there, clips that could not be read. Other files (learning curves)
are not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags

from deep.runs.folder import FAILURES, OUT_OF_FOLD, SCHEMA, SCHEMA_VERSION
from ensemble.probabilities import from_logits
from features.folds import hash_folds
from features.manifest import Manifest
from features.table import hash_clip_ids

_CARD_KEYS = ("backbone", "task", "classes", "clip_ids_sha256", "folds_sha256")


def is_run(path: str | PathLike[str]) -> bool:
    """Whether a path is the folder of a run.

    Parameters
    ----------
    path : str or path-like
        A file or folder.

    Returns
    -------
    bool
        True if it is a folder with out-of-fold probabilities.
    """
    return (Path(path) / OUT_OF_FOLD).is_file()


class TrainedRun(ClassifierMixin, BaseEstimator):
    """A finished training, which a stack takes as it is.

    Parameters
    ----------
    directory : str or path-like
        The folder of the run.

    Attributes
    ----------
    average_folds : bool
        Tells the stack that the networks of all folds answer together.
    """

    average_folds = True

    def __init__(self, directory: str | PathLike[str]) -> None:
        self.directory = directory

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = True
        return tags

    @property
    def name(self) -> str:
        """What reports call it: the name of its folder."""
        return Path(self.directory).resolve().name

    @cached_property
    def card(self) -> dict[str, Any]:
        """Its card, checked."""
        path = Path(self.directory) / "card.json"
        if not path.is_file():
            raise FileNotFoundError(f"{self.directory} is no finished run: it has no card.json")
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as exc:
            raise ValueError(f"{path} is not JSON: {exc}") from exc
        schema = card.get("schema") if isinstance(card, dict) else None
        if schema != SCHEMA:
            raise ValueError(f"{self.directory} is no finished run: its card says {schema!r}")
        if (version := card.get("schema_version")) != SCHEMA_VERSION:
            raise ValueError(
                f"{path} has schema {version}, this version reads {SCHEMA_VERSION}; "
                "upgrade timbrestack, or train again"
            )
        if missing := [key for key in _CARD_KEYS if key not in card]:
            raise ValueError(f"{path} must have {missing}")
        return card

    @cached_property
    def table(self) -> pd.DataFrame:
        """Out-of-fold probabilities, checked: indexed by `clip_id`, `fold` and a column a class."""
        path = Path(self.directory) / OUT_OF_FOLD
        table = pd.read_parquet(path)
        wanted = ["clip_id", "fold", *self.card["classes"]]
        if list(table.columns) != wanted:
            raise ValueError(f"{path} must have the columns {wanted}, got {list(table.columns)}")
        table = table.set_index("clip_id")
        probabilities = table[self.card["classes"]].to_numpy(float)
        problems = []
        if table.index.has_duplicates:
            problems.append("some clips have several rows")
        if not ((probabilities >= 0) & (probabilities <= 1)).all():
            problems.append("some values are not probabilities")
        clip_ids = list(table.index)
        if self.card["clip_ids_sha256"] != hash_clip_ids(clip_ids):
            problems.append("its clips are not those of its card")
        elif self.card["folds_sha256"] != hash_folds(clip_ids, table["fold"].to_numpy()):
            problems.append("its folds are not those of its card")
        networks = [f"fold_{fold}" for fold in sorted(table["fold"].unique())]
        if missing := [n for n in networks if not (Path(self.directory) / n).is_dir()]:
            problems.append(f"the networks {missing} are missing")
        if problems:
            raise ValueError(f"{path} is damaged: {'; '.join(problems)}; train again")
        return table

    @cached_property
    def failures(self) -> frozenset[str]:
        """Clips that it could not read."""
        path = Path(self.directory) / FAILURES
        if not path.is_file():
            return frozenset()
        return frozenset(pd.read_csv(path, dtype=str, keep_default_na=False)["clip_id"])

    def out_of_fold(self, clip_ids: pd.Index, folds: np.ndarray) -> np.ndarray:
        """Give the probabilities of training rows.

        Parameters
        ----------
        clip_ids : pd.Index of shape (n_samples,)
            The rows.
        folds : np.ndarray of shape (n_samples,)
            The fold of each.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels)
            In the order of the card's classes.

        Raises
        ------
        ValueError
            If the run was trained on other folds, or not on all of these clips.
        """
        if problems := [*_missing(self.table, clip_ids), *_torn(self.table, clip_ids, folds)]:
            raise ValueError(f"run {self.name} does not fit: {'; '.join(problems)}")
        return self.table.loc[clip_ids, self.card["classes"]].to_numpy(float)

    def networks(self, clip_ids: pd.Index, folds: np.ndarray) -> list[Any]:
        """Load the network of each fold.

        Parameters
        ----------
        clip_ids : pd.Index of shape (n_samples,)
            The training rows.
        folds : np.ndarray of shape (n_samples,)
            The fold of each, which the run may count otherwise.

        Returns
        -------
        list of AudioBackboneClassifier
            In the order of `folds`.
        """
        from deep.classifier import AudioBackboneClassifier

        theirs = self.table["fold"].loc[clip_ids].groupby(folds).first().sort_index()
        return [
            AudioBackboneClassifier.load_model(Path(self.directory) / f"fold_{fold}")
            for fold in theirs
        ]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give what all networks say together.

        Parameters
        ----------
        X : sequence, DataFrame with one column, or np.ndarray
            Clips.

        Returns
        -------
        np.ndarray of shape (n_samples, n_labels)
            From the mean of their logits.
        """
        networks = self.networks(self.table.index, self.table["fold"].to_numpy())
        logits = np.mean([network.decision_function(X) for network in networks], axis=0)
        return from_logits(logits, multilabel=self.card["task"] == "multi-label")


def _missing(table: pd.DataFrame, clip_ids: pd.Index) -> list[str]:
    missing = clip_ids.difference(table.index)
    if not len(missing):
        return []
    return [
        f"{len(missing)} of {len(clip_ids)} training clips have no out-of-fold probabilities, such "
        f"as {missing[0]}: train it on the same manifest"
    ]


def _torn(table: pd.DataFrame, clip_ids: pd.Index, folds: np.ndarray) -> list[str]:
    """Whether folds are others than those of the run, however they are counted."""
    both = pd.DataFrame({"ours": folds}, index=clip_ids).join(table["fold"], how="inner")
    pairs = both.drop_duplicates()
    if not pairs["ours"].duplicated().any() and not pairs["fold"].duplicated().any():
        return []
    return [
        "it was trained on other folds, so its probabilities come from networks that saw rows "
        "which are held out here: give the manifest its folds first (python cli.py split), and "
        "train and extract from that"
    ]


def check_run(
    run: TrainedRun,
    manifest: Manifest,
    training: Collection[str],
    *,
    task: str,
    classes: list[str],
) -> None:
    """Make sure that a run may enter a stack without leaking.

    Parameters
    ----------
    run : TrainedRun
        The run.
    manifest : Manifest
        All clips of the corpus.
    training : collection of str
        The clips that the stack is fitted on.
    task : str
        Of the stack.
    classes : list of str
        Of the stack, in order.

    Raises
    ------
    ValueError
        With all problems: another task, other classes, training clips without probabilities, a run
        that was trained on clips held out for validation or test, or whose folds tear a group.
    """
    problems = []
    if run.card["task"] != task:
        problems.append(f"its task is {run.card['task']}, that of the stack {task}")
    if run.card["classes"] != classes:
        problems.append(f"its classes are {run.card['classes']}, those of the stack {classes}")
    clips = manifest.clips.set_index("clip_id")
    problems += _missing(run.table, pd.Index(training))
    held_out = clips[clips["split"].isin(["validation", "test"])]
    if leaked := [clip_id for clip_id in held_out.index if clip_id in run.table.index]:
        problems.append(
            f"it was trained on {len(leaked)} clips that are held out for validation or test here, "
            f"such as {leaked[0]}"
        )
    if _was_pretrained_on(run, held_out.index):
        problems.append("its backbone was pre-trained on clips that are held out here")
    known = clips.loc[clips.index.intersection(run.table.index)]
    spread = run.table["fold"].loc[known.index].groupby(known["group"]).nunique()
    if (spread > 1).any():
        problems.append(
            f"its folds tear {(spread > 1).sum()} groups, such as {spread.index[spread > 1][0]}"
        )
    if problems:
        raise ValueError(f"run {run.name} does not fit: {'; '.join(problems)}")


def _was_pretrained_on(run: TrainedRun, clip_ids: pd.Index) -> bool:
    """Whether a network of the run started from a backbone that had heard some of these clips."""
    for path in sorted(Path(run.directory).glob("fold_*/card.json")):
        before = json.loads(path.read_text(encoding="utf-8")).get("pretrained_on") or {}
        if before.get("test_rows") or set(before.get("clip_ids") or ()) & set(clip_ids):
            return True
    return False
