"""How often each label is likely given wrongly or missing, and how sure one may be of that."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ensemble.labels.suspects import find_confident_cells
from reports.metrics import roc_auc
from reports.significance import COVERAGE, MIN_GROUPS, Estimate, group_bootstrap_weights

N_BOOT = 500


def estimate_rates(
    truth: np.ndarray,
    scores: np.ndarray,
    cells: np.ndarray,
    groups: np.ndarray,
    classes: list[str],
    *,
    multilabel: bool,
    seed: int = 0,
) -> pd.DataFrame:
    """Count suspect presences and absences of each label.

    Parameters
    ----------
    truth, scores : np.ndarray of shape (n_samples, n_labels)
        Given labels (1, 0, -1) and out-of-fold probabilities.
    cells : np.ndarray of shape (n_samples, n_labels), bool
        From `ensemble.labels.suspects.find_suspect_cells`.
    groups : np.ndarray of shape (n_samples,)
        Clips of one group count as one where intervals are concerned.
    classes : list of str
        The labels.
    multilabel : bool
        Whether labels are independent.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    pd.DataFrame
        One row a label: ``label``, ``clips`` (that have it), ``groups`` (they come from),
        ``wrong`` (of these clips, how many likely have it not) and ``wrong_share``, ``missing``
        (clips that likely have it unsaid) and ``missing_share`` (of all that likely have it), both
        shares with ``_low`` and ``_high``, ``wrong_found`` and ``missing_found``, how many of such
        mistakes the audit would notice, and ``roc_auc``, how well the model tells the label.

    Notes
    -----
    Intervals are 95 % percentile intervals of a bootstrap by group, NaN below `MIN_GROUPS` groups
    or for a label of a few. Where nothing is suspect a bootstrap knows no spread: the upper end is
    then 1 - 0.05^(1 / n) for the label's n groups, above which a rate would have shown.

    Mistakes that go unnoticed are not counted, so shares are rather too small than too large where
    the model is good. A mistake is noticed if the model is confident of what is right. That is
    measured where the given label is no suspect: how often would it be contradicted, had it been
    changed at random? Systematic mistakes, which a model learns as well, are noticed less often.
    """
    present, likely = truth == 1, np.where(cells, truth == 0, truth == 1)
    wrong, missing = cells & present, cells & (truth == 0)
    names, group_of_row = np.unique(groups.astype(str), return_inverse=True)
    weights = None
    if len(names) >= MIN_GROUPS:
        weights = group_bootstrap_weights(names, n_boot=N_BOOT, seed=seed)

    def per_group(part: np.ndarray) -> np.ndarray:
        sums = np.zeros((len(names), part.shape[1]))
        np.add.at(sums, group_of_row, part)
        return sums

    rates = pd.DataFrame({"label": classes, "clips": present.sum(axis=0)})
    rates["groups"] = (per_group(present) > 0).sum(axis=0)
    for name, part, whole in (("wrong", wrong, present), ("missing", missing, likely)):
        rates[name] = part.sum(axis=0)
        estimate = _share(per_group(part), per_group(whole), weights)
        low, high = estimate.interval()
        none = (rates[name] == 0) & np.isfinite(high)
        unseen = unseen_share((per_group(whole) > 0).sum(axis=0))
        rates[f"{name}_share"] = estimate.value
        rates[f"{name}_low"], rates[f"{name}_high"] = low, np.where(none, unseen, high)
    sure = find_confident_cells(truth, scores, multilabel=multilabel) & ~cells
    for name, value in (("wrong", 0), ("missing", 1)):
        trusted = (truth == value) & ~cells
        rates[f"{name}_found"] = _ratio((sure & trusted).sum(axis=0), trusted.sum(axis=0))
    rates["roc_auc"] = roc_auc(truth, scores)
    return rates


def unseen_share(n_groups: np.ndarray) -> np.ndarray:
    """Give the largest share that may well show in none of some groups.

    Parameters
    ----------
    n_groups : np.ndarray of int
        Groups that were looked at.

    Returns
    -------
    np.ndarray
        1 - 0.05^(1 / n): more would have shown in 95 % of cases. One if nothing was looked at.

    Examples
    --------
    >>> float(unseen_share(np.array(30)).round(3))
    0.095
    """
    return 1 - (1 - COVERAGE) ** (1 / np.maximum(n_groups, 1)) * (np.asarray(n_groups) > 0)


def _share(part: np.ndarray, whole: np.ndarray, weights: np.ndarray | None) -> Estimate:
    """Give sums of one over sums of the other, per label, from one row a group."""

    def ratio(weight: np.ndarray) -> np.ndarray:
        return _ratio(weight @ part, weight @ whole)

    return Estimate(ratio(np.ones(len(part))), None if weights is None else ratio(weights))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
