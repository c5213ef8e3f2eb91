"""What features are worth to a model: loss when they are shuffled, contributions to its margins.

Conventions: a model is fitted on the training rows of a fold and looked at on its held-out rows
only. A *block* is a set of features that are shuffled together: a cluster of correlated ones, or
all of a family; one alone would hardly be missed while its twins are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logit

from classical.boosting import OneVsRestXGBClassifier
from classical.labels import Labels
from classical.ranking_univariate import mean_defined, roc_auc

if TYPE_CHECKING:
    import xgboost

# Held-out rows that a fold's model is looked at on: means over more hardly change.
MAX_HELD_OUT = 2000
# Shuffles of each block; the folds repeat them.
N_SHUFFLES = 2


@dataclass(frozen=True, slots=True)
class FoldImportance:
    """What the held-out rows of one fold say.

    Attributes
    ----------
    rises : np.ndarray of shape (n_blocks,)
        Rise of the log loss when a block is shuffled, in nats, mean over labels.
    gains : np.ndarray of shape (n_features, n_machines)
        Mean absolute contribution of each feature to each margin (log odds).
    block_gains : np.ndarray of shape (n_summed, n_machines)
        The same of the summed contributions of a block, for those asked for.
    loss, chance_loss : float
        Log loss of the model, and of the labels' shares in the training rows.
    auc : float
        Area under the ROC curve of the model, mean over labels.
    """

    rises: np.ndarray
    gains: np.ndarray
    block_gains: np.ndarray
    loss: float
    chance_loss: float
    auc: float


def machine_targets(labels: Labels) -> np.ndarray:
    """Return the columns that are learned: one for each label, one alone for two classes.

    Parameters
    ----------
    labels : Labels
        Checked labels.

    Returns
    -------
    np.ndarray of shape (n_samples, n_machines), int8
        1 present, 0 absent, -1 unknown.
    """
    return labels.indicator[:, 1:] if labels.is_binary else labels.indicator


def measure_importance(
    X: np.ndarray,
    targets: np.ndarray,
    held_out: np.ndarray,
    *,
    blocks: Sequence[np.ndarray],
    summed: Sequence[np.ndarray] = (),
    n_estimators: int,
    random_state: int,
) -> FoldImportance:
    """Fit a model on the rows of a fold, and see what it makes of the features elsewhere.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features), float32
        Finite feature rows.
    targets : np.ndarray of shape (n_samples, n_machines)
        1 present, 0 absent, -1 unknown.
    held_out : np.ndarray of shape (n_samples,), bool
        Rows that the model is looked at on; the others train it.
    blocks : sequence of np.ndarray of int
        Columns that are shuffled together.
    summed : sequence of np.ndarray of int
        Columns of which contributions are summed before their absolute value is taken.
    n_estimators : int
        Trees of each label.
    random_state : int
        Seed of the model and of the shuffles.

    Returns
    -------
    FoldImportance
        Losses, rises and contributions.

    Notes
    -----
    Boosted trees of all labels are fitted without class weights, so that their log loss is proper.
    Contributions are TreeSHAP's [1]_; they add up to the margin, so those of a block may be summed.
    A block that no tree asks for cannot change the loss, and costs nothing.

    References
    ----------
    .. [1] S. Lundberg et al., "From local explanations to global understanding with explainable
       AI for trees", Nature Machine Intelligence 2, 2020.
    """
    rng = np.random.default_rng(random_state)
    model = OneVsRestXGBClassifier(
        n_estimators,
        class_weight=None,
        random_state=int(rng.integers(2**31)),
        n_jobs=1,
    ).fit(X[~held_out], targets[~held_out])
    rows = np.flatnonzero(held_out)
    if len(rows) > MAX_HELD_OUT:
        rows = np.sort(rng.choice(rows, MAX_HELD_OUT, replace=False))
    looked_at = _HeldOut(model, np.ascontiguousarray(X[rows], dtype=np.float32), targets[rows])
    gains, block_gains = looked_at.contributions(summed)
    chance = _chance_losses(targets[~held_out], targets[rows])
    return FoldImportance(
        rises=np.array([looked_at.rise(columns, rng) for columns in blocks]),
        gains=gains,
        block_gains=block_gains,
        loss=float(mean_defined(looked_at.losses, axis=0)),
        chance_loss=float(mean_defined(chance, axis=0)),
        auc=_mean_auc(looked_at.margins, targets[rows]),
    )


class _HeldOut:
    """A model and the rows that it never saw.

    Parameters
    ----------
    model : OneVsRestXGBClassifier
        Fitted on an indicator.
    X : np.ndarray of shape (n_samples, n_features), float32
        Feature rows; changed in place while a block is shuffled.
    targets : np.ndarray of shape (n_samples, n_machines)
        1 present, 0 absent, -1 unknown.
    """

    def __init__(self, model: OneVsRestXGBClassifier, X: np.ndarray, targets: np.ndarray) -> None:
        self.model, self.X, self.targets = model, X, targets
        self.used = np.array([_used_features(b, X.shape[1]) for b in model.boosters_])
        constants = np.nan_to_num(logit(model.constants_))
        self.margins = np.column_stack(
            [
                np.full(len(X), constant) if booster is None else _margins(booster, X)
                for booster, constant in zip(model.boosters_, constants, strict=True)
            ]
        )
        self.losses = log_losses(self.margins, targets)

    def rise(self, columns: np.ndarray, rng: np.random.Generator) -> float:
        """Shuffle some columns and return how much the mean loss of a label grows."""
        measured = ~np.isnan(self.losses)
        machines = np.flatnonzero(self.used[:, columns].any(axis=1) & measured)
        if not len(machines):
            return 0.0
        boosters = [b for k in machines if (b := self.model.boosters_[k]) is not None]
        kept, total = self.X[:, columns], 0.0
        for _ in range(N_SHUFFLES):
            self.X[:, columns] = kept[rng.permutation(len(kept))]
            margins = np.column_stack([_margins(booster, self.X) for booster in boosters])
            losses = log_losses(margins, self.targets[:, machines])
            total += (losses - self.losses[machines]).sum()
        self.X[:, columns] = kept
        return total / N_SHUFFLES / np.count_nonzero(measured)

    def contributions(self, summed: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return mean absolute contributions of features, and of sums of them, to each margin."""
        import xgboost

        n_machines = len(self.model.boosters_)
        gains = np.zeros((self.X.shape[1], n_machines))
        of_sums = np.zeros((len(summed), n_machines))
        rows = xgboost.DMatrix(self.X, nthread=1)
        for machine, booster in enumerate(self.model.boosters_):
            if booster is None:
                continue
            # The last column is what all rows have in common.
            parts = booster.predict(rows, pred_contribs=True)[:, :-1]
            gains[:, machine] = np.abs(parts).mean(axis=0)
            for number, columns in enumerate(summed):
                of_sums[number, machine] = np.abs(parts[:, columns].sum(axis=1)).mean()
        return gains, of_sums


def log_losses(margins: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the log loss of each label over its known rows.

    Parameters
    ----------
    margins : np.ndarray of shape (n_samples, n_labels)
        Log odds.
    targets : np.ndarray of shape (n_samples, n_labels)
        1 present, 0 absent, -1 unknown.

    Returns
    -------
    np.ndarray of shape (n_labels,)
        In nats; NaN for a label that is known for no row.

    Examples
    --------
    >>> log_losses(np.zeros((2, 1)), np.array([[1], [-1]])).round(3)
    array([0.693])
    """
    known = targets >= 0
    losses = np.logaddexp(0.0, np.where(targets == 1, -margins, margins))
    n_known = known.sum(axis=0)
    total = np.where(known, losses, 0.0).sum(axis=0)
    return np.divide(total, n_known, out=np.full(len(total), np.nan), where=n_known > 0)


def _chance_losses(training: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Return the losses of who knows only how frequent each label is."""
    n_present, n_known = (training == 1).sum(axis=0), (training >= 0).sum(axis=0)
    margins = logit((n_present + 1) / (n_known + 2))
    return log_losses(np.tile(margins, (len(held_out), 1)), held_out)


def _mean_auc(margins: np.ndarray, targets: np.ndarray) -> float:
    areas = [
        roc_auc(margins[:, [machine]], targets[:, [machine]])[0, 0]
        for machine in range(targets.shape[1])
    ]
    return float(mean_defined(np.array(areas), axis=0))


def _margins(booster: xgboost.Booster, X: np.ndarray) -> np.ndarray:
    return booster.inplace_predict(X, predict_type="margin").astype(np.float64)


def _used_features(booster: xgboost.Booster | None, n_features: int) -> np.ndarray:
    """Return which features the trees ask for."""
    used = np.zeros(n_features, dtype=bool)
    if booster is not None:
        # Fitted on an array, so the names are f0, f1, ...
        used[[int(name[1:]) for name in booster.get_score(importance_type="weight")]] = True
    return used
