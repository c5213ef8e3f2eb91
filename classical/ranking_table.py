"""The tables of a feature ranking: features, families, intervals over folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from classical.ranking_importance import FoldImportance
from classical.ranking_univariate import mean_defined

COVERAGE = 0.95


@dataclass(frozen=True)
class FeatureRanking:
    """What is known of the features of a table.

    Attributes
    ----------
    features : pd.DataFrame
        One row a feature, the most important first: ``feature``, ``rank`` (from 1), ``family``,
        ``cluster`` (from 1, in order of importance), ``representative`` (the one of its cluster
        with the largest gain), ``variance`` (in the feature's own unit, squared), ``cv``,
        ``spread``, ``anova_f``, ``mutual_information`` (bits), ``roc_auc``, ``permutation`` (of
        its cluster, nats), ``gain`` (log odds) and ``best_label`` (where its gain is largest; empty
        if it has none). The three from held-out rows have an interval, ``<name>_low`` and
        ``<name>_high``.
    families : pd.DataFrame
        One row a family, the most important first: ``family``, ``features`` (number),
        ``clusters`` (number), ``best_feature``, ``permutation`` and ``gain`` of all its features
        together, with intervals.
    label_gains : pd.DataFrame
        Gain of each family (row, in the same order) for each label (column).
    correlation : pd.DataFrame
        Spearman's, in the order of `features`.
    scores : dict
        The model behind it on held-out rows: ``log_loss``, ``chance_log_loss`` and ``roc_auc``,
        each ``{"value", "low", "high"}``; ``folds``, ``rows``, ``labels`` (numbers).
    """

    features: pd.DataFrame
    families: pd.DataFrame
    label_gains: pd.DataFrame
    correlation: pd.DataFrame
    scores: dict[str, Any]


def assemble_ranking(
    described: pd.DataFrame,
    *,
    looks: Sequence[FoldImportance],
    areas: np.ndarray,
    families: Sequence[str],
    machines: Sequence[str],
    correlation: np.ndarray,
) -> FeatureRanking:
    """Gather what folds have found, and sort it.

    Parameters
    ----------
    described : pd.DataFrame of n_features rows
        ``feature``, ``family``, ``cluster`` (from 0) and what all rows say.
    looks : sequence of FoldImportance
        One a fold; blocks are the clusters, then the families.
    areas : np.ndarray of shape (n_folds, n_features)
        ROC AUC on held-out rows.
    families : sequence of str
        Names of the families, in the order of their blocks.
    machines : sequence of str
        Labels that gains are of.
    correlation : np.ndarray of shape (n_features, n_features)
        Spearman's.

    Returns
    -------
    FeatureRanking
        ``scores`` hold the leaves only.
    """
    n_clusters = len(looks[0].rises) - len(families)
    rises = np.array([look.rises for look in looks])
    gains = np.array([look.gains for look in looks])
    of_families = np.array([look.block_gains for look in looks])
    features = described.assign(
        **_leaf("roc_auc", areas),
        **_leaf("permutation", rises[:, described["cluster"].to_numpy()]),
        **_leaf("gain", gains.mean(axis=2)),
        best_label=_best_labels(gains.mean(axis=0), machines),
    )
    order = ["permutation", "gain", "roc_auc"]
    features = features.sort_values(order, ascending=False, kind="stable")
    features["cluster"] = pd.factorize(features["cluster"])[0] + 1
    features.insert(1, "rank", np.arange(1, len(features) + 1))
    # Within a cluster permutation is the same, so its first row has the largest gain.
    features.insert(4, "representative", ~features["cluster"].duplicated())
    place = features.index.to_numpy()
    ranked = correlation[np.ix_(place, place)]
    of_family = (
        features.groupby("family")
        .agg(
            features=("feature", "size"),
            clusters=("cluster", "nunique"),
            best_feature=("feature", "first"),
        )
        .reindex(list(families))
        .rename_axis("family")
        .reset_index()
        .assign(**_leaf("permutation", rises[:, n_clusters:]))
        .assign(**_leaf("gain", of_families.mean(axis=2)))
    )
    of_family = of_family.sort_values(order[:2], ascending=False, kind="stable")
    label_gains = pd.DataFrame(
        of_families.mean(axis=0), index=pd.Index(families, name="family"), columns=list(machines)
    )
    names = features["feature"].to_numpy()
    return FeatureRanking(
        features.reset_index(drop=True),
        of_family.reset_index(drop=True),
        label_gains.loc[of_family["family"]],
        pd.DataFrame(ranked, index=names, columns=names),
        {
            "log_loss": _score([look.loss for look in looks]),
            "chance_log_loss": _score([look.chance_loss for look in looks]),
            "roc_auc": _score([look.auc for look in looks]),
        },
    )


def _best_labels(gains: np.ndarray, machines: Sequence[str]) -> np.ndarray:
    best = np.array(machines, dtype=object)[gains.argmax(axis=1)]
    return np.where(gains.any(axis=1), best, "")


def _leaf(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    mean, low, high = interval_over_folds(values)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def _score(values: Sequence[float]) -> dict[str, float | None]:
    ends = zip(("value", "low", "high"), interval_over_folds(np.array(values)), strict=True)
    return {key: None if np.isnan(number) else float(number) for key, number in ends}


def interval_over_folds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean over folds and its 95 % interval.

    Parameters
    ----------
    values : np.ndarray of shape (n_folds, ...)
        One number for each fold; NaN where it is not defined.

    Returns
    -------
    mean, low, high : np.ndarray of shape (...)
        The ends are NaN where fewer than two folds have a number.

    Notes
    -----
    Student's interval with Nadeau and Bengio's variance, ``(1 / k + 1 / (k - 1)) * s ** 2`` for k
    folds: the plain ``s ** 2 / k`` takes folds for independent, though they share training rows.

    Examples
    --------
    >>> mean, low, high = interval_over_folds(np.array([1.0, 2.0, 3.0]))
    >>> float(mean), round(float(high), 2)
    (2.0, 5.93)
    """
    defined = ~np.isnan(values)
    n_folds = defined.sum(axis=0)
    mean = mean_defined(values, axis=0)
    squares = (np.where(defined, values - mean, 0.0) ** 2).sum(axis=0)
    several = n_folds > 1
    k = np.where(several, n_folds, 2)
    half = t.ppf((1 + COVERAGE) / 2, k - 1) * np.sqrt((1 / k + 1 / (k - 1)) * squares / (k - 1))
    half = np.where(several, half, np.nan)
    return mean, mean - half, mean + half
