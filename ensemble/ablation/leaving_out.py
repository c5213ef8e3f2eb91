"""Ablation: what each member, and each view, adds to the stack.

Each part is left out, the final estimator is fitted again on what remains, and both stacks are
compared on the same out-of-fold rows: also where there is a test split, because members chosen by
test scores would make these scores too good. Leaving out a member needs only the results; leaving
out a view (a family of features) needs the members fitted again, see `ensemble.ablation.views`.
Stacks are made of scores before calibration, and calibrated as those of the results were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ensemble.ablation.words import describe_ablation
from ensemble.cross_calibration import CalibrationSettings, cross_calibrate
from ensemble.cross_fitting import cross_fit_decisions, cross_fit_scores
from ensemble.final_estimators import FinalSettings
from ensemble.scored_rows import Rows
from ensemble.thresholds import decide
from reports.metrics.named import METRICS, check_metrics, measure
from reports.results import Results
from reports.significance import (
    MIN_GROUPS,
    Estimate,
    as_json,
    as_leaves,
    group_bootstrap_weights,
    paired_difference,
    without_bias,
)

DEFAULT_METRICS = ("macro_f1", "map", "lrap", "brier")

# Scores are kept as float32, and a decision at the edge may fall otherwise: what differs by more
# was not made by the final estimator that is fitted here.
SAME_SCORE = 1e-3


def ablate(
    results: Results,
    *,
    views: Mapping[str, Mapping[str, pd.DataFrame | None]] | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    settings: FinalSettings | None = None,
    n_boot: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Say what each member, and each view, adds to the stack.

    Parameters
    ----------
    results : Results
        With out-of-fold scores of every member, and folds.
    views : mapping of str to mapping of str to DataFrame or None; or None
        View -> member -> out-of-fold scores without the view, indexed by clip_id, or None for a
        member that has nothing else to look at, as of
        `ensemble.ablation.views.score_without_views`. A member that is not named saw nothing of it.
    metrics : sequence of str
        Names out of `reports.metrics.METRICS`; the first is the one that is put into words.
    settings : FinalSettings or None
        How the stack's final estimator is made; None means as by default.
    n_boot : int
        Bootstrap replicates; whole groups are drawn.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        JSON-able, for ``ablation`` in the card of results: ``metrics``; ``rows``, ``groups`` and
        ``folds`` (numbers); ``stack`` ({metric: leaf}, fitted again on all); ``reproduced``
        (whether that is the stack of the results); ``parts``, each with ``part``, ``kind``
        ("member" or "view"), ``without`` ({metric: leaf}) and ``gain`` ({metric: difference});
        ``alone``, the same for the stack against each member by itself; ``sentences``. A difference
        is positive where the stack is better with the part, whichever end of the scale is good.

    Raises
    ------
    ValueError
        If there are no out-of-fold scores or fewer than two folds, a metric is unknown, or scores
        without a view lack rows.
    """
    names = check_metrics(metrics)
    rows, scores, index = _read_rows(results)
    groups = np.asarray(rows.groups)
    settings = settings or FinalSettings(multilabel=results.task == "multi-label")
    weights = None
    if len(np.unique(groups)) >= MIN_GROUPS:
        weights = group_bootstrap_weights(groups, n_boot=n_boot, seed=seed)
    judge = _Judge(rows, results.task, names, weights)
    restack = partial(_restack, rows=rows, settings=settings, asked=_read_calibration(results))
    every = restack(scores, wanted=("stack", *scores))
    whole = judge(every["stack"])
    alone = {name: judge(every[name]) for name in scores}
    parts = []
    for name in scores:
        rest = {other: values for other, values in scores.items() if other != name}
        if rest:
            parts.append((name, "member", judge(restack(rest)["stack"])))
    for view, given in (views or {}).items():
        rest = {name: values for name, values in scores.items() if name not in given}
        rest |= {
            name: _align(without, index, results.classes, view)
            for name, without in given.items()
            if without is not None
        }
        # In the order of the members, so that nothing but the view differs.
        ordered = {name: rest[name] for name in scores if name in rest}
        parts.append((view, "view", judge(restack(ordered)["stack"])))
    found = {
        "metrics": names,
        "rows": len(rows.truth),
        "groups": len(np.unique(groups)),
        "folds": len(np.unique(rows.folds)),
        "stack": _leaves(whole),
        "reproduced": _is_same(every["stack"], results, index),
        "parts": [
            {
                "part": name,
                "kind": kind,
                "without": _leaves(without),
                "gain": _gains(whole, without),
            }
            for name, kind, without in parts
        ],
        "alone": [
            {"part": name, "kind": "member", "without": _leaves(own), "gain": _gains(whole, own)}
            for name, own in alone.items()
        ],
    }
    return found | {"sentences": describe_ablation(found)}


def _read_rows(results: Results) -> tuple[Rows, dict[str, np.ndarray], pd.Index]:
    """Give what is known of the out-of-fold rows, and the members' scores, one row a clip."""
    parents = results.per_parent()
    stages = set(parents.scores["stage"])
    stage = "uncalibrated" if "uncalibrated" in stages else "oof"
    table = parents.scores[parents.scores["stage"] == stage]
    index = pd.Index(table.loc[table["model"] == "stack", "clip_id"])
    by_member = {
        name: table[table["model"] == name].set_index("clip_id")[results.classes]
        for name in results.members
    }
    incomplete = [name for name, part in by_member.items() if not index.isin(part.index).all()]
    clips = parents.clips.loc[index]
    n_folds = clips["fold"].nunique()
    if not by_member or incomplete or n_folds < 2 or (clips["fold"] < 0).any():
        raise ValueError(
            "an ablation needs out-of-fold scores of every member, over at least 2 folds, got "
            f"{len(index)} rows in {n_folds} folds; members {list(by_member)}, incomplete: "
            f"{incomplete or 'none'}"
        )
    rows = Rows(
        parents.truth.loc[index].to_numpy(),
        clips["fold"].to_numpy(),
        clips["group"].astype(str).to_numpy(),
    )
    scores = {name: part.loc[index].to_numpy(float) for name, part in by_member.items()}
    return rows, scores, index


def _align(table: pd.DataFrame, index: pd.Index, classes: list[str], view: str) -> np.ndarray:
    missing = index[~index.isin(table.index)]
    if len(missing):
        raise ValueError(
            f"scores without {view!r} must be of the same clips as the results, {len(missing)} are "
            f"missing, such as {missing[0]!r}"
        )
    return table.loc[index, classes].to_numpy(float)


Judged = tuple[np.ndarray, np.ndarray]


def _read_calibration(results: Results) -> CalibrationSettings | None:
    """Give how the scores of the results were calibrated."""
    if "uncalibrated" not in set(results.scores["stage"]):
        return None
    seed = int(results.card.get("seed") or 0)
    asked = results.card["calibration"]["asked"]
    return CalibrationSettings(asked, results.task == "multi-label", seed)


def _restack(
    scores: Mapping[str, np.ndarray],
    *,
    rows: Rows,
    settings: FinalSettings,
    asked: CalibrationSettings | None,
    wanted: Sequence[str] = ("stack",),
) -> dict[str, Judged]:
    """Give scores and decisions of some models, each fold by what the other folds taught."""
    stacked = cross_fit_scores(scores, rows, settings)
    found = cross_calibrate({name: stacked[name] for name in wanted}, rows, asked).scores
    if settings.multilabel:
        decided = cross_fit_decisions(found, rows)
    else:
        decided = {name: decide(values, None) for name, values in found.items()}
    return {name: (values, decided[name]) for name, values in found.items()}


class _Judge:
    """Estimates all metrics of a model, on the same replicates for every model."""

    def __init__(
        self, rows: Rows, task: str, names: Sequence[str], weights: np.ndarray | None
    ) -> None:
        self.rows, self.task, self.names, self.weights = rows, task, names, weights

    def __call__(self, model: Judged) -> dict[str, Estimate]:
        ask = partial(
            measure, truth=self.rows.truth, scores=model[0], decisions=model[1], task=self.task
        )
        found = {
            name: Estimate(
                ask(name), None if self.weights is None else ask(name, weights=self.weights)
            )
            for name in self.names
        }
        return {n: without_bias(e) if n == "ece" else e for n, e in found.items()}


def _leaves(found: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    return {name: as_leaves(given)[0] for name, given in found.items()}


def _gains(
    whole: Mapping[str, Estimate], without: Mapping[str, Estimate]
) -> dict[str, dict[str, float | None]]:
    gains = {}
    for name in whole:
        pair = (whole[name], without[name])
        gain = paired_difference(*(pair[::-1] if METRICS[name].lower_is_better else pair))
        gains[name] = {key: as_json(number) for key, number in vars(gain).items()}
    return gains


def _is_same(model: Judged, results: Results, index: pd.Index) -> bool:
    parents = results.per_parent().scores
    stored = parents[(parents["model"] == "stack") & (parents["stage"] == "oof")]
    told = stored.set_index("clip_id").loc[index, results.classes].to_numpy(float)
    return bool(np.abs(told - model[0]).max() <= SAME_SCORE)
