"""What a feature ranking means, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

# Rank correlations from which on two orders have so much in common.
_RELATIONS = ((0.6, "much"), (0.3, "something"), (0.1, "little"), (0.0, "next to nothing"))
# With fewer folds Student's quantile makes any interval reach across zero.
MIN_FOLDS = 4


def known_by_model(scores: Mapping[str, Any]) -> float | None:
    """Return how much lower the model's log loss is than that of chance.

    Parameters
    ----------
    scores : mapping
        With the leaves ``log_loss`` and ``chance_log_loss``.

    Returns
    -------
    float or None
        In nats; None if the model is no better than chance.
    """
    loss, chance = scores["log_loss"]["value"], scores["chance_log_loss"]["value"]
    if loss is None or chance is None or loss >= chance:
        return None
    return float(chance - loss)


def describe_ranking(
    features: pd.DataFrame, families: pd.DataFrame, scores: Mapping[str, Any]
) -> list[str]:
    """Say what was found.

    Parameters
    ----------
    features, families : DataFrame
        Tables of the ranking.
    scores : mapping
        Scores of the model behind it.

    Returns
    -------
    list of str
        One to three sentences.
    """
    n_clusters = features["cluster"].nunique()
    heads = features[features["representative"]]
    n_sure = int((heads["permutation_low"] > 0).sum())
    clusters = "1 cluster" if n_clusters == 1 else f"{n_clusters:,} clusters"
    found = [
        f"Of {len(features):,} features in {clusters} of like ones, {n_sure:,} "
        f"{'cluster helps' if n_sure == 1 else 'clusters help'} beyond chance on sound that the "
        "model never heard."
    ]
    known = known_by_model(scores)
    if known is None:
        return [*found, "The model tells the labels no better than chance does."]
    first = families.iloc[0]
    found.append(
        f"The family {first['family']} matters most: with its {first['features']:,} features "
        f"shuffled, {100 * first['permutation'] / known:.0f} % of what the model knows is lost."
    )
    relation = variance_relation(features)
    if relation is not None:
        word = next(word for least, word in _RELATIONS if abs(relation) >= least)
        found.append(
            f"How much a feature varies says {word} about how much it matters: their rank "
            f"correlation is {relation:.2f}."
        )
    return found


def variance_relation(features: pd.DataFrame) -> float | None:
    """Return the rank correlation of spread and gain.

    Parameters
    ----------
    features : DataFrame
        One row a feature.

    Returns
    -------
    float or None
        None where one of the two is the same for all features.
    """
    if features["spread"].nunique() < 2 or features["gain"].nunique() < 2:
        return None
    return float(features["spread"].rank().corr(features["gain"].rank()))


def list_ranking_cautions(features: pd.DataFrame, scores: Mapping[str, Any]) -> list[str]:
    """Say what must be known before anyone relies on the ranking.

    Parameters
    ----------
    features : DataFrame
        One row a feature.
    scores : mapping
        Scores of the model behind it.

    Returns
    -------
    list of str
        One sentence each.
    """
    found = []
    if known_by_model(scores) is None:
        found.append(
            "The model is no better than chance on held-out rows, so what it makes of features "
            "says nothing about the sound."
        )
    if scores["folds"] < MIN_FOLDS:
        found.append(
            f"Intervals over {scores['folds']} folds are very wide: few features can be told from "
            "chance. Rank again with 5 folds or more."
        )
    n_constant = int((features["variance"] == 0).sum())
    if n_constant:
        noun = "feature has" if n_constant == 1 else "features have"
        found.append(f"{n_constant:,} {noun} the same value in all rows.")
    found.append(
        "This ranking has seen all rows. To train on the best features only, let each fold choose "
        "its own: features chosen here would make cross-validation too good."
    )
    return found
