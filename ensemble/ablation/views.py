"""Members without a view: what they say, out of fold, when a family of features is hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ensemble.bundle import CLIP, Bundle
from ensemble.manifest_columns import find_columns_card, take_columns
from ensemble.member_fits import Progress, TrainingRows, fit_members
from ensemble.members import Member
from ensemble.probabilities import average_over
from features.feature_set import grouped_columns
from features.table import FeatureTable
from reports.results import Results


def score_without_views(
    bundle: Bundle,
    table: FeatureTable,
    *,
    views: Mapping[str, Sequence[str]] | None = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> dict[str, dict[str, pd.DataFrame | None]]:
    """Fit the members again without each view, on the bundle's own rows and folds.

    Parameters
    ----------
    bundle : Bundle
        With its results, which tell rows and folds.
    table : FeatureTable
        The features that it was fitted on.
    views : mapping of str to sequence of str, or None
        Name -> columns to hide; None means the families of the feature set.
    n_jobs : int or None
        Worker processes over members and folds; the numbers don't depend on it.
    progress : callable or None
        Called as `progress(done, total, text)` after each fit.

    Returns
    -------
    dict of str to dict of str to DataFrame or None
        View -> member -> out-of-fold probabilities, one row a parent, indexed by its name; None for
        a member that looks at nothing else. Members that look at nothing of the view are not named;
        views that no member looks at, or no member without, are not there.

    Raises
    ------
    ValueError
        If the bundle has no results, the table lacks rows or columns of the bundle, or no view can
        be left out.
    """
    if bundle.results is None:
        raise ValueError("a bundle must be opened with its results to be ablated")
    members = bundle.stack.members_
    hidden = {
        view: touched
        for view, columns in (views or grouped_columns(bundle.feature_set)).items()
        if (touched := _without(members, set(columns)))
        and any(member.columns for member in touched + _untouched(members, touched))
    }
    if not hidden:
        raise ValueError(
            "no view can be left out: each must be some, and not all, of what the members look at; "
            f"they know the families {list(grouped_columns(bundle.feature_set))}"
        )
    data, parents = _training_rows(bundle, bundle.results, table)
    first = ~pd.Series(parents).duplicated().to_numpy()
    index = pd.Index(parents[first].astype(str), name="clip_id")
    found: dict[str, dict[str, pd.DataFrame | None]] = {}
    jobs = [(view, member) for view, touched in hidden.items() for member in touched]
    fits_each = len(np.unique(data.folds)) + 1
    for done, (view, member) in enumerate(jobs):
        scores = found.setdefault(view, {})
        if not member.columns:
            scores[member.name] = None
            continue
        tell = _shift(progress, view, done * fits_each, len(jobs) * fits_each)
        values = fit_members([member], data, n_jobs=n_jobs, progress=tell).scores[member.name]
        pooled = average_over(parents, values)[first]
        scores[member.name] = pd.DataFrame(pooled, index=index, columns=bundle.classes)
    return found


def _without(members: Sequence[Member], hidden: set[str]) -> list[Member]:
    """Give the members that look at some of the columns, without these."""
    touched = []
    for member in members:
        columns = list(member.columns or ())
        rest = [column for column in columns if column not in hidden]
        if len(rest) < len(columns):
            touched.append(member._replace(columns=rest))
    return touched


def _untouched(members: Sequence[Member], touched: Sequence[Member]) -> list[Member]:
    names = {member.name for member in touched}
    return [member for member in members if member.name not in names]


def _training_rows(
    bundle: Bundle, results: Results, table: FeatureTable
) -> tuple[TrainingRows, np.ndarray]:
    """Give the rows that have out-of-fold scores, and what each is a window of."""
    scored = results.scores[
        (results.scores["model"] == "stack") & (results.scores["stage"] == "oof")
    ]
    clips = results.clips.loc[scored["clip_id"]]
    manifest = table.rows()
    place = pd.Series(range(len(manifest)), index=manifest.clips["clip_id"].astype(str))
    values = table.values.loc[manifest.clips["clip_id"]]
    if (card := find_columns_card(bundle.card)) is not None:
        known = take_columns(manifest.clips, card)[0]
        values = pd.concat([values, known.set_axis(values.index)], axis=1)
    wanted = [str(name) for name in getattr(bundle.stack, "feature_names_in_", [])]
    problems = [
        f"{len(missing)} {what}, such as {missing[0]}"
        for what, missing in {
            "clips": clips.index[~clips.index.isin(place.index)].tolist(),
            "columns": [n for n in wanted if n != CLIP and n not in values.columns],
        }.items()
        if missing
    ]
    if problems:
        raise ValueError(
            "the table must be the one that the bundle was fitted on, it lacks "
            f"{'; '.join(problems)}"
        )
    chosen = place[clips.index].to_numpy()
    X = values.iloc[chosen].copy()
    audio = manifest.audio_clips()
    X[CLIP] = pd.Series([audio[row] for row in chosen], index=X.index, dtype=object)
    truth = results.truth.loc[clips.index].to_numpy()
    multilabel = bundle.task == "multi-label"
    y = truth if multilabel else np.array(bundle.classes)[truth.argmax(axis=1)]
    groups, folds = clips["group"].to_numpy(dtype=object), clips["fold"].to_numpy()
    rows = TrainingRows(X, y, groups, folds, bundle.stack.classes_, multilabel)
    return rows, clips["parent"].to_numpy(dtype=object)


def _shift(progress: Progress | None, view: str, n_before: int, n_all: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _, text: progress(n_before + done, n_all, f"without {view}: {text}")
