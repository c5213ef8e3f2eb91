"""How good a trained run is by itself: its out-of-fold probabilities against the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ensemble.cross_fitting import cross_fit_decisions
from ensemble.probabilities import average_over
from ensemble.scored_rows import Rows
from ensemble.thresholds import decide
from ensemble.trained_run import TrainedRun
from features.manifest import Manifest
from reports.metrics.named import METRICS
from reports.significance import MIN_GROUPS, as_leaves, estimate, group_bootstrap_weights

HEADLINES = ("macro_f1", "micro_f1", "map", "lrap")


def score_run(
    run: TrainedRun, manifest: Manifest, *, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """Score a run over all folds, per parent, with intervals by group.

    Parameters
    ----------
    run : TrainedRun
        With folds.
    manifest : Manifest
        The clip table that it was trained on.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to dict
        ``macro_f1``, ``micro_f1``, ``map`` and ``lrap``, each with ``value``, ``low`` and
        ``high``; the bounds are None below `reports.significance.MIN_GROUPS` groups. Multi-label
        decisions of a fold are by thresholds from the others.

    Raises
    ------
    ValueError
        If the clip table lacks clips of the run.
    """
    classes, task = run.card["classes"], run.card["task"]
    if missing := sorted(set(run.table.index) - set(manifest.clips["clip_id"])):
        raise ValueError(
            f"the manifest lacks {len(missing)} clips of the run, such as {missing[0]}"
        )
    clips = manifest.clips.set_index("clip_id").loc[run.table.index]
    table = dict(zip(manifest.clips["clip_id"], manifest.label_matrix(classes), strict=True))
    truth = np.array([table[clip_id] for clip_id in run.table.index])
    groups = clips["group"].to_numpy(dtype=object)
    parents: np.ndarray | None = clips["parent"].to_numpy(dtype=object)
    if pd.DataFrame(truth).groupby(parents).nunique().gt(1).any(axis=None):
        # Windows with labels of their own are clips in their own right.
        parents = None
    rows = Rows(truth, run.table["fold"].to_numpy(), groups, parents)
    scores = average_over(parents, run.table[classes].to_numpy(float))
    decisions = (
        cross_fit_decisions({"run": scores}, rows)["run"]
        if task == "multi-label"
        else decide(scores, None)
    )
    first = rows.first_of_parent
    weights = None
    if len(set(groups)) >= MIN_GROUPS:
        weights = group_bootstrap_weights(groups[first], seed=seed)
    found = {}
    for name in HEADLINES:
        metric = METRICS[name]
        predicted = decisions if metric.of == "decisions" else scores
        given = estimate(metric.function_for(task), truth[first], predicted[first], weights=weights)
        found[name] = as_leaves(given)[0]
    return found
