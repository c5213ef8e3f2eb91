"""From clips to the columns a bundle looks at: features, added tables, the manifest, the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ensemble.bundle import CLIP, Bundle
from ensemble.manifest_columns import COLUMNS
from features.audio import Clip
from features.extraction import extract_rows
from features.feature_set_cards import feature_set_from_card
from features.named_sets import AnyFeatureSet


@dataclass(frozen=True)
class ClipColumns:
    """The columns of some clips.

    Parameters
    ----------
    X : pd.DataFrame of shape (n_good, n_features)
        Rows of the clips that could be read, as the stack takes them.
    failures : dict of int to str
        Position -> why it could not be read.
    silent : list of int
        Positions of clips that are silent.
    """

    X: pd.DataFrame
    failures: dict[int, str]
    silent: list[int]


def list_feature_sets(bundle: Bundle) -> list[tuple[str, AnyFeatureSet]]:
    """List the feature sets behind a bundle's columns, with what stands before their names.

    Parameters
    ----------
    bundle : Bundle
        An opened bundle.

    Returns
    -------
    list of (str, FeatureSet or OpenSmileSet)
        Prefix and features; the prefix is empty for the main table, which comes first.

    Raises
    ------
    ValueError
        If this version computes a feature set otherwise, or a table held embeddings, which are not
        computed from a bundle alone.
    """
    made_with = bundle.card.get("versions", {}).get("timbrestack")
    cards = [("", bundle.feature_set)]
    for view in bundle.card.get("views", []):
        if view["kind"] == COLUMNS:
            continue
        if view["kind"] != "features":
            backbone = view["embedding"].get("backbone", "a backbone")
            raise ValueError(
                f"the bundle looks at embeddings of {backbone} (table {view['name']}), which it "
                "does not carry: fit one without that table to predict from sound alone"
            )
        cards.append((f"{view['name']}.", view["feature_set"]))
    return [(prefix, feature_set_from_card(card, made_with=made_with)) for prefix, card in cards]


def compute_columns(
    clips: Sequence[Clip],
    feature_sets: Sequence[tuple[str, AnyFeatureSet]],
    *,
    known: pd.DataFrame | None = None,
    n_jobs: int | None = None,
) -> ClipColumns:
    """Compute what a bundle looks at.

    Parameters
    ----------
    clips : sequence of Clip
        Excerpts or whole files.
    feature_sets : sequence of (str, FeatureSet or OpenSmileSet)
        From `list_feature_sets`.
    known : pd.DataFrame of shape (n_clips, n_columns), or None
        What the manifest says of each clip, from `ensemble.manifest_columns.take_columns`.
    n_jobs : int or None
        Worker processes.

    Returns
    -------
    ClipColumns
        A clip that one feature set fails on has failed.
    """
    parts: list[pd.DataFrame] = []
    failures: dict[int, str] = {}
    silent: set[int] = set()
    for prefix, features in feature_sets:
        rows = extract_rows(clips, features, n_jobs=n_jobs)
        names = [f"{prefix}{name}" for name in features.feature_names]
        empty = np.full(len(names), np.nan, dtype=np.float32)
        values = [empty if row.values is None else row.values for row in rows]
        parts.append(pd.DataFrame(np.array(values).reshape(len(rows), len(names)), columns=names))
        failures |= {k: row.reason for k, row in enumerate(rows) if row.values is None}
        silent |= {k for k, row in enumerate(rows) if row.silent}
    if known is not None:
        parts.append(known.reset_index(drop=True))
    X = pd.concat(parts, axis=1)
    X[CLIP] = pd.Series(list(clips), dtype=object)
    good = [position for position in range(len(clips)) if position not in failures]
    return ClipColumns(X.iloc[good], failures, sorted(silent))
