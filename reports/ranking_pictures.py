"""Which pictures a ranking page has, and what stands under each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from reports.pictures import Picture
from reports.ranking_words import known_by_model, variance_relation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_FEATURES = 30
MAX_FAMILIES = 30
MAX_LABELS = 60
# More names than this cannot be read in one figure.
MAX_CLUSTERED = 42
_N_NAMED = 3

_GAIN = "Gain: mean contribution (log odds)"


def make_ranking_pictures(
    features: pd.DataFrame,
    *,
    families: pd.DataFrame,
    label_gains: pd.DataFrame,
    correlation: pd.DataFrame,
    scores: Mapping[str, Any],
) -> Iterator[Picture]:
    """Draw all pictures of a ranking, one at a time.

    Parameters
    ----------
    features, families, label_gains, correlation : DataFrame
        Tables of the ranking.
    scores : mapping
        Scores of the model behind it.

    Yields
    ------
    Picture
        In the order of the page; those that would say nothing are left out.
    """
    known = known_by_model(scores)
    yield _top_features(features, known)
    if len(families) > 1:
        yield _families(families, known)
    if label_gains.to_numpy().any() and len(label_gains) > 1:
        yield _labels(label_gains)
    yield from _clusters(features, correlation)
    if variance_relation(features) is not None:
        yield _variance(features)


def _in_words(table: pd.DataFrame, known: float | None) -> tuple[pd.DataFrame, str]:
    """Return permutation as a share of what the model knows, and how to call it."""
    if known is None:
        return table, "Rise of log loss when shuffled (nats)"
    columns = ["permutation", "permutation_low", "permutation_high"]
    scaled = {name: 100 * table[name] / known for name in columns}
    return table.assign(**scaled), "Lost when shuffled (% of what the model knows)"


def _top_features(features: pd.DataFrame, known: float | None) -> Picture:
    from reports.plots.ranking import plot_importance

    sizes = features["cluster"].value_counts()
    heads = features[features["representative"]].head(MAX_FEATURES)
    others = sizes.loc[heads["cluster"]].to_numpy() - 1
    names = [
        f"{name} (+{more})" if more else name
        for name, more in zip(heads["feature"], others, strict=True)
    ]
    table, words = _in_words(heads, known)
    return Picture(
        "features",
        "top_features",
        f"The {len(heads)} most important features",
        "One row for each cluster of features that say the same, by the one with the largest gain; "
        "in brackets, how many others are in it. Left: all of the cluster shuffled over held-out "
        "rows. Right: the named feature alone. Lines are 95 % intervals over the folds.",
        plot_importance(table, names=names, panels={"permutation": words, "gain": _GAIN}),
    )


def _families(families: pd.DataFrame, known: float | None) -> Picture:
    from reports.plots.ranking import plot_importance

    table, words = _in_words(families.head(MAX_FAMILIES), known)
    names = [
        f"{row['family']} ({row['features']:,})"
        for row in families[:MAX_FAMILIES].to_dict("records")
    ]
    part = f" The first {MAX_FAMILIES} of {len(families)}." if len(families) > MAX_FAMILIES else ""
    return Picture(
        "families",
        "families",
        "Importance of families",
        "All features of a family shuffled together, and their contributions summed; in brackets, "
        f"how many they are. Lines are 95 % intervals over the folds.{part}",
        plot_importance(table, names=names, panels={"permutation": words, "gain": _GAIN}),
    )


def _labels(label_gains: pd.DataFrame) -> Picture:
    from reports.plots.ranking import plot_label_gains

    gains = label_gains.iloc[:MAX_FAMILIES, :MAX_LABELS].T
    total = label_gains.sum(axis=0).loc[gains.index]
    shares = 100 * gains.div(total.where(total > 0), axis=0)
    return Picture(
        "families",
        "labels",
        "Which family tells which label",
        "How the contributions to the log odds of each label are shared out among the families, "
        "in %. The most important family first.",
        _figure_of(plot_label_gains(shares)),
    )


def _clusters(features: pd.DataFrame, correlation: pd.DataFrame) -> Iterator[Picture]:
    from reports.plots.ranking import plot_clusters

    sizes = features["cluster"].value_counts()
    several = features[features["cluster"].map(sizes) > 1]
    # Whole clusters only, the most important first.
    chosen: list[int] = []
    n_shown = 0
    for cluster in several["cluster"].unique().tolist():
        if n_shown + sizes[cluster] > MAX_CLUSTERED:
            break
        chosen.append(cluster)
        n_shown += sizes[cluster]
    if not chosen:
        return
    shown = several[several["cluster"].isin(chosen)].sort_values("cluster", kind="stable")
    n_several = several["cluster"].nunique()
    yield Picture(
        "clusters",
        "clusters",
        "Features that say the same",
        f"The {len(chosen)} most important of {n_several:,} clusters with two features or more, "
        f"framed; {len(sizes) - n_several:,} features stand alone. Every two features of a cluster "
        "rank the clips nearly alike, upwards or downwards. Clusters are in column cluster of "
        "ranking.csv.",
        _figure_of(
            plot_clusters(
                correlation.loc[shown["feature"], shown["feature"]],
                clusters=shown["cluster"].tolist(),
            )
        ),
    )


def _variance(features: pd.DataFrame) -> Picture:
    from reports.plots.ranking import plot_variance

    # Of each cluster one, or twins would be all that is named.
    heads = features[features["representative"]]
    named = pd.concat([heads.nlargest(_N_NAMED, kind) for kind in ("gain", "spread")])["feature"]
    return Picture(
        "variance",
        "variance",
        "What varies, and what matters",
        "One dot for each feature. Spread does not depend on the feature's unit: 0 where half of "
        "the clips share a value, 0.29 for a bell curve, 0.5 for values spread evenly. Named: the "
        f"{_N_NAMED} that vary most and the {_N_NAMED} of the largest gain, of each cluster one. "
        "Rank correlation "
        f"{variance_relation(features):.2f}.",
        _figure_of(plot_variance(features, named=named.tolist())),
    )


def _figure_of(ax: Axes) -> Figure:
    return cast("Figure", ax.figure)
