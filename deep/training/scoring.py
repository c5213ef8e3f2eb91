"""Scores of the whole validation part, clip by clip, whatever windows and batches were."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import get_scorer

Scorer = Callable[[Any, np.ndarray, np.ndarray], float]


class Answers(ClassifierMixin, BaseEstimator):
    """What a network said about clips, in the shape of a fitted classifier.

    Parameters
    ----------
    logits : np.ndarray of shape (n_samples, n_classes)
        Asked for by row number.
    classes : np.ndarray of shape (n_classes,) or list of np.ndarray
        Of the columns; a list of pairs for multi-label, as scikit-learn's own have it.
    """

    def __init__(self, logits: np.ndarray, classes: Any) -> None:
        self.logits = logits
        self.classes = classes

    @property
    def classes_(self) -> Any:
        """Of the columns."""
        return self.classes

    def decision_function(self, X: Any) -> np.ndarray:
        """Give logits.

        Parameters
        ----------
        X : np.ndarray of shape (n_samples,), int64
            Row numbers.

        Returns
        -------
        np.ndarray of shape (n_samples, n_classes) or (n_samples,)
            One column for two classes, as scikit-learn has it.
        """
        logits = self.logits[np.asarray(X)]
        two_classes = not isinstance(self.classes, list) and len(self.classes) == 2
        return logits[:, 1] - logits[:, 0] if two_classes else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Give probabilities.

        Parameters
        ----------
        X : np.ndarray of shape (n_samples,), int64
            Row numbers.

        Returns
        -------
        np.ndarray of shape (n_samples, n_classes)
            Softmax, or a sigmoid each for multi-label.
        """
        # In double precision, since scikit-learn asks that rows sum to one.
        logits = torch.from_numpy(self.logits[np.asarray(X)]).double()
        multi_label = isinstance(self.classes, list)
        return (logits.sigmoid() if multi_label else logits.softmax(dim=1)).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """Give decisions.

        Parameters
        ----------
        X : np.ndarray of shape (n_samples,), int64
            Row numbers.

        Returns
        -------
        np.ndarray of shape (n_samples,) or (n_samples, n_classes)
            Classes; 1 and 0 for multi-label.
        """
        logits = self.logits[np.asarray(X)]
        if isinstance(self.classes, list):
            return (logits >= 0).astype(int)
        return self.classes[logits.argmax(axis=1)]


def score_clips(
    scorer: Scorer,
    targets: np.ndarray,
    logits: np.ndarray,
    *,
    classes: np.ndarray,
    multi_label: bool,
) -> float:
    """Score answers by a scikit-learn scorer.

    Parameters
    ----------
    scorer : callable
        ``scorer(estimator, X, y) -> float``; ``X`` are row numbers, which the estimator answers.
    targets : np.ndarray of shape (n_samples, n_classes)
        See `deep.losses`.
    logits : np.ndarray of shape (n_samples, n_classes)
        Of whole clips.
    classes : np.ndarray of shape (n_classes,)
        Of the columns.
    multi_label : bool
        Whether labels are decided one by one.

    Returns
    -------
    float
        Higher is better. With labels that were never annotated each label is scored alone, as a
        question of yes and no over the clips that were annotated for it, and labels with both
        answers are averaged: ``"f1"``, ``"average_precision"`` and ``"roc_auc"`` then are macro
        averages. NaN if no label has both.
    """
    rows = np.arange(len(targets))
    with warnings.catch_warnings():
        # A class that is never predicted is an everyday matter of the first epochs.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        if not multi_label:
            truth = classes[targets.argmax(axis=1)]
            return float(scorer(Answers(logits, classes), rows, truth))
        if (targets >= 0).all():
            pairs = [np.array([0, 1])] * targets.shape[1]
            return float(scorer(Answers(logits, pairs), rows, (targets == 1).astype(int)))
        scores = [
            _score_label(scorer, targets[:, label], logits[:, label])
            for label in range(targets.shape[1])
            if (targets[:, label] == 1).any() and (targets[:, label] == 0).any()
        ]
    return float(np.mean(scores)) if scores else float("nan")


def _score_label(scorer: Scorer, targets: np.ndarray, logits: np.ndarray) -> float:
    known = targets >= 0
    # Half each way: a softmax of both is the sigmoid of the logit.
    both = np.column_stack([-logits[known] / 2, logits[known] / 2])
    answers = Answers(both, np.array([0, 1]))
    return float(scorer(answers, np.arange(known.sum()), (targets[known] == 1).astype(int)))


def find_scorer(
    scoring: str | Scorer, targets: np.ndarray, *, classes: np.ndarray, multi_label: bool
) -> Scorer:
    """Find a scorer and make sure that it works on the validation part.

    Parameters
    ----------
    scoring : str or callable
        Scikit-learn's name of it, or the scorer itself.
    targets : np.ndarray of shape (n_validation, n_classes)
        Of the validation part.
    classes : np.ndarray of shape (n_classes,)
        Of the columns.
    multi_label : bool
        Whether labels are decided one by one.

    Returns
    -------
    callable
        Takes what `score_clips` gives it.

    Raises
    ------
    ValueError
        If there is nothing to score, no such scorer, or it fails on answers of chance: better
        now than after an epoch.
    """
    if not len(targets):
        raise ValueError(
            f"scoring needs validation clips, got none with scoring={scoring!r}: raise "
            "validation_fraction, give more groups, or leave scoring at None"
        )
    # With y left at one kind of answer a scorer may be undefined, yet it has to run.
    chance = np.random.default_rng(0).normal(size=targets.shape).astype(np.float32)
    try:
        scorer = get_scorer(scoring)
        score_clips(scorer, targets, chance, classes=classes, multi_label=multi_label)
    except (ValueError, TypeError, AttributeError) as exc:
        raise ValueError(
            f"scoring={scoring!r} must work on the {len(targets)} validation clips: {exc}"
        ) from exc
    return scorer


def macro_f1(targets: np.ndarray, logits: np.ndarray, *, multi_label: bool) -> float:
    """Macro F1 over annotated labels, for watching a training.

    Parameters
    ----------
    targets : np.ndarray of shape (n_samples, n_classes)
        1, 0 and -1 = unknown.
    logits : np.ndarray of shape (n_samples, n_classes)
        Multi-label: positive means present. Single-label: the largest wins.
    multi_label : bool
        Which of the two it is.

    Returns
    -------
    float
        Mean F1 over the classes that have a positive; 0 if none has.
    """
    if multi_label:
        predicted = logits > 0
    else:
        predicted = np.eye(logits.shape[1], dtype=bool)[logits.argmax(axis=1)]
    positive, negative = targets == 1, targets == 0
    hits = (predicted & positive).sum(axis=0)
    errors = (predicted & negative).sum(axis=0) + (~predicted & positive).sum(axis=0)
    present = positive.any(axis=0)
    scores = 2 * hits[present] / (2 * hits + errors)[present]
    return float(scores.mean()) if present.any() else 0.0
