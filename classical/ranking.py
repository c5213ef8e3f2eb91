"""Feature ranking: which features vary, which tell labels apart, which a model would miss.

Conventions: what describes the data (variance, F, mutual information, clusters) is taken from all
rows; what claims to hold for new sound (ROC AUC, permutation, gain) comes from held-out rows only,
with an interval over the folds. A ranking of all rows is for reading: whoever selects features
before cross-validation inflates the score, see `classical.selection` for the honest way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.utils import check_array, check_consistent_length, check_scalar, column_or_1d

from classical.labels import Labels, check_labels
from classical.ranking_folds import check_folds
from classical.ranking_importance import (
    FoldImportance,
    machine_targets,
    measure_importance,
)
from classical.ranking_redundancy import cluster_features, rank_correlation
from classical.ranking_table import FeatureRanking, assemble_ranking
from classical.ranking_univariate import (
    anova_f,
    coefficient_of_variation,
    mean_defined,
    mutual_information,
    roc_auc,
    spread,
)

Progress: TypeAlias = Callable[[int, int, str], None]

# Features of one cluster share at least 0.8 ** 2, two thirds, of the variance of their ranks.
MIN_CORRELATION = 0.8
N_ESTIMATORS = 100
OTHER = "other"


def rank_features(
    X: pd.DataFrame | np.ndarray,
    y: Any,
    groups: Any = None,
    *,
    folds: int | np.ndarray = 5,
    families: Mapping[str, Sequence[str]] | None = None,
    label_names: Sequence[str] | None = None,
    min_correlation: float = MIN_CORRELATION,
    n_estimators: int = N_ESTIMATORS,
    random_state: int = 0,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> FeatureRanking:
    """Rank the features of a table.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_features)
        Finite feature rows; names of columns are those of the features.
    y : array-like of shape (n_samples,) or (n_samples, n_labels)
        See `check_labels`; unknown labels (-1) take no part.
    groups : array-like of shape (n_samples,), default=None
        What folds must not separate (song, speaker, note).
    folds : int or array-like of shape (n_samples,), default=5
        Number of folds, or the fold of each row from 0; rows of -1 always train.
    families : mapping of family to feature names, default=None
        Which features are of one kind; names that `X` lacks are passed over, features in none are
        "other". None goes by the names, see `family_of`.
    label_names : sequence of str, default=None
        Names of the labels; by default the classes.
    min_correlation : float, default=0.8
        Least absolute rank correlation of any two features of a cluster.
    n_estimators : int, default=100
        Trees of each label and fold.
    random_state : int, default=0
        Seed of folds, models and shuffles.
    n_jobs : int or None, default=None
        Threads over folds. They change no number.
    progress : callable or None
        Called as ``progress(done, total, text)``.

    Returns
    -------
    FeatureRanking
        Features by the permutation importance of their cluster, equals by gain, then ROC AUC.

    Raises
    ------
    ValueError
        If features are not finite, one is of two families, folds or groups do not fit the rows, or
        a group lies in several folds.

    Notes
    -----
    *Permutation* is how much the log loss of boosted trees rises when a whole cluster of correlated
    features is shuffled over the held-out rows: its members share it, since each alone would be
    replaced by its twins. *Gain* is the mean absolute TreeSHAP contribution to the log odds of a
    label, mean over labels. *ROC AUC* is the mean over labels of the area on held-out rows, read in
    the direction that the training rows showed, so noise gets 0.5.

    Intervals are Student's over the folds, with the variance corrected for training rows that folds
    share [1]_.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52,
       2003.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(90, 3)), columns=["a_mean", "b_mean", "b_std"])
    >>> ranking = rank_features(X, np.where(X["b_mean"] > 0, "loud", "soft"), n_estimators=20)
    >>> ranking.features["feature"][0], ranking.families["family"][0]
    ('b_mean', 'b')
    """
    names, values = _check_table(X)
    check_scalar(min_correlation, "min_correlation", (int, float), min_val=0, max_val=1)
    labels = check_labels(y)
    groups = None if groups is None else column_or_1d(groups)
    check_consistent_length(values, labels.indicator, groups)
    label_names = _check_label_names(labels, label_names)
    family_of_feature = _check_families(names, families)
    fold_of_row = check_folds(labels, groups, folds=folds, random_state=random_state)
    tell = progress or (lambda done, total, text: None)

    n_folds = int(fold_of_row.max()) + 1
    tell(0, n_folds + 1, "correlations")
    correlation = rank_correlation(values, random_state=random_state)
    cluster = cluster_features(correlation, min_correlation=min_correlation)
    family_names, family = np.unique(family_of_feature, return_inverse=True)
    clusters, families_of = _members(cluster), _members(family)
    work = (
        delayed(_rank_fold)(
            values, machine_targets(labels), fold_of_row == fold, clusters, families_of,
            n_estimators, random_state + fold,
        )
        for fold in range(n_folds)
    )  # fmt: skip
    found = []
    for result in Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(work):
        found.append(result)
        tell(len(found), n_folds + 1, f"fold {len(found)} of {n_folds}")
    looks, areas = zip(*found, strict=True)
    ranking = assemble_ranking(
        pd.DataFrame({"feature": names, "family": family_of_feature, "cluster": cluster}).join(
            describe_features(values, labels)
        ),
        looks=looks,
        areas=np.array(areas),
        families=family_names.tolist(),
        machines=label_names[1:] if labels.is_binary else label_names,
        correlation=correlation,
    )
    ranking.scores.update(folds=n_folds, rows=len(values), labels=len(label_names))
    tell(n_folds + 1, n_folds + 1, "done")
    return ranking


def describe_features(X: np.ndarray, labels: Labels) -> pd.DataFrame:
    """Return what all rows say of each feature alone.

    Parameters
    ----------
    X : np.ndarray of shape (n_samples, n_features)
        Finite feature rows.
    labels : Labels
        Checked labels.

    Returns
    -------
    pd.DataFrame of n_features rows
        ``variance``, ``cv``, ``spread``, ``anova_f`` and ``mutual_information``; see
        `classical.ranking_univariate`.
    """
    return pd.DataFrame(
        {
            "variance": X.var(axis=0, dtype=np.float64),
            "cv": coefficient_of_variation(X),
            "spread": spread(X),
            "anova_f": anova_f(X, labels),
            "mutual_information": mutual_information(X, labels),
        }
    )


def family_of(name: str) -> str:
    """Tell the family of a feature by its name.

    Parameters
    ----------
    name : str
        Such as ``"mfcc_03_mean"``: descriptor, number of a contour, functional.

    Returns
    -------
    str
        What stands before the first number, or else before the last part.

    Examples
    --------
    >>> [family_of(name) for name in ("mfcc_03_mean", "spectral_flux_p10", "rms", "x17")]
    ['mfcc', 'spectral_flux', 'rms', 'x']
    """
    parts = name.split("_")
    number = next((k for k, part in enumerate(parts) if k and part.isdecimal()), None)
    if number:
        return "_".join(parts[:number])
    return "_".join(parts[:-1]) or name.rstrip("0123456789") or name


def _members(codes: np.ndarray) -> list[np.ndarray]:
    """Return the positions of each code, from 0."""
    return [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]


def _rank_fold(
    X: np.ndarray,
    targets: np.ndarray,
    held_out: np.ndarray,
    clusters: list[np.ndarray],
    families: list[np.ndarray],
    n_estimators: int,
    seed: int,
) -> tuple[FoldImportance, np.ndarray]:
    look = measure_importance(
        X, targets, held_out, blocks=[*clusters, *families], summed=families,
        n_estimators=n_estimators, random_state=seed,
    )  # fmt: skip
    training, unseen = (roc_auc(X[rows], targets[rows]) for rows in (~held_out, held_out))
    # A feature that says "lower" is as good, but the training rows must have said so.
    told = np.where(training >= 0.5, unseen, 1 - unseen)
    return look, mean_defined(np.where(np.isnan(training), np.nan, told), axis=1)


def _check_table(X: Any) -> tuple[list[str], np.ndarray]:
    """Return the names of the features, and their values as float32."""
    values = check_array(X, dtype=np.float32, ensure_all_finite=False, ensure_min_samples=2)
    names = [str(name) for name in getattr(X, "columns", [f"x{k}" for k in range(values.shape[1])])]
    strange = [names[k] for k in np.flatnonzero(~np.isfinite(values).all(axis=0))]
    if strange:
        raise ValueError(
            f"features must be finite float32 numbers, got others in {len(strange)} of "
            f"{len(names)}, such as {', '.join(strange[:3])}: leave them out, or fill them in"
        )
    return names, values


def _check_label_names(labels: Labels, label_names: Sequence[str] | None) -> list[str]:
    names = labels.classes.tolist() if label_names is None else list(label_names)
    if len(names) != len(labels.classes):
        raise ValueError(
            f"label_names must name the {len(labels.classes)} labels of y, got {len(names)} names"
        )
    return [str(name) for name in names]


def _check_families(
    names: Sequence[str], families: Mapping[str, Sequence[str]] | None
) -> list[str]:
    """Return the family of each feature."""
    if families is None:
        return [family_of(name) for name in names]
    family: dict[str, str] = {}
    for key, members in families.items():
        for name in members:
            if family.setdefault(name, key) != key:
                raise ValueError(
                    f"a feature must be of one family, got {name!r} in {family[name]!r} and {key!r}"
                )
    return [family.get(name, OTHER) for name in names]
