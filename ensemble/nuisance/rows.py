"""The clips of a nuisance audit as arrays, and a model's guesses of their labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from classical.boosting import OneVsRestXGBClassifier
from ensemble.nuisance.scores import BlockScores, score_block
from ensemble.nuisance.table import VARIABLES, variable_columns
from ensemble.probabilities import average_over, check_windows_agree, normalise_rows
from features.folds import choose_folds
from features.manifest import Manifest

# Names of blocks of variables, beside the variables' own.
TOGETHER, RECORDING = "together", "recording"

# Few trees: on the Philharmonia notes 200 with a rate of 0.1 rank better by no more than 0.002.
MODEL: dict[str, Any] = {
    "n_estimators": 30,
    "learning_rate": 0.25,
    "max_depth": 3,
    "colsample_bytree": 1.0,
}


class AuditedRows:
    """The clips of an audit: what is guessed, from what, in which folds.

    Parameters
    ----------
    manifest : Manifest
        Clips that were labelled and read.
    nuisance : pd.DataFrame of shape (n_samples, n_columns)
        Their rows of `ensemble.nuisance.table.measure_nuisance`.
    folds : np.ndarray of shape (n_samples,), int
        Folds that come first; -1 where there is none.
    wanted : int or "group"
        See `features.folds.choose_folds`.
    task : {"single-label", "multi-label"}
        Whether labels exclude each other.
    random_state : int
        Seed of folds, model and bootstrap.

    Attributes
    ----------
    classes : list of str
        Labels.
    truth : np.ndarray of shape (n_samples, n_labels), int8
        1 present, 0 absent, -1 unknown.
    folds : np.ndarray of shape (n_samples,)
        The fold of each row.
    scored : np.ndarray of shape (n_samples,), bool
        One row a parent: its windows share one score, which must count once.
    columns : dict of str to np.ndarray of shape (n_samples, n)
        Variable -> its numbers.
    constant : list of str
        Variables that are the same in all clips.
    left_out : dict of str to str
        Label that cannot be measured -> why.
    measured : np.ndarray of shape (n_labels,), bool
        Whether a label can be.
    frequencies : np.ndarray of shape (n_labels,)
        Share of the clips that have a label, of those where it is known.
    """

    def __init__(
        self,
        manifest: Manifest,
        nuisance: pd.DataFrame,
        *,
        folds: np.ndarray,
        wanted: int | str,
        task: str,
        random_state: int,
    ) -> None:
        self.classes = manifest.classes
        self.truth = manifest.label_matrix(self.classes)
        self.parents = manifest.clips["parent"].to_numpy(dtype=object)
        check_windows_agree(self.parents, self.truth)
        self.groups = manifest.clips["group"].astype(str).to_numpy()
        self.folds = choose_folds(
            folds, self.truth, self.groups, wanted=wanted, random_state=random_state
        )
        self.multilabel = task == "multi-label"
        self.random_state = random_state
        self.scored = ~manifest.clips["parent"].duplicated().to_numpy()
        self.columns = {v.name: variable_columns(nuisance, v) for v in VARIABLES}
        self.constant = [name for name, values in self.columns.items() if _is_constant(values)]
        self.left_out = dict(self._unmeasurable())
        self.measured = np.array([label not in self.left_out for label in self.classes])
        self.frequencies = _frequencies(self.truth[self.scored])

    def _unmeasurable(self) -> Iterator[tuple[str, str]]:
        for label, column in zip(self.classes, self.truth.T, strict=True):
            for value, who in ((1, "with"), (0, "without")):
                n_groups = len(set(self.groups[column == value]))
                if n_groups < 2:
                    yield label, f"clips {who} it are of {_count(n_groups)}"
                    break
                if len(set(self.folds[column == value])) < 2:
                    yield label, f"all clips {who} it are in one fold"
                    break

    def blocks(self) -> dict[str, np.ndarray]:
        """Give what a model is shown, time after time.

        Returns
        -------
        dict of str to np.ndarray of shape (n_samples, n), float32
            `TOGETHER`: all variables that vary, `RECORDING`: those that the sound does not make
            too, then each by its name.
        """
        varying = [v for v in VARIABLES if v.name not in self.constant]
        shown = {TOGETHER: varying, RECORDING: [v for v in varying if not v.of_sound]}
        blocks = {name: [self.columns[v.name] for v in some] for name, some in shown.items()}
        joined = {name: np.column_stack(columns) for name, columns in blocks.items() if columns}
        return joined | {v.name: self.columns[v.name] for v in varying}

    def guess(self, X: np.ndarray, fold: int) -> np.ndarray:
        """Guess the labels of a fold's rows by a model of the others.

        Parameters
        ----------
        X : np.ndarray of shape (n_samples, n)
            What the model is shown.
        fold : int
            Which rows.

        Returns
        -------
        np.ndarray of shape (n_held_out, n_labels)
            Probabilities.
        """
        fitting, held_out = self.folds != fold, self.folds == fold
        truth = self.truth[fitting]
        # Where training rows show one side only, there is nothing but the label's frequency.
        learnable = (truth == 1).any(axis=0) & (truth == 0).any(axis=0)
        scores = np.tile(_frequencies(truth), (held_out.sum(), 1))
        if learnable.any():
            model = OneVsRestXGBClassifier(**MODEL, random_state=self.random_state)
            model.fit(X[fitting], truth[:, learnable])
            scores[:, learnable] = model.predict_proba(X[held_out])
        return scores if self.multilabel else normalise_rows(scores)

    def score(self, scores: np.ndarray) -> BlockScores:
        """Score guesses.

        Parameters
        ----------
        scores : np.ndarray of shape (n_samples, n_labels)
            Out-of-fold probabilities of all rows.

        Returns
        -------
        BlockScores
            Per parent.
        """
        one = self.scored
        return score_block(
            self.truth[one],
            average_over(self.parents, scores)[one],
            groups=self.groups[one],
            folds=self.folds[one],
            measured=self.measured,
            multilabel=self.multilabel,
            seed=self.random_state,
        )

    def chance(self) -> dict[str, float]:
        """Give the scores of guessing by the labels' frequencies.

        Returns
        -------
        dict of str to float
            Metric -> score.
        """
        shares = self.frequencies[self.measured]
        mean = float(shares.mean())
        if self.multilabel:
            # Where nothing is known, the threshold of the highest F1 is the one that always says
            # yes: all is found, and that share of it is right.
            return {
                "macro_roc_auc": 0.5,
                "map": mean,
                "macro_f1": float((2 * shares / (1 + shares)).mean()),
            }
        # Of labels drawn as often as they occur, that share is right and that share is found.
        return {
            "macro_roc_auc": 0.5,
            "map": mean,
            "macro_f1": mean,
            "accuracy": float(self.frequencies.max()),
        }


def _frequencies(truth: np.ndarray) -> np.ndarray:
    known = (truth >= 0).sum(axis=0)
    # Of a label that is known of no clip nothing is known.
    unknown = np.full(truth.shape[1], 0.5)
    return np.divide((truth == 1).sum(axis=0), known, out=unknown, where=known > 0)


def _is_constant(values: np.ndarray) -> bool:
    return bool((values == values[:1]).all())


def _count(n_groups: int) -> str:
    return f"{n_groups} group{'' if n_groups == 1 else 's'}"
