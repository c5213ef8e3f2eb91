"""Labels that a model which never saw them contradicts, cell by cell.

Conventions: truth is int8 of shape (n_samples, n_labels), 1 present, 0 absent, -1 unknown; scores
are out-of-fold probabilities of the same shape. A cell is one label of one clip. An unknown cell is
never suspect: nobody claimed anything.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ensemble.labels.confident_learning import (
    confident_classes,
    confident_joint,
    find_contradicted,
    noise_matrix,
    normalised_margin,
    own_scores,
)


def find_suspect_cells(truth: np.ndarray, scores: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Tell which given presences and absences are confidently contradicted.

    Parameters
    ----------
    truth, scores : np.ndarray of shape (n_samples, n_labels)
        Given labels and out-of-fold probabilities.
    multilabel : bool
        Whether labels are independent: then each is a problem of two classes over the rows where
        it is known. Else a suspect row has two cells: its own label, and the one it should be.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels), bool
        True where present should be absent, or absent present.
    """
    cells = np.zeros(truth.shape, dtype=bool)
    if multilabel:
        for label in range(truth.shape[1]):
            known = np.flatnonzero(truth[:, label] >= 0)
            if len(known):
                cells[known, label] = find_contradicted(*_two_classes(truth, scores, label))
        return cells
    given = truth.argmax(axis=1)
    rows = np.flatnonzero(find_contradicted(given, scores))
    cells[rows, given[rows]] = True
    cells[rows, confident_classes(given, scores)[rows]] = True
    return cells


def find_confident_cells(truth: np.ndarray, scores: np.ndarray, *, multilabel: bool) -> np.ndarray:
    """Tell where the model is so sure of the given label that it would contradict another.

    Parameters
    ----------
    truth, scores : np.ndarray of shape (n_samples, n_labels)
        Given labels and out-of-fold probabilities.
    multilabel : bool
        Whether labels are independent; else the cells of a row go together.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels), bool
        False where unknown.
    """
    cells = np.zeros(truth.shape, dtype=bool)
    if not multilabel:
        given = truth.argmax(axis=1)
        cells[:] = (confident_classes(given, scores) == given)[:, None]
        return cells
    for label in range(truth.shape[1]):
        known = np.flatnonzero(truth[:, label] >= 0)
        if len(known):
            given, pair = _two_classes(truth, scores, label)
            # What the less probable class says loses against a label that is the more probable.
            sure = (confident_classes(given, pair) == given) & (own_scores(given, pair) > 0.5)
            cells[known, label] = sure
    return cells


def _two_classes(
    truth: np.ndarray, scores: np.ndarray, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give one label as absent (0) or present (1), on the rows where it is known."""
    known = truth[:, label] >= 0
    present = scores[known, label].astype(float)
    return truth[known, label].astype(int), np.column_stack([1.0 - present, present])


def cell_confidence(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give the probability of what each cell claims.

    Parameters
    ----------
    truth, scores : np.ndarray of shape (n_samples, n_labels)
        Given labels and out-of-fold probabilities.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels)
        p where present, 1 - p where absent, NaN where unknown.
    """
    claimed = np.where(truth == 1, scores, 1.0 - scores.astype(float))
    return np.where(truth >= 0, claimed, np.nan)


def score_suspects(
    truth: np.ndarray, scores: np.ndarray, cells: np.ndarray, *, multilabel: bool
) -> np.ndarray:
    """Give each suspect row a score by which to rank it.

    Parameters
    ----------
    truth, scores : np.ndarray of shape (n_samples, n_labels)
        Given labels and out-of-fold probabilities.
    cells : np.ndarray of shape (n_samples, n_labels), bool
        From `find_suspect_cells`.
    multilabel : bool
        As there.

    Returns
    -------
    np.ndarray of shape (n_samples,)
        From 0, most suspect, to 1: the normalised margin of a single label, the confidence of the
        least confident suspect cell of several; infinite for rows without a suspect cell.
    """
    if multilabel:
        worst = np.where(cells, cell_confidence(truth, scores), np.inf).min(axis=1)
    else:
        worst = normalised_margin(truth.argmax(axis=1), scores)
    return np.where(cells.any(axis=1), worst, np.inf)


def correct_labels(truth: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Turn suspect cells round.

    Parameters
    ----------
    truth : np.ndarray of shape (n_samples, n_labels)
        Given labels.
    cells : np.ndarray of shape (n_samples, n_labels), bool
        From `find_suspect_cells`.

    Returns
    -------
    np.ndarray of shape (n_samples, n_labels), int8
        What the model suggests.
    """
    return np.where(cells, 1 - truth, truth).astype(np.int8)


def estimate_noise(
    truth: np.ndarray, scores: np.ndarray, classes: list[str], *, multilabel: bool
) -> pd.DataFrame:
    """Estimate how labels are given where others are true.

    Parameters
    ----------
    truth, scores : np.ndarray of shape (n_samples, n_labels)
        Given labels and out-of-fold probabilities.
    classes : list of str
        The labels.
    multilabel : bool
        Whether labels are independent.

    Returns
    -------
    pd.DataFrame
        Single-label: P(given | true), a row a given and a column a true label. Multi-label: a row a
        label with ``given_if_absent`` and ``not_given_if_present``. NaN where a label never is.
    """
    if not multilabel:
        joint = confident_joint(truth.argmax(axis=1), scores)
        index = pd.Index(classes, name="given")
        return pd.DataFrame(noise_matrix(joint), index=index, columns=classes)
    rates = np.full((len(classes), 2), np.nan)
    for label in range(len(classes)):
        if (truth[:, label] >= 0).any():
            noise = noise_matrix(confident_joint(*_two_classes(truth, scores, label)))
            rates[label] = noise[1, 0], noise[0, 1]
    columns = ["given_if_absent", "not_given_if_present"]
    return pd.DataFrame(rates, index=pd.Index(classes, name="label"), columns=columns)
