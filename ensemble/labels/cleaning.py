"""Does cleaning the labels help? Measured on rows whose labels nobody touched.

Conventions: suspects are found anew inside each training part, by scores of its own inner folds, so
that a held-out row has no say in what is cleaned. Two inner folds are left out at a time, and a fit
without folds j and k serves both: K folds take K (K - 1) / 2 fits to find suspects, and 2 K to
compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from ensemble.labels.suspects import correct_labels, find_suspect_cells
from ensemble.members import Member, fit_member, score_member
from ensemble.probabilities import average_over
from ensemble.recipes import CLASSICAL, MemberSettings, create_member, is_deep
from ensemble.thresholds import decide
from ensemble.tuning.rows import SearchRows, take_training_rows
from features.table import FeatureTable
from reports.metrics import macro_f1, mean_average_precision
from reports.significance import (
    MIN_GROUPS,
    Difference,
    as_json,
    describe_gain,
    estimate,
    group_bootstrap_weights,
    paired_difference,
)

WAYS = ("remove", "relabel")
N_BOOT = 1000
# Fewer leave no inner folds.
MIN_FOLDS = 3


@dataclass(frozen=True)
class CleaningEffect:
    """How much a model gains from cleaner training labels.

    Parameters
    ----------
    way : str
        ``"remove"`` (suspect labels become unknown, single-label clips are left out) or
        ``"relabel"`` (they are turned to what was suggested).
    member : str
        The model.
    metric : str
        ``"macro F1"`` for single-label, ``"mAP"`` for multi-label.
    given, cleaned : float
        The scores on held-out rows, trained on labels as given and on cleaned ones.
    gain : Difference
        Cleaned minus given, with a paired bootstrap by group.
    suspects : list of int
        Rows that were cleaned in the training part of each fold.
    n_groups : int
        Groups behind the interval.
    sentences : list of str
        The same in words, with what they cannot say.
    """

    way: str
    member: str
    metric: str
    given: float
    cleaned: float
    gain: Difference
    suspects: list[int]
    n_groups: int
    sentences: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Give the JSON form; what is not a number is None.

        Returns
        -------
        dict
            All fields.
        """
        found = asdict(self)
        found["gain"] = {name: as_json(number) for name, number in found["gain"].items()}
        return found | {name: as_json(found[name]) for name in ("given", "cleaned")}


def measure_cleaning(
    table: FeatureTable,
    *,
    member: str | Member = "svm",
    way: str = "remove",
    folds: int | str = 5,
    task: str | None = None,
    n_jobs: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> CleaningEffect:
    """Compare training on given and on cleaned labels, by grouped cross-validation.

    Parameters
    ----------
    table : FeatureTable
        Features, with the clip table they were made from; only its training rows are looked at.
    member : str or Member
        A quick model, by name or your own; one without columns takes all features but nuisance.
    way : {"remove", "relabel"}
        What is done with suspect labels of training rows.
    folds : int or "group"
        Number of folds, or each group a fold of its own. Folds in the clip table come first.
    task : {"single-label", "multi-label"} or None
        None decides by the labels.
    n_jobs : int or None
        Worker processes; the numbers don't depend on it.
    seed : int
        Seed of folds, member and bootstrap.
    progress : callable or None
        Called with (fits done, fits in all).

    Returns
    -------
    CleaningEffect
        The difference, and what it means.

    Raises
    ------
    ValueError
        If `way` or `member` is unknown, a named member takes no features, there are fewer than 3
        folds, or the table has nothing to learn from.
    """
    if way not in WAYS:
        raise ValueError(f"way must be one of {', '.join(WAYS)}, got {way!r}")
    rows = take_training_rows(table, folds=folds, task=task, seed=seed)
    n_folds = int(rows.folds.max()) + 1
    if n_folds < MIN_FOLDS:
        raise ValueError(
            f"cleaning inside the training part takes at least {MIN_FOLDS} folds, got {n_folds}"
        )
    chosen = _choose_member(member, rows, seed)
    pairs = list(combinations(range(n_folds), 2))
    count = _Count(len(pairs) + 2 * n_folds, progress)
    inner = _score(
        chosen, rows, [(rows.truth, np.isin(rows.folds, pair)) for pair in pairs], n_jobs, count
    )
    cleaned = [_clean(rows, fold, pairs, inner, way) for fold in range(n_folds)]
    parts = [(truth, rows.folds == fold) for fold in range(n_folds) for truth in
             (rows.truth, cleaned[fold])]  # fmt: skip
    scores = _score(chosen, rows, parts, n_jobs, count)
    both = [np.empty(rows.truth.shape), np.empty(rows.truth.shape)]
    for place, ((_, held_out), part) in enumerate(zip(parts, scores, strict=True)):
        both[place % 2][held_out] = part[held_out]
    suspects = [int((truth != rows.truth).any(axis=1).sum()) for truth in cleaned]
    return _compare(rows, both, suspects, way, chosen.name, seed)


def _choose_member(member: str | Member, rows: SearchRows, seed: int) -> Member:
    names = [str(name) for name in rows.X.columns]
    if isinstance(member, str):
        made = create_member(member, MemberSettings(names, len(rows), random_state=seed))
        if is_deep(member):
            raise ValueError(
                f"cleaning is measured with a model of features, one of {', '.join(CLASSICAL)}; "
                f"{member} listens to the clips themselves"
            )
        return made
    member = Member(*member)
    return member if member.columns is not None else member._replace(columns=names)


class _Count:
    """Tells how many fits are done."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.done, self.total, self.progress = 0, total, progress

    def add(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)


def _score(
    member: Member,
    rows: SearchRows,
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    n_jobs: int | None,
    count: _Count,
) -> list[np.ndarray]:
    """Fit on labels of the rows not held out and score those that are; the others stay NaN."""
    found = []
    # One BLAS thread in this process too: with two, sums round otherwise than in a worker.
    with (
        threadpool_limits(limits=1),
        joblib.parallel_config(backend="loky", inner_max_num_threads=1),
    ):
        for scores in joblib.Parallel(n_jobs=n_jobs or 1, return_as="generator")(
            joblib.delayed(_fit_and_score)(member, rows, truth, held_out)
            for truth, held_out in parts
        ):
            found.append(scores)
            count.add()
    return found


def _fit_and_score(
    member: Member, rows: SearchRows, truth: np.ndarray, held_out: np.ndarray
) -> np.ndarray:
    usable = ~held_out & (truth >= 0).any(axis=1)
    y = truth if rows.multilabel else rows.labels[truth.argmax(axis=1)]
    model = fit_member(member, rows.X, y, rows.groups, np.flatnonzero(usable))
    scores = np.full(truth.shape, np.nan)
    scores[held_out] = score_member(
        model, member, rows.X[held_out], rows.labels, multilabel=rows.multilabel
    )
    return average_over(rows.parents, scores)


def _clean(
    rows: SearchRows,
    fold: int,
    pairs: list[tuple[int, int]],
    inner: list[np.ndarray],
    way: str,
) -> np.ndarray:
    """Give all labels, with the suspect ones of the rows outside a fold cleaned."""
    train = rows.folds != fold
    scores = np.full(rows.truth.shape, np.nan)
    for pair, found in zip(pairs, inner, strict=True):
        if fold in pair:
            other = pair[0] if pair[1] == fold else pair[1]
            scores[rows.folds == other] = found[rows.folds == other]
    cells = np.zeros(rows.truth.shape, dtype=bool)
    cells[train] = find_suspect_cells(rows.truth[train], scores[train], multilabel=rows.multilabel)
    if way == "relabel":
        return correct_labels(rows.truth, cells)
    # A single-label row with a wrong label says nothing of the others either.
    dropped = cells if rows.multilabel else cells.any(axis=1, keepdims=True)
    return np.where(dropped, -1, rows.truth).astype(np.int8)


def _compare(
    rows: SearchRows,
    both: list[np.ndarray],
    suspects: list[int],
    way: str,
    member: str,
    seed: int,
) -> CleaningEffect:
    metric, name = (mean_average_precision, "mAP") if rows.multilabel else (macro_f1, "macro F1")
    groups, truth = rows.groups[rows.scored].astype(str), rows.truth[rows.scored]
    n_groups = len(set(groups.tolist()))
    weights = None
    if n_groups >= MIN_GROUPS:
        weights = group_bootstrap_weights(groups, n_boot=N_BOOT, seed=seed)
    given, cleaned = (
        estimate(metric, truth, s if rows.multilabel else decide(s, None), weights=weights)
        for s in (scores[rows.scored] for scores in both)
    )
    gain = paired_difference(cleaned, given)
    found = f"{min(suspects):,} to {max(suspects):,}" if len(set(suspects)) > 1 else suspects[0]
    done = "left out, unheard" if way == "remove" else "turned round, unheard"
    sentences = [
        f"In the training part of each fold {found} clips had suspect labels, which were {done}; "
        "held-out clips kept theirs.",
        describe_gain(
            gain, first=f"the {member} trained on cleaned labels",
            second=f"the {member} trained on the labels as given", metric=name, n_groups=n_groups,
        ),
        "Held-out labels have mistakes of their own, so both scores are biased: where such a label "
        "is wrong, the model that is right counts as wrong. Mistakes at random make scores and "
        "difference too small; mistakes with a system may favour the labels as given.",
    ]  # fmt: skip
    return CleaningEffect(
        way, member, name, float(given.value), float(cleaned.value), gain, suspects, n_groups,
        sentences,
    )  # fmt: skip
