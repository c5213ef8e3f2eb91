"""A coarse label split into finer ones, by a model of a corpus that knows them.

OpenMIC says "guitar" where IRMAS says acoustic or electric. A bundle fitted on the finer labels
hears each clip that has the coarse one; where it is sure enough, the finer label takes its place,
elsewhere all of them become unknown. Nothing is guessed, and clips without the coarse label stay as
they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from ensemble.bundle import Bundle
from ensemble.labels.split_cuts import Cuts, find_cuts, measure_cuts
from ensemble.labels.splitting_words import describe_split
from ensemble.prediction import gather_scores
from ensemble.probabilities import average_over, normalise_rows
from features.manifest import SEPARATOR, Manifest
from features.replacing import replacing
from reports.results import Results

MODEL = "stack"
PRECISION = 0.95
# A single-label model shares its probability out among all it knows. Where less falls to the finer
# labels than in this share of the clips that have one, it hears something else.
_UNHEARD_SHARE = 0.05


@dataclass(frozen=True)
class LabelSplit:
    """What becomes of the clips with a coarse label.

    Parameters
    ----------
    label : str
        The coarse label.
    into : list of str
        The finer ones.
    table : pd.DataFrame
        One row a clip that changes: ``clip_id``, ``labels``, ``unknown_labels``, ``given`` (its
        labels before), ``decided`` and the probability of each finer label. `manifest --relabel`
        reads it.
    rules : pd.DataFrame
        One row a finer label: ``label``, the cuts ``present_from`` and ``absent_to``, and how often
        such decisions were right in the finer corpus, on folds that had no part in choosing the
        cuts: see `ensemble.labels.split_cuts.measure_cuts`. What could not be measured is never
        decided.
    counts : dict
        ``clips`` (with the coarse label), ``decided``, ``undecided``, ``unreadable``, and each
        finer label's clips.
    failures : dict
        clip_id -> why it could not be read.
    sentences : list of str
        The same in words.
    """

    label: str
    into: list[str]
    table: pd.DataFrame
    rules: pd.DataFrame
    counts: dict[str, int]
    failures: dict[str, str]
    sentences: list[str]


def split_label(
    bundle: Bundle,
    manifest: Manifest,
    *,
    label: str,
    into: Sequence[str],
    precision: float = PRECISION,
    n_jobs: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LabelSplit:
    """Decide which finer label the clips with a coarse one have, where a model is sure.

    Parameters
    ----------
    bundle : Bundle
        Fitted on a corpus with the finer labels, opened with its results.
    manifest : Manifest
        The corpus with the coarse label.
    label : str
        The coarse label.
    into : sequence of str
        Two or more labels of the bundle.
    precision : float
        Wanted share of right decisions, on out-of-fold scores of the bundle's own corpus.
    n_jobs : int or None
        Worker processes for the features.
    seed : int
        Seed of the intervals.
    progress : callable or None
        Called with (clips done, clips in all).

    Returns
    -------
    LabelSplit
        The table for `manifest --relabel`, and how far to trust it.

    Raises
    ------
    ValueError
        If the labels are not there, the bundle has no out-of-fold scores of clips with the finer
        labels, or `precision` is not between 0.5 and 1; all problems at once.
    """
    into = list(dict.fromkeys(into))
    results = _check(bundle, manifest, label, into, precision)
    known = _finer_rows(results, into)
    cuts, rules = _find_rules(known, into, precision, seed)
    coarse = np.flatnonzero([label in labels for labels in manifest.label_sets()])
    chosen = manifest.select(coarse)
    scores, failures = _score(bundle, chosen, into, known.least_heard, n_jobs, progress)
    decided = cuts.decide(scores)
    table = _relabel(manifest, chosen, label, into, decided, scores)
    sure = (decided == 1).any(axis=1)
    counts = {
        "clips": len(chosen),
        "decided": int(sure.sum()),
        "undecided": int((~sure).sum()),
        "unreadable": len(failures),
        **{name: int((decided[:, k] == 1).sum()) for k, name in enumerate(into)},
    }
    return LabelSplit(label, into, table, rules, counts, failures,
                      describe_split(label, into, counts, rules, precision=precision))  # fmt: skip


def write_split(split: LabelSplit, path: str | PathLike[str]) -> None:
    """Write the table for `manifest --relabel`, whole or not at all.

    Parameters
    ----------
    split : LabelSplit
        From `split_label`.
    path : str or path-like
        A CSV file; an older one is replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        split.table.to_csv(partial, index=False, float_format="%.4f")


def _check(
    bundle: Bundle, manifest: Manifest, label: str, into: Sequence[str], precision: float
) -> Results:
    problems = []
    if len(into) < 2:
        problems.append(f"a label is split into 2 or more, got {list(into)}")
    if foreign := [name for name in into if name not in bundle.classes]:
        problems.append(f"the bundle knows {bundle.classes}, but not {foreign}")
    if not any(label in labels for labels in manifest.label_sets()):
        problems.append(f"no clip has the label {label!r}, there are {manifest.classes}")
    if label in into:
        problems.append(f"{label!r} cannot be split into itself")
    if not 0.5 <= precision < 1:
        problems.append(f"precision must be at least 0.5 and below 1, got {precision}")
    results = bundle.results
    if results is None or not (results.scores["stage"] == "oof").any():
        problems.append("the bundle was opened without out-of-fold scores to find cuts on")
    if problems or results is None:
        raise ValueError("; ".join(problems))
    return results


@dataclass(frozen=True)
class _Known:
    """Clips of the finer corpus that have one of the finer labels."""

    truth: np.ndarray
    scores: np.ndarray
    groups: np.ndarray
    folds: np.ndarray
    least_heard: float


def _finer_rows(results: Results, into: list[str]) -> _Known:
    rows = results.per_parent()
    # What is said of other clips is not calibrated either, see `_score`.
    stage = "uncalibrated" if "uncalibrated" in set(rows.scores["stage"]) else "oof"
    scores = rows.scores[(rows.scores["model"] == MODEL) & (rows.scores["stage"] == stage)]
    scores = scores.set_index("clip_id")
    truth = rows.truth.loc[scores.index, into].to_numpy()
    one = (truth == 1).any(axis=1)
    if not one.any():
        raise ValueError(f"no clip with out-of-fold scores has one of {into}")
    clips = rows.clips.loc[scores.index[one]]
    values = scores[into].to_numpy(float)[one]
    least = -np.inf
    if results.task == "single-label":
        least = float(np.quantile(values.sum(axis=1), _UNHEARD_SHARE))
        values = normalise_rows(values)
    return _Known(truth[one], values, clips["group"].to_numpy(dtype=object),
                  clips["fold"].to_numpy(), least)  # fmt: skip


def _find_rules(
    known: _Known, into: list[str], precision: float, seed: int
) -> tuple[Cuts, pd.DataFrame]:
    """Find the cuts, and how right they are; what cannot be measured is not decided."""
    data = (known.truth, known.scores, known.groups)
    cuts = find_cuts(*data, precision=precision)
    rules = measure_cuts(*data, known.folds, precision=precision, seed=seed)
    cuts = Cuts(
        np.where(rules["present_precision"].notna(), cuts.present, np.inf),
        np.where(rules["absent_precision"].notna(), cuts.absent, -np.inf),
    )
    rules.insert(0, "label", into)
    rules.insert(1, "present_from", cuts.present)
    rules.insert(2, "absent_to", cuts.absent)
    return cuts, rules


def _score(
    bundle: Bundle,
    chosen: Manifest,
    into: list[str],
    least_heard: float,
    n_jobs: int | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, dict[str, str]]:
    """Give the finer labels' scores as they stand out of fold; NaN where nothing can be said."""
    clip_ids = chosen.clips["clip_id"].tolist()
    raw, failed = gather_scores(
        bundle, chosen.audio_clips(), columns=chosen.clips, n_jobs=n_jobs, progress=progress
    )
    scores = np.full((len(chosen), len(into)), np.nan)
    if MODEL in raw:
        readable = np.isfinite(raw[MODEL]).all(axis=1)
        parents = chosen.clips["parent"].to_numpy(dtype=object)[readable]
        columns = [bundle.classes.index(name) for name in into]
        # Not calibrated: the calibration may come from validation rows, the cuts never do.
        scores[readable] = average_over(parents, raw[MODEL][readable])[:, columns]
    if bundle.task == "single-label":
        heard = scores.sum(axis=1) >= least_heard
        scores[heard] = normalise_rows(scores[heard])
        scores[~heard] = np.nan
    return scores, {clip_ids[row]: reason for row, reason in failed.items()}


def _relabel(
    manifest: Manifest,
    chosen: Manifest,
    label: str,
    into: list[str],
    decided: np.ndarray,
    scores: np.ndarray,
) -> pd.DataFrame:
    """Give the lines of all clips whose coarse label is present or unknown by name."""
    row_of = {clip_id: row for row, clip_id in enumerate(chosen.clips["clip_id"])}
    lines = []
    for clip_id, labels, unknown in zip(
        manifest.clips["clip_id"], manifest.label_sets(), manifest.unknown_sets(), strict=True
    ):
        if label not in labels | unknown:
            continue
        row = row_of.get(clip_id)
        state = [-1] * len(into) if row is None else decided[row].tolist()
        settled = dict(zip(into, state, strict=True))
        # What somebody has said of a finer label stands.
        named = (labels - {label}) | {name for name in into if settled[name] == 1}
        left = (unknown - {label} - set(into)) | {name for name in into if settled[name] == -1}
        line = {
            "clip_id": clip_id,
            "labels": SEPARATOR.join(sorted(named)),
            "unknown_labels": SEPARATOR.join(sorted(left - named)),
            "given": SEPARATOR.join(sorted(labels)),
            "decided": int(1 in state),
        }
        values = [np.nan] * len(into) if row is None else scores[row].tolist()
        lines.append(line | dict(zip(into, values, strict=True)))
    return pd.DataFrame(lines)
